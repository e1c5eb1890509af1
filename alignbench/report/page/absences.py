"""Says of the numbers that are not there why they are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from alignbench.report.page.headline import names

Json = Mapping[str, Any]

NOT_HELD = "these results do not hold it"

_POSITION: Mapping[str, Sequence[str]] = {
    "first against later sentences, correct": ("correct",),
    "first against later sentences, incorrect": ("incorrect",),
    "slope on the index": ("slope",),
}
_CAUSES: Mapping[str, Sequence[str]] = {
    "content effect": ("content",),
    "presentation effect": ("presentation",),
    "context effect": ("context", "auroc"),
}
_DETECTION = {
    "average precision": "average_precision",
    "caught at 5% flagged": "tpr_at_fpr",
    "win rate": "win_rate",
}
_ON_ASKING = "no published table was asked for: `alignbench evaluate --reference NAME` sets one beside these results"
_NO_WORDS = "nobody asked it to mark the wrong words"


def of_leaderboard(results: Json) -> Iterator[str]:
    """Judges without a rank or an AUROC."""
    yield from _grouped(results, "rank", lambda judge: _null_reason(judge["rank"], "low"))
    yield from _without(results, "AUROC", "auroc")


def of_roc(results: Json) -> Iterator[str]:
    """Judges without a curve."""
    yield from _grouped(results, "ROC curve", _why_no_curve)
    for title, name in _DETECTION.items():
        yield from _without(results, title, name)


def of_producers(results: Json) -> Iterator[str]:
    """Producers without an AUROC by any judge."""
    for producer in results["dataset"]["producers"]:
        figures = [judge["by_producer"][producer] for judge in results["judges"]]
        if all(figure["value"] is None for figure in figures):
            yield f"{producer}: {figures[0]['reason']}"


def of_position(results: Json) -> Iterator[str]:
    """Effects of the position that could not be measured, unless the judge's own sentences say so."""
    for title, path in _POSITION.items():
        yield from _without(results, title, "position_bias", *path)
    for title, path in _CAUSES.items():
        yield from _grouped(results, title, partial(_untold, path=path))


def of_self_preference(results: Json) -> Iterator[str]:
    """Directions without an estimate."""
    said = results.get("self_preference")
    if said is None:
        yield NOT_HELD
        return
    for direction, found in said["directions"].items():
        title = {"image_to_text": "captioners", "text_to_image": "image models"}.get(direction, direction)
        if found["reason"] is not None:
            yield f"{title}: {found['reason']}"
            continue
        for name, pooled in found["pooled"].items():
            if pooled["value"] is None:
                yield f"{title}, pooled over judges, {name.replace('auroc', 'AUROC')}: {pooled['reason']}"


def of_error_types(results: Json) -> Iterator[str]:
    """Error types without an AUROC by any judge."""
    by_reason: dict[str, list[str]] = {}
    for kind in results["dataset"]["error_types"]:
        figures = [judge["by_error_type"][kind] for judge in results["judges"]]
        if all(figure["value"] is None for figure in figures):
            by_reason.setdefault(figures[0]["reason"], []).append(kind)
    yield from (f"{', '.join(kinds)}: {reason}" for reason, kinds in by_reason.items())


def of_calibration(results: Json) -> Iterator[str]:
    """Judges whose scores cannot be calibrated, or used as a filter."""
    yield from _without(results, "calibration", "calibration", "ece")
    yield from _grouped(results, "filtering", _why_no_filter)


def of_localization(results: Json) -> Iterator[str]:
    """Judges that mark no words."""
    yield from _grouped(results, "localisation", lambda judge: None if judge.get("localization") else _NO_WORDS)


def of_sensitivity(results: Json) -> Iterator[str]:
    """Judges without another reading of the labels."""
    yield from _grouped(results, "sensitivity", _why_not_sensitive)


def of_cost(results: Json) -> Iterator[str]:
    """Judges whose cost was not measured."""
    yield from _grouped(results, "seconds", lambda judge: _unmeasured(judge["usage"]["seconds_per_1000"]))
    yield from _grouped(results, "US dollars", lambda judge: _unmeasured(judge["usage"]["cost_usd_per_1000"]))


def of_reference(results: Json) -> Iterator[str]:
    """No published table."""
    if results.get("reference") is None:
        yield _ON_ASKING


def _judges(results: Json) -> Sequence[Json]:
    return [judge for judge in results["judges"] if judge["control"] is None]


def _without(results: Json, title: str, *path: str) -> Iterator[str]:
    # The judges that have no value at this place of their entries.
    return _grouped(results, title, lambda judge: _null_reason(_at(judge, *path)))


def _grouped(results: Json, title: str, why: Callable[[Json], str | None]) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    judges = _judges(results)
    for judge in judges:
        reason = why(judge)
        if reason is not None:
            by_reason.setdefault(reason, []).append(judge["name"])
    for reason, those in by_reason.items():
        whom = "" if len(those) == len(judges) else f" ({names(those)})"
        yield f"{title}{whom}: {reason}"


def _at(said: Any, *path: str) -> Any:
    for name in path:
        said = said.get(name) if said is not None else None
    return said


def _null_reason(figure: Json | None, name: str = "value") -> str | None:
    if figure is None:
        return NOT_HELD
    return None if figure[name] is not None else str(figure["reason"])


def _untold(judge: Json, path: Sequence[str]) -> str | None:
    bias = judge.get("position_bias")
    return None if bias and bias["says"] else _null_reason(_at(bias, *path))


def _why_no_curve(judge: Json) -> str | None:
    if judge.get("roc"):
        return None
    return str(judge["auroc"]["reason"] or NOT_HELD)


def _why_no_filter(judge: Json) -> str | None:
    thresholds = judge.get("filter")
    if not thresholds:
        return NOT_HELD
    if any(one["threshold"] is not None for one in thresholds):
        return None
    return str(thresholds[0]["reason"])


def _why_not_sensitive(judge: Json) -> str | None:
    readings = judge.get("sensitivity")
    if not readings:
        return NOT_HELD
    return None if any(one["value"] is not None for one in readings) else str(readings[0]["reason"])


def _unmeasured(value: float | None) -> str | None:
    return None if value is not None else "not measured"
