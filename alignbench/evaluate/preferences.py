"""What the results say of self-preference, in numbers and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from alignbench.analysis.self_preference import Contender, self_preference
from alignbench.evaluate.ensembles import KIND as ENSEMBLE
from alignbench.families import Families, Kinship
from alignbench.panel import Panel
from alignbench.significance import ALPHA
from alignbench.types import Direction

if TYPE_CHECKING:
    from alignbench.evaluate.judges import Judged

Said = Mapping[str, Any]

_MADE = {Direction.IMAGE_TO_TEXT: "captions", Direction.TEXT_TO_IMAGE: "images"}
_EXPECTED = "expected from the judges and producers that are not each other's own"
_NO_CAUSE = "an association, not a cause"


def preference_entries(judged: Sequence[Judged], panel: Panel, families: Families, seed: int = 0) -> dict[str, Any]:
    """What results.json says as `self_preference`: what `self_preference` returns, and `says`, the same in sentences.

    Args:
        judged: All judges; blind controls and ensembles, which have no model of their own, are passed over, and so are
            further runs of a model: the first one that is shown sentences alone counts, else the first.
        panel: What they judged.
        families: Says what is own.
        seed: Of the permutation tests.
    """
    chosen, others = _one_a_model(judged)
    contenders = [Contender(one.run.name, one.run.spec.model, one.score, one.overall) for one in chosen]
    found = self_preference(contenders, panel, families, seed=seed)
    return found | {"passed_over": others, "says": [*_says(found), *_of_others(others)]}


def _one_a_model(judged: Sequence[Judged]) -> tuple[list[Judged], dict[str, str]]:
    """The judges that take part, and by the name of each further run of one's model that model's judge.

    Runs of one model, such as with captions and without, err alike: counted as several judges they would agree with
    each other more than chance allows, and the permutation test would take that for preference.
    """
    able = [one for one in judged if one.run.control is None and one.run.spec.kind != ENSEMBLE]
    first: dict[tuple[str, str, str | None], Judged] = {}
    for one in sorted(able, key=lambda one: one.run.spec.context != "sentence"):
        first.setdefault(_model_of(one), one)
    return [one for one in able if first[_model_of(one)] is one], {
        one.run.name: first[_model_of(one)].run.name for one in able if first[_model_of(one)] is not one
    }


def _model_of(judged: Judged) -> tuple[str, str, str | None]:
    spec = judged.run.spec
    return spec.kind, spec.model.name, spec.model.revision


def _of_others(others: Mapping[str, str]) -> Iterator[str]:
    for name, counted in others.items():
        yield f"{name} takes no part: it is another run of the model of {counted}, which does."


def _says(found: Said) -> Iterator[str]:
    for direction, said in found["directions"].items():
        made = _MADE[Direction(direction)]
        if said["reason"] is not None:
            yield f"Self-preference on {made} cannot be told: {said['reason']}."
            continue
        for one in said["effects"]:
            yield from _of_effect(one, made)
        yield from _of_pooled(said["pooled"], made)
        yield from _of_spread(said, made)
    yield from _of_left_out(found["left_out"])


def _of_effect(said: Said, made: str) -> Iterator[str]:
    own = f"its own {made}" if said["level"] == Kinship.SELF else f"{made} of its own family"
    who = f"{said['judge']} on {own} ({', '.join(said['producers'])})"
    if said["value"] is None:
        yield f"{who}: no number: {said['reason']}."
        return
    yield f"{who}: {_auroc(said, said['p_holm'], 'after Holm')}."
    yield f"{who}: {_leniency(said['leniency'], said['leniency']['p_holm'], 'after Holm')}."


def _of_pooled(said: Said, made: str) -> Iterator[str]:
    who = f"All judges together on {made} of their own"
    if said["auroc"]["value"] is None:
        yield f"{who}: no number: {said['auroc']['reason']}."
        return
    for name, words in (("auroc", _auroc), ("leniency", _leniency)):
        one = said[name]
        how = f"over {one['assignments']} assignments of families to judges"
        yield f"{who}: {words(one, one['p'], how)}."


def _of_spread(said: Said, made: str) -> Iterator[str]:
    if said["residual_sd"] is None:
        yield f"How far judges depart from expectation on {made} that are not their own cannot be told: too few cells."
        return
    yield (
        f"On {made} that are not their own judges depart from expectation too, by {said['residual_sd']:.3f} of AUROC "
        "(standard deviation); a blind spot that a judge shares with a producer for another reason looks the same as "
        "self-preference."
    )


def _of_left_out(left_out: Said) -> Iterator[str]:
    alike: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for judge, reasons in left_out.items():
        if reasons:
            alike.setdefault(tuple(reasons.items()), []).append(judge)
    for reasons, judges in alike.items():
        producers = ", ".join(producer for producer, _ in reasons)
        yield f"Left out of the fits: {', '.join(judges)} on {producers}: {reasons[0][1]}."


def _auroc(said: Said, p: float | None, how: str) -> str:
    if not _is_found(said, p):
        return f"no AUROC found to be lost or won: {_difference(said, p, how)}"
    word = "lower" if said["value"] < 0 else "higher"
    return f"AUROC {word} than {_EXPECTED}: {_difference(said, p, how)}; {_NO_CAUSE}"


def _leniency(said: Said, p: float | None, how: str) -> str:
    if not _is_found(said, p):
        return f"no leniency or strictness found: {_difference(said, p, how)}"
    word = "lenient: these errors rank higher" if said["value"] > 0 else "strict: these errors rank lower"
    return f"{word}, correct sentences allowed for, than {_EXPECTED}: {_difference(said, p, how)}; {_NO_CAUSE}"


def _is_found(said: Said, p: float | None) -> bool:
    """Whether an effect is shown, also where good judges may gain more on easy producers than on hard ones.

    Without that, fair judges of very different skill are called lenient far too often.
    """
    shown = p < ALPHA if p is not None else _leaves_out_zero(said)
    bent = said["allowing_interaction"]
    return shown and (bent["low"] is None or (_leaves_out_zero(bent) and bent["value"] * said["value"] > 0))


def _leaves_out_zero(said: Said) -> bool:
    return said["low"] is not None and not said["low"] <= 0 <= said["high"]


def _difference(said: Said, p: float | None, how: str) -> str:
    tested = "" if p is None else f", p {'below 0.0001' if p < 0.0001 else f'= {p:.2g}'} {how}"
    warned = "" if said["reason"] is None else f"; {said['reason']}"
    bent = said["allowing_interaction"]
    allowing = "" if bent["value"] is None else f", or {_number(bent)} if good judges gain more on easy producers"
    return f"{_number(said)}{tested}{allowing}{warned}"


def _number(said: Said) -> str:
    interval = "no interval" if said["low"] is None else f"{said['low']:+.3f} to {said['high']:+.3f}"
    return f"{said['value']:+.3f} ({interval})"
