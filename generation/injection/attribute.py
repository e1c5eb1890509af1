"""Attributes: a colour, size, material or state that excludes the one that is said.

False whenever the original is true, because what is changed is said of the only thing of its kind, of all of them, or
of the picture as a whole, and because the words exchanged exclude each other. Where a sentence names two colours, or
says more of one ("dark red"), and within compounds ("orange juice") nothing is changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from alignbench.types import ErrorType
from generation.injection.clause import FUNCTION_WORDS, PHRASE_END, clause_of
from generation.injection.edit import Edit, replaced
from generation.injection.english import article, as_written
from generation.injection.known import Known
from generation.injection.reading import Reading
from generation.injection.vocabulary import ATTRIBUTES, BACKGROUND_COLOURS, COLOUR_WORDS, COLOURS, PICTURES, SKY_COLOURS

_COPULA = ("is", "are", "was", "were", "look", "looks", "appear", "appears")
_COLOUR = re.compile(rf"\b(?:{'|'.join(sorted(COLOUR_WORDS))})\b")
_TONED = re.compile(r"(?:-|\b(?:light|dark|bright|pale|deep|vivid|very) )$")
_ENDS = re.compile(r"$|[.,;!]|(?= in colou?r\b)|(?= (?:and|on|in|at|with)\b)")
_NEXT_WORD = re.compile(r" ([a-z]+)")
# "A standing man" turns into no "lying down man": a state is exchanged only where it is said of a subject.
_BEFORE_NOUNS = frozenset({"colour", "size", "material", "fill"})
_BRITISH = frozenset({"colour", "colours", "coloured", "grey", "centre"})

_PICTURE = rf"(?:{'|'.join(PICTURES)})"
_TAKEN = rf"^the {_PICTURE} (?:is|was) (?:taken|shot|captured)"
_SET = rf"^the {_PICTURE} (?:is|was) (?:set |taken |shot )?"
# Of the whole picture, of which there is one; what is exchanged is the group.
_WHOLE: Sequence[tuple[str, re.Pattern[str], str]] = (
    ("blur", re.compile(r"^the background is ((?:softly |heavily )?blurred|blurry|out of focus)(?=[.,])"), "in focus"),
    ("focus", re.compile(r"^the background is (in (?:sharp )?focus|sharp)(?=[.,])"), "completely blurred"),
    ("greyscale", re.compile(rf"\b(black[- ]and[- ]white) {_PICTURE}\b"), "full-color"),
    ("night", re.compile(rf"{_TAKEN} (at night)\b"), "at noon"),
    ("day", re.compile(rf"{_TAKEN} (during the day|in daylight|in broad daylight)\b"), "at midnight"),
    ("clear sky", re.compile(r"^the sky is (clear|cloudless)(?=[.,])"), "completely overcast"),
    ("overcast sky", re.compile(r"^the sky is (overcast)(?=[.,])"), "cloudless"),
    ("indoors", re.compile(rf"{_SET}(indoors)\b"), "outdoors"),
    ("outdoors", re.compile(rf"{_SET}(outdoors)\b"), "indoors"),
)


def edits(reading: Reading, known: Known) -> Iterator[Edit]:
    """Every change of an attribute that is certain."""
    yield from _whole(reading, known)
    one_colour = len(_COLOUR.findall(reading.plain)) == 1
    for sort, words in ATTRIBUTES.items():
        if sort != "colour" or one_colour:
            yield from _predicates(sort, words, reading, known)
            yield from _modifiers(sort, words, reading, known)


def _whole(reading: Reading, known: Known) -> Iterator[Edit]:
    for name, pattern, after in _WHOLE:
        found = pattern.search(reading.plain)
        if found:
            spelled = after.replace("color", "colour") if known.words & _BRITISH else after
            yield _edit(f"picture: {name}", reading, found.span(1), spelled)


def _predicates(sort: str, words: Mapping[str, Sequence[str]], reading: Reading, known: Known) -> Iterator[Edit]:
    """`The only dog is brown.`"""
    clause = clause_of(reading, known)
    if clause is None or not clause.settled or clause.verb not in _COPULA:
        return
    found = re.compile(rf"({'|'.join(words)})\b").match(reading.plain, clause.rest)
    if found and _ENDS.match(reading.plain, found.end()):
        for after in _instead(sort, found[1], clause.head):
            yield _edit(f"{sort}: said of it", reading, found.span(1), after)


def _modifiers(sort: str, words: Mapping[str, Sequence[str]], reading: Reading, known: Known) -> Iterator[Edit]:
    """`a red circle` where there is one circle; `a white background`."""
    if sort not in _BEFORE_NOUNS:
        return
    for found in re.finditer(rf"\b(?:{'|'.join(words)})\b", reading.plain):
        noun = _noun_after(reading, found.end())
        if noun is not None and known.is_alone(noun) and not _TONED.search(reading.plain[: found.start()]):
            for after in _instead(sort, found[0], noun):
                yield _edit(f"{sort}: before its noun", reading, found.span(), after)


def _noun_after(reading: Reading, end: int) -> str | None:
    """The noun of a word that ends at `end`: the last of at most three words after it that are no function words."""
    for _ in range(3):
        found = _NEXT_WORD.match(reading.plain, end)
        if found is None or found[1] in FUNCTION_WORDS:
            return None
        end = found.end()
        if PHRASE_END.match(reading.plain, end):
            return found[1]
    return None


def _instead(sort: str, word: str, noun: str) -> Sequence[str]:
    if sort != "colour":
        return ATTRIBUTES[sort][word]
    if noun == "sky":
        return SKY_COLOURS if word not in SKY_COLOURS else ()
    return BACKGROUND_COLOURS[word] if noun == "background" else COLOURS[word]


def _edit(rule: str, reading: Reading, place: tuple[int, int], after: str) -> Edit:
    """The edit, with the article before it where that has to change too."""
    start, end = place
    after = as_written(after, reading.text[start:end])
    said = re.search(r"\b(an?) $", reading.plain[:start])
    if said is None or said[1] == article(after):
        return replaced(rule, ErrorType.ATTRIBUTE, place, after)
    lead = as_written(article(after), reading.text[said.start() : said.end()])
    return replaced(rule, ErrorType.ATTRIBUTE, (said.start(), end), after, f"{lead} ")
