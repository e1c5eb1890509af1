"""What a scene is: a background and one to four things on a 3 x 3 grid, as immutable values drawn at random."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

SHAPES = ("circle", "square", "triangle", "star")
KINDS = (*SHAPES, "arrow", "sign")
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
SIZES = ("small", "large")
FILLS = ("solid", "hollow")
HEADINGS = ("left", "right", "up", "down")
TEXTS = ("A", "B", "K", "X", "GO", "NO", "UP", "HI", "CAT", "SUN")
BACKGROUNDS = ("white", "gray", "black")
CELLS = 9
MOST_THINGS = 4


@dataclass(frozen=True, slots=True)
class Thing:
    """Something in a cell, cells counted row by row from the top left; null where a kind has no such property.

    Shapes have a size and a fill, arrows a size and a heading, signs a text.
    """

    kind: str
    colour: str
    cell: int
    size: str | None = None
    fill: str | None = None
    heading: str | None = None
    text: str | None = None

    @property
    def row(self) -> int:
        """0 at the top, 2 at the bottom."""
        return self.cell // 3

    @property
    def column(self) -> int:
        """0 at the left, 2 at the right."""
        return self.cell % 3


@dataclass(frozen=True, slots=True)
class Scene:
    """A background and things in cells of their own, in cell order; `jitter` is the seed of the small offsets drawn."""

    background: str
    things: tuple[Thing, ...]
    jitter: int = 0

    def to_json(self) -> dict[str, Any]:
        """JSON values that `from_json` turns back into an equal scene."""
        things = [{k: v for k, v in asdict(t).items() if v is not None} for t in self.things]
        return {"background": self.background, "things": things, "jitter": self.jitter}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Scene:
        """The scene that `to_json` wrote."""
        return cls(value["background"], tuple(Thing(**t) for t in value["things"]), value["jitter"])


def scene_of(background: str, things: list[Thing], jitter: int) -> Scene:
    """A scene with its things in cell order."""
    return Scene(background, tuple(sorted(things, key=lambda t: t.cell)), jitter)


def random_thing(rng: random.Random, cell: int, kind: str | None = None) -> Thing:
    """A thing with all properties that its kind has, each drawn evenly."""
    kind = kind or rng.choice((*SHAPES, *SHAPES, "arrow", "arrow", "sign", "sign"))
    colour = rng.choice(COLOURS)
    if kind == "sign":
        return Thing(kind, colour, cell, text=rng.choice(TEXTS))
    size = rng.choice(SIZES)
    if kind == "arrow":
        return Thing(kind, colour, cell, size=size, heading=rng.choice(HEADINGS))
    return Thing(kind, colour, cell, size=size, fill=rng.choice(FILLS))


def random_scene(rng: random.Random, fewest: int = 1, most: int = MOST_THINGS) -> Scene:
    """A scene of `fewest` to `most` things; one in three repeats a kind, so that counts above one are not rare."""
    cells = rng.sample(range(CELLS), rng.randint(fewest, most))
    things = [random_thing(rng, cell) for cell in cells]
    if len(things) > 1 and rng.random() < 1 / 3:
        twin = random_thing(rng, things[1].cell, things[0].kind)
        things[1] = twin
        if len(things) > 2 and rng.random() < 0.5:
            things[2] = random_thing(rng, things[2].cell, twin.kind)
    return scene_of(rng.choice(BACKGROUNDS), things, rng.getrandbits(32))
