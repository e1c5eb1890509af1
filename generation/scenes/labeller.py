"""Decides any sentence against a scene: correct, incorrect with typed spans and a correction, or unknown.

The type of an error is that of the cheapest edit that makes the sentence true. Edits are tried one at a time in a fixed
precedence (the asserted value, then modifiers, then kinds), then the asserted value together with one more, and where
nothing helps the noun phrase is an illusion. data_cards/error_types.md states the rule for people.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from alignbench.types import ErrorType, Label, Span
from generation.scenes.grammar import (
    ANY_KIND,
    NUMBERS,
    PLACES,
    WORDINGS,
    Claim,
    Form,
    Noun,
    Statement,
    alternatives,
    parse,
    say,
    slots_of,
    with_slot,
)
from generation.scenes.world import Scene, Thing

VALUE_TYPE = {
    Form.LOCATED: ErrorType.LOCATION,
    Form.COUNT: ErrorType.NUMBER,
    Form.IS: ErrorType.ATTRIBUTE,
    Form.BACKGROUND: ErrorType.ATTRIBUTE,
    Form.POINTS: ErrorType.DIRECTION,
    Form.READS: ErrorType.TEXT,
    Form.RELATED: ErrorType.RELATION,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a sentence is of a scene. `correction` is a true sentence in place of an incorrect one, null otherwise."""

    label: Label
    spans: tuple[Span, ...] = ()
    correction: str | None = None

    @property
    def error_types(self) -> tuple[ErrorType, ...]:
        """The types of the spans, each once, in the order of the spans."""
        return tuple(dict.fromkeys(span.error_type for span in self.spans))


def judge_sentence(scene: Scene, text: str) -> Finding:
    """The finding for a text about a scene."""
    statement = parse(text)
    if statement is None:
        return Finding(Label.UNKNOWN)
    if holds(scene, statement.claim):
        return Finding(Label.CORRECT)
    edits = _cheapest_edit(scene, statement.claim)
    if edits is None:
        return _illusion(scene, statement)
    claim = statement.claim
    for slot, value in edits:
        claim = with_slot(claim, slot, value)
    spans = [_span(statement, slot) for slot, _ in edits]
    return Finding(Label.INCORRECT, tuple(sorted(spans, key=lambda s: s.start)), say(claim, statement.wording).text)


def holds(scene: Scene, claim: Claim) -> bool:
    """Whether a claim is true. "The X is P" and "a X is P" both mean that some X is P."""
    if claim.form is Form.BACKGROUND:
        return scene.background == claim.value
    subjects = [t for t in scene.things if fits(claim.nouns[0], t)]
    if claim.form is Form.EXISTS:
        return bool(subjects)
    if claim.form is Form.COUNT:
        return len(subjects) == NUMBERS.index(claim.value or "") + 1
    if claim.form is Form.RELATED:
        others = [t for t in scene.things if fits(claim.nouns[1], t)]
        return any(_related(a, b, claim.value) for a in subjects for b in others)
    return any(_is(thing, claim) for thing in subjects)


def fits(noun: Noun, thing: Thing) -> bool:
    """Whether a thing is what a noun phrase says."""
    if noun.kind not in (thing.kind, ANY_KIND):
        return False
    said = ((noun.colour, thing.colour), (noun.fill, thing.fill), (noun.size, thing.size))
    return all(word is None or word == fact for word, fact in said)


def _is(thing: Thing, claim: Claim) -> bool:
    if claim.form is Form.LOCATED:
        return thing.cell in PLACES[claim.value or ""]
    if claim.form is Form.POINTS:
        return thing.heading == claim.value
    if claim.form is Form.READS:
        return thing.text == claim.value
    return claim.value in (thing.colour, thing.size, thing.fill)


def _related(a: Thing, b: Thing, relation: str | None) -> bool:
    if relation == "to the left of":
        return a.column < b.column
    if relation == "to the right of":
        return a.column > b.column
    return a.row < b.row if relation == "above" else a.row > b.row


def _cheapest_edit(scene: Scene, claim: Claim) -> tuple[tuple[str, str], ...] | None:
    for slot, value in _edits(claim, slots_of(claim)):
        if holds(scene, with_slot(claim, slot, value)):
            return ((slot, value),)
    if claim.value is None or claim.form is Form.COUNT:
        return None
    for slot, value in _edits(claim, slots_of(claim)[1:]):
        edited = with_slot(claim, slot, value)
        for _, asserted in _edits(claim, ("value",)):
            if holds(scene, with_slot(edited, "value", asserted)):
                return (("value", asserted), (slot, value))
    return None


def _edits(claim: Claim, slots: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for slot in slots:
        for value in alternatives(claim, slot):
            yield slot, value


def _span(statement: Statement, slot: str) -> Span:
    place = statement.slot(slot)
    if slot == "value":
        return Span(place.start, place.end, VALUE_TYPE[statement.claim.form])
    return Span(place.start, place.end, ErrorType.OBJECT if slot.endswith("kind") else ErrorType.ATTRIBUTE)


def _illusion(scene: Scene, statement: Statement) -> Finding:
    absent = [i for i, noun in enumerate(statement.claim.nouns) if not any(fits(noun, t) for t in scene.things)]
    spans = []
    for number in absent or [len(statement.claim.nouns) - 1]:
        place = statement.slot(str(number))
        spans.append(Span(place.start, place.end, ErrorType.ILLUSION))
    return Finding(Label.INCORRECT, tuple(sorted(spans, key=lambda s: s.start)), _true_instead(scene, statement))


def _true_instead(scene: Scene, statement: Statement) -> str:
    """The same claim of a thing that is there, or where the scene has none such, that some thing is there."""
    claim = statement.claim
    for thing in scene.things:
        there = name(thing)
        told = replace(claim, nouns=(there, *claim.nouns[1:]))
        for value in (claim.value, *(alternatives(claim, "value") if claim.value else ())):
            if holds(scene, replace(told, value=value)):
                return say(replace(told, value=value), statement.wording).text
    return say(Claim(Form.EXISTS, (name(scene.things[0]),)), WORDINGS[0]).text


def name(thing: Thing) -> Noun:
    """The noun phrase with every modifier that a thing has."""
    return Noun(thing.kind, thing.colour, thing.fill, thing.size)
