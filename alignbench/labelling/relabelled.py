"""A dataset with other labels, put in its place as a whole; all files that stay the same are linked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from alignbench.atomic import old_of, partial_folder, storage_errors
from alignbench.digest import Tally
from alignbench.errors import DatasetError
from alignbench.folder_exchange import replace_folder
from alignbench.header import HEADER, LABELS_FILE, not_a_dataset, read_header, write_header
from alignbench.labelling.derivation import NO_LABEL, derived_labels, labelled_by
from alignbench.parquet import TableFile, open_parquet
from alignbench.rows import sentence_row
from alignbench.schema import SENTENCES
from alignbench.store import Dataset
from alignbench.types import Label

_SENTENCES_FILE = "sentences.parquet"
_BATCH = 4096


class LabelChange(NamedTuple):
    """A sentence whose label is another one than before; null where it has none."""

    sentence_id: str
    before: Label | None
    after: Label | None

    def to_json(self) -> dict[str, str | None]:
        """All of it as JSON values."""
        return {
            "sentence_id": self.sentence_id,
            "before": None if self.before is None else str(self.before),
            "after": None if self.after is None else str(self.after),
        }


@dataclass(frozen=True, slots=True)
class Relabelling:
    """A dataset that is being relabelled; nobody else writes it meanwhile.

    Attributes:
        path: The folder that the result will be, as the user wrote it.
        target: The same folder, resolved.
        partial: Where it is put together; `finish` wants labels.parquet there.
        opened: The dataset as it is.
    """

    path: Path
    target: Path
    partial: Path
    opened: Dataset

    def finish(self, entry: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[LabelChange, ...]]:
        """Derive the labels from the events in `partial`, and put everything in its place.

        Args:
            entry: The entry `labels` of dataset.json.

        Returns:
            The new dataset.json, and the sentences whose label changed, in file order.

        Raises:
            DatasetError: The rows of the dataset are not those that its digest is of.
            OSError: The disk refused; the dataset is as it was.
        """
        summary, changed = self._write_sentences(str(entry["rule"]))
        header = read_header(self.opened.path) | summary | {"labels": dict(entry)}
        write_header(self.partial, header)
        source = self.opened.path.resolve()
        _link_tree(source, self.partial)
        if source == self.target:
            shutil.copymode(source, self.partial)
        replace_folder(self.partial, self.target)
        return header, changed

    def _write_sentences(self, rule: str) -> tuple[dict[str, Any], tuple[LabelChange, ...]]:
        before, after = Tally(), Tally()
        for tally in (before, after):
            _add_others(tally, self.opened)
        changed: list[LabelChange] = []
        had_events = self._with_history()
        with open_parquet(self.partial / LABELS_FILE) as file:
            events = file.read()
        derived = derived_labels(self._sentence_ids(), events, rule)
        known = next(derived, None)
        with TableFile(self.partial / _SENTENCES_FILE, SENTENCES) as file:
            for sentence in self.opened.sentences():
                now = sentence
                if known is not None and known.sentence_id == sentence.sentence_id:
                    now, known = labelled_by(sentence, known.resolution), next(derived, None)
                elif sentence.sentence_id in had_events:
                    now = labelled_by(sentence, NO_LABEL)
                if now.label is not sentence.label:
                    changed.append(LabelChange(sentence.sentence_id, sentence.label, now.label))
                before.add("sentences", sentence_row(sentence))
                row = sentence_row(now)
                after.add("sentences", row)
                file.add(row)
            file.close()
        if before.summary()["digest"] != self.opened.digest:
            what = f"{self.opened.path} does not hold the rows that its {HEADER} is of"
            raise DatasetError(f"{what}; nothing was recorded; run `alignbench validate {self.opened.path}`")
        return after.summary(), tuple(changed)

    def _sentence_ids(self) -> list[str]:
        return list(self.opened.sentences_table(["sentence_id"])["sentence_id"].to_pylist())

    def _with_history(self) -> frozenset[str]:
        return frozenset(self.opened.labels_table(["sentence_id"])["sentence_id"].to_pylist())


@contextmanager
def begin_relabelling(dataset: Path) -> Iterator[Relabelling]:
    """The dataset folder `dataset`, to be relabelled in its place.

    What a process that was killed while it put a dataset in its place left is put right first.

    Raises:
        DatasetError: There is no such dataset, or another process is writing it.
        StorageError: The disk refused.
    """
    target = dataset.resolve()
    if not (target.is_dir() or old_of(target).is_dir()):
        raise not_a_dataset(dataset)
    with storage_errors(dataset), partial_folder(target) as partial:
        _settle(target)
        yield Relabelling(dataset, target, partial, _opened(dataset))


@contextmanager
def begin_copy(dataset: Path, out: Path) -> Iterator[Relabelling]:
    """The dataset folder `dataset`, to be relabelled in another folder, `out`.

    Raises:
        DatasetError: There is no such dataset, `out` holds something, or another process is writing it.
        StorageError: The disk refused.
    """
    opened = _opened(dataset)
    with storage_errors(out):
        if out.exists() and not (out.is_dir() and next(out.iterdir(), None) is None):
            raise DatasetError(f"{out} exists already; choose another --out, or remove it first")
        with partial_folder(out.resolve()) as partial:
            yield Relabelling(out, out.resolve(), partial, opened)


def _opened(path: Path) -> Dataset:
    opened = Dataset.open(path)
    if opened.labels is None and (path / LABELS_FILE).exists():
        what = f"{path / LABELS_FILE} is there, but {HEADER} does not know of it"
        raise DatasetError(f"{what}; move it away if it is not the dataset's, then run the same command again")
    return opened


def _settle(target: Path) -> None:
    old = old_of(target)
    if target.exists():
        shutil.rmtree(old, ignore_errors=True)
    elif (old / HEADER).is_file():
        old.rename(target)


def _add_others(tally: Tally, dataset: Dataset) -> None:
    for table, rows in (("images", dataset.images_table()), ("pairs", dataset.pairs_table())):
        for batch in rows.to_batches(_BATCH):
            for row in batch.to_pylist():
                tally.add(table, row)


def _link_tree(source: Path, target: Path) -> None:
    """Put all of the folder `source` that `target` does not have yet there too."""
    for entry in sorted(source.iterdir()):
        place = target / entry.name
        if entry.is_dir() and not entry.is_symlink():
            place.mkdir(exist_ok=True)
            _link_tree(entry, place)
        elif not place.exists():
            _link_or_copy(entry, place)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another disk, or one that knows no links
        shutil.copy2(source, target, follow_symlinks=False)
