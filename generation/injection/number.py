"""Numbers: another count of what a sentence counts first.

False whenever the original is true, because a count is exact: where three dogs run, two or five do not. Only a count
that nothing of the sentence comes before is changed: "a house with two doors" may stand beside one with three. Nothing
is changed in rough counts, measures, ordinals, fractions, parts of compounds ("two-story") and of what comes in pairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from alignbench.types import ErrorType
from generation.injection.clause import FUNCTION_WORDS, PHRASE_END, PLACE_FIRST
from generation.injection.edit import Edit, replaced
from generation.injection.english import as_written, plural, singular
from generation.injection.known import Known
from generation.injection.reading import Reading
from generation.injection.vocabulary import KINDS, NUMBERS, OBJECTS, PICTURES

_MOST = 6
_NUMBER = rf"(?P<number>{'|'.join(NUMBERS)}|[1-9])"
_PICTURE = rf"(?:the|this) (?:{'|'.join(PICTURES)})"
_SHOWS = r"(?:shows|contains|has|depicts|features|includes)"
_COUNTED = re.compile(
    rf"{PLACE_FIRST}(?P<lead>there (?P<be>is|are) |{_PICTURE} {_SHOWS} |we can (?:see|count) |)"
    rf"{_NUMBER} (?P<modifiers>(?:[a-z]+ ){{0,3}}?)(?P<noun>[a-z]+)(?={PHRASE_END.pattern})"
    r"(?P<after> (?:is|are|was|were|has|have)\b)?"
)
_PAIR = re.compile(r"(?P<lead>there is )(?P<number>a pair of) (?P<modifiers>(?:[a-z]+ ){0,2}?)(?P<noun>[a-z]+)")
_MEASURES = frozenset(
    "feet meters metres inches centimeters kilometers miles pounds kilos tons hours minutes seconds days weeks months "
    "years o clock percent times story stories thirds quarters halves levels layers rows sides parts kinds types sets "
    "groups pairs dozen hundred thousand million".split()
)
_VAGUE = re.compile(
    r"\b(?:about|around|approximately|roughly|over|under|least|most|more|fewer|up to|to|some|several)\b"
)
_BOUND_TO_NUMBER = re.compile(r"\b(?:their|them|they|both|each|one|other|another|themselves|former|latter)\b")
_AGREEING = {" are": " is", " were": " was", " have": " has"}
_COUNTABLE = frozenset().union(*(nouns for nouns, _ in OBJECTS), KINDS, {"object"})


def edits(reading: Reading, known: Known) -> Iterator[Edit]:
    """Every change of a count that is certain and leaves a sentence that agrees with itself."""
    del known  # a count is exact whatever else is said
    if found := _PAIR.match(reading.plain):
        yield from _pair(reading, found)
    found = _COUNTED.match(reading.plain)
    if found is None or not _counts(found):
        return
    number = _value(found["number"])
    # "Two women walk" may be taken for "at least two", so that fewer would be true; "there are two" may not.
    for other in range(1 if found["lead"] else number + 1, _MOST + 1):
        if other != number and (other == 1 or number == 1):
            yield from _to_or_from_one(reading, found, other)
        elif other != number:
            yield _edit(reading, found.span("number"), _spelled(other, found["number"]))


def _counts(found: re.Match[str]) -> bool:
    """Whether the match is a count of things: one that ends in a noun, in the plural but for one."""
    words = [*found["modifiers"].split(), found["noun"]]
    if not FUNCTION_WORDS.isdisjoint(words) or not _MEASURES.isdisjoint(words) or _VAGUE.search(found[0]):
        return False
    noun = found["noun"]
    return noun in _COUNTABLE if _value(found["number"]) == 1 else singular(noun) is not None


def _to_or_from_one(reading: Reading, found: re.Match[str], other: int) -> Iterator[Edit]:
    """The count with noun and verb in the other number, where both are known."""
    noun = found["noun"]
    turned = plural(noun) if other > 1 else singular(noun)
    if turned is None or (turned if other == 1 else noun) not in _COUNTABLE or _speaks_of_it_again(reading, found):
        return
    verbs = _AGREEING if other == 1 else {one: many for many, one in _AGREEING.items()}
    verb = found["after"] or ""
    if (not found["lead"] and verb not in verbs) or (found["lead"] and verb):
        return
    start = found.start("be") if found["be"] else found.start("number")
    between = reading.text[found.start("modifiers") : found.start("noun")]
    number = as_written(_spelled(other, found["number"]), reading.text[found.start("number") : found.end("number")])
    be = ("is " if other == 1 else "are ") if found["be"] else ""
    after = f"{be}{number} {between}{turned}{verbs.get(verb, verb)}"
    wrong = (len(be), len(be) + len(number))
    end = found.end("after") if verb else found.end("noun")
    yield Edit("count to or from one", ErrorType.NUMBER, start, end, after, wrong)


def _speaks_of_it_again(reading: Reading, found: re.Match[str]) -> bool:
    """Whether the rest of the sentence leans on the number: "two dogs with their bowls"."""
    return _BOUND_TO_NUMBER.search(reading.plain, found.end("noun")) is not None


def _pair(reading: Reading, found: re.Match[str]) -> Iterator[Edit]:
    """`There is a pair of dogs`, of what does not come in pairs anyway."""
    if singular(found["noun"]) in _COUNTABLE and PHRASE_END.match(reading.plain, found.end("noun")):
        place = (found.end("lead") - len("is "), found.end("number"))
        for other in range(3, _MOST + 1):
            yield replaced("a pair of", ErrorType.NUMBER, place, NUMBERS[other - 1], "are ")


def _edit(reading: Reading, place: tuple[int, int], after: str) -> Edit:
    return replaced("count", ErrorType.NUMBER, place, as_written(after, reading.text[place[0] : place[1]]))


def _value(number: str) -> int:
    return int(number) if number.isdecimal() else NUMBERS.index(number) + 1


def _spelled(number: int, like: str) -> str:
    return str(number) if like.isdecimal() else NUMBERS[number - 1]
