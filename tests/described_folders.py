"""Sealed Hub folders with facts and a card, and what tampers with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from alignbench.publish.card.describe import describe
from alignbench.publish.folder.build import build_data
from alignbench.publish.folder.layout import CHANGELOG, shards
from alignbench.publish.folder.seal import seal_folder
from alignbench.publish.terms.publication import Publication, read_publication
from alignbench.store import Dataset
from tests.hub_folders import judge_it, make_labelled

REPO = "some-lab/tiny"
SAID = """\
title: A tiny benchmark
summary: |
  Two producers describe five pictures.

  - made by `tests`
  - of no use
licence: CC-BY-4.0
homepage: https://example.org/tiny
authors: [A. Author, B. Author]
citation: |
  @misc{tiny, title = {Tiny}, year = {2026}}
intended_use: Trying programs.
limits: It is small.
splits: {validation: 0.4, test: 0.6}
producers:
  alpha-cap: {licence: Apache-2.0, url: "https://example.org/alpha"}
  beta-cap: {licence: MIT, revision: r2, terms: Name beta.}
sources:
  tests: {licence: CC0-1.0, revision: v1}
judges:
  keen: {licence: MIT}
waive:
  - {check: licences, name: beta-cap, why: "they wrote | that it is fine"}
"""


def describe_all(home: Path, said: str = SAID, *, runs: bool = True, dataset: Dataset | None = None) -> Path:
    """Publish a dataset with label events and two judges to a folder, up to the checksums."""
    made = dataset or make_labelled(home / "dataset")
    judged = judge_it(made, home / "runs") if runs else None
    path, folder = home / "publication.yaml", home / "hub"
    path.write_text(said, encoding="utf-8")
    publication = read_publication(path)
    folder.mkdir()
    built = build_data(made, judged, publication, folder, said=said, seed=3, replicates=50)
    describe(folder, made, publication, built.results, runs=judged, repo=REPO)
    (folder / CHANGELOG).write_text("# Changes\n", encoding="utf-8")
    seal_folder(folder)
    return folder


def facts_in(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    return facts


def publication_in(folder: Path) -> Publication:
    return read_publication(folder / "publication.yaml")


def tamper(folder: Path, config: str, change: Callable[[dict[str, Any]], bool]) -> str:
    """Change the first row of a config that `change` changes, then write the checksums anew; the row's first id."""
    for shard in shards(folder, config):
        table = pq.read_table(shard.path)
        rows = table.to_pylist()
        for row in rows:
            if change(row):
                pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), shard.path)
                seal_folder(folder)
                return str(row.get("sentence_id") or row["pair_id"])
    raise AssertionError("there is no such row")
