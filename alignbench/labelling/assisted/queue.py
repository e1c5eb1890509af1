"""Which labels to look at again first: where judges and people differ most."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import special

from alignbench.analysis.cross_fitting import FOLDS, Known
from alignbench.analysis.label_noise import correct_odds, wrong_odds
from alignbench.atomic import write_atomically
from alignbench.errors import DatasetError, RunError, UsageError
from alignbench.evaluate.runs import Run
from alignbench.exchange.notes import Notes, Problems
from alignbench.exchange.rows import read_rows
from alignbench.exchange.spreadsheet import guarded, unguarded
from alignbench.families import Families
from alignbench.labelling.assisted.finished_runs import run_named, runs_of, told_labels, why_mute
from alignbench.labelling.resolution import standing
from alignbench.metrics import BoolArray, FloatArray, IntArray
from alignbench.panel import Panel, read_panel
from alignbench.store import Dataset
from alignbench.types import Label, Role, Votes

COLUMNS = ("rank", "sentence_id", "producer", "index", "sentence", "label", "votes", "agreement", "noise", "doubt")
"""What the file has of every row, before a column for each judge."""
UNLABELLED, UNKNOWN = "without a label", "labelled unknown"
UNSCORED = "without a score of a judge that counts"
ADJUDICATED = "adjudicated already"
TOO_FEW = (
    f"the judges' scores are learnt from in {FOLDS} folds of whole clusters: that takes at least {FOLDS} correct and "
    f"{FOLDS} incorrect sentences that a judge scored, in at least {FOLDS} clusters"
)

_ID = "sentence_id"


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A label and how far it can be doubted.

    Attributes:
        rank: From 1, by falling doubt.
        sentence_id: The sentence.
        producer: The name of its producer.
        index: Its place in its caption, from 0.
        sentence: Its text.
        label: Correct or incorrect.
        votes: What the label came from; null where unknown.
        agreement: The share of annotators who agree on it; null where there are no votes.
        noise: Probability of the opposite label given the scores, both labels weighing alike.
        doubt: Probability that the label is wrong, given scores and votes, under the model of `queue_of`.
        scores: By the judge's name; null where it gave none, or does not count because the producer is of its family.
    """

    rank: int
    sentence_id: str
    producer: str
    index: int
    sentence: str
    label: Label
    votes: Votes | None
    agreement: float | None
    noise: float
    doubt: float
    scores: Mapping[str, float | None]


class Queue(NamedTuple):
    """What to look at again.

    Attributes:
        rows: By falling doubt; of equal doubt, in the order of the dataset.
        judges: The names of the judges that were heard.
        not_heard: Why each other finished run was not, by name.
        left_out: How many sentences are not in the queue, by reason; reasons that apply to none are not here.
    """

    rows: list[QueueRow]
    judges: tuple[str, ...]
    not_heard: Mapping[str, str]
    left_out: Mapping[str, int]


class _Evidence(NamedTuple):
    """What judges and people say of n labelled sentences.

    Attributes:
        judges: The names of those that are heard.
        scores: (judges, n) NaN where a judge gave none or does not count.
        votes: (n,)
        odds: (n,) the log-odds of `correct` by the scores; NaN where they say nothing.
        wrong: (n,) the log-odds that the label is wrong, by scores and votes.
    """

    judges: tuple[str, ...]
    scores: FloatArray
    votes: Sequence[Votes | None]
    odds: FloatArray
    wrong: FloatArray


