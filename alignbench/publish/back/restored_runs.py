"""The runs of a Hub folder as run folders again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alignbench.errors import PublishError
from alignbench.parquet import READ_ERRORS
from alignbench.publish.folder.damage import AGAIN
from alignbench.publish.folder.layout import JUDGES, JUDGMENTS
from alignbench.publish.folder.published import Published
from alignbench.publish.folder.splits import SplitNumbers
from alignbench.schema import JUDGMENTS as COLUMNS
from alignbench.schema import with_later_columns
from alignbench.types import JudgeSpec, ModelRef

_CHUNK = 65_536
_JUDGE_ID = re.compile(r"[0-9a-f]{12}")


class ToldRun(NamedTuple):
    """A run as judges.json tells it.

    Attributes:
        judge_id: The judge.
        folder: The name of the run's folder.
        description: What its run.json says.
    """

    judge_id: str
    folder: str
    description: Mapping[str, Any]


def told_runs(published: Published) -> list[ToldRun]:
    """The runs of judges.json, in its order; empty where none was published.

    Raises:
        PublishError: The file is not what was published, or is of another dataset.
    """
    if JUDGMENTS not in published.rows:
        return []
    path = published.folder / JUDGES
    try:
        runs = [_told(run, published) for run in json.loads(path.read_text(encoding="utf-8"))["runs"]]
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise PublishError(f"{path} is not as it was published: {error!r}; {AGAIN}") from error
    if not runs or len({run.judge_id for run in runs}) != len(runs):
        raise PublishError(f"{path} is not as it was published: no judge, or one twice; {AGAIN}")
    return runs


def write_runs(
    runs: Sequence[ToldRun], published: Published, sentence_ids: pa.Array, split_of: SplitNumbers, out: Path
) -> list[Path]:
    """Write a folder a run into `out`, judgments in the order of the sentences; returns the folders.

    Args:
        runs: From `told_runs`.
        published: Where their judgments are.
        sentence_ids: (N,) of the dataset.
        split_of: (N,) the number of each sentence's split.
        out: An existing folder.

    Raises:
        PublishError: There is not exactly one judgment of every judge for every sentence, in their order.
    """
    streams = [_Stream(published.tables(JUDGMENTS, split)) for split in published.splits]
    folders = []
    for run in runs:
        folder = out / run.folder
        folder.mkdir()
        said = json.dumps(run.description, indent=2, ensure_ascii=False, sort_keys=True)
        (folder / "run.json").write_text(f"{said}\n", encoding="utf-8", newline="\n")
        with pq.ParquetWriter(folder / "judgments.parquet", COLUMNS, compression="zstd") as writer:
            for start in range(0, len(sentence_ids), _CHUNK):
                here = slice(start, start + _CHUNK)
                writer.write_table(_judgments(run, streams, sentence_ids[here], split_of[here]))
        folders.append(folder)
    if any(stream.rest() for stream in streams):
        raise PublishError(f"{published.folder} has judgments of judges that {JUDGES} does not tell of; {AGAIN}")
    return folders


def same_judgments(one: Path, other: Path) -> bool:
    """Whether two run folders hold the same judgments, row by row; False where there are none that can be read."""
    try:
        tables = [with_later_columns(pq.read_table(folder / "judgments.parquet")) for folder in (one, other)]
        return bool(tables[0].equals(tables[1].select(tables[0].column_names)))
    except (*READ_ERRORS, KeyError):
        return False


class _Stream:
    """The rows of a split, any number at a time."""

    def __init__(self, tables: Iterator[pa.Table]) -> None:
        self._tables = tables
        self._next: pa.Table | None = None

    def take(self, count: int) -> pa.Table:
        """The next rows; fewer at the end."""
        parts = [] if self._next is None else [self._next]
        have = sum(map(len, parts))
        while have < count and (table := next(self._tables, None)) is not None:
            parts.append(table)
            have += len(table)
        if not parts:
            return COLUMNS.empty_table()
        rows = pa.concat_tables(parts)
        self._next = rows.slice(count)
        return rows.slice(0, count)

    def rest(self) -> int:
        """How many of the next rows there are, at least 1 where there are any."""
        return len(self.take(1))


def _judgments(run: ToldRun, streams: Sequence[_Stream], sentence_ids: pa.Array, split_of: SplitNumbers) -> pa.Table:
    places = [np.flatnonzero(split_of == number) for number in range(len(streams))]
    parts = [stream.take(len(mine)) for stream, mine in zip(streams, places, strict=True) if len(mine)]
    order = pa.array(np.argsort(np.concatenate(places)))
    rows = pa.concat_tables([part.select(COLUMNS.names) for part in parts])
    if len(rows) == len(order):
        try:
            rows = rows.take(order).cast(COLUMNS)
        except ValueError as error:
            raise PublishError(f"the {JUDGMENTS} of {run.judge_id} are not as published: {error}; {AGAIN}") from error
        same = pc.and_(pc.equal(rows["sentence_id"], sentence_ids), pc.equal(rows["judge_id"], run.judge_id))
        if pc.all(same).as_py():
            return rows
    raise PublishError(
        f"the {JUDGMENTS} of {run.judge_id} are not one for every sentence in their order: rows are lost, twice or "
        f"of others; {AGAIN}"
    )


def _told(said: Mapping[str, Any], published: Published) -> ToldRun:
    description = {name: value for name, value in said.items() if name != "name"}
    judge_id, spec = said["judge_id"], JudgeSpec(**{**said["spec"], "model": ModelRef(**said["spec"]["model"])})
    if not _JUDGE_ID.fullmatch(judge_id) or spec.judge_id != judge_id:
        raise ValueError(f"the judge_id {judge_id!r} is not that of its spec")
    shown = published.header["shown_digest"]
    if said["dataset"]["shown_digest"] != shown:
        raise ValueError(f"the run of {judge_id} is of another dataset")
    return ToldRun(judge_id, f"{shown[:8]}-{judge_id}", description)
