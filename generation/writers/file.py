"""Prompts that stand in a file of one's own."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from alignbench.errors import UsageError
from alignbench.types import Status
from generation.protocols import Prompt, Site, Unusable
from generation.sources import options
from generation.writers.tables import Entry, rows_of_csv, rows_of_jsonl, rows_of_parquet, rows_of_txt

_READERS: Mapping[str, Callable[[Path, tuple[str, ...]], Iterator[Entry]]] = {
    ".txt": rows_of_txt,
    ".csv": rows_of_csv,
    ".tsv": rows_of_csv,
    ".jsonl": rows_of_jsonl,
    ".parquet": rows_of_parquet,
}


class FileWriter:
    """Takes the prompts of a file: with a count a draw by the seed, in the order of the draw, else all in their order.

    A `.txt` file has a prompt a line, of which blank ones are layout; a prompt of several lines needs one of the other
    formats: `.csv` and `.tsv` with a header, `.jsonl`, `.parquet`. Blanks around a prompt do not count.

    Args:
        path: The file.
        column: The column of the prompts, where the file has columns.
        domain_column: The column of their domains, if any.

    Raises:
        UsageError: There is no such file or column, or it is of another format.
    """

    def __init__(self, path: Path, column: str, domain_column: str | None) -> None:
        if not path.is_file():
            raise UsageError(f"there is no file {path}; give the path of one, from the recipe's folder on")
        if path.suffix.lower() not in _READERS:
            raise UsageError(f"{path} is none of {', '.join(_READERS)}; write the prompts in one of these formats")
        if domain_column is not None and path.suffix.lower() == ".txt":
            raise UsageError(f"{path} has no columns; leave out domain_column, or write a csv, jsonl or parquet file")
        self._path, self._column, self._domain_column = path, column, domain_column
        # A missing column is told now, not when the file is drawn from.
        next(self._entries(), None)

    @classmethod
    def from_options(cls, site: Site, *, path: str, column: str = "prompt", domain_column: str | None = None) -> Self:
        """The writer; a relative path begins at the recipe's folder. Errors as those of the class."""
        found = options.place(site, "path", path)
        return cls(found, options.text("column", column), options.text_or_null("domain_column", domain_column))

    def prompts(self, count: int | None, seed: int) -> Iterator[Prompt | Unusable]:
        """Yield what cannot be used, then `count` of the other prompts; fewer if there are no more."""
        good: dict[str, Prompt] = {}
        for entry in self._entries():
            unusable = _fault(entry, good)
            if unusable is not None:
                yield unusable
                continue
            text = str(entry.values[self._column]).strip()
            good[text] = Prompt(text, self._told(entry))
        prompts = list(good.values())
        if count is None:
            yield from prompts
            return
        random.Random(f"file/{seed}").shuffle(prompts)
        yield from prompts[:count]

    def _entries(self) -> Iterator[Entry]:
        columns = (self._column,) if self._domain_column is None else (self._column, self._domain_column)
        return _READERS[self._path.suffix.lower()](self._path, columns)

    def _told(self, entry: Entry) -> dict[str, Any]:
        told: dict[str, Any] = {"file": self._path.name, "row": entry.row}
        domain = entry.values.get(self._domain_column) if self._domain_column is not None else None
        return told if domain is None or not str(domain).strip() else {**told, "domain": str(domain).strip()}


def _fault(entry: Entry, good: Mapping[str, Prompt]) -> Unusable | None:
    """Why no prompt can be made of a row; null where one can."""
    if entry.fault is not None:
        return Unusable(f"row {entry.row}", Status.UNPARSABLE, entry.fault)
    value = next(iter(entry.values.values()))
    if value is not None and not isinstance(value, str):
        return Unusable(f"row {entry.row}", Status.UNPARSABLE, f"its prompt is {value!r}, which is no text")
    text = (value or "").strip()
    if not text:
        return Unusable(f"row {entry.row}", Status.EMPTY, "its prompt is blank")
    if not _is_unicode(text):
        return Unusable(f"row {entry.row}", Status.UNPARSABLE, "its prompt holds half a character")
    if text in good:
        return Unusable(text, Status.FILTERED, f"row {entry.row} repeats row {good[text].provenance['row']}")
    return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
