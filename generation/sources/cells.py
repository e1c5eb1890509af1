"""Reads what the rows of a published table say of images."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alignbench.exchange.pictures import safe_path
from alignbench.exchange.values import name_of, text_of
from alignbench.types import Status
from generation.protocols import Unusable
from generation.sources.intake import Arrival
from generation.sources.names import shown

_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns say what; null for what no column says."""

    image: str
    licence: str | None = None
    domain: str | None = None
    id: str | None = None

    def by_option(self) -> dict[str, str]:
        """The columns that there are, by the option that names them."""
        columns = {"image": self.image, "licence": self.licence, "domain": self.domain, "id": self.id}
        return {f"{option}_column": column for option, column in columns.items() if column is not None}

    def arrival(self, name: str, cells: Mapping[str, Any], place: Mapping[str, Any]) -> Arrival | Unusable:
        """The bytes of a row with what it says of them; `place` tells in the provenance where the row stands."""
        cell = cells[self.image]
        encoded, path = _picture(cell)
        if encoded is None:
            return Unusable(name, Status.IMAGE_MISSING, _absence(cell))
        provenance = {**place, **said({"path": path, "id": self._word(self.id, cells)})}
        provenance |= said({"domain": self._word(self.domain, cells)})
        return Arrival(name, encoded, licence=self._word(self.licence, cells), provenance=provenance)

    @staticmethod
    def _word(column: str | None, cells: Mapping[str, Any]) -> str | None:
        return None if column is None else word(cells[column])


def word(cell: Any) -> str | None:
    """The name in a cell, as text; null where there is none."""
    name = name_of(cell)
    return None if name is None else _HALF.sub("\ufffd", name)


def said(values: Mapping[str, str | None]) -> dict[str, str]:
    """The values that there are."""
    return {key: value for key, value in values.items() if value is not None}


def _picture(cell: Any) -> tuple[bytes | None, str | None]:
    """The encoded bytes in a cell, which may be a struct of bytes and a path, and the path if it is a plain one.

    A path is what the publisher calls the image. It is never opened: it may name any file of this machine.
    """
    if not isinstance(cell, dict):
        return (cell if isinstance(cell, bytes) else None), None
    encoded, path = cell.get("bytes"), text_of(cell.get("path"))
    safe = safe_path(path) if path else None
    return (encoded if isinstance(encoded, bytes) else None), shown(safe) if safe else None


def _absence(cell: Any) -> str:
    if isinstance(cell, dict) and cell.get("path"):
        return "it has a path but no bytes, and paths in a table are not opened; use `source: folder` for image files"
    return "it has no bytes"
