"""Reads from a pair's provenance what it takes to make the row again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from alignbench.adapters import Role
from alignbench.types import Direction, ModelRef, Pair
from generation.injection.again import replanted
from generation.injection.answer import PLANTED_BY
from generation.injection.rules import PRODUCER
from generation.regeneration.difference import caption_difference
from generation.regeneration.outcome import Again, Outcome

# What importers leave behind instead of a recipe.
_IMPORTED = "format"
_GENERATED = ("recipe", "model", "prompt", "seed")
_SEED_LIMIT = 2**63


@dataclass(frozen=True, slots=True)
class Asked:
    """A row to make: which model, with which options, from which prompt and seed; `producer` is who that model was."""

    pair: Pair
    producer: ModelRef
    role: Role
    model: str
    options: Mapping[str, Any]
    prompt: str
    seed: int


def asked_by(pair: Pair) -> Asked | Outcome:
    """What a pair's provenance asks for, or the outcome that says why it asks for nothing."""
    told = pair.provenance
    if _IMPORTED in told or not any(key in told for key in _GENERATED):
        return Outcome.of(pair, Again.NOT_GENERATED, "the row was imported, so there is no model to ask again")
    said = told.get("model")
    model: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
    wrong = [
        *(_wrong("model.model", model.get("model"), str) if "model" in told else ["`model` is missing"]),
        *(_wrong("model.options", model.get("options", {}), Mapping) if model else []),
        *_wrong("prompt", told.get("prompt"), str),
        *_wrong_seed(told.get("seed")),
    ]
    if wrong:
        return Outcome.of(pair, Again.PROVENANCE_INCOMPLETE, "; ".join(wrong))
    role, producer = _role(pair), pair.producer
    if role is Role.TEXT_MODELS:
        producer = replace(producer, name=producer.name.removeprefix(PLANTED_BY))
    return Asked(pair, producer, role, model["model"], model.get("options", {}), told["prompt"], told["seed"])


def planted_again(pair: Pair) -> Outcome:
    """What became of a caption that rules changed: the rules are run again, without a model."""
    if pair.producer.revision != PRODUCER.revision:
        reason = f"its error was planted by rules {pair.producer.revision!r}, here are rules {PRODUCER.revision!r}"
        return Outcome.of(pair, Again.MODEL_CHANGED, reason)
    try:
        caption = replanted(pair)
    except ValueError as error:
        return Outcome.of(pair, Again.PROVENANCE_INCOMPLETE, str(error))
    if caption == pair.caption:
        return Outcome.of(pair, Again.SAME)
    return Outcome.of(pair, Again.DIFFERS, difference=caption_difference(pair.caption, caption))


def _role(pair: Pair) -> Role:
    if "planted" in pair.provenance:
        return Role.TEXT_MODELS
    return Role.CAPTIONERS if pair.direction is Direction.IMAGE_TO_TEXT else Role.IMAGE_MODELS


def _wrong(key: str, value: object, kind: type) -> list[str]:
    if value is None:
        return [f"`{key}` is missing"]
    return [] if isinstance(value, kind) else [f"`{key}` is {value!r}, which is no {_WORDS[kind]}"]


_WORDS: Mapping[type, str] = {str: "text", Mapping: "mapping"}


def _wrong_seed(value: object) -> list[str]:
    if value is None:
        return ["`seed` is missing"]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _SEED_LIMIT:
        return []
    return [f"`seed` is {value!r}, which is no whole number below 2^63"]
