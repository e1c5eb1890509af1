"""Relations: how two things lie to each other, the other way round.

False whenever the original is true, because both are the only things of their kinds, or all of them, and no two things
stand in both relations. "Next to" and the like exclude nothing and are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from alignbench.types import ErrorType
from generation.injection.clause import alone_after, clause_of
from generation.injection.edit import Edit, replaced
from generation.injection.known import Known
from generation.injection.reading import Reading

_REVERSED: Mapping[str, str] = {
    "to the left of": "to the right of",
    "to the right of": "to the left of",
    "on the left of": "on the right of",
    "on the right of": "on the left of",
    "above": "below",
    "below": "above",
    "beneath": "above",
    "underneath": "on top of",
    "on top of": "underneath",
    "in front of": "behind",
    "behind": "in front of",
    "inside": "outside",
    "outside": "inside",
}
_RELATION = re.compile(
    r"(?:(?:placed|located|positioned|situated|standing|sitting|lying|hanging|resting|parked|floating|visible) )?"
    r"(?:directly |right |just |immediately )?"
    rf"(?P<relation>{'|'.join(sorted(_REVERSED, key=len, reverse=True))}) "
)
_STANDS = re.compile(r"is|are|was|were|appears?|sits?|stands?|lie|lies|hangs?|rests?|remains?")
_END = re.compile(r"[.,;!]|$")


def edits(reading: Reading, known: Known) -> Iterator[Edit]:
    """Every reversal of a relation that is certain."""
    clause = clause_of(reading, known)
    if clause is None or not clause.settled or not _STANDS.fullmatch(clause.verb):
        return
    found = _RELATION.match(reading.plain, clause.rest)
    if found is None:
        return
    other = alone_after(reading, found.end(), known)
    if other is not None and other["head"] != clause.head and _END.match(reading.plain, other.end()):
        yield replaced("reversed", ErrorType.RELATION, found.span("relation"), _REVERSED[found["relation"]])
