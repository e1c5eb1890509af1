"""errata.csv: every label that was published and turned out otherwise."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable

from alignbench.errors import PublishError
from alignbench.publish.changes.published_labels import Labelled, Relabelled

COLUMNS = (
    "sentence_id",
    "version",
    "label_before",
    "label_after",
    "error_types_before",
    "error_types_after",
    "spans_before",
    "spans_after",
)
"""`version` is the first one with what is said after; types are parted by spaces; spans are JSON lists of
[start, end, error type] with offsets into the sentence's text; an empty label is none."""


def errata(before: str | None, changes: Iterable[Relabelled], version: str) -> str | None:
    """The text of errata.csv: the rows of before, then one for every sentence whose published label has changed.

    A sentence that had no label before is no erratum. Rows of `version` that are there are not repeated.

    Args:
        before: The published errata.csv; null where there is none.
        changes: What was relabelled since.
        version: The version that brings it.

    Returns:
        The text, or null where nothing was ever corrected.

    Raises:
        PublishError: The published errata.csv is none.
    """
    rows = [] if before is None else _rows(before)
    known = {(row[0], row[1]) for row in rows}
    rows += [_row(each, version) for each in changes if each.is_correction and (each.sentence_id, version) not in known]
    if not rows:
        return None
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return out.getvalue()


def _rows(text: str) -> list[list[str]]:
    try:
        header, *rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    except (csv.Error, ValueError) as error:
        raise PublishError(f"the published errata.csv cannot be read: {error}; {_MEND}") from error
    if tuple(header) != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise PublishError(f"the published errata.csv does not have the columns {', '.join(COLUMNS)}; {_MEND}")
    return rows


_MEND = "restore it from an earlier commit of the repository, then publish again"


def _row(change: Relabelled, version: str) -> list[str]:
    cells = [change.sentence_id, version]
    sides = (change.before, change.after)
    cells += [side.label or "" for side in sides]
    cells += [" ".join(side.error_types) for side in sides]
    return cells + [_spans(side) for side in sides]


def _spans(said: Labelled) -> str:
    return json.dumps([list(span) for span in said.spans], separators=(",", ":"))
