"""All that `alignbench label agreement` says, and the files it writes."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from alignbench.atomic import storage_errors, write_atomically
from alignbench.labelling.agreement.annotators import annotators_of_votes
from alignbench.labelling.agreement.figures import SENTENCE_COLUMNS, agreement_of_votes, counted_votes, sentence_rows
from alignbench.labelling.agreement.standing_votes import Frame, StandingVotes, read_frame, read_votes
from alignbench.report.agreement import annotators_csv, fleiss_by_model_csv
from alignbench.store import Dataset

AGREEMENT, ANNOTATORS = "agreement.json", "annotators.csv"
BY_MODEL, BY_SENTENCE = "fleiss_by_model.csv", "fleiss_per_item.csv"


@dataclass(frozen=True, slots=True)
class AgreementReport:
    """What agreement.json says, and the votes that it is about."""

    said: Mapping[str, Any]
    frame: Frame
    votes: StandingVotes

    def write(self, out: Path) -> None:
        """Write the files into the folder `out`; those of an earlier report that this one has not are removed.

        Raises:
            StorageError: The disk refused; every file is the old one or the new one, whole.
        """
        agreement, annotators = self.said["agreement"], self.said["annotators"]
        files = {AGREEMENT: partial(_put, json.dumps(self.said, indent=2, ensure_ascii=False, allow_nan=False) + "\n")}
        if annotators:
            files[ANNOTATORS] = partial(_put, annotators_csv(annotators, self.said["dataset"]["digest"]))
        if agreement is not None:
            files[BY_MODEL] = partial(_put, fleiss_by_model_csv(agreement))
            files[BY_SENTENCE] = partial(_put_sentences, self.frame, self.votes)
        for name, put in files.items():
            write_atomically(out / name, put)
        with storage_errors(out):
            for name in {ANNOTATORS, BY_MODEL, BY_SENTENCE} - set(files):
                (out / name).unlink(missing_ok=True)


def report_of(dataset: Dataset, *, seed: int = 0, replicates: int = 2000) -> AgreementReport:
    """The agreement of a dataset's annotators and what is known of each; both null or empty where there is none.

    Args:
        dataset: With or without labels.
        seed: Of the resampling.
        replicates: How often to resample.

    Raises:
        DatasetError: A file is damaged, or the label events are not of this dataset.
    """
    frame = read_frame(dataset)
    votes = read_votes(dataset, frame)
    said = {
        "dataset": {"name": dataset.name, "version": dataset.version, "digest": dataset.digest},
        "agreement": agreement_of_votes(frame, votes, seed=seed, replicates=replicates),
        "annotators": annotators_of_votes(frame, votes, seed=seed, replicates=replicates),
    }
    return AgreementReport(said, frame, votes)


def _put(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _put_sentences(frame: Frame, votes: StandingVotes, path: Path) -> None:
    rows = sentence_rows(frame, counted_votes(frame, votes))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=SENTENCE_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
