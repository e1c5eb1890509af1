"""Reads a filled-in sheet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alignbench.errors import ImportFileError
from alignbench.exchange.arriving_labels import ArrivingLabels, SaidBefore
from alignbench.exchange.notes import Notes, Problems, some
from alignbench.exchange.rows import check_format, read_rows
from alignbench.exchange.sheets.errors_cell import read_errors
from alignbench.exchange.spreadsheet import unguarded
from alignbench.exchange.values import is_null, label_of, number_of
from alignbench.labelling.events import make_event
from alignbench.labelling.guidelines import fingerprint
from alignbench.store import Dataset
from alignbench.types import Label, LabelEvent, Role

TOOL = "sheet"
_SAID = "rows that say what their annotator said before, passed over"
_NEEDED = ("sentence_id", "label")
_KNOWN = (
    *("number", "image", "caption", "sentence", "errors", "comment", "annotator", "time", "seconds"),
    *("suggested_label", "suggested_errors", "suggested_by"),
)


def read_sheet(
    dataset: Dataset,
    file: Path,
    *,
    annotator: str | None = None,
    role: Role = Role.ANNOTATOR,
    now: dt.datetime | None = None,
) -> ArrivingLabels:
    """The labels of a sheet: .csv, .tsv, .jsonl or .parquet, a row a sentence.

    Columns: sentence_id and label; if there, sentence (which must be the dataset's), errors, comment, annotator, time
    (ISO 8601 with a zone), seconds, suggested_by. A row without a label is passed over, and counted; so is one without
    a time that says what its annotator said last, so that a sheet that is imported again adds what is new in it.

    Args:
        dataset: What was labelled.
        file: The sheet.
        annotator: Who labelled, where rows do not say.
        role: Whether these are votes or the last word.
        now: The time of rows that give none; by default the present.

    Raises:
        UsageError: There is no such file, or it is none of these formats.
        ImportFileError: Lists every row that cannot be read.
    """
    check_format(file, (".csv", ".tsv", ".jsonl", ".parquet"))
    reader = _Reader(dataset, file, annotator, role, now or dt.datetime.now(dt.UTC))
    events = [event for row in read_rows(file, reader.problems, reader.notes) if (event := reader.read(row))]
    reader.problems.raise_any("mend these rows and import the sheet again")
    if reader.missing:
        raise ImportFileError(
            f"{file} is no sheet of labels: it has no column `{'`, `'.join(reader.missing)}`, only "
            f"{some(reader.columns, 12)}; `alignbench label export {dataset.path} --to sheet` writes one to fill in"
        )
    if not events and not reader.notes.count(_SAID):
        raise ImportFileError(f"{file} has no label: fill in its column `label` with {', '.join(Label)}")
    return ArrivingLabels(events, reader.notes)


class _Reader:
    """Reads rows; remembers what is wrong with them."""

    def __init__(self, dataset: Dataset, file: Path, annotator: str | None, role: Role, now: dt.datetime) -> None:
        table = dataset.sentences_table(["sentence_id", "text"])
        self._texts = dict(zip(table["sentence_id"].to_pylist(), table["text"].to_pylist(), strict=True))
        self._annotator, self._role, self._now = annotator, role, now
        self._guideline = fingerprint()
        self._said_before = SaidBefore(dataset)
        self.problems, self.notes = Problems(file), Notes()
        self.columns: dict[str, None] = {}

    @property
    def missing(self) -> list[str]:
        """The columns without which a row says nothing."""
        return [column for column in _NEEDED if column not in self.columns]

    def read(self, row: Any) -> LabelEvent | None:
        """The event of a row; None where it has no label, or with a problem where it is wrong."""
        for column in row.cells:
            if column not in self.columns and column not in (*_NEEDED, *_KNOWN):
                self.notes.add("columns that mean nothing here, left out", column)
            self.columns.setdefault(column)
        cells = {name: unguarded(cell) if isinstance(cell, str) else cell for name, cell in row.cells.items()}
        if is_null(cells.get("label")):
            self.notes.add("rows without a label, passed over", f"{self.problems.unit} {row.line}")
            return None
        try:
            event = self._event(cells)
        except ValueError as wrong:
            self.problems.add(row.line, str(wrong))
            return None
        if is_null(cells.get("time")) and event in self._said_before:
            self.notes.add(_SAID, f"{self.problems.unit} {row.line}")
            return None
        return event

    def _event(self, cells: Mapping[str, Any]) -> LabelEvent:
        sentence_id = str(cells.get("sentence_id") or "")
        if sentence_id not in self._texts:
            raise ValueError(f"the dataset has no sentence {sentence_id!r:.60}")
        text = self._texts[sentence_id]
        if not is_null(cells.get("sentence")) and _flat(str(cells["sentence"])) != _flat(text):
            raise ValueError(
                f"the sentence {sentence_id} is {text!r:.80} in the dataset, not {cells['sentence']!r:.80}"
            )
        label = label_of(cells["label"])
        if label is None:
            raise ValueError(f"label {cells['label']!r:.40} is not one of {', '.join(Label)}")
        error_types, spans = read_errors(text, str(cells.get("errors") or ""))
        if error_types and label is not Label.INCORRECT:
            raise ValueError(f"`errors` are given, but the label is {label}; only an incorrect sentence has them")
        annotator = self._annotator if is_null(cells.get("annotator")) else str(cells["annotator"]).strip()
        if not annotator:
            raise ValueError("nobody is named as annotator; give a column `annotator`, or --annotator NAME")
        return make_event(
            sentence_id=sentence_id,
            text=text,
            annotator=annotator,
            time=self._time(cells.get("time")),
            label=label,
            role=self._role,
            error_types=error_types,
            spans=spans,
            comment=_words(cells.get("comment")),
            guideline=self._guideline,
            tool=TOOL,
            suggested_by=_words(cells.get("suggested_by")),
            seconds=number_of(cells.get("seconds")),
        )

    def _time(self, cell: Any) -> dt.datetime:
        if is_null(cell):
            return self._now
        time = cell if isinstance(cell, dt.datetime) else dt.datetime.fromisoformat(str(cell).strip())
        if time.utcoffset() is None:
            raise ValueError(f"the time {cell!r:.40} has no zone; write it as 2026-01-31T12:00:00+00:00")
        return time


def _words(cell: Any) -> str | None:
    return None if cell is None or not str(cell).strip() or str(cell) == "nan" else str(cell).strip()


def _flat(text: str) -> str:
    # Spreadsheets change line breaks and space at the ends of a cell; offsets are those of the dataset's own text.
    return " ".join(text.split())
