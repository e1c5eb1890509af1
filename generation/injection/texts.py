"""Texts: what something reads, with other words in it.

False whenever the original is true, because what it says stands there as quoted, and the new words are such as hardly
anything carries, so that no second sign says them. They look unlike the old ones at once. What the caption says
elsewhere is never put in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from alignbench.types import ErrorType
from generation.injection.edit import Edit, replaced
from generation.injection.english import as_written
from generation.injection.known import Known
from generation.injection.reading import Reading, quotations
from generation.injection.vocabulary import SIGN_WORDS

_READS = re.compile(
    r"\b(?:reads?|reading|says?|saying|spells?|spelling|displays?|displaying|bears?|bearing|(?:the|a) "
    r"(?:words?|letters?|text|phrase|message|inscription|slogan|label)|labell?ed|written|printed|inscribed)[ ,:]*$"
)
_WORD = re.compile(r"[A-Za-z]+(?:['\u2019][A-Za-z]+)?")
_FEWEST_ALIKE = 3
# How far before a quotation "reads" may stand, in characters.
_NEAR = 40


def edits(reading: Reading, known: Known) -> Iterator[Edit]:
    """Every change of one word of a quotation that something is said to read."""
    for start, end in quotations(reading.text):
        if not _READS.search(reading.plain, max(0, start - 1 - _NEAR), start - 1):
            continue
        words = list(_WORD.finditer(reading.text, start, end))
        if words:
            longest = max(words, key=lambda found: (len(found[0]), -found.start()))
            yield from _changed(reading, longest.span(), known)


def _changed(reading: Reading, place: tuple[int, int], known: Known) -> Iterator[Edit]:
    before = reading.text[place[0] : place[1]]
    for word in SIGN_WORDS:
        if word.lower() in known.words or _alike(word.lower(), before.lower()):
            continue
        after = word if before.isupper() else as_written(word.lower(), before)
        yield replaced("other words", ErrorType.TEXT, place, after)


def _alike(one: str, other: str) -> bool:
    """Whether two words begin alike or share so many letters that one could be misread for the other."""
    same = sum(a == b for a, b in zip(one, other, strict=False))
    return one[0] == other[0] or same >= _FEWEST_ALIKE
