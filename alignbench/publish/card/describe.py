"""Puts facts.json and the card into a Hub folder whose data are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from alignbench.atomic import storage_errors
from alignbench.publish.card.facts import facts_of, facts_text
from alignbench.publish.card.render import card_of
from alignbench.publish.folder.features import PAIR_ROW
from alignbench.publish.folder.front_matter import front_matter
from alignbench.publish.folder.layout import FACTS, PAIRS, README
from alignbench.publish.folder.published import Published, open_published
from alignbench.publish.terms.publication import Publication
from alignbench.store import Dataset


def describe(
    folder: Path,
    dataset: Dataset,
    publication: Publication,
    results: Mapping[str, Any] | None,
    *,
    runs: Path | None = None,
    repo: str | None = None,
) -> dict[str, Any]:
    """Write facts.json and README.md; returns the facts.

    Args:
        folder: What `alignbench.publish.folder.build.build_data` has filled.
        dataset: What it was filled from.
        publication: What the publisher says.
        results: What results.json says, or null.
        runs: The folder of the published runs, or null.
        repo: Where it goes on the Hub, `ORG/NAME`, or null.

    Raises:
        PublishError: The data are not whole.
        MissingDependencyError: jinja2 is not installed.
        StorageError: The disk refused.
    """
    published = open_published(folder)
    # It may be published as another version than it has at home.
    dataset = replace(dataset, version=str(published.header["version"]))
    facts = facts_of(dataset, publication, results, splits_in(published), runs=runs, repo=repo)
    card = card_of(facts, publication, front_matter(folder))
    with storage_errors(folder):
        (folder / FACTS).write_text(facts_text(facts), encoding="utf-8", newline="\n")
        (folder / README).write_text(card, encoding="utf-8", newline="\n")
    return facts


def splits_in(published: Published) -> list[str]:
    """The split of each pair of a Hub folder, in the order of the dataset."""
    count = sum(published.rows[PAIRS].values())
    names = published.splits
    found = np.zeros(count, np.int64)
    for place, name in enumerate(names):
        for rows in published.tables(PAIRS, name, [PAIR_ROW]):
            here = pc.fill_null(rows[PAIR_ROW], -1).to_numpy()
            found[here[(here >= 0) & (here < count)]] = place
    return [names[place] for place in found.tolist()]
