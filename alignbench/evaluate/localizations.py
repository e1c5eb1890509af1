"""What the results say of where a judge sees errors, for a judge that says where."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alignbench.analysis.characters import Ranges, Text
from alignbench.analysis.localization import Located, localization
from alignbench.cells import MIN_PER_CLASS
from alignbench.errors import DatasetError, RunError
from alignbench.evaluate.runs import Run
from alignbench.metrics import BoolArray, IntArray
from alignbench.panel import ERROR_TYPES, Panel
from alignbench.resample import Draws
from alignbench.store import Dataset
from alignbench.types import Status

DEFINITION = (
    "In the incorrect sentences with a span, average precision ranks the characters (white space left out) by the "
    "highest suspicion of the judge's marks over them, and a predicted span is right where the characters that it "
    "shares with a span of the annotators are at least half of those that either covers (IoU 0.5, one to one); both "
    f"are pooled within a producer and averaged over the producers with at least {MIN_PER_CLASS} such sentences, and "
    "since the paper (arXiv 2511.20515) does not publish its definition, these figures cannot be compared with its "
    "table."
)

_LAST_SPACE = 0x3000
"""No later code point is white space."""


def localization_entry(dataset: Dataset, panel: Panel, run: Run, draws: Draws) -> dict[str, Any] | None:
    """`localization` of a judge's entry in results.json; null for a judge without marks.

    Returns:
        `{"definition", "average_precision", "span_f1", "precision", "recall", "flagged_correct": figure,
        "by_producer": {p: {"average_precision", "span_f1": figure}},
        "by_error_type": {t: {"average_precision", "recall": figure}}, "unparsable": n}`; a figure is
        `alignbench.analysis.measures.Figure`, and `unparsable` counts the panel's sentences whose answer was none.

    Raises:
        DatasetError: A span lies outside its sentence.
        RunError: A mark does.
    """
    marks = run.marks().take(pa.array(panel.row))
    answered = np.flatnonzero(marks.is_valid().to_numpy(zero_copy_only=False))
    if not answered.size:
        return None
    located = _located(dataset, panel, run, answered, marks.take(pa.array(answered)))
    found = localization(located, len(panel.producers), draws, MIN_PER_CLASS)
    unparsable = pc.equal(run.statuses().take(pa.array(panel.row)), str(Status.UNPARSABLE))
    return {
        "definition": DEFINITION,
        **{name: measure.macro()._asdict() for name, measure in found._asdict().items()},
        "by_producer": {
            name: {
                "average_precision": found.average_precision.alone(place)._asdict(),
                "span_f1": found.span_f1.alone(place)._asdict(),
            }
            for place, name in enumerate(panel.producers)
        },
        "by_error_type": {
            name: {
                "average_precision": found.average_precision.macro(column)._asdict(),
                "recall": found.recall.macro(column)._asdict(),
            }
            for column, name in enumerate(ERROR_TYPES, 1)
        },
        "unparsable": int(np.count_nonzero(unparsable.to_numpy(zero_copy_only=False))),
    }


def _located(dataset: Dataset, panel: Panel, run: Run, answered: IntArray, marks: pa.ListArray) -> Located:
    # The sentences at the places `answered` of the panel, with the marks of each.
    sentences = dataset.sentences_table(["text", "spans"]).take(pa.array(panel.row[answered]))
    text = _text(sentences["text"])
    marked = _ranges(marks, text)
    if _is_outside(marked, text):
        raise RunError(f"{run.name}: it has a mark outside its sentence; remove its run, then judge again")
    spans, kinds = _spans(sentences["spans"].combine_chunks(), text, dataset)
    return Located(
        text,
        panel.is_correct[answered],
        panel.producer[answered],
        panel.cluster[answered],
        spans,
        kinds,
        marked,
        np.asarray(pc.struct_field(marks.flatten(), "suspicion").to_numpy(zero_copy_only=False), np.float64),
    )


def _text(sentences: pa.ChunkedArray) -> Text:
    length = pc.utf8_length(sentences.combine_chunks()).to_numpy(zero_copy_only=False)
    points = np.frombuffer("".join(sentences.to_pylist()).encode("utf-32-le"), np.uint32)
    is_space = np.array([chr(point).isspace() for point in range(_LAST_SPACE + 1)] + [False])
    first = np.concatenate([[0], np.cumsum(length, dtype=np.int64)])
    return Text(first, is_space[np.minimum(points, _LAST_SPACE + 1)])


def _ranges(lists: pa.ListArray, text: Text) -> Ranges:
    # What a row a sentence of lists with a start and an end amounts to among all characters.
    sentence = pc.list_parent_indices(lists).to_numpy().astype(np.int64)
    start, end = (
        pc.struct_field(lists.flatten(), name).to_numpy(zero_copy_only=False) + text.first[sentence]
        for name in ("start", "end")
    )
    return Ranges(sentence, start, end)


def _spans(lists: pa.ListArray, text: Text, dataset: Dataset) -> tuple[Ranges, BoolArray]:
    # The distinct ranges of the annotators with their error types, (g, 9): one range may have several.
    ranges = _ranges(lists, text)
    kind = pc.index_in(pc.struct_field(lists.flatten(), "error_type"), value_set=pa.array(ERROR_TYPES))
    if kind.null_count or _is_outside(ranges, text):
        raise DatasetError(
            f"{dataset.path} has spans of no error type or outside their sentence; "
            f"run `alignbench validate {dataset.path}`"
        )
    rows = np.column_stack([ranges.sentence, ranges.start, ranges.end])
    distinct, place = np.unique(rows, axis=0, return_inverse=True)
    kinds = np.zeros((len(distinct), len(ERROR_TYPES)), np.bool_)
    kinds[place.ravel(), kind.to_numpy(zero_copy_only=False)] = True
    return Ranges(distinct[:, 0], distinct[:, 1], distinct[:, 2]), kinds


def _is_outside(ranges: Ranges, text: Text) -> bool:
    begin, end = text.first[:-1][ranges.sentence], text.first[1:][ranges.sentence]
    return bool(((ranges.start < begin) | (ranges.end > end) | (ranges.start >= ranges.end)).any())
