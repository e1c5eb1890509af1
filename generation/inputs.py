"""Collects the images and prompts that the producers of a recipe work on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from alignbench.errors import RecipeError, RunError
from alignbench.types import Billed, Image, Origin, Status
from generation import parts
from generation.plan import Inputs
from generation.progress import Progress, Told
from generation.protocols import Prompt, Site, Unusable
from generation.purse import Purse
from generation.recipe import Domains, Images, Prompts, Recipe
from generation.screening import Screening
from generation.usable import ImageCheck, PromptCheck
from generation.work import DOMAINS_FILE, UNUSABLE_FILE, Work

PATIENCE = 10_000
"""After so many in a row that cannot be used, a source or a writer is given up."""
PATIENCE_WITH_PAY = 200
"""The same where each costs money."""
_REASONS = 3

_T = TypeVar("_T", Image, Prompt)
_Ask = Callable[[int | None], Iterator[_T]]


@dataclass(frozen=True, slots=True)
class Folders:
    """Where relative paths begin: in a recipe, and of its image source, which the command line may have put there."""

    recipe: Path
    images: Path


def gather(
    recipe: Recipe, work: Work, folders: Folders, *, purse: Purse | None = None, told: Told | None = None
) -> Inputs:
    """The inputs of a recipe, from the work folder once they are there, else from its source and its writer.

    Images pass the recipe's image filters first, then the domains are made of those that passed, and `count` are drawn
    of these: so the count is of good ones. What cannot be used stands in `unusable_inputs.jsonl`. One process gathers
    at a time, see `Work.alone`.

    Raises:
        RecipeError: the source or the writer has fewer than the recipe asks for, or none.
        BudgetError: the writer may spend no more; what it has written is kept.
        RunError: what the work folder says cannot be read.
        StorageError: the disk refused.
    """
    if not work.inputs.exists():
        _Gathering(recipe, work, folders, purse or Purse(), told).run()
    return _read(work)


class _Gathering:
    """One attempt at gathering the inputs: what is found, and what of it cannot be used."""

    def __init__(self, recipe: Recipe, work: Work, folders: Folders, purse: Purse, told: Told | None) -> None:
        self._recipe, self._work, self._folders = recipe, work, folders
        self._purse, self._told = purse, told
        self._unusable: dict[tuple[str, Unusable], None] = {}
        self._counts: Counter[str] = Counter()
        self._in_vain: Counter[str] = Counter()

    def run(self) -> None:
        """Gather, and write what was found; `inputs.jsonl`, which says that all is there, comes last."""
        try:
            images = self._images(self._recipe.images) if self._recipe.images else []
            prompts = self._prompts(self._recipe.prompts) if self._recipe.prompts else []
        finally:
            self._save(
                UNUSABLE_FILE, [{"kind": what.removesuffix("s"), **asdict(each)} for what, each in self._unusable]
            )
        rows = [{"image": _row(image)} for image in images] + [{"prompt": asdict(prompt)} for prompt in prompts]
        self._save(self._work.inputs.name, rows, even_empty=True)

    def _images(self, wanted: Images) -> list[Image]:
        site = Site(self._folders.images, self._work.site("images"))
        source = parts.image_source(wanted.source, site, wanted.options)
        screening = Screening(wanted.filters, "image-filter", self._work, self._folders.recipe)
        check = ImageCheck(wanted.source, screening, self._work)
        ask: _Ask[Image] = partial(self._good, "images", wanted.source, source.images, check, PATIENCE)
        with self._purse.minding(source):
            images = self._drawn(wanted, wanted.domains, ask(None)) if wanted.domains else _enough(wanted, ask, check)
        self._check_count("images", wanted.source, len(images[: wanted.count]), wanted.count)
        for image in images[wanted.count :] if wanted.count else []:
            self._work.drop(image.sha256 or "")
        return [replace(image, bytes=None) for image in images[: wanted.count]]

    def _prompts(self, wanted: Prompts) -> list[Prompt]:
        site = Site(self._folders.recipe, self._work.site("prompts"))
        writer = parts.prompt_writer(wanted.writer, site, wanted.options)
        check = PromptCheck(wanted, self._folders.recipe)
        patience = PATIENCE_WITH_PAY if isinstance(writer, Billed) else PATIENCE
        ask: _Ask[Prompt] = partial(self._good, "prompts", wanted.writer, writer.prompts, check, patience)
        with self._purse.minding(writer):
            prompts = _enough(wanted, ask, check)[: wanted.count]
        self._check_count("prompts", wanted.writer, len(prompts), wanted.count)
        return prompts

    def _drawn(self, wanted: Images, choice: Domains, good: Iterable[Image]) -> list[Image]:
        from generation.domains import draw_domains

        kept: set[str] = set()

        def noted() -> Iterator[Image]:
            for image in good:
                kept.add(image.sha256 or "")
                yield replace(image, bytes=self._work.read(image.sha256 or ""))

        images, about = draw_domains(noted(), choice, wanted.count, self._recipe.seed, self._folders.recipe)
        for sha256 in kept - {image.sha256 for image in images}:
            self._work.drop(sha256)
        for each in about.get("unusable", ()):
            self._note("images", Unusable(each["name"], Status(each["status"]), each["reason"]))
        self._work.save(DOMAINS_FILE, json.dumps(dict(about), indent=2, ensure_ascii=False) + "\n")
        return list(images)

    def _good(
        self,
        what: str,
        source: str,
        find: Callable[[int | None, int], Iterator[_T | Unusable]],
        check: Callable[[_T], _T | Unusable | None],
        patience: int,
        count: int | None,
    ) -> Iterator[_T]:
        """Of what is found when `count` are asked for, what can be used and is new; of the others, notes are kept."""
        for each in find(count, self._recipe.seed):
            checked = each if isinstance(each, Unusable) else check(each)
            if isinstance(checked, Unusable):
                self._in_vain[what] += 1
                self._note(what, checked)
                if self._in_vain[what] >= patience:
                    raise RecipeError(
                        f"{source!r} gave {patience:,} {what} in a row that cannot be used{self._unused(what)}; "
                        "mend the recipe, then run the same command again"
                    )
            elif checked is not None:
                self._in_vain[what] = 0
                self._counts[what] += 1
            self._tell(what, source)
            if checked is not None and not isinstance(checked, Unusable):
                yield checked

    def _note(self, what: str, unusable: Unusable) -> None:
        """Keep a note of what cannot be used, unless it is one of a moment ago."""
        if (what, unusable) not in self._unusable:
            self._unusable[what, unusable] = None
            self._counts[f"unusable {what}"] += 1

    def _tell(self, what: str, source: str) -> None:
        wanted = self._recipe.images if what == "images" else self._recipe.prompts
        if self._told and wanted is not None:
            total = 0 if isinstance(wanted, Images) and wanted.domains else wanted.count or 0
            good, unusable = self._counts[what], self._counts[f"unusable {what}"]
            self._told(Progress(good, total, good, unusable, source, "gathering", what))

    def _check_count(self, what: str, source: str, found: int, wanted: int | None) -> None:
        if found == wanted or (wanted is None and found):
            return
        if wanted is None or not found:
            raise RecipeError(f"{source!r} has no {what} that can be used{self._unused(what)}; mend the recipe")
        raise RecipeError(
            f"{source!r} has {found} different {what} for this seed where the recipe asks for {wanted}; "
            f"set {what}.count to at most {found}, or choose another seed{self._unused(what)}"
        )

    def _unused(self, what: str) -> str:
        """How many could not be used, and the commonest reasons, in words; nothing where all could be."""
        unused = [each for kind, each in self._unusable if kind == what]
        if not unused:
            return ""
        statuses = ", ".join(f"{n:,} {status}" for status, n in Counter(each.status for each in unused).most_common())
        commonest = Counter(each.reason for each in unused).most_common(_REASONS)
        reasons = "; ".join(f"{reason} ({n:,} times)" if n > 1 else reason for reason, n in commonest)
        return (
            f" ({len(unused):,} could not be used: {statuses}: {reasons}; {self._work.path / UNUSABLE_FILE} lists all)"
        )

    def _save(self, name: str, rows: Sequence[dict[str, Any]], *, even_empty: bool = False) -> None:
        if rows or even_empty or (self._work.path / name).exists():
            self._work.save(name, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _enough(wanted: Images | Prompts, ask: _Ask[_T], check: ImageCheck | PromptCheck) -> list[_T]:
    """As many as wanted, in the order in which they came, or a few more; all where there are not so many.

    Where some cannot be used, so many more are asked for, which gives those before again: in which order they come is
    up to the source, so that the first of a larger draw would be no fair draw. After a round in vain twice as many more
    are asked for, so that a source without an end is given up soon.
    """
    asked, more, found = wanted.count, 0, list[_T]()
    while True:
        new = list(ask(asked))
        found += new
        if asked is None or wanted.count is None or len(found) >= wanted.count or check.taken < asked:
            return found
        more = wanted.count - len(found) if new else max(2 * more, 1)
        asked += more


def _row(image: Image) -> dict[str, Any]:
    return {name: value for name, value in asdict(image).items() if name != "bytes"}


def _read(work: Work) -> Inputs:
    inputs = Inputs([], [])
    try:
        with work.inputs.open(encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                if "image" in row:
                    origin = Origin(row["image"]["origin"])
                    inputs.images.append(Image(**row["image"] | {"bytes": None, "origin": origin}))
                else:
                    inputs.prompts.append(Prompt(**row["prompt"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(f"{work.inputs} cannot be read: {error}; remove {work.path} to begin again") from error
    return inputs
