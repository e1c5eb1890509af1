"""Makes the dataset that a recipe describes: plan, produce, split, label, store."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from alignbench.atomic import storage_errors, swap_folder
from alignbench.errors import RunError, UsageError
from alignbench.store import Dataset
from alignbench.types import Status
from generation.assemble import FAILURES_FILE, Assembly
from generation.inputs import gather
from generation.journal import Journal
from generation.plan import Row, plan
from generation.produce import Production, Told
from generation.recipe import Recipe
from generation.recipe_file import read_recipe
from generation.work import RECIPE_FILE, Work


@dataclass(frozen=True, slots=True)
class GenerateSummary:
    """What a call to `generate` did, and what stands in the dataset now.

    Attributes:
        path: The dataset's folder.
        digest: The dataset's digest.
        counts: Its counts, as dataset.json has them.
        made: Rows that this call made; the others were there before.
        failures: For each producer with rows that could not be made, how many have which status.
    """

    path: Path
    digest: str
    counts: Mapping[str, int]
    made: int
    failures: Mapping[str, Mapping[str, int]]


def generate(
    recipe_path: Path,
    out: Path,
    *,
    seed: int | None = None,
    progress: Told | None = None,
    retry_failed: bool = False,
) -> GenerateSummary:
    """Make the dataset `out`; what was cut short goes on where it stopped.

    The same recipe, seed and library versions give the same bytes, however often the work was interrupted. While it is
    under way everything is in `OUT.partial`, which stays as long as rows are missing that can be tried again.

    Args:
        recipe_path: A recipe in YAML.
        out: Folder to write; nothing is done where it holds this very dataset already.
        seed: In place of the recipe's own.
        progress: Called after each row.
        retry_failed: Make rows again that came to nothing.

    Raises:
        RecipeError: The recipe breaks a rule, asks for more than its source has, or is not the one that was begun with.
        UsageError: `out` is something else, or a model has no such name or option.
        RunError: Another process is at it, a model changed meanwhile, or no row could be made.
        StorageError: The disk refused; what was made before is kept.
    """
    recipe, out = read_recipe(recipe_path, seed=seed), out.absolute()
    work, made = Work.beside(out), 0
    if not _is_made(out, recipe) or (retry_failed and _failures(out)):
        made = _make(recipe, out, work, progress, retry_failed=retry_failed)
    failures = _failures(out)
    if not failures:
        work.remove()
    dataset = Dataset.open(out)
    return GenerateSummary(out, dataset.digest, dataset.counts, made, failures)


def _make(recipe: Recipe, out: Path, work: Work, progress: Told | None, *, retry_failed: bool) -> int:
    work.begin(recipe)
    with Journal(work.journal) as journal:
        rows = plan(recipe, gather(recipe, work))
        made = Production(rows, work, journal, progress).run(retry_failed=retry_failed)
        _need_some(rows, work, journal)
        Assembly(recipe, rows, work, journal).write()
        with storage_errors(out):
            swap_folder(work.dataset, out)
    return made


def _is_made(out: Path, recipe: Recipe) -> bool:
    if not out.exists():
        return False
    saved = out / RECIPE_FILE
    if saved.is_file() and saved.read_bytes() == recipe.to_yaml().encode():
        return True
    raise UsageError(
        f"{out} exists already, and not from this recipe with this seed; choose another --out, or remove it"
    )


def _failures(out: Path) -> dict[str, dict[str, int]]:
    path = out / FAILURES_FILE
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8") as lines:
        counted = Counter((row["producer"], row["status"]) for row in map(json.loads, lines))
    failures: dict[str, dict[str, int]] = {}
    for (producer, status), count in sorted(counted.items()):
        failures.setdefault(producer, {})[status] = count
    return failures


def _need_some(rows: list[Row], work: Work, journal: Journal) -> None:
    if any(journal.status(row.pair_id) is Status.OK for row in rows):
        return
    first = journal.entry(rows[0].pair_id)
    raise RunError(
        f"none of the {len(rows)} rows could be made; the first one's status is {first.status}: "
        f"{first.provenance['made'].get('reason', 'no reason given')}; mend that and retry the failed rows, "
        f"or remove {work.path} to begin again"
    )
