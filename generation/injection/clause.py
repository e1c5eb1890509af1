"""What a sentence is about, and whether that is one thing or all things of its kind."""

from __future__ import annotations

import re
from dataclasses import dataclass

from generation.injection.english import singular
from generation.injection.known import Known
from generation.injection.reading import Reading
from generation.injection.vocabulary import NUMBERS, PICTURES

FUNCTION_WORDS = frozenset(
    "a an the this that these those and but or of in on at by to from with for into onto over under above below behind "
    "beside between near next around along across through against among inside outside off up down out as while who "
    "whom whose which where when is are was were be been being has have had do does did can it its he she his her him "
    "they their them we our you your i my there here both all each every one some any".split()
)
_NUMBER = "|".join(NUMBERS[1:])
_DETERMINER = (
    rf"both(?: of)?(?: the| these)?|all(?: of)? (?:the|these)(?: (?:{_NUMBER}))?|all|each|every|"
    rf"the (?:{_NUMBER})|the|this|its|his|her|an?"
)
_VERBS = (
    "is|are|was|were|looks?|appears?|sits?|stands?|lies|lie|hangs?|rests?|points?|faces?|gazes?|stares?|leans?|remains?"
)
# Where in the picture, as opposed to "on the table", of which there may be two.
PLACE_FIRST = (
    r"(?:(?:in|on|at) the (?:(?:far )?"
    r"(?:left|right|top|bottom|upper|lower|background|foreground|distance|cent(?:er|re)|middle)"
    rf"(?: left| right)?(?: side| corner| half| edge)?)(?: of (?:the|this) (?:{'|'.join(PICTURES)}))?, )?"
)
_CLAUSE = re.compile(
    rf"{PLACE_FIRST}(?P<determiner>{_DETERMINER}) (?P<modifiers>(?:[a-z-]+ ){{0,4}}?)(?P<head>[a-z]+) "
    rf"(?P<verb>{_VERBS}) "
)
_ALONE_BY_WORD = re.compile(
    r"\b(?:only|sole|single|lone|largest|biggest|smallest|tallest|shortest|nearest|closest|farthest|leftmost|rightmost|"
    r"topmost|uppermost|lowest|highest|oldest|youngest|first|last)\b"
)
_EXISTS = re.compile(
    rf"(?:there (?:is|are)|(?:the|this) (?:{'|'.join(PICTURES)}) (?:shows|contains|depicts|features)|we can see) "
    r"(?:an?|the) (?P<modifiers>(?:[a-z-]+ ){0,4}?)(?P<head>[a-z]+) (?=(?:on|in|at) the\b)"
)
NOUN_PHRASE = re.compile(r"\b(?P<determiner>an?|the|one|this) (?P<modifiers>(?:[a-z-]+ ){0,4}?)(?P<head>[a-z]+)\b")
# What may follow the last word of a noun phrase; anything else may be a noun that makes a compound of it.
PHRASE_END = re.compile(
    r"$|[.,;:!]|\s(?:"
    + "|".join(sorted(FUNCTION_WORDS))
    + rf"|{_VERBS}|sitting|standing|lying|hanging|facing|pointing|"
    r"looking|holding|wearing|placed|parked|visible|covered|filled|can)\b"
)


@dataclass(frozen=True, slots=True)
class Clause:
    """A sentence that begins with its subject: the head of that, the verb, and where what is said of it begins.

    `settled` says that the subject is the only thing that the sentence can be about, or all of its kind, so that what
    is said of it cannot be true of another.
    """

    head: str
    verb: str
    rest: int
    settled: bool


def clause_of(reading: Reading, known: Known) -> Clause | None:
    """The clause of a sentence such as "The dog is ..." or "There is a dog in ..."; null where it is none of these."""
    if found := _CLAUSE.match(reading.plain):
        words = found["modifiers"].split()
        if FUNCTION_WORDS.isdisjoint([*words, found["head"]]):
            return Clause(found["head"], found["verb"], found.end(), _is_settled(found, known))
    found = _EXISTS.match(reading.plain)
    if found is None or not FUNCTION_WORDS.isdisjoint([*found["modifiers"].split(), found["head"]]):
        return None
    return Clause(found["head"], "is", found.end(), known.is_alone(found["head"]))


def _is_settled(found: re.Match[str], known: Known) -> bool:
    determiner, head = found["determiner"], found["head"]
    if determiner in ("a", "an"):
        return known.is_alone(head)
    if determiner in ("its", "his", "her"):
        return known.definite and singular(head) is None and head not in known.doubled
    if determiner not in ("the", "this"):
        return True  # both, all, every, the two: whatever is said is said of all
    if singular(head) is not None:
        return False
    return _ALONE_BY_WORD.search(found["modifiers"]) is not None or known.is_the_only(head)


def alone_after(reading: Reading, start: int, known: Known) -> re.Match[str] | None:
    """The noun phrase at `start`, if it is about the only thing of its kind and the words end there."""
    found = NOUN_PHRASE.match(reading.plain, start)
    while found is not None:
        words = [*found["modifiers"].split(), found["head"]]
        if not FUNCTION_WORDS.isdisjoint(words):
            return None
        if PHRASE_END.match(reading.plain, found.end()):
            definite = found["determiner"] in ("the", "this") and singular(found["head"]) is None
            only = known.is_the_only(found["head"]) if definite else known.is_alone(found["head"])
            return found if only else None
        found = _longer(reading, found)
    return None


def _longer(reading: Reading, shorter: re.Match[str]) -> re.Match[str] | None:
    """The same noun phrase with one more word."""
    more = len(shorter["modifiers"].split()) + 1
    if more > 4:
        return None
    pattern = rf"(?P<determiner>an?|the|one|this) (?P<modifiers>(?:[a-z-]+ ){{{more}}})(?P<head>[a-z]+)\b"
    return re.compile(pattern).match(reading.plain, shorter.start())
