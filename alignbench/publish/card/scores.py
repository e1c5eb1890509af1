"""What the card says of the judges: their revisions, and their numbers out of results.json."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alignbench.errors import AlignbenchError
from alignbench.evaluate.runs import Run, find_runs
from alignbench.publish.terms.publication import Publication
from alignbench.store import Dataset

Json = Mapping[str, Any]
_FIGURE = ("value", "low", "high", "reason")


def runs_of(dataset: Dataset, runs: Path, publication: Publication) -> list[dict[str, Any]]:
    """What every finished run of a dataset is: the judge and the digest of what it answered, in the order of names.

    The digest covers score, status, marks, truncation and usage of every sentence, in the order of the dataset.
    """
    ids = dataset.sentences_table(["sentence_id"])["sentence_id"].combine_chunks()
    try:
        found: Sequence[Run] = find_runs(runs, dataset, ids).runs
    except AlignbenchError:
        if any(runs.glob("*/run.json")):
            raise
        found = []
    return [_run(run, publication) for run in sorted(found, key=lambda run: (run.name, run.judge_id))]


def evaluation_facts(results: Json) -> dict[str, Any]:
    """The numbers of results.json that the card shows."""
    said = results["dataset"]
    return {
        "signature": results["signature"],
        "seed": results["seed"],
        "replicates": results["replicates"],
        "clusters": said["clusters"],
        "producers": said["producers"],
        "judges": [_judge(judge) for judge in results["judges"]],
        "refused": dict(results["refused"]),
    }


def _run(run: Run, publication: Publication) -> dict[str, Any]:
    spec, terms = run.spec, publication.judges.get(run.name) or publication.judges.get(run.spec.name)
    return {
        "name": run.name,
        "judge_id": run.judge_id,
        "kind": spec.kind,
        "model": spec.model.name,
        "revision": spec.model.revision,
        "family": run.family,
        "control": run.control,
        "context": spec.context,
        "mode": spec.mode,
        "licence": terms.licence if terms else None,
        "judgments": len(run.judgments),
        "statuses": {
            each["values"]: each["counts"]
            for each in sorted(pc.value_counts(run.statuses()).to_pylist(), key=lambda each: str(each["values"]))
        },
        "digest": digest_of(run.judgments),
    }


def _judge(judge: Json) -> dict[str, Any]:
    return {
        "name": judge["name"],
        "judge_id": judge["judge_id"],
        "control": judge["control"],
        "rank": dict(judge["rank"]),
        "auroc": _figure(judge["auroc"]),
        "coverage": judge["coverage"],
        "failures": dict(judge["failures"]),
        "by_producer": {name: _figure(figure) for name, figure in judge["by_producer"].items()},
    }


def _figure(figure: Json) -> dict[str, Any]:
    return {name: figure[name] for name in _FIGURE}


def digest_of(table: pa.Table) -> str:
    """The sha256 of a table's values, column by column in the order of their names; chunks and layout do not count."""
    digest = hashlib.sha256()
    for name in sorted(table.schema.names):
        digest.update(name.encode() + b"\n")
        _feed(digest, table[name].combine_chunks())
    return digest.hexdigest()


def _feed(digest: Any, values: pa.Array) -> None:
    if isinstance(values, pa.ChunkedArray):  # of no chunks, or more than fit in one
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    digest.update(np.packbits(pc.is_valid(values).to_numpy(zero_copy_only=False)).tobytes())
    kind = values.type
    if pa.types.is_struct(kind):
        for place in range(kind.num_fields):
            _feed(digest, pc.struct_field(values, [place]))
    elif pa.types.is_list(kind):
        digest.update(_numbers(pc.list_value_length(values)))
        _feed(digest, values.flatten())
    elif pa.types.is_string(kind):
        digest.update(_numbers(pc.binary_length(values)))
        digest.update("".join(value for value in values.to_pylist() if value is not None).encode())
    else:
        digest.update(_numbers(values))


def _numbers(values: pa.Array) -> bytes:
    filled = pc.fill_null(values, False if pa.types.is_boolean(values.type) else 0)
    numbers = filled.to_numpy(zero_copy_only=False)
    return bytes(numbers.astype("<f8" if numbers.dtype.kind == "f" else "<i8").tobytes())
