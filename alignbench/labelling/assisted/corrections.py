"""What corrected labels change: every judge's AUROC before and after, on the same sentences."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alignbench.analysis.correction import Change, change
from alignbench.cells import MIN_PER_CLASS, Cells, comparable
from alignbench.errors import DatasetError, RunError, UsageError
from alignbench.evaluate.comparisons import compare, ranks
from alignbench.evaluate.judges import Judged
from alignbench.evaluate.runs import Run
from alignbench.labelling.assisted.finished_runs import runs_of, told_labels
from alignbench.labelling.derivation import derived_labels
from alignbench.metrics import BoolArray, FloatArray, IntArray
from alignbench.panel import Panel, read_panel
from alignbench.resample import Draws
from alignbench.scored import Scored
from alignbench.shuffling import SHUFFLED_CAPTION
from alignbench.significance import holm
from alignbench.store import Dataset
from alignbench.types import Label, Role

TOLD = "it was told the labels, so its scores are of those before"
SHUFFLED = "an experiment with shuffled captions"
CHOSEN_BY_JUDGES = (
    "where judges chose the sentences that were looked at again, as the queue does, a rise flatters them: errors in "
    "labels that they agree with were left, those that they contradict are gone"
)
ONE_SIDED = (
    f"no producer has {MIN_PER_CLASS} correct and {MIN_PER_CLASS} incorrect sentences both before and after: there is "
    "no AUROC to compare"
)

_LABELS = (Label.CORRECT, Label.INCORRECT, Label.UNKNOWN, None)
_DECIDED = 2
"""Labels from this place on count alike: not at all."""
_ID = "sentence_id"


class _Sentences(NamedTuple):
    """All N sentences of a dataset under two labelings.

    Attributes:
        panel: All of them, whatever their labels; the labels it has mean nothing.
        before: (N,) places in `_LABELS`.
        after: (N,) the same.
    """

    panel: Panel
    before: IntArray
    after: IntArray

    def cells(self) -> tuple[Cells, Cells]:
        """A cell a producer, before and after."""
        return self._cells(self.before), self._cells(self.after)

    def relabelled(self) -> BoolArray:
        """(N,) whether a sentence has another label after."""
        return np.asarray(self.before != self.after, np.bool_)

    def moved(self) -> BoolArray:
        """(N,) whether a sentence counts otherwise after: as correct, as incorrect or not at all."""
        was, now = (np.minimum(label, _DECIDED) for label in (self.before, self.after))
        return np.asarray(was != now, np.bool_)

    def _cells(self, label: IntArray) -> Cells:
        wrong = label == _LABELS.index(Label.INCORRECT)
        right = label == _LABELS.index(Label.CORRECT)
        return Cells(right, self.panel.producer, len(self.panel.producers), wrong[:, None])


def effect_of(
    dataset: Dataset, runs: Path, *, until: dt.datetime | None = None, against: Dataset | None = None
) -> dict[str, Any]:
    """How far corrections of labels moved the AUROC of every judge.

    Before are the labels that sentences came with, which are the baseline events; or those that derive from the events
    up to a moment, by the recorded rule; or those of another dataset of the same sentences. After are the labels now.
    Both AUROCs are macro means over the producers that have at least 10 sentences of each class before and after, so
    that no producer enters or leaves the mean. Ranks are those of `alignbench evaluate` over these producers.

    Judges that were told labels are left out. Holm's correction is over the judges, and over the blind controls.

    Args:
        dataset: The dataset as it is now.
        runs: The folder of run folders.
        until: The moment before which events count as before, with its time zone.
        against: A dataset whose labels are those before.

    Returns:
        `{"dataset": {"name", "digest", "shown_digest"}, "before": what the labels before are, "rule": null without
        events, "labels": [{"producer", "from", "to", "sentences"}] of what changed, "changed": how many sentences,
        "producers": those in the means, "producers_left_out", "judges": [{"judge_id", "name", "control", "before",
        "after", "delta", "low", "high", "reason", "p", "p_holm", "se", "df", "clusters", "rank": {"before": {"low",
        "high", "reason"}, "after"}}] by falling AUROC after, controls last, "left_out": {name: reason}, "refused",
        "says"}`. A label that is none is null.

    Raises:
        UsageError: Both `until` and `against` are given; there are no label events, and nothing to compare against; the
            other dataset has other sentences; or the moment has no time zone.
        DatasetError: No producer can be compared, before or after.
        RunError: No run can be used, or one is damaged.
    """
    found = runs_of(dataset, runs)
    before, rule, said = _labels_before(dataset, until, against)
    sentences = _sentences(dataset, before)
    cells = sentences.cells()
    chosen = np.flatnonzero(comparable(cells[0]) & comparable(cells[1])).tolist()
    if not chosen:
        raise DatasetError(f"{dataset.path}: {ONE_SIDED}")
    told = told_labels(runs, dataset)
    left_out = {run.name: reason for run in found.runs if (reason := _why_left_out(run, told))}
    staying = [run for run in found.runs if run.name not in left_out]
    if not staying:
        names = "".join(f"\n  {name}: {reason}" for name, reason in left_out.items())
        raise RunError(f"{runs} has no run of {dataset.path} by a judge that was not told the labels:{names}")
    producers = sentences.panel.producers
    return {
        "dataset": {"name": dataset.name, "digest": dataset.digest, "shown_digest": dataset.shown_digest},
        "before": said,
        "rule": rule,
        "labels": _label_changes(sentences),
        "changed": int(sentences.relabelled().sum()),
        "producers": [producers[cell] for cell in chosen],
        "producers_left_out": [name for cell, name in enumerate(producers) if cell not in chosen],
        "judges": _judges(staying, sentences, cells, chosen),
        "left_out": left_out,
        "refused": found.refused,
        "says": [CHOSEN_BY_JUDGES],
    }


def _labels_before(
    dataset: Dataset, until: dt.datetime | None, against: Dataset | None
) -> tuple[dict[str, str | None], str | None, str]:
    """The labels before by sentence_id, the rule by which they derive, and what they are in words."""
    rule = None if dataset.labels is None else str(dataset.labels["rule"])
    if against is not None:
        if until is not None:
            raise UsageError("labels before are those of a moment or of another dataset, not both; give one of the two")
        if against.shown_digest != dataset.shown_digest:
            raise UsageError(
                f"{against.path} has not the images, captions and sentences of {dataset.path}, so their labels cannot "
                "be compared; give an earlier state of the same dataset"
            )
        return _labels(against), rule, f"the labels of {against.name} {against.version} ({against.digest[:12]})"
    if rule is None:
        raise UsageError(
            f"{dataset.path} has no label events, so nothing says what its labels were before; run `alignbench label "
            "import`, or give --against OTHER_DATASET"
        )
    if until is not None and until.utcoffset() is None:
        raise UsageError(f"the moment {until} needs a time zone, such as {until.isoformat()}+00:00")
    said = "the labels that sentences came with" if until is None else f"the labels at {until.isoformat()}"
    return _derived_before(dataset, rule, until), rule, said


def _labels(dataset: Dataset) -> dict[str, str | None]:
    table = dataset.sentences_table([_ID, "label"])
    return dict(zip(table[_ID].to_pylist(), table["label"].to_pylist(), strict=True))


def _derived_before(dataset: Dataset, rule: str, until: dt.datetime | None) -> dict[str, str | None]:
    """Labels by the events up to a moment; baselines count at any moment, as they are what sentences came with."""
    events = dataset.labels_table()
    counts = pc.equal(events["role"], str(Role.BASELINE))
    if until is not None:
        counts = pc.or_(counts, pc.less_equal(events["time"], pa.scalar(until, events["time"].type)))
    labels = _labels(dataset)
    # Sentences whose every event is later had no label; those without events stay as they are.
    labels |= dict.fromkeys(pc.unique(events[_ID]).to_pylist())
    for derived in derived_labels(list(labels), events.filter(counts), rule):
        label = derived.resolution.label
        labels[derived.sentence_id] = None if label is None else str(label)
    return labels


@dataclass(frozen=True)
class _AllLabelled(Dataset):
    """A dataset in which every sentence has a label, so that a panel of it holds them all."""

    def sentences_table(self, columns: Sequence[str] | None = None) -> pa.Table:
        table = Dataset.sentences_table(self, columns)
        alike = pa.repeat(str(Label.CORRECT), len(table))
        return table.set_column(table.column_names.index("label"), table.schema.field("label"), alike)


def _sentences(dataset: Dataset, before: Mapping[str, str | None]) -> _Sentences:
    panel = read_panel(_AllLabelled(**{each.name: getattr(dataset, each.name) for each in fields(Dataset)}))
    now = _labels(dataset)
    place = {None if label is None else str(label): number for number, label in enumerate(_LABELS)}
    was, is_ = (np.array([place[of[one]] for one in now], np.int64) for of in (before, now))
    return _Sentences(panel, was, is_)


def _why_left_out(run: Run, told: frozenset[str]) -> str | None:
    if run.spec.context == SHUFFLED_CAPTION:
        return SHUFFLED
    return TOLD if run.judge_id in told else None


def _label_changes(sentences: _Sentences) -> list[dict[str, Any]]:
    rows = sentences.relabelled()
    columns = (sentences.panel.producer, sentences.before, sentences.after)
    counted = Counter(zip(*(column[rows].tolist() for column in columns), strict=True))
    return [
        {"producer": sentences.panel.producers[producer], "from": _said(was), "to": _said(now), "sentences": count}
        for (producer, was, now), count in sorted(counted.items())
    ]


def _said(place: int) -> str | None:
    label = _LABELS[place]
    return None if label is None else str(label)


def _judges(
    runs: Sequence[Run], sentences: _Sentences, cells: tuple[Cells, Cells], chosen: Sequence[int]
) -> list[dict[str, Any]]:
    cluster = sentences.panel.cluster
    # No replicate is looked at: everything here is analytic.
    draws = Draws(sentences.panel.stratum, seed=0, replicates=1)
    judged = [[_judged(run, each, cluster, draws, chosen) for run in runs] for each in cells]
    held = [_ranks(those, each, cluster, draws, chosen) for those, each in zip(judged, cells, strict=True)]
    moved = sentences.moved() & np.isin(sentences.panel.producer, chosen)
    entries = []
    for before, after in zip(*judged, strict=True):
        changed = np.unique(cluster[moved & ~np.isnan(after.score)]).size
        entries.append(_entry(before, change(before.overall, after.overall, chosen, changed), held))
    return sorted(_with_holm(entries), key=_place)


def _judged(run: Run, cells: Cells, cluster: IntArray, draws: Draws, chosen: Sequence[int]) -> Judged:
    """A judge under one labelling, with what `ranks` asks for."""
    score: FloatArray = run.scores()
    overall = Scored(cells, score, cluster, draws)
    labelled = cells.is_correct | cells.opposes[:, 0]
    mean = float(overall.aurocs[list(chosen)].mean())
    entry = {
        "coverage": float(np.mean(~np.isnan(score[labelled]))),
        "auroc": {"value": None if np.isnan(mean) else mean},
    }
    return Judged(run, score, overall, entry)


def _ranks(
    judged: Sequence[Judged], cells: Cells, cluster: IntArray, draws: Draws, chosen: Sequence[int]
) -> dict[str, dict[str, Any]]:
    counted = np.isin(cells.part, chosen)
    only = Cells(cells.is_correct & counted, cells.part, cells.n_parts, cells.opposes & counted[:, None])
    judges = [one for one in judged if one.run.control is None]
    return ranks(judged, compare(judges, only, cluster, draws))


def _entry(judged: Judged, found: Change, held: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    run = judged.run
    before, after = (each[run.name] for each in held)
    return {
        "judge_id": run.judge_id,
        "name": run.name,
        "control": run.control,
        **found._asdict(),
        "rank": {"before": before, "after": after},
    }


def _with_holm(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    said = []
    for is_control in (False, True):
        family = [entry for entry in entries if (entry["control"] is not None) is is_control]
        adjusted = holm([entry["p"] for entry in family])
        said += [entry | {"p_holm": p} for entry, p in zip(family, adjusted, strict=True)]
    return said


def _place(entry: Mapping[str, Any]) -> tuple[bool, float, str]:
    return entry["control"] is not None, 1.0 if entry["after"] is None else -entry["after"], entry["name"]
