"""Whether one split tells of another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from alignbench.parquet import READ_ERRORS, open_parquet
from alignbench.publish.checks.finding import Finding
from alignbench.publish.checks.judged import published_judges
from alignbench.publish.checks.places import named
from alignbench.publish.folder.layout import JUDGMENTS, LABELS, PAIRS, SENTENCES, shards, splits_in

CHECK = "splits"
_BUILD = "build the folder again from the dataset: `alignbench publish` keeps what belongs together in one split"
_SHARED = {
    "cluster_id": ("clusters", _BUILD),
    "image_sha256": (
        "images",
        "give the pairs of one picture one cluster_id when they are imported, then build the folder again",
    ),
    "caption": (
        "captions",
        "give the pairs of one caption one cluster_id, or waive it by name where captions are bound to repeat",
    ),
}
_FOLLOWS = {SENTENCES: ("pair_id", PAIRS), JUDGMENTS: ("sentence_id", SENTENCES), LABELS: ("sentence_id", SENTENCES)}


def find_splits(folder: Path) -> Iterator[Finding]:
    """No cluster, image or caption is in two splits, and what is said of a pair or sentence is in its split.

    A judge that was told labels is published with one split only. Ids and captions are in memory, a column at a time.
    """
    splits = splits_in(folder)
    if len(splits) > 1:
        for column, (what, then) in _SHARED.items():
            yield from _shared(folder, column, what, then)
        told = [name for name, said in published_judges(folder) if said.get("briefed") is True]
        for name in told:
            message = (
                f"the judge {name!r} was told the labels that it judged, and so carries those of a split into others"
            )
            then = f"leave its run out, or publish one split (there are {', '.join(splits)})"
            yield Finding(CHECK, f"judge {name}", f"{message}; {then}")
    for config, (column, of) in _FOLLOWS.items():
        yield from _astray(folder, config, column, of)


def _shared(folder: Path, column: str, what: str, then: str) -> Iterator[Finding]:
    homes: dict[str, str] = {}
    shared: dict[str, tuple[str, str]] = {}
    for split, value in _values(folder, PAIRS, column):
        home = homes.setdefault(value, split)
        if home != split:
            shared.setdefault(value, (home, split))
    if shared:
        first, second = next(iter(shared.values()))
        cases = (f"{value:.40}" for value in shared)
        message = f"{named(len(shared), what, cases)} are in two splits, the first in {first} and {second}"
        yield Finding(CHECK, column, f"{message}: who learns from one split knows of the other; {then}")


def _astray(folder: Path, config: str, column: str, of: str) -> Iterator[Finding]:
    if not shards(folder, config):
        return
    homes = {value: split for split, value in _values(folder, of, column)}
    astray = {value: split for split, value in _values(folder, config, column) if homes.get(value, split) != split}
    lost = {value for _, value in _values(folder, config, column) if value not in homes}
    if astray:
        value, split = next(iter(astray.items()))
        told = named(len(astray), f"{config} by their {column}", astray)
        message = f"{told} are in another split than the {of} they are of"
        yield Finding(CHECK, config, f"{message}: the first in {split}, not in {homes[value]}; {_BUILD}")
    if lost:
        message = f"{named(len(lost), f'{config} by their {column}', sorted(lost))} are of no published {of}"
        yield Finding(CHECK, f"{config} alone", f"{message}; {_BUILD}")


def _values(folder: Path, config: str, column: str) -> Iterator[tuple[str, str]]:
    """The split and the value of every row of a column that has one; what cannot be read is left out."""
    for shard in shards(folder, config):
        try:
            with open_parquet(shard.path) as file:
                if column not in file.schema_arrow.names:
                    continue
                for batch in file.iter_batches(4096, columns=[column], use_threads=False):
                    yield from ((shard.split, value) for value in _unique(batch.column(0)) if value is not None)
        except READ_ERRORS:
            continue


def _unique(column: pa.Array) -> list[str | None]:
    return list(column.unique().to_pylist())
