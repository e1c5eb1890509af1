"""Effects of position in sentences that say what was shown, what was found, and what it cannot mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_UNIT = "of the rank scale for each place later"
_NAMES = {"auroc": "its AUROC", "correct": "the mean score of correct sentences", "incorrect": "that of incorrect ones"}


def says(context: str, entry: Mapping[str, Any]) -> list[str]:
    """What was found of a judge, in sentences.

    Args:
        context: What the judge was shown: `sentence` or `caption`.
        entry: Its `slope`, `content`, `presentation` and `context`.
    """
    own = [] if context == "sentence" else [as_written(entry["slope"])]
    return [*own, content(entry["content"]), presentation(entry["presentation"]), in_caption(entry["context"])]


def content(effect: Mapping[str, Any]) -> str:
    """What later sentences say; from a judge that was shown each sentence alone."""
    if effect["value"] is None:
        return f"shown alone: not known; {effect['reason']}"
    never = "the judge never saw the order"
    if not is_shown(effect):
        return f"shown alone: no effect shown{_range(effect)}; {never}"
    return (
        f"shown alone: later sentences score {_scored(effect)}; {never}, so this is what they say, not where they stand"
    )


def presentation(effect: Mapping[str, Any]) -> str:
    """Where a sentence stands; from a judge that was shown the same captions in several orders."""
    if effect["value"] is None:
        return f"shown in shuffled captions: not known; {effect['reason']}"
    if not is_shown(effect):
        return f"shown in shuffled captions: no effect of the place itself shown{_range(effect)}"
    return (
        f"shown in shuffled captions: the same sentence, standing later, scores {_scored(effect)}; "
        "this is the effect of the place itself, not of what sentences say"
    )


def as_written(effect: Mapping[str, Any]) -> str:
    """The slope of a judge that was shown captions as they are."""
    if effect["value"] is None:
        return f"shown in captions as they are: not known; {effect['reason']}"
    if not is_shown(effect):
        return (
            f"shown in captions as they are: no effect shown{_range(effect)}; what sentences say and where they stand "
            "could make up for each other"
        )
    return (
        f"shown in captions as they are: later sentences score {_scored(effect)}; "
        "what they say and where they stand are both in this, and it does not tell them apart"
    )


def in_caption(effects: Mapping[str, Mapping[str, Any]]) -> str:
    """What the caption does beside the sentence."""
    reasons = {effect["reason"] for effect in effects.values() if effect["value"] is None}
    if len(reasons) == 1 and all(effect["value"] is None for effect in effects.values()):
        return f"shown in its caption rather than alone: not known; {reasons.pop()}"
    parts = [f"{name} {_moved(effects[key])}" for key, name in _NAMES.items()]
    return f"shown in its caption rather than alone: {'; '.join(parts)}"


def is_shown(effect: Mapping[str, Any]) -> bool:
    """Whether an effect has an interval, and that leaves out 0."""
    return effect["low"] is not None and (effect["low"] > 0 or effect["high"] < 0)


def _scored(effect: Mapping[str, Any]) -> str:
    return f"{_by(effect)} {_UNIT}{_warning(effect)}"


def _by(effect: Mapping[str, Any]) -> str:
    """Higher or lower by how much, the interval in the same direction."""
    if effect["value"] > 0:
        return f"higher by {effect['value']:.3f} [{effect['low']:.3f}, {effect['high']:.3f}]"
    return f"lower by {-effect['value']:.3f} [{-effect['high']:.3f}, {-effect['low']:.3f}]"


def _range(effect: Mapping[str, Any]) -> str:
    if effect["low"] is None:
        return f", {effect['value']:+.3f} {_UNIT} without an interval: {effect['reason']}"
    return f", {effect['value']:+.3f} [{effect['low']:+.3f}, {effect['high']:+.3f}] {_UNIT}{_warning(effect)}"


def _warning(effect: Mapping[str, Any]) -> str:
    return f" ({effect['reason']})" if effect["reason"] else ""


def _moved(effect: Mapping[str, Any]) -> str:
    if effect["value"] is None:
        return f"is not known to change ({effect['reason']})"
    if is_shown(effect):
        return f"is {_by(effect)}"
    if effect["low"] is None:
        return f"is not shown to change ({effect['value']:+.3f} without an interval: {effect['reason']})"
    return f"is not shown to change ({effect['value']:+.3f} [{effect['low']:+.3f}, {effect['high']:+.3f}])"
