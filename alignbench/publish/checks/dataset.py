"""Whether the dataset keeps the rules of a dataset."""

from __future__ import annotations

from collections.abc import Iterator

from alignbench.publish.checks.finding import Finding
from alignbench.store import Dataset
from alignbench.validate import validate

CHECK = "dataset"


def find_dataset(dataset: Dataset) -> Iterator[Finding]:
    """The rules that the dataset breaks, as `alignbench validate` tells them: one finding a table and rule."""
    first: dict[str, str] = {}
    counts: dict[str, int] = {}
    for violation in validate(dataset.path):
        name = f"{violation.table} {violation.rule}"
        first.setdefault(name, f"{violation.row}: {violation.message}")
        counts[name] = counts.get(name, 0) + 1
    for name, told in first.items():
        more = f" and {counts[name] - 1:,} more" if counts[name] > 1 else ""
        then = (
            f"run `alignbench validate {dataset.path}`, which lists them all, and mend what the dataset was made from"
        )
        yield Finding(CHECK, name, f"{name}: {told}{more}; {then}")
