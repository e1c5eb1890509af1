"""Draws images from a stream of rows that is read once, with their bytes on the disk."""

from __future__ import annotations

import hashlib
from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from alignbench.atomic import storage_errors
from alignbench.errors import RunError
from alignbench.types import Image, Status
from generation.protocols import Unusable
from generation.sources.draw import rank
from generation.sources.intake import Arrival, Intake


class _Place(NamedTuple):
    """Where a row stands in the order of the draw."""

    rank: bytes
    row: int


@dataclass(slots=True)
class StreamDraw:
    """The first `count` usable rows in an order of the seed, of all that were seen; all of them where it is null.

    Every row has its place in the order by its number alone, so that one pass is enough: a row is looked at if it comes
    before one of those that are chosen. The bytes of the chosen ones lie in `folder`.
    """

    folder: Path
    count: int | None
    seed: int
    _chosen: list[_Place] = field(default_factory=list)
    _images: dict[int, dict[str, Any]] = field(default_factory=dict)
    _unusable: dict[_Place, Unusable] = field(default_factory=dict)
    _rows: dict[str, _Place] = field(default_factory=dict)

    def wants(self, row: int) -> bool:
        """Whether this row would be chosen if it were usable."""
        full = self.count is not None and len(self._chosen) == self.count
        return not full or self._place(row) < self._chosen[-1]

    def look(self, arrival: Arrival | Unusable, intake: Intake) -> dict[str, Any]:
        """What is to be remembered of a row, as JSON; the bytes of an image are on the disk once this returns.

        `intake` is a fresh one: which of two copies counts is decided when both have come.
        """
        outcome = arrival if isinstance(arrival, Unusable) else intake.take(arrival)
        if isinstance(outcome, Unusable):
            return {"name": outcome.name, "status": str(outcome.status), "reason": outcome.reason}
        name, sha256 = arrival.name, str(outcome.sha256)
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / sha256).write_bytes(outcome.bytes or b"")
        said = {"licence": outcome.licence, "provenance": dict(outcome.provenance)}
        return {"name": name, "sha256": sha256, **said}

    def add(self, row: int, noted: dict[str, Any]) -> str | None:
        """Take what `look` said of a row, in whatever order; returns the sha256 of an image that is out now, if any."""
        place = self._place(row)
        if "status" in noted:
            self._unusable[place] = Unusable(noted["name"], Status(noted["status"]), noted["reason"])
            return None
        other = self._rows.get(noted["sha256"])
        if other is not None:
            first, second = min(other, place), max(other, place)
            names = {other: self._images[other.row]["name"], place: noted["name"]}
            reason = f"a copy: it has the same bytes as {names[first]}"
            self._unusable[second] = Unusable(names[second], Status.FILTERED, reason)
            if second == place:
                return None
            self._chosen.remove(other)
        insort(self._chosen, place)
        self._images[row], self._rows[noted["sha256"]] = noted, place
        return self._cut()

    def _cut(self) -> str | None:
        if self.count is None or len(self._chosen) <= self.count:
            return None
        sha256 = str(self._images.pop(self._chosen.pop().row)["sha256"])
        del self._rows[sha256]
        return sha256

    def outcomes(self, intake: Intake) -> Iterator[Image | Unusable]:
        """The images, and what was unusable before the last of them, in the order of the draw.

        Raises:
            RunError: The bytes of an image are gone or damaged.
        """
        full = self.count is not None and len(self._chosen) == self.count
        passed = [place for place in self._unusable if not full or place < self._chosen[-1]]
        for place in sorted([*self._chosen, *passed]):
            yield self._unusable[place] if place in self._unusable else self._image(self._images[place.row], intake)

    def _image(self, noted: dict[str, Any], intake: Intake) -> Image | Unusable:
        file = self.folder / noted["sha256"]
        try:
            encoded = file.read_bytes()
        except OSError as error:
            raise RunError(f"{file} is gone: {error.strerror}; remove {self.folder.parent} to begin again") from error
        if hashlib.sha256(encoded).hexdigest() != noted["sha256"]:
            raise RunError(f"{file} is damaged; remove {self.folder.parent} to begin again")
        return intake.take(Arrival(noted["name"], encoded, noted["licence"], None, noted["provenance"]))

    def _place(self, row: int) -> _Place:
        return _Place(b"" if self.count is None else rank(self.seed, str(row)), row)
