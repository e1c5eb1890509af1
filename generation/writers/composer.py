"""Composes the sentences of one prompt about one scene, so that none can contradict another.

Each place of the image is given away once, each noun is used once, and whatever a sentence adds belongs to one thing
that nothing else is said about in that respect.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from generation.writers.things import ACROSS, PLACES, Thing, draw_thing
from generation.writers.words import Noun, Vocabulary, sentence, with_article

_POSES = {
    "person": (("stands", "stand"), ("sits", "sit"), ("kneels", "kneel"), ("crouches", "crouch")),
    "animal": (("stands", "stand"), ("rests", "rest"), ("waits", "wait"), ("is visible", "are visible")),
    "plant": (("can be seen", "can be seen"), ("is visible", "are visible")),
    "thing": (("stands", "stand"), ("can be seen", "can be seen"), ("is visible", "are visible")),
}
_LOOKING = (("looks", "look"), ("gazes", "gaze"), ("stares", "stare"))
_AIMLESS = (
    "toward the left edge of the image",
    "toward the right edge of the image",
    "straight at the viewer",
    "up",
    "down at the ground",
    "away from the viewer",
)


class Told(NamedTuple):
    """A sentence and the aspects that it stresses."""

    text: str
    aspects: tuple[str, ...]


class Composer:
    """Writes sentences about one scene; the first is the opening, each later one stresses an aspect.

    Args:
        rng: What all choices are drawn from.
        words: The vocabulary.
        setting: One of its settings.
    """

    def __init__(self, rng: random.Random, words: Vocabulary, setting: str) -> None:
        self._rng, self._words, self._setting = rng, words, setting
        self._things: list[Thing] = []
        self._taken: set[str] = set()
        self._claimed: set[tuple[Thing, str]] = set()
        self._mottos: set[str] = set()
        self._makers: dict[str, Callable[[], Told | None]] = {
            "location": self._location,
            "direction": self._direction,
            "number": self._number,
            "text": self._text,
            "relation": self._relation,
            "attribute": self._attribute,
        }

    def open(self, *, gazing: bool, several: bool) -> Told:
        """The first sentence; what it introduces can look somewhere, or is more than one, where that is asked."""
        opening = str(self._rng.choice(self._words.settings[self._setting]["openings"]))
        thing = self._introduce(ACROSS, gazing=gazing, several=several)
        place, pose = self._rng.choice(PLACES[thing.place]), self._pose(thing)
        return _about(thing, f"{opening}, {thing.introduced()} {pose} {place}")

    def add(self, aspect: str) -> Told | None:
        """A sentence that stresses an aspect; null where the scene has no room for one."""
        return self._makers[aspect]()

    def _location(self) -> Told | None:
        return self._placed(several=False)

    def _number(self) -> Told | None:
        return self._placed(several=True)

    def _placed(self, *, several: bool) -> Told | None:
        """Something new in a place that is free."""
        earlier, free = [each for each in self._things if each.place in ACROSS], self._free()
        if not free:
            return None
        thing = self._introduce(free, several=several)
        place, form = self._rng.choice(PLACES[thing.place]), self._rng.random()
        if thing.place in ACROSS and earlier and form < 0.4:
            other = self._rng.choice(earlier)
            beside = f"{place}, to the {_side(other, thing)} of {other.again()}"
            return _about(thing, f"{beside}, {thing.introduced()} {self._pose(thing)}")
        if several and form < 0.7:
            return _about(thing, f"exactly {thing.introduced()} {thing.says('is', 'are')} {place}")
        if form < 0.7:
            return _about(thing, f"{place}, {thing.introduced()} {self._pose(thing)}")
        return _about(thing, f"{thing.introduced()} {self._pose(thing)} {place}")

    def _direction(self) -> Told | None:
        """Somebody looks somewhere; toward another thing only in the direction where that is."""
        gazing = self._fresh("direction", "person", "animal")
        if gazing is None:
            return None
        verb = gazing.says(*self._rng.choice(_LOOKING))
        targets = [thing for thing in self._things if thing is not gazing]
        toward = self._rng.choice(targets) if targets and self._rng.random() < 0.6 else None
        if toward is None:
            where = self._rng.choice(_AIMLESS)
        elif toward.place in ACROSS and gazing.place in ACROSS:
            where = f"to the {_side(gazing, toward)}, toward {toward.again()}"
        else:
            where = f"toward {toward.again()}"
        return Told(sentence(f"{gazing.again()} {verb} {where}"), ("direction",))

    def _text(self) -> Told | None:
        """Words on something that belongs to a thing."""
        host, motto = self._fresh("text"), self._motto()
        bearers = [each for each in self._words.lists["bearers"] if each not in self._taken]
        if host is None or not bearers:
            return None
        bearer = self._rng.choice(bearers)
        self._taken.add(bearer)
        shown = with_article(f"{self._color()} {bearer}")
        if host.noun.kind == "person" and self._claim(host, "hands"):
            return Told(sentence(f'{host.each()} holds {shown} that reads "{motto}"'), ("text",))
        where = self._rng.choice(("behind", "next to", "above", "in front of"))
        reads = self._rng.choice(("reads", "says"))
        return Told(sentence(f'{shown} {where} {host.again()} {reads} "{motto}"'), ("text",))

    def _relation(self) -> Told | None:
        """A small thing that belongs to another one, and has no place of its own."""
        small, host = self._unused(self._words.small), self._fresh("relation")
        if host is None or small is None:
            return None
        self._taken.add(small.head)
        thing = with_article(f"{self._color()} {small.singular}")
        if host.noun.kind == "person" and self._claim(host, "hands"):
            hand = self._rng.choice(("in the left hand", "in the right hand", "with both hands"))
            return Told(sentence(f"{host.each()} holds {thing} {hand}"), ("relation",))
        where = self._rng.choice(self._sides_of(host))
        return Told(sentence(f"{thing} lies {where} {host.again()}"), ("relation",))

    def _sides_of(self, host: Thing) -> tuple[str, ...]:
        if host.count == 1 and host.noun.singular in self._words.lists["surfaces"]:
            return ("on top of", "under", "in front of", "behind")
        return ("between",) if host.count == 2 else ("in front of", "behind", "next to")

    def _attribute(self) -> Told | None:
        """What a thing looks like, beyond what it was introduced with."""
        host = self._fresh("attribute")
        if host is None:
            return None
        name = {"person": "worn", "thing": "shapes"}.get(host.noun.kind, "ties")
        added = with_article(f"{self._color()} {self._words.pick(self._rng, name)}")
        said = {"worn": f"wears {added}", "shapes": f"has {added} painted on it"}
        looks = said.get(name, f"has {added} tied around it")
        return Told(sentence(f"{host.each()} {looks}"), ("attribute",))

    def _motto(self) -> str:
        """Words that no other sign of the scene has."""
        mottos = self._words.lists["mottos"]
        while True:
            kind = self._rng.choice(("pair", "pair", "number", "single"))
            if kind == "pair":
                motto = f"{self._rng.choice(mottos['first'])} {self._rng.choice(mottos['second'])}"
            elif kind == "number":
                motto = f"{self._rng.choice(mottos['numbered'])} {self._rng.randint(1, 99)}"
            else:
                motto = self._rng.choice(mottos["single"])
            if motto not in self._mottos:
                self._mottos.add(motto)
                return motto

    def _color(self) -> str:
        return self._words.pick(self._rng, "colors")

    def _introduce(self, places: tuple[str, ...], *, gazing: bool = False, several: bool = False) -> Thing:
        nouns = self._words.fitting(self._setting)
        kinds = ["person", "animal"] if gazing else ["person", "animal", "plant", "thing", "thing"]
        kind = self._rng.choice(kinds)
        noun = self._unused([each for each in nouns if each.kind == kind]) or self._unused(nouns)
        if noun is None:
            raise AssertionError(f"the vocabulary has too few words for {self._setting}")
        self._taken.add(noun.head)
        thing = draw_thing(self._rng, self._words, noun, self._rng.choice(places), several=several)
        self._things.append(thing)
        return thing

    def _unused(self, nouns: Sequence[Noun]) -> Noun | None:
        free = [noun for noun in nouns if noun.head not in self._taken]
        return self._rng.choice(free) if free else None

    def _fresh(self, aspect: str, *kinds: str) -> Thing | None:
        """Something that no sentence has stressed the aspect of, and that none will again."""
        left = [each for each in self._things if (each, aspect) not in self._claimed]
        left = [each for each in left if not kinds or each.noun.kind in kinds]
        if not left:
            return None
        thing = self._rng.choice(left)
        self._claim(thing, aspect)
        return thing

    def _claim(self, thing: Thing, aspect: str) -> bool:
        """Let no later sentence say the like of the thing; false where an earlier one did."""
        if (thing, aspect) in self._claimed:
            return False
        self._claimed.add((thing, aspect))
        return True

    def _free(self) -> tuple[str, ...]:
        given = {thing.place for thing in self._things}
        return tuple(place for place in PLACES if place not in given)

    def _pose(self, thing: Thing) -> str:
        return thing.says(*self._rng.choice(_POSES[thing.noun.kind]))


def _about(thing: Thing, words: str) -> Told:
    return Told(sentence(words), ("location", "number") if thing.count > 1 else ("location",))


def _side(one: Thing, other: Thing) -> str:
    """On which side of `one` the other stands, as the viewer sees it; both are in one of the places `ACROSS`."""
    return "left" if ACROSS.index(other.place) < ACROSS.index(one.place) else "right"
