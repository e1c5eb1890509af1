"""Reads simulated producers and judges from the words of a command line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from alignbench.errors import UnknownNameError, UsageError
from alignbench.simulation.world import SimulatedJudge, SimulatedProducer
from alignbench.types import Direction

_PRODUCER_LIKE = "write NAME=SHARE[,family=FAMILY][,direction=text_to_image], such as alpha=0.2"
_JUDGE_LIKE = "write NAME:auroc=0.8,own=FAMILY,preference=0.3"
_WORD = "own"
_AUROC_OF = "auroc@"


def parse_producer(text: str) -> SimulatedProducer:
    """Read `NAME=SHARE`, with `family=` and `direction=` after it; the family is its name unless given.

    Raises:
        UsageError: It is not that.
    """
    first, _, rest = text.partition(",")
    name, _, share = first.partition("=")
    given = {"family": name, "direction": str(Direction.IMAGE_TO_TEXT)} | dict(_assignments(rest))
    for key in given:
        if key not in ("family", "direction"):
            raise UnknownNameError.of("property of a producer", key, ("family", "direction"), _PRODUCER_LIKE)
    if given["direction"] not in tuple(Direction):
        raise UnknownNameError.of("direction", given["direction"], tuple(Direction), _PRODUCER_LIKE)
    wrong = _number(share, text, _PRODUCER_LIKE)
    return SimulatedProducer(name, wrong, given["family"], Direction(given["direction"]))


def parse_judge(text: str) -> SimulatedJudge:
    """Read `NAME:auroc=0.8,...`: the properties of `SimulatedJudge`, and `auroc@PRODUCER` for single producers.

    Raises:
        UsageError: It is not that.
    """
    name, _, rest = text.partition(":")
    known = [each.name for each in fields(SimulatedJudge) if each.name not in ("name", "auroc_of")]
    properties: dict[str, Any] = {}
    auroc_of: dict[str, float] = {}
    for key, value in _assignments(rest):
        if key.startswith(_AUROC_OF):
            auroc_of[key.removeprefix(_AUROC_OF)] = _number(value, text, _JUDGE_LIKE)
        elif key in known:
            properties[key] = value if key == _WORD else _number(value, text, _JUDGE_LIKE)
        else:
            raise UnknownNameError.of("property of a judge", key, [*known, f"{_AUROC_OF}PRODUCER"], _JUDGE_LIKE)
    return SimulatedJudge(name, **properties, auroc_of=auroc_of)


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, text.split(",")):
        key, _, value = part.strip().partition("=")
        yield key, value


def _number(value: str, text: str, like: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise UsageError(f"{text!r} needs a number where it has {value!r}; {like}") from error
