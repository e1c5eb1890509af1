"""Which state of each model made the dataset or judged it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from alignbench.publish.checks.finding import Finding
from alignbench.publish.checks.judged import published_judges
from alignbench.publish.checks.licences import producers_of
from alignbench.publish.terms.publication import FILE, Publication
from alignbench.store import Dataset

CHECK = "revisions"
_MOVES = frozenset({"main", "master", "head", "latest", "default", "stable", "none", "unknown"})
_DATED = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|20\d{6})$")


def find_revisions(folder: Path, dataset: Dataset, publication: Publication) -> Iterator[Finding]:
    """Every producer and every judge has a revision that stays what it is, or a name with a date.

    A revision that moves, such as `main`, is none. The publication may say that of a producer.
    """
    told: set[str] = set()
    for model in producers_of(dataset):
        said = publication.producers.get(model.name)
        pinned = _is_pinned(said.revision if said else None) or _is_pinned(model.revision) or _DATED.search(model.name)
        if not pinned and model.name not in told:
            told.add(model.name)
            then = f"write it as `revision` of {model.name!r} under `producers` in {FILE}, or waive it by name there"
            yield Finding(
                CHECK, f"producer {model.name}", f"{_unpinned('producer', model.name, model.revision)}; {then}"
            )
    for name, description in published_judges(folder):
        model_of_judge = _model_of(description)
        asked, revision = str(model_of_judge.get("name", "")), model_of_judge.get("revision")
        if not (_is_pinned(revision) or _DATED.search(asked)):
            then = f"judge again with a revision or a dated model (NAME@REVISION), or waive it by name in {FILE}"
            yield Finding(CHECK, f"judge {name}", f"{_unpinned('judge', name, revision)}; {then}")


def _unpinned(role: str, name: str, revision: Any) -> str:
    said = f"the revision {revision!r}, which moves" if revision else "no revision, and its name has no date"
    return f"which state of the {role} {name!r} was used nobody can tell: it has {said}"


def _is_pinned(revision: Any) -> bool:
    return isinstance(revision, str) and bool(revision.strip()) and revision.strip().casefold() not in _MOVES


def _model_of(description: Mapping[str, Any]) -> Mapping[str, Any]:
    spec = description.get("spec")
    model = spec.get("model") if isinstance(spec, dict) else None
    return model if isinstance(model, dict) else {}
