"""A planted error once more, from the provenance of its pair alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alignbench.types import ErrorType, Pair
from generation.injection.answer import planted_by
from generation.injection.plant import Caption, Planted
from generation.injection.rules import RULES, changes, drawn

METHOD_RULES = "rules"


def is_planted_by_rules(pair: Pair) -> bool:
    """Whether rules changed the caption of a pair."""
    told = pair.provenance.get("planted")
    return isinstance(told, Mapping) and told.get("method") == METHOD_RULES


def replanted(pair: Pair) -> str:
    """The caption that the rules make of the original that stands in a pair's provenance.

    Raises:
        ValueError: The provenance is not enough, or the rules find nothing to change.
    """
    told = pair.provenance["planted"]
    caption = caption_in(told)
    seed, error_type = _of(told, "seed", int), ErrorType(_of(told, "error_type", str))
    if error_type not in RULES:
        raise ValueError(f"`planted.error_type` is {error_type.value!r}, of which there is no rule")
    found = changes(caption, [error_type], definite=_of(told, "definite", bool)).get(error_type, [])
    planted = drawn(caption, found, seed)
    if planted is None:
        raise ValueError(f"the rules find no {error_type} error to plant")
    return planted.text


def caption_in(told: Mapping[str, Any]) -> Caption:
    """The original caption that the provenance of a planted pair keeps.

    Raises:
        ValueError: It is not there, or not whole.
    """
    text, wrong = _of(told, "original", str), _of(told, "not_correct", list)
    ranges = _of(told, "ranges", list)
    places = tuple(_range(each, len(text)) for each in ranges)
    return Caption(text, places, tuple(index not in wrong for index in range(len(places))))


def provenance_of(pair: Pair, caption: Caption, planted: Planted, **said: Any) -> dict[str, Any]:
    """What a planted pair's provenance says under `planted`: enough to plant it again without its source."""
    return {
        "from": pair.pair_id,
        "sentence": planted.index,
        "error_type": planted.error_type.value,
        "rule": planted.rule,
        "before": planted.before,
        "after": planted.after,
        "original": caption.text,
        "ranges": [list(place) for place in caption.ranges],
        "not_correct": [index for index, is_true in enumerate(caption.true) if not is_true],
        **said,
    }


def _of(told: Mapping[str, Any], key: str, kind: type) -> Any:
    value = told.get(key)
    if value is None:
        raise ValueError(f"`planted.{key}` is missing")
    if not isinstance(value, kind):
        raise ValueError(f"`planted.{key}` is {value!r}, which is not of the type {kind.__name__}")  # noqa: TRY004
    return value


def _range(value: object, length: int) -> tuple[int, int]:
    if isinstance(value, Sequence) and len(value) == 2 and all(isinstance(each, int) for each in value):
        start, end = value
        if 0 <= start < end <= length:
            return start, end
    raise ValueError(f"`planted.ranges` has {value!r}, which is no range of the original caption")


def rewritten(pair: Pair, answer: str) -> str:
    """The caption that a text model's answer makes of the original that stands in a pair's provenance.

    Raises:
        ValueError: The provenance is not enough, or the answer cannot be used.
    """
    told = pair.provenance["planted"]
    index, error_type = _of(told, "sentence", int), ErrorType(_of(told, "error_type", str))
    caption = caption_in(told)
    if not 0 <= index < len(caption.ranges):
        raise ValueError(f"`planted.sentence` is {index}, but the original has {len(caption.ranges)} sentences")
    return planted_by(answer, caption, index, error_type).text
