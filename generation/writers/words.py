"""The words that the template writer draws from, and the little grammar that they need."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
_FILE = Path(__file__).with_name("vocabulary.yaml")


@dataclass(frozen=True, slots=True)
class Noun:
    """A word for people, animals, plants or things, and the adjectives that go with this word alone."""

    kind: str
    singular: str
    plural: str
    looks: tuple[str, ...] = ()

    @property
    def head(self) -> str:
        """The word by which it is taken for another one: a beach chair for a chair."""
        return self.singular.split()[-1]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The file `vocabulary.yaml`; `lists` are its plain lists by their names."""

    settings: Mapping[str, Mapping[str, Sequence[str]]]
    nouns: Mapping[str, Sequence[Noun]]
    small: Sequence[Noun]
    lists: Mapping[str, Any]

    def fitting(self, setting: str) -> list[Noun]:
        """The nouns of things that may stand in a setting."""
        return [noun for group in self.settings[setting]["draws"] for noun in self.nouns.get(group, ())]

    def pick(self, rng: random.Random, name: str) -> str:
        """One word of a plain list."""
        return str(rng.choice(self.lists[name]))


@cache
def vocabulary() -> Vocabulary:
    """The words, read once."""
    said = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    groups: dict[str, list[Noun]] = {}
    for group, noun in _nouns(said):
        groups.setdefault(group, []).append(noun)
    small = [Noun("small", *pair) for pair in said["small"].items()]
    taken = {"settings", "people", "animals", "plants", "things", "small"}
    return Vocabulary(said["settings"], groups, small, {key: value for key, value in said.items() if key not in taken})


def _nouns(said: Mapping[str, Any]) -> Iterator[tuple[str, Noun]]:
    for group, words in said["people"].items():
        yield from ((group, Noun("person", singular, plural)) for singular, plural in words.items())
    for kind in ("animal", "plant"):
        for group, words in said[f"{kind}s"].items():
            for singular, (plural, *looks) in words.items():
                yield group, Noun(kind, singular, plural, tuple(looks))
    for group, made in said["things"].items():
        for singular, plural in made["words"].items():
            yield group, Noun("thing", singular, plural, tuple(made["materials"]))


def with_article(phrase: str) -> str:
    """The phrase after `a` or `an`, by how its first word sounds."""
    word = phrase.lower()
    return f"an {phrase}" if word[0] in "aeiou" and not word.startswith(("uni", "one", "eu")) else f"a {phrase}"


def sentence(words: str) -> str:
    """The words as a sentence: a capital first, a full stop last."""
    return f"{words[0].upper()}{words[1:]}."
