"""Image models of the offline world: they read a prompt, imagine a scene that fits it, and get some things wrong."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from alignbench.errors import UsageError
from alignbench.text import split_sentences
from alignbench.types import ImageTask, ModelRef, Produced, Status
from generation.scenes.grammar import NUMBERS, PLACES, Claim, Form, Noun, parse
from generation.scenes.labeller import fits, holds
from generation.scenes.render import render
from generation.scenes.world import (
    BACKGROUNDS,
    CELLS,
    COLOURS,
    FILLS,
    HEADINGS,
    KINDS,
    MOST_THINGS,
    SHAPES,
    SIZES,
    TEXTS,
    Scene,
    Thing,
    random_thing,
    scene_of,
)

_ARRANGEMENTS = 400


def imagine(prompt: str, rng: random.Random) -> Scene | None:
    """A scene of which, as far as it could be arranged, every sentence of the prompt is true.

    Each noun phrase that fits nothing imagined so far adds a thing. What the prompt leaves open is drawn. Null where no
    sentence of the prompt is of the grammar.
    """
    parsed = [parse(prompt[start:end]) for start, end in split_sentences(prompt)]
    claims = [statement.claim for statement in parsed if statement]
    if not claims:
        return None
    background = next((c.value for c in claims if c.form is Form.BACKGROUND and c.value), rng.choice(BACKGROUNDS))
    things: list[Thing] = []
    for claim in sorted(claims, key=lambda c: _TOLD_FIRST.index(c.form)):
        for noun in claim.nouns:
            _include(things, noun, claim, claims, rng)
    return _arranged(background, things or [random_thing(rng, 0)], claims, rng)


# What says most of a thing comes first, so that "three objects" counts the things told of elsewhere.
_TOLD_FIRST = (
    Form.LOCATED,
    Form.READS,
    Form.POINTS,
    Form.RELATED,
    Form.IS,
    Form.EXISTS,
    Form.COUNT,
    Form.BACKGROUND,
)


def _include(things: list[Thing], noun: Noun, claim: Claim, claims: list[Claim], rng: random.Random) -> None:
    while sum(fits(noun, t) for t in things) < _wanted(noun, claim, claims) and len(things) < MOST_THINGS:
        kind = noun.kind if noun.kind in KINDS else None
        said: dict[str, Any] = {
            k: v for k, v in (("colour", noun.colour), ("fill", noun.fill), ("size", noun.size)) if v is not None
        }
        things.append(replace(random_thing(rng, 0, kind), **said))
    for place, thing in enumerate(things):
        if fits(noun, thing) and claim.form is Form.POINTS:
            things[place] = replace(thing, heading=claim.value)
        if fits(noun, thing) and claim.form is Form.READS:
            things[place] = replace(thing, text=claim.value)


def _wanted(noun: Noun, claim: Claim, claims: list[Claim]) -> int:
    """How many things a noun phrase tells of: the number it counts, or one a place where its places lie apart."""
    if claim.form is Form.COUNT:
        return NUMBERS.index(claim.value or "") + 1
    apart: list[frozenset[int]] = []
    for told in claims:
        if told.form is Form.LOCATED and told.nouns == (noun,):
            cells = PLACES[told.value or ""]
            if all(cells.isdisjoint(other) for other in apart):
                apart.append(cells)
    return max(1, len(apart))


def _arranged(background: str, things: list[Thing], claims: list[Claim], rng: random.Random) -> Scene:
    best, most = None, -1
    for _ in range(_ARRANGEMENTS):
        cells = rng.sample(range(CELLS), len(things))
        placed = [replace(t, cell=c) for t, c in zip(things, cells, strict=True)]
        scene = scene_of(background, placed, 0)
        true = sum(holds(scene, claim) for claim in claims)
        if true > most:
            best, most = scene, true
        if true == len(claims):
            break
    if best is None:
        raise RuntimeError("no arrangement was tried")
    return replace(best, jitter=rng.getrandbits(32))


@dataclass(frozen=True, slots=True)
class Sloppiness:
    """How often a painter gets a thing wrong, and how: weights of the mishaps."""

    rate: float
    mishaps: Mapping[str, float]


PAINTERS: Mapping[str, Sloppiness] = {
    "painter-a": Sloppiness(
        0.1, {"turn": 2, "move": 2, "recolour": 1, "misspell": 2, "resize": 1, "repeat": 1, "reshape": 1, "forget": 0.5}
    ),
    "painter-b": Sloppiness(
        0.5, {"turn": 1, "move": 2, "recolour": 1, "misspell": 2, "resize": 1, "repeat": 1, "reshape": 2, "forget": 1}
    ),
}


def violate(scene: Scene, sloppiness: Sloppiness, rng: random.Random) -> Scene:
    """The scene with each thing (and the background) gone wrong with the given rate."""
    things = list(scene.things)
    for thing in scene.things:
        if rng.random() < sloppiness.rate:
            fitting = [m for m in sloppiness.mishaps if _MISHAPS[m](thing, things, random.Random(0)) is not None]
            mishap = rng.choices(fitting, [sloppiness.mishaps[m] for m in fitting])[0]
            things = _MISHAPS[mishap](thing, things, rng) or things
    background = scene.background
    if rng.random() < sloppiness.rate / 2:
        background = _other(rng, BACKGROUNDS, background)
    return scene_of(background, things, scene.jitter)


_Mishap = Callable[[Thing, list[Thing], random.Random], list[Thing] | None]


def _other(rng: random.Random, values: tuple[str, ...], value: str | None) -> str:
    return rng.choice([v for v in values if v != value])


def _changed(things: list[Thing], old: Thing, new: Thing) -> list[Thing]:
    return [new if t is old else t for t in things]


def _free(things: list[Thing], rng: random.Random) -> int:
    return rng.choice([c for c in range(CELLS) if all(t.cell != c for t in things)])


def _turn(thing: Thing, things: list[Thing], rng: random.Random) -> list[Thing] | None:
    wrong = replace(thing, heading=_other(rng, HEADINGS, thing.heading))
    return _changed(things, thing, wrong) if thing.heading else None


def _misspell(thing: Thing, things: list[Thing], rng: random.Random) -> list[Thing] | None:
    return _changed(things, thing, replace(thing, text=_other(rng, TEXTS, thing.text))) if thing.text else None


def _recolour(thing: Thing, things: list[Thing], rng: random.Random) -> list[Thing] | None:
    return _changed(things, thing, replace(thing, colour=_other(rng, COLOURS, thing.colour)))


def _resize(thing: Thing, things: list[Thing], rng: random.Random) -> list[Thing] | None:
    if thing.fill and rng.random() < 0.5:
        return _changed(things, thing, replace(thing, fill=_other(rng, FILLS, thing.fill)))
    return _changed(things, thing, replace(thing, size=_other(rng, SIZES, thing.size))) if thing.size else None


def _reshape(thing: Thing, things: list[Thing], rng: random.Random) -> list[Thing] | None:
    wrong = replace(thing, kind=_other(rng, SHAPES, thing.kind))
    return _changed(things, thing, wrong) if thing.kind in SHAPES else None


def _move(thing: Thing, things: list[Thing], rng: random.Random) -> list[Thing] | None:
    return _changed(things, thing, replace(thing, cell=_free(things, rng)))


def _repeat(thing: Thing, things: list[Thing], rng: random.Random) -> list[Thing] | None:
    return [*things, replace(thing, cell=_free(things, rng))] if len(things) < MOST_THINGS else None


def _forget(thing: Thing, things: list[Thing], _: random.Random) -> list[Thing] | None:
    return [t for t in things if t is not thing] if len(things) > 1 else None


_MISHAPS: Mapping[str, _Mishap] = {
    "turn": _turn,
    "misspell": _misspell,
    "recolour": _recolour,
    "resize": _resize,
    "reshape": _reshape,
    "move": _move,
    "repeat": _repeat,
    "forget": _forget,
}


class SloppyPainter:
    """An image model that draws what a prompt says, but for the mishaps of its sloppiness."""

    def __init__(self, name: str) -> None:
        if name not in PAINTERS:
            raise UsageError(f"there is no scenes painter {name!r}; one of {', '.join(sorted(PAINTERS))}")
        self._name = name

    @classmethod
    def from_reference(cls, model: str) -> SloppyPainter:
        """The painter of that name, for the registry."""
        return cls(model)

    @property
    def model(self) -> ModelRef:
        """The painter as a producer; each is a family of its own."""
        name = f"scenes-{self._name}"
        return ModelRef(name, f"rate-{PAINTERS[self._name].rate:g}", name, "alignbench")

    def produce(self, tasks: Iterable[ImageTask]) -> Iterator[Produced]:
        """Draw each task's prompt; a prompt without a sentence of the grammar gives a failure."""
        for task in tasks:
            rng = random.Random(task.seed)
            meant = imagine(task.prompt, rng)
            if meant is None:
                reason = "no sentence of the prompt is of the scenes grammar"
                yield Produced(task.number, status=Status.FAILED, provenance={"reason": reason})
                continue
            drawn = violate(meant, PAINTERS[self._name], rng)
            provenance = {"scene": drawn.to_json(), "meant": meant.to_json()}
            yield Produced(task.number, image=render(drawn), provenance=provenance)
