"""Writes what every judge said of every labelled sentence: scores.parquet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from alignbench import schema
from alignbench.analysis.detection import FPR, operating_point
from alignbench.atomic import write_atomically

if TYPE_CHECKING:
    from alignbench.evaluate.judges import Judged
    from alignbench.evaluate.results import Evaluation
    from alignbench.panel import Panel

FILE = "scores.parquet"

_SHARED = pa.schema(
    [
        pa.field("sentence_id", pa.string(), nullable=False),
        pa.field("producer", pa.string(), nullable=False),
        pa.field("index", pa.int32(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        schema.SENTENCES.field("error_types"),
    ]
)
SCORES = pa.schema(
    [
        *_SHARED,
        pa.field("judge", pa.string(), nullable=False),
        pa.field("judge_id", pa.string(), nullable=False),
        pa.field("score", pa.float64()),
        pa.field("rejected", pa.bool_()),
        pa.field("threshold", pa.float64()),
    ]
)
"""A row for each judge and labelled sentence, judges in the order of the results, sentences in that of the dataset.

`index` counts from 0. `score` is null where the judge gave none. `rejected` says whether the score is below
`threshold`, the judge's operating point: the highest at which no more than `FPR` of the correct sentences are
rejected, producers alike. Both are null where there is no such point.
"""


def write_scores(evaluation: Evaluation, path: Path) -> None:
    """Write scores.parquet, a row group a judge, so that memory does not grow with the number of judges.

    The same evaluation gives the same bytes. Its signature is in the metadata of the file, as `alignbench`.

    Args:
        evaluation: The judges and the sentences.
        path: The file, which is replaced.

    Raises:
        StorageError: The disk refused.
    """
    shared = _sentences(evaluation)
    said = {"alignbench": evaluation.results["signature"], "flagged_share_of_correct": str(FPR)}
    columns = SCORES.with_metadata(said)

    def write(partial: Path) -> None:
        with _writer(partial, columns) as writer:
            for one in evaluation.judged:
                table = _table(shared, one, evaluation.panel)
                writer.write_table(table.cast(columns), row_group_size=len(table))

    write_atomically(path, write)


def _writer(path: Path, columns: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path,
        columns,
        compression="zstd",
        use_dictionary=["producer", "index", "label", "judge", "judge_id", "threshold"],
        # Ids share their beginnings.
        column_encoding={"sentence_id": "DELTA_BYTE_ARRAY"},
        write_page_checksum=True,
    )


def _sentences(evaluation: Evaluation) -> pa.Table:
    panel = evaluation.panel
    stored = evaluation.dataset.sentences_table(["sentence_id", "index", "error_types"]).take(panel.row)
    return pa.table(
        {
            "sentence_id": stored["sentence_id"],
            "producer": pa.array(panel.producers, pa.string()).take(pa.array(panel.producer)),
            "index": stored["index"],
            "label": pa.array(["incorrect", "correct"]).take(pa.array(panel.is_correct.astype(np.int8))),
            "error_types": stored["error_types"],
        },
        schema=_SHARED,
    )


def _table(shared: pa.Table, judged: Judged, panel: Panel) -> pa.Table:
    missing, threshold = np.isnan(judged.score), operating_point(panel, judged.score)
    below = np.zeros(missing.size, np.bool_) if threshold is None else judged.score < threshold
    columns = (
        pa.repeat(judged.run.name, missing.size),
        pa.repeat(judged.run.judge_id, missing.size),
        pa.array(judged.score, mask=missing),
        pa.array(below, mask=missing | (threshold is None)),
        pa.repeat(pa.scalar(threshold, pa.float64()), missing.size),
    )
    for name, column in zip(SCORES.names[len(_SHARED) :], columns, strict=True):
        shared = shared.append_column(name, column)
    return shared
