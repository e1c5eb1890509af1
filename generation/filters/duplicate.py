"""Finds pictures that look like an earlier one."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from PIL import Image as Pillow

from generation.filters.options import whole
from generation.filters.seeing import seen
from generation.perceptual import fingerprint
from generation.protocols import Candidate, Finding, Site

_BITS = 64
_FIRST_ROOM = 1024


class DuplicateFilter:
    """Finds pictures whose fingerprint is at most `distance` bits from that of an earlier one of the same producer.

    Source images are compared with source images. Two pictures of one cluster are no copies: they were asked for by
    the same words. What is measured is the distance to the nearest. A picture that did not pass is remembered too.

    Args:
        distance: In how many of 64 bits they may differ; 0 to 31.

    Raises:
        UsageError: Another distance.
        MissingDependencyError: imagehash is not installed.
    """

    def __init__(self, distance: int) -> None:
        self._distance = whole("duplicate", "distance", distance, 0, _BITS // 2 - 1)
        # So that a package that lacks is told before anything is made.
        fingerprint(Pillow.new("L", (1, 1)))
        self._seen: dict[str | None, _Seen] = {}

    @classmethod
    def from_options(cls, site: Site, *, distance: int = 4) -> Self:  # noqa: ARG003 - the protocol
        """The filter; the option is that of the class."""
        return cls(distance)

    def look(self, candidate: Candidate) -> Finding | None:
        """How far the picture is from the nearest earlier one; null for a caption."""
        picture = seen(candidate)
        if not isinstance(picture, Pillow.Image):
            return picture
        earlier = self._seen.setdefault(candidate.producer, _Seen())
        mark = fingerprint(picture)
        nearest = earlier.nearest(mark, candidate.cluster_id)
        earlier.keep(mark, candidate)
        if nearest is None or nearest.distance > self._distance:
            return Finding(passed=True, value=nearest and nearest.distance)
        reason = f"it looks like {nearest.name}: {nearest.distance} of {_BITS} bits differ"
        return Finding(passed=False, value=nearest.distance, reason=reason)


class _Nearest(NamedTuple):
    distance: int
    name: str


class _Seen:
    """The fingerprints of one producer, their clusters by number, and what they are of."""

    def __init__(self) -> None:
        self._marks = np.empty(_FIRST_ROOM, np.uint64)
        self._clusters = np.empty(_FIRST_ROOM, np.int64)
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []

    def nearest(self, mark: int, cluster_id: str) -> _Nearest | None:
        """The nearest of other clusters, of equals the first; every one is compared."""
        kept = len(self._names)
        distances = np.bitwise_count(self._marks[:kept] ^ np.uint64(mark)).astype(np.int16)
        distances[self._clusters[:kept] == self._numbers.get(cluster_id, -1)] = _BITS + 1
        if not kept or distances.min() > _BITS:
            return None
        place = int(distances.argmin())
        return _Nearest(int(distances[place]), self._names[place])

    def keep(self, mark: int, candidate: Candidate) -> None:
        """Remember a fingerprint."""
        kept = len(self._names)
        if kept == len(self._marks):
            self._marks, self._clusters = np.resize(self._marks, 2 * kept), np.resize(self._clusters, 2 * kept)
        self._marks[kept] = mark
        self._clusters[kept] = self._numbers.setdefault(candidate.cluster_id, len(self._numbers))
        self._names.append(candidate.name)
