"""Every number of the card, out of a dataset, its runs and what its publisher says: the content of facts.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alignbench import __version__
from alignbench.labelling.agreement.figures import agreement_of
from alignbench.publish.card.counting import (
    counts_of,
    error_types_of,
    image_bytes,
    producers_of,
    read_rows,
    sizes_of,
    sources_of,
    splits_of,
)
from alignbench.publish.card.histories import history_of
from alignbench.publish.card.one_pair import shown_pair
from alignbench.publish.card.scores import evaluation_facts, runs_of
from alignbench.publish.terms.publication import Publication
from alignbench.store import Dataset

FACTS_VERSION = 1


def facts_of(
    dataset: Dataset,
    publication: Publication,
    results: Mapping[str, Any] | None,
    splits: Sequence[str],
    *,
    runs: Path | None = None,
    repo: str | None = None,
) -> dict[str, Any]:
    """The facts of a publication as plain JSON: no dates, no times of the build, nothing of this machine.

    Args:
        dataset: What is published.
        publication: What its publisher says of it.
        results: What results.json says; null where no scores are published, or nothing is labelled.
        splits: The split of each pair, in file order.
        runs: The folder of the published runs.
        repo: Where it goes on the Hub, `ORG/NAME`; null where that is not known.

    Raises:
        DatasetError: The dataset breaks a rule.
        RunError: A run cannot be used.
        ValueError: There is not one split for each pair.
    """
    rows = read_rows(dataset, splits)
    return {
        "facts_version": FACTS_VERSION,
        "alignbench": __version__,
        "repo": repo,
        "dataset": {
            "name": dataset.name,
            "version": dataset.version,
            "digest": dataset.digest,
            "shown_digest": dataset.shown_digest,
            "splitter": dict(dataset.splitter) if dataset.splitter else None,
        },
        "counts": {
            **counts_of(rows),
            "images": dataset.counts["images"],
            "images_missing": dataset.counts["images_missing"],
            "incorrect_without_span": dataset.counts["incorrect_without_span"],
            "image_bytes": image_bytes(dataset),
        },
        "splits": splits_of(rows),
        "directions": sizes_of(rows.direction, rows.directions),
        "domains": sizes_of(rows.domain, rows.domains),
        "producers": producers_of(rows, publication),
        "error_types": error_types_of(rows),
        "sources": sources_of(dataset, publication),
        "shown": shown_pair(dataset),
        "labels": history_of(dataset),
        "agreement": agreement_of(dataset),
        "runs": None if runs is None else runs_of(dataset, runs, publication),
        "evaluation": None if results is None else evaluation_facts(results),
        "waivers": [waiver.model_dump() for waiver in publication.waive],
    }


def facts_text(facts: Mapping[str, Any]) -> str:
    """The content of facts.json."""
    return json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
