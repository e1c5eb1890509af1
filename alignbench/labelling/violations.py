"""Every rule that the label events of a dataset folder break, and the sentences that are not what their events say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from alignbench.header import HEADER, LABELS_FILE
from alignbench.labelling.derivation import derived_labels, labelled_by
from alignbench.labelling.event_rules import EventRules
from alignbench.labelling.events import EventsDigest
from alignbench.labelling.resolution import RULES, Resolution
from alignbench.parquet import READ_ERRORS, open_parquet
from alignbench.rows import Row, sentence_row
from alignbench.rules import Violation
from alignbench.schema import LABELS, differences
from alignbench.types import Sentence

_BATCH = 4096
_DERIVED = ("label", "error_types", "spans", "votes")
_BLANK = Sentence("", "", 0, 0, 0, "")


def label_violations(path: Path, entry: Any) -> Iterator[Violation]:
    """What is wrong with labels.parquet of the dataset folder `path`, whose sentences can be read.

    A sentence that has events must be what they come to by the recorded rule. This is said only where all events keep
    their own rules.

    Args:
        path: The folder.
        entry: What dataset.json says of label events; null where it says nothing.

    Raises:
        MissingDependencyError: The rule is Dawid-Skene, and crowd-kit is not installed.
    """
    file = path / LABELS_FILE
    if entry is None:
        if file.exists():
            yield _of_file("file-unknown", f"{HEADER} does not know of this file: it has no entry labels")
        return
    if not file.is_file():
        yield _of_file("file-missing", "there is no such file")
        return
    try:
        with open_parquet(file) as parquet:
            yield from _of_table(path, entry if isinstance(entry, dict) else {}, parquet)
    except READ_ERRORS as error:
        yield _of_file("unreadable", f"cannot be read: {error}")


def _of_table(path: Path, entry: Mapping[str, Any], parquet: pq.ParquetFile) -> Iterator[Violation]:
    wrong = differences(LABELS, parquet.schema_arrow)
    if wrong:
        yield _of_file("columns", "; ".join(wrong))
        return
    ids, texts = _texts(path)
    rules, digest, broken = EventRules(texts), EventsDigest(), False
    for row in _rows(parquet):
        found = rules.check(row)
        broken = broken or bool(found)
        yield from found
        if not found:
            digest.add(row)
    if broken:
        return
    said = digest.entry(str(entry.get("rule")))
    for name in ("events", "digest"):
        if name in entry and entry[name] != said[name]:
            message = f"{HEADER} says labels.{name} {entry[name]}, the rows say {said[name]}"
            yield Violation(f"labels-{name}", "dataset", HEADER, message)
    if entry.get("rule") in RULES:
        yield from _of_history(path, ids, parquet.read(), entry["rule"])


def _of_history(path: Path, ids: list[str], events: pa.Table, rule: str) -> Iterator[Violation]:
    """Sentences whose label, error types, spans or votes are not what the rule makes of their events."""
    derived = derived_labels(ids, events, rule)
    known = next(derived, None)
    with open_parquet(path / "sentences.parquet") as file:
        for row in _rows(file):
            if known is not None and row["sentence_id"] == known.sentence_id:
                faults = list(_differences(row, known.resolution))
                if faults:
                    message = f"by its events and the rule {rule}, {'; '.join(faults)}"
                    yield Violation("label-history", "sentences", row["sentence_id"], message)
                known = next(derived, None)


def _differences(row: Row, resolution: Resolution) -> Iterator[str]:
    expected = sentence_row(labelled_by(_BLANK, resolution))
    for name in _DERIVED:
        if row[name] != expected[name]:
            yield f"{name} should be {expected[name]!r}, not {row[name]!r}"


def _texts(path: Path) -> tuple[list[str], dict[str, str]]:
    with open_parquet(path / "sentences.parquet") as file:
        table = file.read(columns=["sentence_id", "text"])
    ids = table["sentence_id"].to_pylist()
    return ids, dict(zip(ids, table["text"].to_pylist(), strict=True))


def _rows(file: pq.ParquetFile) -> Iterator[Row]:
    for batch in file.iter_batches(_BATCH):
        yield from pa.Table.from_batches([batch]).to_pylist()


def _of_file(rule: str, message: str) -> Violation:
    return Violation(rule, "labels", LABELS_FILE, message)
