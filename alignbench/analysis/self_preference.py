"""Self-preference: whether judges find the errors of their own models and families less well than those of others.

What is own to a judge is compared with what a two-way additive fit, judge + producer, expects of it from the cells that
are nobody's own. A judge that is good or generous everywhere, and a producer whose errors are hard for everybody, move
whole rows and columns and so none of the numbers here. What remains is an association: a blind spot that a judge shares
with a producer for another reason looks the same, and `residual_sd`, how much judges and producers that are not each
other's own depart from the fit, says how large such things are here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alignbench.analysis.additive import additive_weights, interaction_weights, residual_spread
from alignbench.analysis.crossed import Contender as Contender
from alignbench.analysis.crossed import Crossed, Ground, crossed
from alignbench.analysis.normalisation import normalised
from alignbench.analysis.permutation import Permuted, assignments, permutation_test
from alignbench.cells import MIN_PER_CLASS, Cells, comparable
from alignbench.effects import Effect, effect, no_effect
from alignbench.families import Families, Kinship
from alignbench.metrics import BoolArray, FloatArray
from alignbench.panel import Panel
from alignbench.significance import holm
from alignbench.types import Direction

FEWEST = 3
NOBODY = "no judge here shares a model or a family with a producer"
_TOO_FEW = "none of its own cells has enough sentences of both classes"
_APART = "what to expect cannot be told: no chain of cells that are nobody's own ties the judge to what is its own"
_NO_BEND = "too few cells to tell whether good judges gain more on easy producers"
_UNTESTED = Permuted(None, None, 0, 0, "no permutation test was made")
_BLOCK = 500
_ROUNDING = 1e-13


class Effects(NamedTuple):
    """One contrast.

    Attributes:
        auroc: Negative where AUROC is lost on what is own.
        bent_auroc: The same where good judges may gain more on easy producers than on hard ones.
        leniency: Positive where own errors pass as if they were less wrong.
        bent_leniency: The same likewise.
    """

    auroc: Effect
    bent_auroc: Effect
    leniency: Effect
    bent_leniency: Effect


class _Field(NamedTuple):
    """The cells of one direction.

    Attributes:
        usable: (J, P) those with enough sentences, none of another direction.
        own: (J, P) those that are own, usable or not.
        values: (2, J, P) AUROC and lenience; 0 where not usable.
        columns: (P,) the producers of the direction.
    """

    usable: BoolArray
    own: BoolArray
    values: FloatArray
    columns: BoolArray

    @property
    def fitted(self) -> BoolArray:
        """(J, P) the cells that say what to expect."""
        return self.usable & ~self.own


class _Asked(NamedTuple):
    """An effect to estimate: a judge at a level; `own`, (J, P), are its own cells there, usable or not."""

    judge: int
    level: Kinship
    own: BoolArray


def self_preference(
    contenders: Sequence[Contender], panel: Panel, families: Families, *, seed: int = 0, permutations: bool = True
) -> dict[str, Any]:
    """How every judge fares with what is its own, against what an additive fit to all else expects.

    The effect of a judge at a level is the mean over its own cells of AUROC less its prediction: negative where it
    loses AUROC on its own. Leniency is the same contrast of the mean normalised rank of the incorrect sentences, less
    that of the correct ones: positive where a judge lets its own errors pass. The contrast is two-way, where a plain
    "own less others" would accuse a fair judge whose own producer makes errors that are hard for every judge. Both are
    sums of cells with fixed weights, so their influences by cluster are the same sums of the cells' influences, with
    ranks taken as given; the degrees of freedom are those of the clusters that hold the rarer class of the own cells,
    which is careful, since the rest of the contrast rests on more.

    Judges that know nothing have an AUROC of one half on easy and on hard producers alike, so good judges lose more on
    hard ones than an additive fit expects, whosever they are. `allowing_interaction` is the effect with that taken out,
    as far as one number for all cells can (`alignbench.analysis.additive.interaction_weights`).

    Args:
        contenders: The judges.
        panel: What they judged.
        families: Says what is own.
        seed: Of the permutation test, where it does not go through all assignments.
        permutations: Whether to make that test.

    Returns:
        `matrix`, `normalised` (the paper's: AUROC over the judge's mean over all comparable producers, own included)
        and `scores_on_incorrect` (mean normalised rank) by judge and producer, null where undefined; `own`, the level
        of the own cells; `left_out`, why a cell takes no part in the fits; and by direction, so that image models are
        apart from captioners: `effects`, each an `Effect` on AUROC with `judge`, `level`, `producers`, `p_holm`,
        `allowing_interaction` and `leniency`, which has the last two as well; `pooled`, the mean over judges of their
        effects on all that is own, with a permutation p; `residual_sd`, that of AUROC; and a `reason` where there is no
        fit.
    """
    table = crossed(contenders, panel, families)
    standard = comparable(Cells(panel.is_correct, panel.producer, len(panel.producers), ~panel.is_correct[:, None]))
    too_few = f"it scored fewer than {MIN_PER_CLASS} correct or fewer than {MIN_PER_CLASS} incorrect sentences"
    directions = [each for each in Direction if each in panel.directions]
    return {
        "matrix": table.numbers(table.aurocs),
        "normalised": table.numbers(normalised(table.aurocs, standard)),
        "scores_on_incorrect": table.numbers(table.incorrect),
        "own": table.words(table.kinship),
        "left_out": table.words(np.where(table.usable, "", too_few)),
        "directions": {str(each): _direction(table, each, seed, permutations) for each in directions},
    }


def _direction(table: Crossed, direction: Direction, seed: int, permutations: bool) -> dict[str, Any]:
    columns = np.array([each == direction for each in table.panel.directions])
    usable, own = table.usable & columns, (table.kinship != "") & columns
    field = _Field(usable, own, np.where(usable, np.stack([table.aurocs, table.lenience]), 0.0), columns)
    asked = list(_asked(table.kinship, columns))
    reason = _why_no_fit(field)
    if reason is None:
        *estimates, pooled = _estimates(table, field, [*(one.own for one in asked), own])
    else:
        *estimates, pooled = [_nothing(reason)] * (len(asked) + 1)
    tested = permutations and pooled.auroc.value is not None
    on_auroc, on_leniency = _permuted(field, seed) if tested else [_UNTESTED] * 2
    spreads = [residual_spread(values, field.fitted) for values in field.values]
    return {
        "effects": _effects(table, field, asked, estimates),
        "pooled": {
            "auroc": _pooled(pooled.auroc, pooled.bent_auroc, on_auroc),
            "leniency": _pooled(pooled.leniency, pooled.bent_leniency, on_leniency),
        },
        "residual_sd": spreads[0],
        "residual_sd_leniency": spreads[1],
        "reason": reason,
    }


def _asked(kinship: NDArray[np.str_], columns: BoolArray) -> Iterator[_Asked]:
    for judge in range(len(kinship)):
        for level in Kinship:
            own = np.zeros(kinship.shape, np.bool_)
            own[judge] = (kinship[judge] == level) & columns
            if own.any():
                yield _Asked(judge, level, own)


def _why_no_fit(field: _Field) -> str | None:
    if not field.own.any():
        return NOBODY
    judges, producers = (int(field.fitted.any(axis=axis).sum()) for axis in (1, 0))
    if min(judges, producers) >= FEWEST:
        return None
    return (
        f"an additive fit needs {FEWEST} judges and {FEWEST} producers with enough sentences that are not their own; "
        f"here are {judges} and {producers}"
    )


def _estimates(table: Crossed, field: _Field, owns: Sequence[BoolArray]) -> list[Effects]:
    # The effects of each set of own cells, averaged over its judges.
    own = np.array(owns) & field.usable
    weights, identified = additive_weights(_means(own), np.broadcast_to(field.fitted, own.shape))
    weights[~identified] = 0.0
    bends = [interaction_weights(weights, values, field.fitted) for values in field.values]
    stacked = np.concatenate([weights, *(weights if bend is None else bend for bend in bends)])
    influences = table.influences(stacked).reshape(2, 3, len(own), -1)
    estimates = []
    for place, cells in enumerate(own):
        if not cells.any() or not identified[place]:
            estimates.append(_nothing(_APART if cells.any() else _TOO_FEW))
            continue
        ground = table.ground(cells)
        found: list[Effect] = []
        for scale, (values, bend) in enumerate(zip(field.values, bends, strict=True)):
            found.append(_effect(weights[place] * values, influences[scale, 0, place], ground))
            found.append(
                no_effect(_NO_BEND, ground.n)
                if bend is None
                else _effect(bend[place] * values, influences[scale, 1 + scale, place], ground)
            )
        estimates.append(Effects(*found))
    return estimates


def _means(own: BoolArray) -> FloatArray:
    # (..., J, P): the mean over judges of the mean over their own cells.
    size = own.sum(axis=-1, keepdims=True)
    judges = (size > 0).sum(axis=-2, keepdims=True)
    means: FloatArray = own / np.maximum(size, 1) / np.maximum(judges, 1)
    return means


def _effect(parts: FloatArray, influences: FloatArray, ground: Ground) -> Effect:
    # Rounding is no effect: judges that never err have none, and no spread either.
    value = float(parts.sum())
    moved = np.where(np.abs(influences) < _ROUNDING, 0.0, influences)
    return effect(0.0 if abs(value) < _ROUNDING else value, moved, **ground._asdict())


def _nothing(reason: str) -> Effects:
    return Effects(*[no_effect(reason)] * 4)


def _permuted(field: _Field, seed: int) -> list[Permuted]:
    # Which judge has which own producers, among the judges that have a usable cell at all.
    cells = np.ix_(field.usable.any(axis=1), field.columns)
    usable, values = field.usable[cells], np.stack([each[cells] for each in field.values])
    ways = assignments(field.own[cells], seed)
    statistics, known = np.empty((2, len(ways))), np.empty(len(ways), np.bool_)
    for first in range(0, len(ways), _BLOCK):
        block = slice(first, first + _BLOCK)
        drawn = ways[block] & usable
        weights, identified = additive_weights(_means(drawn), usable & ~ways[block])
        statistics[:, block] = np.einsum("bjp,sjp->sb", weights, values)
        known[block] = identified & drawn.any(axis=(1, 2))
    return [permutation_test(each, known) for each in statistics]


def _effects(
    table: Crossed, field: _Field, asked: Sequence[_Asked], estimates: Sequence[Effects]
) -> list[dict[str, Any]]:
    adjusted = holm([each.auroc.p for each in estimates]), holm([each.leniency.p for each in estimates])
    said = []
    for one, effects, on_auroc, on_leniency in zip(asked, estimates, *adjusted, strict=True):
        own = one.own[one.judge]
        used = own & field.usable[one.judge] if effects.auroc.value is not None else own
        said.append(
            {
                "judge": table.contenders[one.judge].name,
                "level": str(one.level),
                "producers": [table.panel.producers[place] for place in np.flatnonzero(used)],
                **effects.auroc._asdict(),
                "p_holm": on_auroc,
                "allowing_interaction": effects.bent_auroc._asdict(),
                "leniency": {
                    **effects.leniency._asdict(),
                    "p_holm": on_leniency,
                    "allowing_interaction": effects.bent_leniency._asdict(),
                },
            }
        )
    return said


def _pooled(mean: Effect, bent: Effect, tested: Permuted) -> dict[str, Any]:
    reasons = [mean.reason] if mean.value is None else [mean.reason, tested.reason]
    said = mean._asdict() | tested._asdict() | {"reason": "; ".join(filter(None, reasons)) or None}
    return said | {"allowing_interaction": bent._asdict()}
