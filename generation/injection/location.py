"""Locations: the side, corner, edge or depth of the picture where something is, for one that lies apart from it.

False whenever the original is true, because it is said of the only thing of its kind, or of all of them, and because
the two places have no part in common.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from alignbench.types import ErrorType
from generation.injection.clause import clause_of
from generation.injection.edit import Edit, replaced
from generation.injection.known import Known
from generation.injection.reading import Reading
from generation.injection.vocabulary import PICTURES

_OF = rf"(?: of the (?:{'|'.join(PICTURES)}))?"
_END = rf"(?={_OF}(?:[.,;!]|$))"
_PUT = (
    r"(?:(?:visible|seen|placed|located|positioned|situated|standing|sitting|lying|hanging|resting|parked|floating) )?"
)
_PLACE = re.compile(
    rf"{_PUT}(?:right |just )?(?P<place>"
    r"(?P<corner>(?:in|at) the (?P<row>top|upper|bottom|lower)[ -](?P<column>left|right)(?: corner)?)|"
    r"(?P<side>(?:on|at) the (?P<hand>left|right)(?:[ -]hand)?(?: side)?)|"
    r"(?P<edge>(?:at|near) the (?P<end>top|bottom)(?: edge)?)|"
    r"(?P<centre>in the (?:very )?(?:cent(?:er|re)|middle))|"
    rf"(?P<depth>in the (?P<layer>foreground|background)))" + _END
)
_OPPOSITE = {
    "left": "right",
    "right": "left",
    "top": "bottom",
    "bottom": "top",
    "upper": "lower",
    "lower": "upper",
    "foreground": "background",
    "background": "foreground",
}
_STANDS = re.compile(r"is|are|was|were|appears?|sits?|stands?|lie|lies|hangs?|rests?|remains?")


def edits(reading: Reading, known: Known) -> Iterator[Edit]:
    """Every change of a place that is certain."""
    clause = clause_of(reading, known)
    if clause is None or not clause.settled or not _STANDS.fullmatch(clause.verb):
        return
    found = _PLACE.match(reading.plain, clause.rest)
    if found is None:
        return
    for after in _elsewhere(found):
        yield replaced("place", ErrorType.LOCATION, found.span("place"), after)


def _elsewhere(found: re.Match[str]) -> Iterator[str]:
    said = found["place"]
    for group in ("hand", "end", "layer"):
        if found[group]:
            yield said.replace(found[group], _OPPOSITE[found[group]])
    if found["corner"]:
        row, column = found["row"], found["column"]
        yield said.replace(row, _OPPOSITE[row])
        yield said.replace(column, _OPPOSITE[column])
        yield said.replace(row, _OPPOSITE[row]).replace(column, _OPPOSITE[column])
    if found["centre"]:
        yield "in the top left corner"
        yield "in the top right corner"
        yield "in the bottom left corner"
        yield "in the bottom right corner"