def queue_of(dataset: Dataset, runs: Path, *, judges: Sequence[str] = (), families: Path | None = None) -> Queue:
    """The labels of a dataset, the most doubtful first.

    `noise` is the probability of the opposite label given the scores of all judges, by regressions that never saw the
    sentence's cluster. Every producer has its own base rate there, and both labels weigh alike: as if each were wrong
    equally often (`alignbench.analysis.label_noise.correct_odds`).
    Blind controls, ensembles, runs with shuffled captions and judges that were told the labels are not heard. A judge
    never counts on sentences of a producer of its own family: that it likes them would hide their errors.

    `doubt` adds the votes. Each annotator is taken to be right with the probability 0.8, independently: so each vote
    against the label adds log(0.8 / 0.2) = 1.39 to the log-odds that it is wrong, each vote for it takes as much away,
    and votes for `unknown` do nothing. A label without votes counts as one vote. Contested labels come up, unanimous
    ones go down, and the more so the more people voted.

    So both numbers say which labels to look at first, and neither how many are wrong. A queue has a top even where
    every label is right: it holds the sentences that judges find hardest. And what judges overlook together, no queue
    of theirs shows.

    Args:
        dataset: With labels. Sentences that are unlabelled, `unknown`, adjudicated or without a score are left out and
            counted; adjudicated ones are learnt from.
        runs: The folder of run folders.
        judges: Names or ids of those to hear; by default all.
        families: A file that says which models are of one lineage, on top of what is known.

    Raises:
        DatasetError: Nothing is labelled, or there are too few labels to learn from.
        UnknownNameError: There is no finished run of a judge that was asked for.
        UsageError: A judge that was asked for cannot be heard.
        RunError: No run can be used, or one is damaged.
    """
    panel = read_panel(dataset)
    heard, not_heard = _heard(dataset, runs, judges)
    table = dataset.sentences_table([_ID, "index", "text", "label", "votes"])
    evidence = _evidence(heard, panel, Families.read(families), table["votes"].take(pa.array(panel.row)))
    scored = ~np.isnan(evidence.odds)
    if not scored.any():
        raise DatasetError(f"{dataset.path} has no queue by {', '.join(evidence.judges)}: {TOO_FEW}")
    adjudicated = _adjudicated(dataset, table[_ID])[panel.row]
    left_out = {
        UNLABELLED: dataset.counts["unlabelled"],
        UNKNOWN: dataset.counts["unknown"],
        ADJUDICATED: int(adjudicated.sum()),
        UNSCORED: int((~scored & ~adjudicated).sum()),
    }
    places = np.flatnonzero(scored & ~adjudicated)
    order = places[np.argsort(-evidence.wrong[places], kind="stable")]
    rows = list(_rows(order, panel, evidence, table.take(pa.array(panel.row[order]))))
    return Queue(rows, evidence.judges, not_heard, {why: count for why, count in left_out.items() if count})


def queue_csv(queue: Queue) -> str:
    """The queue as CSV: a row a label, numbers with all digits, and nothing that a spreadsheet takes for a formula."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*COLUMNS, *map(guarded, queue.judges)])
    writer.writerows(_cells(row, queue.judges) for row in queue.rows)
    return text.getvalue()


def write_queue(queue: Queue, file: Path) -> None:
    """Write `queue_csv` to a file, with the mark at its beginning by which spreadsheets know UTF-8.

    Raises:
        UsageError: The name of the file does not end in .csv.
        StorageError: The disk refused.
    """
    if file.suffix.lower() != ".csv":
        raise UsageError(f"{file} must end in .csv; give --out FILE.csv")
    text = queue_csv(queue)

    def write(path: Path) -> None:
        path.write_text(text, encoding="utf-8-sig", newline="")

    write_atomically(file, write)


def read_queue(file: Path) -> list[str]:
    """The sentence_ids of a file that `write_queue` wrote, or of any table with such a column; in its order, each once.

    Raises:
        UsageError: There is no such file, or it is no .csv, .tsv, .jsonl or .parquet.
        ImportFileError: It is not what its name says, a row has no sentence_id, or there is no row.
    """
    problems = Problems(file)
    ids: dict[str, None] = {}
    line = 0
    for line, cells in ((row.line, row.cells) for row in read_rows(file, problems, Notes())):
        cell = cells.get(_ID)
        if not isinstance(cell, str) or not cell:
            problems.add(line, f"it has no {_ID}" if _ID in cells else f"there is no column {_ID}")
        else:
            ids[unguarded(cell)] = None
    if not line:
        problems.add(1, "it has no rows")
    problems.raise_any("give a file of `alignbench label queue`, or any table with a column sentence_id")
    return list(ids)


def _heard(dataset: Dataset, runs: Path, wanted: Sequence[str]) -> tuple[list[Run], dict[str, str]]:
    """The runs that are heard, in the order of the run folders, and why each other one is not."""
    found = runs_of(dataset, runs)
    told = told_labels(runs, dataset)
    mute = {run.name: reason for run in found.runs if (reason := why_mute(run, run.judge_id in told))}
    names = {run_named(each, found).name for each in wanted}
    for name in names & mute.keys():
        raise UsageError(f"{name!r} cannot be heard: {mute[name]}; leave it out")
    heard = [run for run in found.runs if run.name not in mute and (not names or run.name in names)]
    if not heard:
        said = "".join(f"\n  {name}: {reason}" for name, reason in mute.items())
        raise RunError(f"{runs} has no run of {dataset.path} by a judge that can be heard of labels:{said}")
    return heard, mute | {run.name: "not asked for" for run in found.runs if run not in heard and run.name not in mute}


def _is_own(heard: Sequence[Run], panel: Panel, kin: Families) -> BoolArray:
    """(judges, producers) whether a producer is of a judge's family."""
    own = [[kin.kinship(run.spec.model, model) is not None for model in panel.models] for run in heard]
    return np.array(own, np.bool_).reshape(len(heard), len(panel.models))


