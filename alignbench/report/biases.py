"""The tables of what biases judges: the place of a sentence in its caption, and who wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from alignbench.report.listings import NAMED, Line, Listing, figure, lines_of, listing, matrix, number, text
from alignbench.report.marks import OWN_NOTE, chance, change, own_mark, raw, share

Json = Mapping[str, Any]

_ASSOCIATION = "associations, not causes: a blind spot that a judge shares with a producer looks the same as preference"
_CLUSTERS = "brackets: 95% intervals by cluster (images, prompts)"
_MADE = {"image_to_text": "captions", "text_to_image": "images"}


def position(results: Json) -> Listing:
    """What the place of a sentence in its caption does to its score."""
    columns = (
        *NAMED,
        figure("P(first > later), correct", "correct", _of("correct")),
        figure("P(first > later), incorrect", "incorrect", _of("incorrect")),
        figure("slope", "slope", _of("slope"), change),
        figure("content", "content", _of("content"), change),
        figure("presentation", "presentation", _of("presentation"), change),
        *(
            figure(f"context, {said}", f"context_{name}", _of("context", name), change)
            for name, said in (("auroc", "AUROC"), ("correct", "correct"), ("incorrect", "incorrect"))
        ),
    )
    notes = (
        "P(first > later): how often a first sentence outscores a later one of its label and producer; .5 is even",
        "first sentences are truer, so correct and incorrect ones are never mixed",
        "slope: change of the score (as a rank, 0 to 1) with each place, within label and producer, whatever its cause",
        "content: the slope where each sentence is shown alone, which the place it is shown at cannot cause",
        "presentation: the slope on the place shown at, of the same sentences shuffled, which content cannot cause",
        "context: what showing the caption around a sentence changes of its AUROC, and of the scores of each label",
        _CLUSTERS,
    )
    return listing("position bias", results, columns, [*_shuffled_only(results), *lines_of(results)], notes)


def _shuffled_only(results: Json) -> list[Line]:
    """Judges of which there are only runs with shuffled captions, so that they are in no other table."""
    found = results.get("shuffled_only") or {}
    return [Line({"name": name, "position_bias": said}) for name, said in found.items()]


def by_index(results: Json) -> Listing:
    """The mean score at each place of a caption, within label."""
    lines = [
        Line({"name": judge["name"], "label": label} | figures, judge["control"] is not None)
        for judge in results["judges"]
        for label, figures in ((judge.get("position_bias") or {}).get("by_index") or {}).items()
    ]
    places = list(dict.fromkeys(name for line in lines for name in line.said if name not in ("name", "label")))
    columns = (
        *NAMED,
        text("label", lambda said: said["label"]),
        *(figure(place, f"index_{place}", _get(place), raw) for place in places),
    )
    notes = (
        "mean score, on the judge's own scale, by place of the sentence in its caption (0 is first), within label",
        "mean over producers; first sentences are truer, so correct and incorrect ones are never mixed",
        _CLUSTERS,
    )
    return listing("score by place in the caption", results, columns, lines, notes)


def self_preference(results: Json) -> Listing:
    """What judges make of sentences of their own model or family."""
    directions = (results.get("self_preference") or {}).get("directions") or {}
    lines = [Line(said) for direction, here in directions.items() for said in _effects(direction, here)]
    columns = (
        *NAMED,
        text("level", lambda said: said["level"]),
        text("made", lambda said: said["made"]),
        text("producers", lambda said: ", ".join(said.get("producers") or ())),
        figure("effect on AUROC", "auroc", lambda said: said["auroc"], change),
        number("p", "p", lambda said: said["auroc"]["p"], chance),
        number("p (Holm)", "p_holm", lambda said: said.get("p_holm"), chance),
        figure("leniency", "leniency", lambda said: said["leniency"], change),
        number("p of leniency", "p_leniency", lambda said: said["leniency"]["p"], chance),
        number("p (Holm) of leniency", "p_holm_leniency", lambda said: said["leniency"].get("p_holm"), chance),
    )
    notes = (
        "effect on AUROC: on own sentences, less what to expect of both from cells that are nobody's own",
        "a negative effect: the judge misses more of its own errors than of others'",
        "leniency: how much higher own incorrect sentences rank (0 to 1) than others', less the same of correct ones",
        "positive leniency: the judge lets its own errors pass",
        *(_permuted(_MADE.get(direction, direction), here) for direction, here in directions.items()),
        *_spread(directions),
        _ASSOCIATION,
        *(f"{_MADE.get(name, name)}: {here['reason']}" for name, here in directions.items() if here.get("reason")),
        _CLUSTERS,
    )
    return listing("self-preference", results, columns, lines, notes)


def _effects(direction: str, here: Json) -> list[Json]:
    made = _MADE.get(direction, direction)
    parts = ("value", "low", "high", "reason", "se", "p")
    said = [
        one | {"name": one["judge"], "made": made, "auroc": {part: one[part] for part in parts}}
        for one in here.get("effects") or ()
    ]
    pooled = here.get("pooled")
    return [*said, {"name": "all judges", "level": "pooled", "made": made} | pooled] if said and pooled else said


def _permuted(made: str, here: Json) -> str:
    least = ((here.get("pooled") or {}).get("auroc") or {}).get("p_min")
    if least is None:
        return f"{made}, all judges: no permutation test"
    return (
        f"{made}, all judges: p by exact permutation of the families of judges; none below {chance(least)} is possible"
    )


def _spread(directions: Json) -> list[str]:
    known = [
        f"{_MADE.get(name, name)} {here['residual_sd']:.3f}"
        for name, here in directions.items()
        if here.get("residual_sd") is not None
    ]
    return [f"residual spread of judge by producer (standard deviation of AUROC): {', '.join(known)}"] if known else []


def normalised(results: Json) -> Listing:
    """The paper's matrix: AUROC by producer over the judge's mean, with what it is computed from."""
    said = results.get("self_preference") or {}
    groups = {
        judge: {
            producer: {
                "value": value,
                "low": None,
                "high": None,
                "reason": None if value is not None else "no AUROC",
                "auroc": (said["matrix"].get(judge) or {}).get(producer),
                "mean_rank_of_incorrect": (said["scores_on_incorrect"].get(judge) or {}).get(producer),
                "own": (said["own"].get(judge) or {}).get(producer),
            }
            for producer, value in row.items()
        }
        for judge, row in (said.get("normalised") or {}).items()
    }
    notes = (
        "AUROC on the producer divided by the judge's mean over producers, its own included (arXiv 2511.20515)",
        "under 1 the judge finds fewer errors there than elsewhere, for whatever reason",
        OWN_NOTE,
        _ASSOCIATION,
    )
    return matrix("AUROC over the judge's mean", results, groups, _ratio, notes, over="producer")


def _ratio(cell: Json | None) -> str:
    if cell is None or cell["value"] is None:
        return share(None)
    return f"{cell['value']:.3f}".removeprefix("0") + own_mark(cell)


def _of(*path: str) -> Callable[[Json], Any]:
    def pick(judge: Json) -> Any:
        said = judge.get("position_bias") or {}
        for name in path:
            said = (said or {}).get(name)
        return said

    return pick


def _get(name: str) -> Callable[[Json], Any]:
    return lambda said: said.get(name)
