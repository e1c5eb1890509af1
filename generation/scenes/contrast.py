"""Draws scenes in twos that differ in one respect, each with a sentence that is true of it and not of the other.

All four judgments enter a set: each text is once true and once false, and each scene has one true and one false
sentence. So neither the words alone nor the image alone say anything of the label (the design of Winoground, arXiv
2204.03162).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from alignbench.types import ErrorType, Label
from generation.scenes.grammar import ANY_KIND, NUMBERS, PLACES, RELATIONS, Claim, Form, Noun, say, wordings
from generation.scenes.labeller import fits, holds, judge_sentence, name
from generation.scenes.world import (
    BACKGROUNDS,
    CELLS,
    COLOURS,
    FILLS,
    HEADINGS,
    MOST_THINGS,
    SHAPES,
    SIZES,
    TEXTS,
    Scene,
    Thing,
    random_scene,
    random_thing,
    scene_of,
)

_TRIES = 400
_Twins = tuple[Scene, Claim, Scene, Claim]


@dataclass(frozen=True, slots=True)
class Contrast:
    """`first_text` is true of `first` and false of `second` by one error of `error_type`; `second_text` the reverse."""

    error_type: ErrorType
    first: Scene
    first_text: str
    second: Scene
    second_text: str


def draw_contrast(error_type: ErrorType, rng: random.Random, fewest: int = 1, most: int = MOST_THINGS) -> Contrast:
    """A contrast of one of the eight types, over scenes of `fewest` to `most` things.

    Raises:
        ValueError: For `other`, which no scene can show.
        RuntimeError: No scene of so few or so many things shows one, such as a relation in a scene of one thing.
    """
    if error_type not in _TWINS:
        raise ValueError(f"no contrast for {error_type!r}; one of {', '.join(_TWINS)}")
    for _ in range(_TRIES):
        contrast = contrast_of(error_type, rng, random_scene(rng, fewest, most))
        if contrast:
            return contrast
    raise RuntimeError(f"no {error_type} contrast in {_TRIES} scenes of {fewest} to {most} things")


def contrast_of(error_type: ErrorType, rng: random.Random, scene: Scene) -> Contrast | None:
    """A contrast of which `scene` is the first or the second, or null where this draw made none."""
    twins = _TWINS[error_type](rng, scene)
    return _checked(error_type, rng, twins) if twins else None


def _checked(error_type: ErrorType, rng: random.Random, twins: _Twins) -> Contrast | None:
    first, first_claim, second, second_claim = twins
    wording = rng.choice(wordings(first_claim.form))
    a, b = say(first_claim, wording).text, say(second_claim, wording).text
    true = all(judge_sentence(s, t).label is Label.CORRECT for s, t in ((first, a), (second, b)))
    false = all(judge_sentence(s, t).error_types == (error_type,) for s, t in ((first, b), (second, a)))
    return Contrast(error_type, first, a, second, b) if true and false else None


def some_noun(rng: random.Random, thing: Thing, keep: str | None = None) -> Noun:
    """A noun phrase true of a thing, each modifier left out half the time but for the one to keep."""
    noun = name(thing)
    dropped = [m for m in ("size", "fill", "colour") if m != keep and rng.random() < 0.5]
    return noun.without(dropped)


def _swap(rng: random.Random, scene: Scene, old: Thing, new: Thing) -> Scene:
    things = [new if t is old else t for t in scene.things]
    return scene_of(scene.background, things, rng.getrandbits(32))


def _other(rng: random.Random, values: tuple[str, ...], value: str | None) -> str:
    return rng.choice([v for v in values if v != value])


def _attribute(rng: random.Random, scene: Scene) -> _Twins | None:
    if rng.random() < 0.12:
        second = replace(scene, background=_other(rng, BACKGROUNDS, scene.background), jitter=rng.getrandbits(32))
        claims = [Claim(Form.BACKGROUND, (), s.background) for s in (scene, second)]
        return scene, claims[0], second, claims[1]
    old = rng.choice(scene.things)
    sort = rng.choice([m for m in ("colour", "size", "fill") if getattr(old, m)])
    values = {"colour": COLOURS, "size": SIZES, "fill": FILLS}[sort]
    change: dict[str, Any] = {sort: _other(rng, values, getattr(old, sort))}
    new = replace(old, **change)
    second = _swap(rng, scene, old, new)
    noun = some_noun(rng, old, keep=sort)
    form = rng.choice((Form.EXISTS, Form.IS, Form.LOCATED))
    if form is Form.IS:
        bare = noun.without([sort])
        return scene, Claim(form, (bare,), getattr(old, sort)), second, Claim(form, (bare,), getattr(new, sort))
    changed = replace(noun, **{sort: getattr(new, sort)})
    value = _some_place(rng, old) if form is Form.LOCATED else None
    return scene, Claim(form, (noun,), value), second, Claim(form, (changed,), value)


def _some_place(rng: random.Random, thing: Thing) -> str:
    return rng.choice([p for p, cells in PLACES.items() if thing.cell in cells])


def _object(rng: random.Random, scene: Scene) -> _Twins | None:
    old = rng.choice(scene.things)
    if old.kind in SHAPES:
        new = replace(old, kind=_other(rng, SHAPES, old.kind))
    else:
        new = replace(random_thing(rng, old.cell, rng.choice(SHAPES)), colour=old.colour)
    noun = some_noun(rng, old)
    if old.kind not in SHAPES:
        noun = replace(noun, size=None)
    value = _some_place(rng, old) if rng.random() < 0.4 else None
    form = Form.LOCATED if value else Form.EXISTS
    second = _swap(rng, scene, old, new)
    claims = [Claim(form, (n,), value) for n in (noun, replace(noun, kind=new.kind))]
    if rng.random() < 0.5:
        return second, claims[1], scene, claims[0]
    return scene, claims[0], second, claims[1]


def _illusion(rng: random.Random, scene: Scene) -> _Twins | None:
    old = rng.choice(scene.things)
    new = random_thing(rng, old.cell)
    second = _swap(rng, scene, old, new)
    mask = {m for m in ("size", "fill") if rng.random() < 0.5}
    nouns = [name(t).without(mask) for t in (old, new)]
    return scene, Claim(Form.EXISTS, (nouns[0],)), second, Claim(Form.EXISTS, (nouns[1],))


def _direction(rng: random.Random, scene: Scene) -> _Twins | None:
    arrows = [t for t in scene.things if t.kind == "arrow"]
    if not arrows:
        return None
    old = rng.choice(arrows)
    new = replace(old, heading=_other(rng, HEADINGS, old.heading))
    noun = some_noun(rng, old)
    claims = [Claim(Form.POINTS, (noun,), t.heading) for t in (old, new)]
    return scene, claims[0], _swap(rng, scene, old, new), claims[1]


def _text(rng: random.Random, scene: Scene) -> _Twins | None:
    signs = [t for t in scene.things if t.kind == "sign"]
    if not signs:
        return None
    old = rng.choice(signs)
    new = replace(old, text=_other(rng, TEXTS, old.text))
    noun = some_noun(rng, old)
    claims = [Claim(Form.READS, (noun,), t.text) for t in (old, new)]
    return scene, claims[0], _swap(rng, scene, old, new), claims[1]


def _number(rng: random.Random, scene: Scene) -> _Twins | None:
    old = rng.choice(scene.things)
    noun = rng.choice((Noun(ANY_KIND), Noun(old.kind), Noun(old.kind), replace(some_noun(rng, old), size=None)))
    free = [c for c in range(CELLS) if all(t.cell != c for t in scene.things)]
    things = list(scene.things)
    if len(things) < MOST_THINGS and (len(things) == 1 or rng.random() < 0.5):
        twin = replace(random_thing(rng, rng.choice(free), old.kind), colour=old.colour)
        things.append(replace(twin, fill=old.fill))
    else:
        stranger = random_thing(rng, old.cell)
        things = (
            [stranger if t is old else t for t in things] if rng.random() < 0.5 else [t for t in things if t is not old]
        )
    if not things:
        return None
    second = scene_of(scene.background, things, rng.getrandbits(32))
    counts = [sum(fits(noun, t) for t in s.things) for s in (scene, second)]
    if 0 in counts or counts[0] == counts[1]:
        return None
    claims = [Claim(Form.COUNT, (noun,), NUMBERS[c - 1]) for c in counts]
    order = rng.random() < 0.5
    first, last = (scene, claims[0]), (second, claims[1])
    return (*first, *last) if order else (*last, *first)


def _location(rng: random.Random, scene: Scene) -> _Twins | None:
    old = rng.choice(scene.things)
    free = [c for c in range(CELLS) if all(t.cell != c for t in scene.things)]
    new = replace(old, cell=rng.choice(free))
    noun = some_noun(rng, old)
    second = _swap(rng, scene, old, new)
    claims = [Claim(Form.LOCATED, (noun,), _some_place(rng, t)) for t in (old, new)]
    return scene, claims[0], second, claims[1]


def _relation(rng: random.Random, scene: Scene) -> _Twins | None:
    if len(scene.things) < 2:
        return None
    old, other = rng.sample(scene.things, 2)
    free = [c for c in range(CELLS) if all(t.cell != c for t in scene.things)]
    if rng.random() < 0.5:
        things = [
            replace(t, cell={old.cell: other.cell, other.cell: old.cell}.get(t.cell, t.cell)) for t in scene.things
        ]
        second = scene_of(scene.background, things, rng.getrandbits(32))
    else:
        second = _swap(rng, scene, old, replace(old, cell=rng.choice(free)))
    nouns = (some_noun(rng, old), some_noun(rng, other))
    told = [[r for r in RELATIONS if holds(s, Claim(Form.RELATED, nouns, r))] for s in (scene, second)]
    only = [[r for r in told[i] if r not in told[1 - i]] for i in range(2)]
    if not only[0] or not only[1]:
        return None
    claims = [Claim(Form.RELATED, nouns, rng.choice(relations)) for relations in only]
    return scene, claims[0], second, claims[1]


_TWINS: dict[ErrorType, Callable[[random.Random, Scene], _Twins | None]] = {
    ErrorType.ATTRIBUTE: _attribute,
    ErrorType.OBJECT: _object,
    ErrorType.ILLUSION: _illusion,
    ErrorType.DIRECTION: _direction,
    ErrorType.NUMBER: _number,
    ErrorType.TEXT: _text,
    ErrorType.LOCATION: _location,
    ErrorType.RELATION: _relation,
}
CONTRAST_TYPES = tuple(_TWINS)
