"""Makes the dataset that a recipe describes: plan, produce, split, filter, label, store."""

from __future__ import annotations

from pathlib import Path

from alignbench.atomic import storage_errors, swap_folder
from alignbench.errors import BudgetError, RunError, UsageError
from alignbench.header import HEADER, read_header
from alignbench.run import check_request
from generation.assemble import Assembly
from generation.inputs import Folders, gather
from generation.journal import Journal
from generation.plan import Row, of_shard, plan
from generation.produce import Production, release, standing
from generation.progress import Told
from generation.purse import Purse
from generation.recipe import Recipe
from generation.recipe_file import find_recipe, read_recipe
from generation.summary import GenerateSummary as GenerateSummary
from generation.summary import can_retry, of_dataset, of_work
from generation.work import RECIPE_FILE, Work


def generate(
    recipe_path: Path | str,
    out: Path,
    *,
    seed: int | None = None,
    images: Path | None = None,
    shard: tuple[int, int] = (0, 1),
    progress: Told | None = None,
    retry_failed: bool = False,
    max_cost: float | None = None,
) -> GenerateSummary:
    """Make the dataset `out`; what was cut short goes on where it stopped.

    The same recipe, seed and library versions give the same bytes, however often the work was interrupted and into how
    many shards it was divided. While it is under way everything is in `OUT.partial`, which stays as long as rows are
    missing that can be tried again. Several processes, also on several machines with one file system, can make a shard
    each; who finishes last puts the dataset together.

    Args:
        recipe_path: A recipe in YAML, or the name of one of ours.
        out: Folder to write; nothing is done where it holds this very dataset already.
        seed: In place of the recipe's own.
        images: A folder of images in place of the recipe's image source.
        shard: (i, n): this call makes the rows of every n-th cluster, from the i-th on, 0-based.
        progress: Called as inputs are gathered and rows are made.
        retry_failed: Make rows again that came to nothing.
        max_cost: What this call may spend, in US dollars; it stops before. Of no account where nothing costs money.

    Raises:
        RecipeError: The recipe breaks a rule, asks for more than its source has, or is not the one that was begun with.
        UsageError: `out` is something else, a model has no such name or option, or a shard or cost makes no sense.
        RunError: Another process is at it, a model changed meanwhile, no row could be made, or rows would be made
            again of a dataset that people have labelled.
        StorageError: The disk refused; what was made before is kept.
    """
    check_request(shard, None, max_cost)
    recipe, work = read_recipe(recipe_path, seed=seed, images=images), Work.beside(out.absolute())
    if _is_done(work, recipe, retry_failed=retry_failed):
        return of_dataset(work.out, 0, None)
    _refuse_labelled(work.out)
    folder = find_recipe(recipe_path).absolute().parent
    folders = Folders(folder, folder if images is None else Path.cwd())
    return _Session(recipe, folders, work, shard, progress, Purse(max_cost)).run(retry_failed=retry_failed)


class _Session:
    """One call that makes rows."""

    def __init__(
        self,
        recipe: Recipe,
        folders: Folders,
        work: Work,
        shard: tuple[int, int],
        told: Told | None,
        purse: Purse,
    ) -> None:
        self._recipe, self._folders, self._work = recipe, folders, work
        self._shard, self._told, self._purse = shard, told, purse

    def run(self, *, retry_failed: bool) -> GenerateSummary:
        self._work.begin(self._recipe)
        # Another process may have come to the end between the look at the dataset and this.
        if _is_done(self._work, self._recipe, retry_failed=retry_failed):
            return of_dataset(self._work.out, 0, None)
        with Journal(self._work.path, self._shard) as journal:
            rows: list[Row] = []
            production, stopped = None, None
            try:
                rows = self._plan()
                production = self._production(rows, journal)
                production.run(retry_failed=retry_failed)
            except BudgetError as error:
                stopped = str(error)
            made = production.made if production else 0
            if self._finish(rows, journal, stopped):
                return of_dataset(self._work.out, made, self._purse.spent)
            return of_work(self._work, rows, journal, made, self._purse.spent, stopped)

    def _plan(self) -> list[Row]:
        with self._work.alone():
            self._work.check(self._recipe)
            inputs = gather(self._recipe, self._work, self._folders, purse=self._purse, told=self._told)
        if _gathers_by_models(self._recipe):
            release()
        return plan(self._recipe, inputs)

    def _production(self, rows: list[Row], journal: Journal) -> Production:
        mine = of_shard(rows, self._shard)
        return Production(self._recipe, mine, self._work, journal, self._purse, self._told)

    def _finish(self, rows: list[Row], journal: Journal, stopped: str | None) -> bool:
        """Put the dataset together if all rows have a status, over all shards; whether it stands now."""
        work = self._work
        with work.alone() as there:
            if not there:
                return True
            journal.refresh()
            if stopped or None in standing(rows, journal).values():
                return False
            if not (work.out.exists() and work.is_assembled(journal.entries)):
                Assembly(self._recipe, rows, work, journal, self._folders.recipe).write()
                if self._recipe.filters:
                    release()
                with storage_errors(work.out):
                    swap_folder(work.dataset, work.out)
                work.note_assembled(journal.entries)
            if not can_retry(work.out):
                work.remove()
        return True


def _gathers_by_models(recipe: Recipe) -> bool:
    """Whether gathering the inputs may load models of its own, which have to make room for the producers."""
    images, prompts = recipe.images, recipe.prompts
    looks = images is not None and bool(images.domains or images.filters)
    return looks or (prompts is not None and (prompts.near_duplicates is not None or prompts.writer == "text_model"))


def _refuse_labelled(out: Path) -> None:
    """Refuse to put a dataset in the place of one that people have labelled, whose history it would not have."""
    if not (out / HEADER).is_file():
        return
    labels = read_header(out).get("labels")
    if labels is not None:
        raise RunError(
            f"{out} has {labels['events']:,} label events, which a dataset made anew would not have; nothing was "
            "changed; make the rows again in another --out"
        )


def _is_done(work: Work, recipe: Recipe, *, retry_failed: bool) -> bool:
    """Whether the dataset stands and nothing of it is to be made again; what a kill left of the work is removed."""
    if not _is_made(work.out, recipe) or (retry_failed and can_retry(work.out)):
        return False
    if not can_retry(work.out):
        with work.alone() as there:
            if there:
                work.remove()
    return True


def _is_made(out: Path, recipe: Recipe) -> bool:
    if not out.exists():
        return False
    saved = out / RECIPE_FILE
    if saved.is_file() and saved.read_bytes() == recipe.to_yaml().encode():
        return True
    raise UsageError(
        f"{out} exists already, and not from this recipe with this seed; choose another --out, or remove it"
    )
