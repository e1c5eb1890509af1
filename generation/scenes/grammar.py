"""Sentences about scenes: a claim and a wording make a text with slots, and a text of the grammar gives them back."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Any

from generation.scenes.world import BACKGROUNDS, COLOURS, FILLS, HEADINGS, KINDS, SIZES, TEXTS

PLACES: Mapping[str, frozenset[int]] = {
    "in the top left corner": frozenset({0}),
    "in the top right corner": frozenset({2}),
    "in the center": frozenset({4}),
    "in the bottom left corner": frozenset({6}),
    "in the bottom right corner": frozenset({8}),
    "on the left side": frozenset({0, 3, 6}),
    "on the right side": frozenset({2, 5, 8}),
    "at the top": frozenset({0, 1, 2}),
    "at the bottom": frozenset({6, 7, 8}),
}
NUMBERS = ("one", "two", "three", "four")
RELATIONS = ("to the left of", "to the right of", "above", "below")
ANY_KIND = "object"


class Form(StrEnum):
    """What a claim asserts."""

    EXISTS = "exists"
    LOCATED = "located"
    COUNT = "count"
    IS = "is"
    BACKGROUND = "background"
    POINTS = "points"
    READS = "reads"
    RELATED = "related"


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun phrase without its article: modifiers that may be left out, and a kind or `object`."""

    kind: str
    colour: str | None = None
    fill: str | None = None
    size: str | None = None

    def without(self, modifiers: Collection[str]) -> Noun:
        """The noun phrase with some modifiers left out."""
        left_out: dict[str, Any] = dict.fromkeys(modifiers)
        return replace(self, **left_out)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a sentence says: its form, the noun phrases in order, and the asserted value where the form has one."""

    form: Form
    nouns: tuple[Noun, ...] = ()
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """A part of a sentence that an edit can change: `name` is `value`, or a noun's number, a dot and its property."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Wording:
    """One way to say a form. In `pattern`, a0 and the0 are noun phrase 0 with an article, n0 is it after a number."""

    form: Form
    pattern: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of the grammar: claim, wording, text, and slots; slot `0` is noun phrase 0 with its article."""

    claim: Claim
    wording: Wording
    text: str
    slots: tuple[Slot, ...]

    def slot(self, name: str) -> Slot:
        """The slot of that name; KeyError if the sentence has none."""
        for slot in self.slots:
            if slot.name == name:
                return slot
        raise KeyError(name)


WORDINGS = tuple(
    Wording(form, pattern)
    for form, patterns in {
        Form.EXISTS: ("There is {a0}.", "The picture shows {a0}.", "{a0} is visible.", "We can see {a0}."),
        Form.LOCATED: ("There is {a0} {value}.", "{the0} is {value}.", "{a0} sits {value}.", "{the0} appears {value}."),
        Form.COUNT: ("There {be} {value} {n0}.", "The picture contains {value} {n0}.", "We can count {value} {n0}."),
        Form.IS: ("{the0} is {value}.", "{the0} looks {value}."),
        Form.BACKGROUND: ("The background is {value}.", "Everything is set on a {value} background."),
        Form.POINTS: ("{the0} points {value}.", "{a0} is pointing {value}.", "{the0} faces {value}."),
        Form.READS: ('{the0} reads "{value}".', '{a0} says "{value}".'),
        Form.RELATED: ("{the0} is {value} {the1}.", "{a0} is placed {value} {a1}.", "{the0} sits {value} {the1}."),
    }.items()
    for pattern in patterns
)
_PIECE = re.compile(r"\{(\w+)\}")
_VALUES: Mapping[Form, tuple[str, ...]] = {
    Form.EXISTS: (),
    Form.LOCATED: tuple(PLACES),
    Form.COUNT: NUMBERS,
    Form.IS: (*COLOURS, *SIZES, *FILLS),
    Form.BACKGROUND: BACKGROUNDS,
    Form.POINTS: HEADINGS,
    Form.READS: TEXTS,
    Form.RELATED: RELATIONS,
}
_MODIFIERS = {"size": SIZES, "fill": FILLS, "colour": COLOURS}


def wordings(form: Form) -> tuple[Wording, ...]:
    """All ways to say a form."""
    return tuple(w for w in WORDINGS if w.form is form)


def alternatives(claim: Claim, slot: str) -> tuple[str, ...]:
    """What else could stand in a slot, in a fixed order; the asserted attribute of IS stays of its own sort."""
    if slot == "value":
        allowed = _VALUES[claim.form]
        if claim.form is Form.IS:
            allowed = next(values for values in _MODIFIERS.values() if claim.value in values)
        return tuple(v for v in allowed if v != claim.value)
    number, name = slot.split(".")
    noun = claim.nouns[int(number)]
    if name == "kind":
        return () if noun.kind == ANY_KIND else tuple(k for k in KINDS if k != noun.kind)
    return tuple(v for v in _MODIFIERS[name] if v != getattr(noun, name))


def with_slot(claim: Claim, slot: str, value: str) -> Claim:
    """The claim with another value in one slot."""
    if slot == "value":
        return replace(claim, value=value)
    number, name = slot.split(".")
    nouns = list(claim.nouns)
    nouns[int(number)] = replace(nouns[int(number)], **{name: value})
    return replace(claim, nouns=tuple(nouns))


def slots_of(claim: Claim) -> tuple[str, ...]:
    """Names of the slots that hold a word, in the precedence of edits: asserted value, modifiers, kinds."""
    value = ("value",) if claim.value is not None else ()
    said = [f"{i}.{m}" for i, noun in enumerate(claim.nouns) for m in _MODIFIERS if getattr(noun, m) is not None]
    kinds = [f"{i}.kind" for i in range(len(claim.nouns))]
    return (*value, *said, *kinds)


def say(claim: Claim, wording: Wording) -> Statement:
    """The claim in that wording, capitalised, with articles and plurals that agree."""
    text, slots, at = "", [], 0
    for piece in _PIECE.finditer(wording.pattern):
        text += wording.pattern[at : piece.start()]
        at = piece.end()
        name = piece.group(1)
        if name == "value":
            slots.append(Slot("value", len(text), len(text) + len(claim.value or "")))
            text += claim.value or ""
        elif name == "be":
            text += "is" if claim.value == "one" else "are"
        else:
            text = _add_noun(text, slots, claim, name)
    text += wording.pattern[at:]
    return Statement(claim, wording, text[0].upper() + text[1:], tuple(slots))


def _add_noun(text: str, slots: list[Slot], claim: Claim, piece: str) -> str:
    number = int(piece[-1])
    noun = claim.nouns[number]
    words = [(m, getattr(noun, m)) for m in _MODIFIERS if getattr(noun, m) is not None]
    plural = piece.startswith("n") and claim.value != "one"
    words.append(("kind", noun.kind + ("s" if plural else "")))
    article = {"t": "the ", "n": "", "a": "an " if words[0][1][0] in "aeiou" else "a "}[piece[0]]
    start = len(text)
    text += article
    for place, (name, word) in enumerate(words):
        text += " " if place else ""
        slots.append(Slot(f"{number}.{name}", len(text), len(text) + len(word)))
        text += word
    slots.append(Slot(f"{number}", start, len(text)))
    return text


def parse(text: str) -> Statement | None:
    """The statement that a text makes, or null where it is no sentence of the grammar.

    Agreement is not asked for ("a orange star", "there is two stars"): a model's slip in it changes no fact.
    """
    for wording, pattern in _patterns():
        found = pattern.fullmatch(text)
        if found:
            return _statement(wording, found)
    return None


def _statement(wording: Wording, found: re.Match[str]) -> Statement:
    nouns: list[Noun] = []
    slots: list[Slot] = []
    for number in range(2):
        if f"n{number}_kind" not in found.re.groupindex:
            break
        said = {name: found.group(f"n{number}_{name}") for name in (*_MODIFIERS, "kind")}
        slots += [Slot(f"{number}.{n}", *found.span(f"n{number}_{n}")) for n, word in said.items() if word is not None]
        slots.append(Slot(f"{number}", *found.span(f"n{number}")))
        said["kind"] = str(said["kind"]).removesuffix("s")
        nouns.append(Noun(**{k: v for k, v in said.items() if v is not None}))
    value = found.group("value") if "value" in found.re.groupindex else None
    if value is not None:
        slots.append(Slot("value", *found.span("value")))
    return Statement(Claim(wording.form, tuple(nouns), value), wording, found.string, tuple(slots))


@cache
def _patterns() -> tuple[tuple[Wording, re.Pattern[str]], ...]:
    return tuple((w, re.compile(_pattern(w))) for w in WORDINGS)


def _pattern(wording: Wording) -> str:
    def piece(found: re.Match[str]) -> str:
        name = found.group(1)
        if name == "value":
            return "(?P<value>" + "|".join(_VALUES[wording.form]) + ")"
        if name == "be":
            return "(?:is|are)"
        return _noun_pattern(name, first=found.start() == 0)

    literal = wording.pattern.replace(".", r"\.")
    return _PIECE.sub(piece, literal)


def _noun_pattern(piece: str, first: bool) -> str:
    number = piece[-1]
    kinds = "|".join((*KINDS, ANY_KIND))
    article = {"t": "the ", "n": "", "a": "an? "}[piece[0]]
    if first and article:
        article = f"[{article[0]}{article[0].upper()}]{article[1:]}"
    modifiers = "".join(f"(?:(?P<n{number}_{m}>{'|'.join(values)}) )?" for m, values in _MODIFIERS.items())
    ending = "s?" if piece[0] == "n" else ""
    return f"(?P<n{number}>{article}{modifiers}(?P<n{number}_kind>(?:{kinds}){ending}))"
