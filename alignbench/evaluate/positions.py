"""What the results say of position: what sentences say, where they stand and what the caption does, each apart."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from alignbench.analysis import position, position_words, presentation
from alignbench.controls import CONTROLS
from alignbench.effects import no_effect
from alignbench.evaluate.ensembles import KIND as ENSEMBLE
from alignbench.evaluate.judges import Judged
from alignbench.evaluate.runs import Run
from alignbench.metrics import IntArray
from alignbench.panel import Panel
from alignbench.shuffling import SHUFFLED_CAPTION, displayed_index
from alignbench.store import Dataset
from alignbench.types import JudgeSpec

SHUFFLED_ONLY = "shuffled captions only"
"""The key of what shuffles say that belong to none of the judges, or to none in particular."""
_CONTEXT = ("auroc", "correct", "incorrect")


def position_entries(
    dataset: Dataset, panel: Panel, judged: Sequence[Judged], arrangements: Sequence[Run]
) -> dict[str, dict[str, Any]]:
    """What results.json says of each judge's position bias.

    Runs are of the same judge where nothing in their specs differs but the context, the prompt, which must, and the
    shuffle. Content is told from the run that shows each sentence alone, presentation from those that shuffle captions,
    and never the other way round.

    Args:
        dataset: What was judged.
        panel: Its labelled sentences.
        judged: The judges and controls of the results.
        arrangements: The finished runs that showed captions in shuffled orders.

    Returns:
        By the judge's name: what `alignbench.analysis.position.position_bias` says of it, `content` and `presentation`,
        which are Effects on the scale of its `slope`, `context` as `alignbench.analysis.presentation.context_effects`
        says it, and `says`, the same in sentences. Under `SHUFFLED_ONLY`, by the name of each judge that has shuffles
        and no other run they surely belong to: `{"presentation": Effect, "runs": [names], "says": [sentences]}`.
    """
    shuffles = _Shuffles(dataset, panel, arrangements)
    biases = {one.run.name: position.position_bias(panel, one.score) for one in judged}
    entries = {}
    for one in judged:
        effects = _effects(one, judged, biases, shuffles, panel)
        entry = biases[one.run.name] | effects
        untold = _why_untold(one.run.spec)
        entries[one.run.name] = entry | {
            "says": [untold] if untold else position_words.says(one.run.spec.context, entry)
        }
    return entries | {SHUFFLED_ONLY: shuffles.left_over()}


class _Model(NamedTuple):
    """What runs of one judge have in common; `prompt` only where they show the same, `identity` in any context."""

    identity: str
    prompt: str | None

    @classmethod
    def of(cls, spec: JudgeSpec) -> _Model:
        options = {name: value for name, value in spec.options.items() if name != "shuffle"}
        said = [spec.kind, spec.model.name, spec.model.revision, spec.mode, spec.dtype, spec.control, options]
        return cls(json.dumps(said, sort_keys=True, ensure_ascii=False), spec.prompt)


class _Shuffles:
    """The runs that showed captions in shuffled orders, and what they say of the place itself."""

    def __init__(self, dataset: Dataset, panel: Panel, arrangements: Sequence[Run]) -> None:
        self._runs: dict[_Model, list[Run]] = {}
        for run in sorted(arrangements, key=_shuffle_of):
            self._runs.setdefault(_Model.of(run.spec), []).append(run)
        several = {_shuffle_of(run) for runs in self._runs.values() if len(runs) > 1 for run in runs}
        places = {shuffle: displayed_index(dataset, shuffle)[panel.row] for shuffle in several}
        self._effects = {model: _presentation(panel, runs, places) for model, runs in self._runs.items()}
        self._told: set[_Model] = set()

    def effect_for(self, spec: JudgeSpec) -> dict[str, Any]:
        """The effect of the place on the judge with that spec, as JSON."""
        mine = _Model.of(spec)
        fitting = [
            model
            for model in self._runs
            if model.identity == mine.identity and (spec.context == "sentence" or model.prompt == mine.prompt)
        ]
        if not fitting:
            return no_effect(f"no run shows this judge shuffled captions; {_command(spec, SHUFFLED_CAPTION)}")._asdict()
        if len(fitting) > 1:
            return no_effect(_several(run for model in fitting for run in self._runs[model]))._asdict()
        self._told.update(fitting)
        return self._effects[fitting[0]]

    def left_over(self) -> dict[str, dict[str, Any]]:
        """What was never asked for, by name."""
        left: dict[str, dict[str, Any]] = {}
        for model, runs in self._runs.items():
            if model not in self._told:
                name = runs[0].spec.name.replace(f" (shuffle {_shuffle_of(runs[0])})", "")
                name = f"{name} ({runs[0].judge_id[:6]})" if name in left else name
                said = [position_words.presentation(self._effects[model])]
                left[name] = {"presentation": self._effects[model], "runs": [run.name for run in runs], "says": said}
        return left


def _shuffle_of(run: Run) -> int:
    return int(run.spec.options["shuffle"])


def _presentation(panel: Panel, runs: Sequence[Run], places: Mapping[int, IntArray]) -> dict[str, Any]:
    if len(runs) < 2:
        here = f"of which only shuffle {_shuffle_of(runs[0])} is here"
        return no_effect(f"it takes two shuffles, {here}; {_command(runs[0].spec, SHUFFLED_CAPTION)}")._asdict()
    scores = np.stack([run.scores()[panel.row] for run in runs])
    shown = np.stack([places[_shuffle_of(run)] for run in runs])
    return presentation.presentation(scores, shown, panel.cluster, panel.stratum.size)._asdict()


def _effects(
    one: Judged,
    judged: Sequence[Judged],
    biases: Mapping[str, Mapping[str, Any]],
    shuffles: _Shuffles,
    panel: Panel,
) -> dict[str, Any]:
    """The judge's `content`, `presentation` and `context`."""
    spec = one.run.spec
    untold = _why_untold(spec)
    if untold:
        nothing = no_effect(untold)._asdict()
        return {"content": nothing, "presentation": nothing, "context": dict.fromkeys(_CONTEXT, nothing)}
    alone, why_not_alone = _shown(one, judged, "sentence")
    in_caption, why_not_in_caption = _shown(one, judged, "caption")
    content = biases[alone.run.name]["slope"] if alone else no_effect(why_not_alone)._asdict()
    if alone and in_caption:
        context = presentation.context_effects(panel, alone.score, in_caption.score)
    else:
        context = dict.fromkeys(_CONTEXT, no_effect(why_not_alone or why_not_in_caption)._asdict())
    return {"content": content, "presentation": shuffles.effect_for(spec), "context": context}


