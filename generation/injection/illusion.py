"""Illusions: a sentence about a thing that is not there.

False whatever the original says, because next to no picture holds such a thing, and one that does would have been
described with it: it is large and out of place. Nothing is put in that the caption names, or that belongs to what it
names, and nothing into captions of zoos, toys, paintings and the like.
"""

from __future__ import annotations

from collections.abc import Iterator

from alignbench.types import ErrorType
from generation.injection.edit import Edit
from generation.injection.english import article
from generation.injection.known import Known
from generation.injection.reading import Reading
from generation.injection.vocabulary import IMPROBABLE, STRANGE_PLACES

_WORDINGS = (
    "{thing} can be seen in the background.",
    "There is {thing} on the left side.",
    "{thing} stands on the right side.",
    "In the corner, there is {thing}.",
    "{thing} is also visible.",
)


def edits(reading: Reading, known: Known) -> Iterator[Edit]:
    """Every sentence about an improbable thing that could follow this one."""
    end = len(reading.text)
    if known.words & STRANGE_PLACES or reading.text[-1:] not in (".", "!"):
        return
    for thing, belonging in IMPROBABLE:
        if known.words.isdisjoint(belonging | frozenset(thing.replace("-", " ").split())):
            for wording in _WORDINGS:
                said = wording.format(thing=f"{article(thing)} {thing}")
                start = said.lower().index(f"{article(thing)} {thing}")
                after = said[:1].upper() + said[1:]
                wrong = (start, start + len(thing) + len(article(thing)) + 1)
                yield Edit("added", ErrorType.ILLUSION, end, end, after, wrong, adds=True)
