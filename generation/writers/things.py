"""What stands in a scene of the template writer, and how sentences speak of it."""

from __future__ import annotations

import random
from dataclasses import dataclass

from generation.writers.words import NUMBERS, Noun, Vocabulary, with_article

PLACES = {
    "left": ("on the left side of the image", "on the far left", "at the left edge of the image"),
    "center": ("in the center of the image", "in the middle of the image"),
    "right": ("on the right side of the image", "on the far right", "at the right edge of the image"),
    "foreground": ("in the foreground", "in the near foreground"),
    "background": ("in the background", "in the far background"),
}
"""The places of an image, each of which holds one thing or one group of them, and the words for each."""
ACROSS = ("left", "center", "right")
_COUNTS = {"person": (60, 22, 12, 6), "animal": (55, 18, 12, 9, 6), "plant": (40, 15, 15, 12, 10, 8)}
_THING_COUNTS = (60, 14, 10, 8, 5, 3)


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing or a group of the same: `before` and `after` are what stands around the noun when it is introduced."""

    noun: Noun
    count: int
    place: str
    before: str
    after: str

    def introduced(self) -> str:
        """As it is spoken of the first time: "three tall women in yellow raincoats"."""
        noun = self.noun.singular if self.count == 1 else self.noun.plural
        phrase = " ".join(word for word in (self.before, noun, self.after) if word)
        return with_article(phrase) if self.count == 1 else f"{NUMBERS[self.count]} {phrase}"

    def again(self) -> str:
        """As it is spoken of later: "the three women"."""
        return f"the {self.noun.singular}" if self.count == 1 else f"the {NUMBERS[self.count]} {self.noun.plural}"

    def each(self) -> str:
        """As the subject of a verb in the singular: "each of the three women"."""
        return self.again() if self.count == 1 else f"each of {self.again()}"

    def says(self, one: str, many: str) -> str:
        """The form of a verb that agrees with it."""
        return one if self.count == 1 else many


def draw_thing(rng: random.Random, words: Vocabulary, noun: Noun, place: str, *, several: bool) -> Thing:
    """Something of that noun with a count and looks of its own; `several` asks for more than one."""
    weights = _COUNTS.get(noun.kind, _THING_COUNTS)
    counts = range(1, len(weights) + 1)
    count = rng.choices(counts[1:], weights[1:])[0] if several else rng.choices(counts, weights)[0]
    before, after = _looks(rng, words, noun, count)
    return Thing(noun, count, place, before, after)


def _looks(rng: random.Random, words: Vocabulary, noun: Noun, count: int) -> tuple[str, str]:
    color = words.pick(rng, "colors")
    if noun.kind == "person":
        one, many = rng.choice(list(words.lists["garments"].items()))
        worn = with_article(f"{color} {one}") if count == 1 else f"{color} {many}"
        return rng.choice(["", words.pick(rng, "looks")]), f"in {worn}"
    size = rng.choice(["", "", words.pick(rng, "sizes")])
    if noun.kind == "thing":
        return " ".join(word for word in (size, rng.choice(noun.looks), color) if word), ""
    return " ".join(word for word in (size, rng.choice(noun.looks)) if word), ""