def _evidence(heard: Sequence[Run], panel: Panel, kin: Families, votes: pa.ChunkedArray) -> _Evidence:
    scores = np.stack([run.scores()[panel.row] for run in heard])
    scores[_is_own(heard, panel, kin)[:, panel.producer]] = np.nan
    known = Known(panel.is_correct, np.ones(panel.row.size, np.bool_), panel.cluster)
    odds = correct_odds(scores, known, panel.producer)
    said = [None if each is None else Votes(**each) for each in votes.to_pylist()]
    wrong = wrong_odds(odds, panel.is_correct, *_counted(said, panel.is_correct))
    return _Evidence(tuple(run.name for run in heard), scores, said, odds, wrong)


def _counted(votes: Sequence[Votes | None], is_correct: BoolArray) -> tuple[IntArray, IntArray]:
    """(n,) the votes for each label, and (n,) those for the opposite."""
    correct, incorrect = (
        np.array([0 if each is None else getattr(each, str(label)) for each in votes], np.int64)
        for label in (Label.CORRECT, Label.INCORRECT)
    )
    return np.where(is_correct, correct, incorrect), np.where(is_correct, incorrect, correct)


def _adjudicated(dataset: Dataset, sentence_ids: pa.ChunkedArray) -> BoolArray:
    """(N,) whether an adjudicator has had the last word on a sentence."""
    said = defaultdict(list)
    for event in dataset.label_events():
        if event.role is Role.ADJUDICATOR:
            said[event.sentence_id].append(event)
    decided = [sentence_id for sentence_id, events in said.items() if standing(events).adjudication is not None]
    return np.asarray(pc.is_in(sentence_ids, value_set=pa.array(decided, pa.string())).to_numpy(), np.bool_)


def _rows(order: IntArray, panel: Panel, evidence: _Evidence, sentences: pa.Table) -> Iterator[QueueRow]:
    noise = special.expit(np.where(panel.is_correct, -evidence.odds, evidence.odds))
    doubt = special.expit(evidence.wrong)
    for rank, (place, sentence) in enumerate(zip(order.tolist(), sentences.to_pylist(), strict=True), start=1):
        scores = (None if np.isnan(score) else float(score) for score in evidence.scores[:, place])
        agreement = float(panel.agreement[place])
        yield QueueRow(
            rank,
            sentence[_ID],
            panel.producers[panel.producer[place]],
            sentence["index"],
            sentence["text"],
            Label(sentence["label"]),
            evidence.votes[place],
            None if np.isnan(agreement) else agreement,
            float(noise[place]),
            float(doubt[place]),
            dict(zip(evidence.judges, scores, strict=True)),
        )


def _cells(row: QueueRow, judges: Sequence[str]) -> list[str]:
    votes = row.votes
    said = "" if votes is None else f"{votes.correct} correct, {votes.incorrect} incorrect, {votes.unknown} unknown"
    numbers = (row.agreement, row.noise, row.doubt, *(row.scores[name] for name in judges))
    return [
        str(row.rank),
        guarded(row.sentence_id),
        guarded(row.producer),
        str(row.index),
        guarded(row.sentence),
        str(row.label),
        said,
        *("" if number is None else repr(number) for number in numbers),
    ]
