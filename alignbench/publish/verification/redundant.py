"""Checks what the published tables say twice: columns that spare a join, and which split a pair is in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from alignbench.parquet import open_parquet, read_group
from alignbench.publish.folder.damage import reading_published
from alignbench.publish.folder.layout import DATA, DATASET, JUDGES, JUDGMENTS, PAIRS, SENTENCES
from alignbench.publish.folder.published import Published
from alignbench.publish.folder.splits import assign
from alignbench.publish.terms.publication import Publication
from alignbench.publish.verification.discrepancy import Discrepancy
from alignbench.store import Dataset

_JOINED = ("producer", "direction", "cluster_id")
_SHOWN = 20


def column_faults(published: Published) -> Iterator[Discrepancy]:
    """Every sentence whose producer, direction or cluster is not its pair's; judgments under another judge's name."""
    for split in published.splits:
        yield from _sentence_faults(published, split)
    if JUDGMENTS in published.rows:
        yield from _judgment_faults(published)


def image_faults(published: Published) -> Iterator[Discrepancy]:
    """Every pair whose image has other bytes than its sha256 says; a row group is in memory at a time."""
    for split in published.splits:
        for path in published.files(PAIRS, split):
            with reading_published(published.folder), open_parquet(path) as file:
                for group in range(file.num_row_groups):
                    for row in read_group(file, group, ["pair_id", "image", "image_sha256"]).to_pylist():
                        encoded, said = (row["image"] or {}).get("bytes"), row["image_sha256"]
                        found = None if encoded is None else hashlib.sha256(encoded).hexdigest()
                        if found != said:
                            yield Discrepancy(f"{DATA}/{PAIRS}", f"image_sha256 of {row['pair_id']}", said, found)


def split_faults(
    published: Published, dataset: Dataset, publication: Publication, recorded: list[str]
) -> Iterator[Discrepancy]:
    """The splits whose share is not what the publisher says, and pairs in another split than they would be.

    Args:
        published: The folder.
        dataset: What was restored from it.
        publication: What its publication.yaml says.
        recorded: The split of each pair, in the order of the dataset.
    """
    header = json.loads((published.folder / DATASET).read_text(encoding="utf-8"))["publication"]
    said = {name: counts.get("share") for name, counts in header["splits"].items()}
    if said != dict(publication.splits):
        yield Discrepancy(DATASET, "publication.splits", said, dict(publication.splits))
        return
    names = list(publication.splits)
    places = zip(recorded, assign(dataset, publication.splits).tolist(), strict=True)
    wrong = [number for number, (name, place) in enumerate(places) if name != names[place]]
    if wrong:
        ids = dataset.pairs_table(["pair_id"])["pair_id"].take(wrong[:_SHOWN]).to_pylist()
        told = f"{len(wrong):,} pairs are not in the split of their cluster"
        yield Discrepancy(f"{DATA}/{PAIRS}", ", ".join(ids), problem=told)


def _sentence_faults(published: Published, split: str) -> Iterator[Discrepancy]:
    pairs = _table(published, PAIRS, split, ["pair_id", *_JOINED])
    rows = _table(published, SENTENCES, split, ["sentence_id", "pair_id", *_JOINED])
    place = pc.index_in(rows["pair_id"], value_set=pairs["pair_id"].combine_chunks())
    of_pair = {name: pairs[name].combine_chunks() for name in _JOINED}
    of_pair["producer"] = pc.struct_field(of_pair["producer"], "name")
    for name, values in of_pair.items():
        wanted = values.take(place.combine_chunks())
        same = pc.fill_null(pc.equal(rows[name], wanted), False)
        for number in pc.indices_nonzero(pc.invert(same)).to_pylist()[:_SHOWN]:
            what = f"{name} of the sentence {rows['sentence_id'][number].as_py()}"
            yield Discrepancy(f"{DATA}/{SENTENCES}", what, rows[name][number].as_py(), wanted[number].as_py())


def _judgment_faults(published: Published) -> Iterator[Discrepancy]:
    names = _names(published)
    found: dict[tuple[str, str], int] = {}
    for split in published.splits:
        for rows in published.tables(JUDGMENTS, split, ["judge_id", "judge"]):
            for each in rows.group_by(["judge_id", "judge"]).aggregate([([], "count_all")]).to_pylist():
                key = each["judge_id"], each["judge"]
                found[key] = found.get(key, 0) + each["count_all"]
    for (judge_id, name), count in found.items():
        if names.get(judge_id) != name:
            what = f"judge of {count:,} judgments of {judge_id}"
            yield Discrepancy(f"{DATA}/{JUDGMENTS}", what, name, names.get(judge_id))


def _names(published: Published) -> Mapping[str, Any]:
    try:
        runs = json.loads((published.folder / JUDGES).read_text(encoding="utf-8"))["runs"]
        return {run["judge_id"]: run["name"] for run in runs}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}  # what is wrong with it is told where the runs are restored


def _table(published: Published, config: str, split: str, columns: list[str]) -> pa.Table:
    tables = list(published.tables(config, split, columns))
    return pa.concat_tables(tables)