def _why_untold(spec: JudgeSpec) -> str | None:
    """Why nothing can be told of the causes behind the slope of a judge."""
    if spec.kind == ENSEMBLE:
        return "an ensemble: look at its members, which may have been shown sentences alone or in captions"
    if spec.control is not None and spec.control not in CONTROLS:
        return "a blind control: how its scores change with the index is its rule, and no finding"
    return None


def _shown(one: Judged, judged: Sequence[Judged], context: str) -> tuple[Judged | None, str]:
    """The run of the same judge that shows sentences like that, or why there is none: exactly one of the two."""
    spec = one.run.spec
    if spec.context == context:
        return one, ""
    identity = _Model.of(spec).identity
    fitting = [
        each for each in judged if each.run.spec.context == context and _Model.of(each.run.spec).identity == identity
    ]
    if len(fitting) == 1:
        return fitting[0], ""
    if fitting:
        return None, _several(each.run for each in fitting)
    how = "each sentence alone" if context == "sentence" else "captions as they are"
    return None, f"no run shows this judge {how}; {_command(spec, context)}"


def _several(runs: Iterable[Run]) -> str:
    names = ", ".join(repr(run.name) for run in runs)
    return f"several runs fit, and which of them is meant cannot be told: {names}"


def _command(spec: JudgeSpec, context: str) -> str:
    control = f" --control {spec.control}" if spec.control else ""
    return f"run `alignbench judge DATASET --judge JUDGE --out RUNS --context {context}{control}`"
