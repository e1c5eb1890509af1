"""Compares published labels with those of another version: what was relabelled, and whether history was kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from alignbench.errors import PublishError
from alignbench.parquet import READ_ERRORS, open_parquet
from alignbench.publish.folder.features import EVENT_ROW, published_schema
from alignbench.publish.folder.layout import LABELS, SENTENCES

_BATCH = 8192
_UPDATE = "if a newer alignbench wrote it, use that one"
_LABEL_COLUMNS = ["sentence_id", "label", "error_types", "spans"]


class Labelled(NamedTuple):
    """What is said of a sentence: its label or null, its error types, and its spans as (start, end, error type)."""

    label: str | None
    error_types: tuple[str, ...]
    spans: tuple[tuple[int, int, str], ...]

    @property
    def words(self) -> str:
        """Label and types in a few words."""
        said = self.label or "no label"
        return f"{said} ({', '.join(self.error_types)})" if self.error_types else said


class Relabelled(NamedTuple):
    """A sentence of which two versions say different things."""

    sentence_id: str
    before: Labelled
    after: Labelled

    @property
    def is_correction(self) -> bool:
        """Whether it had a label before, so that what was published turned out wrong or incomplete."""
        return self.before.label is not None


def relabelled(before: Sequence[Path], after: Sequence[Path]) -> list[Relabelled]:
    """The sentences of both versions that are labelled otherwise now, in the order of `after`.

    Labels are in memory as columns; rows are looked at one by one only where an error is marked or a label differs.

    Args:
        before: The files of the sentences table as published.
        after: The same of the new version.

    Raises:
        PublishError: A file cannot be read as what it should be.
    """
    old, new = _rows(before, SENTENCES, _LABEL_COLUMNS), _rows(after, SENTENCES, _LABEL_COLUMNS)
    place = pc.index_in(new["sentence_id"], value_set=old["sentence_id"].combine_chunks()).combine_chunks()
    new, old = new.filter(pc.is_valid(place)), old.take(place.drop_null())
    doubtful = pc.indices_nonzero(pc.invert(_surely_same(old, new)))
    changed = []
    for start in range(0, len(doubtful), _BATCH):
        rows = doubtful.slice(start, _BATCH)
        for was, now in zip(old.take(rows).to_pylist(), new.take(rows).to_pylist(), strict=True):
            change = Relabelled(now["sentence_id"], _labelled(was), _labelled(now))
            if change.before != change.after:
                changed.append(change)
    return changed


def _surely_same(old: pa.Table, new: pa.Table) -> pa.ChunkedArray:
    """Whether a row says the same on both sides, as far as whole columns tell: the label, without types and spans."""
    same = pc.fill_null(pc.equal(old["label"], new["label"]), pa.scalar(False))
    for table in (old, new):
        for name in ("error_types", "spans"):
            same = pc.and_(same, pc.fill_null(pc.equal(pc.list_value_length(table[name]), 0), pa.scalar(True)))
    return same


def history_fault(before: Sequence[Path], after: Sequence[Path]) -> str | None:
    """What is wrong with the label events of the new version: the published ones must be its first ones, unchanged.

    Args:
        before: The files of the labels table as published.
        after: The same of the new version.

    Raises:
        PublishError: A file cannot be read as what it should be.
    """
    old, new = _events(before), _events(after)
    if len(old) > len(new):
        return f"{len(old) - len(new)} of the {len(old)} published label events are gone"
    same = pc.fill_null(pc.equal(old, new.slice(0, len(old))), pa.scalar(False))
    first = pc.index(same, pa.scalar(False)).as_py()
    if first < 0:
        return None
    return f"label event {first} is {new[first].as_py()}, but {old[first].as_py()} is published there"


def _labelled(row: dict[str, Any]) -> Labelled:
    spans = tuple((span["start"], span["end"], span["error_type"]) for span in row["spans"] or ())
    return Labelled(row["label"], tuple(row["error_types"] or ()), spans)


def _events(files: Sequence[Path]) -> pa.Array:
    """The ids of all events in the order of the dataset: splits tear it apart, a column says it.

    An id is a digest of all that its event says; `validate` computes it anew.
    """
    return _rows(files, LABELS, ["event_id", EVENT_ROW]).sort_by(EVENT_ROW)["event_id"].combine_chunks()


def _rows(files: Sequence[Path], config: str, columns: list[str]) -> pa.Table:
    whole = published_schema(config)
    expected = pa.schema([whole.field(name) for name in columns])
    tables = [table for path in files for table in _batches(path, expected)]
    return pa.concat_tables([expected.empty_table(), *tables]).combine_chunks()


def _batches(path: Path, expected: pa.Schema) -> Iterator[pa.Table]:
    try:
        with open_parquet(path) as file:
            missing = [name for name in expected.names if name not in file.schema_arrow.names]
            if missing:
                raise PublishError(f"{path.name} of what is published lacks the column {missing[0]!r}; {_UPDATE}")
            for batch in file.iter_batches(_BATCH, columns=expected.names):
                yield pa.Table.from_batches([batch]).select(expected.names).cast(expected)
    except READ_ERRORS as error:
        raise PublishError(f"{path.name} of what is published cannot be read: {error}; {_UPDATE}") from error
