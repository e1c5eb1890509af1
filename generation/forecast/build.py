"""Says what a recipe would take, without a network, a model or an input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from alignbench.adapters import Role
from generation.forecast.amounts import Amount, total
from generation.forecast.asked import Asked, resolve
from generation.forecast.counts import Part, count_rows
from generation.forecast.disk import bytes_a_row
from generation.forecast.dollars import dollars_a_row
from generation.forecast.facts import Device, FactTable
from generation.forecast.inputs import Gathered, gather
from generation.forecast.lengths import Text, prompt_tokens
from generation.forecast.notes import assumptions, warnings
from generation.forecast.seconds import seconds_a_row
from generation.forecast.shape import Forecast, Input, Load, Producer, Stage, Totals
from generation.forecast.weights import weigh
from generation.recipe import FilterChoice, Recipe

DEVICE = "h100"
_ORDER = (Stage.CAPTIONS, Stage.IMAGES, Stage.LOOP_CAPTIONS)


class _Task(NamedTuple):
    """A part of the recipe and the model that does it."""

    part: Part
    asked: Asked


def forecast(
    recipe: Recipe,
    recipe_folder: Path,
    *,
    images_folder: Path | None = None,
    device: str = DEVICE,
    facts: Path | None = None,
) -> Forecast:
    """Say what `generate` would take: rows, loads, bytes, seconds and dollars, each null with a reason if unknown.

    Nothing is asked, fetched or loaded, and what the recipe names need not be there.

    Args:
        recipe: The recipe.
        recipe_folder: Where relative paths in its options begin.
        images_folder: Where those of its image source begin; by default there too.
        device: What models with weights are taken to run on: `h100` or `rtx-4090`, or one of `facts`.
        facts: A file in the form of models.yaml, over it.

    Raises:
        UsageError: There is no such device, or the facts cannot be read.
    """
    table = FactTable.read(facts)
    runs_on = table.device(device)
    inputs = gather(recipe, recipe_folder, images_folder or recipe_folder, table, runs_on)
    none = Amount(0)
    parts = count_rows(
        recipe,
        inputs.images.count if inputs.images else none,
        inputs.prompts.count if inputs.prompts else none,
    )
    tasks = [_Task(part, resolve(part.role, part.model, table)) for part in parts]
    producers = tuple(_producer(task, recipe, runs_on) for task in tasks)
    loaded = [*_before(recipe, recipe_folder, inputs, table), *_loaded(tasks), *_after(recipe, recipe_folder, table)]
    loads = tuple(_loads(loaded))
    everyone = [asked for _, asked in loaded] + [task.asked for task in tasks]
    return Forecast(
        recipe=recipe.name,
        version=recipe.version,
        seed=recipe.seed,
        digest=recipe.digest,
        device=runs_on.name,
        inputs=inputs.listed,
        producers=producers,
        loads=loads,
        totals=_totals(inputs.listed, producers, loads),
        warnings=tuple(warnings(everyone)),
        assumptions=tuple(assumptions(recipe, everyone, inputs, runs_on)),
    )


def _producer(task: _Task, recipe: Recipe, device: Device) -> Producer:
    part, asked = task
    text = None if part.role is Role.IMAGE_MODELS else Text(prompt_tokens(recipe.caption_prompt))
    each = (
        seconds_a_row(asked, device, text),
        dollars_a_row(asked, text),
        bytes_a_row(asked, draws=text is None),
    )
    return Producer(part.stage, asked.called, part.rows, *(part.rows.times(amount) for amount in each))


def _before(recipe: Recipe, folder: Path, inputs: Gathered, table: FactTable) -> Iterator[tuple[str, Asked]]:
    """The models that are loaded before any producer."""
    if recipe.images:
        yield from _filters(recipe.images.filters, folder, table)
    if recipe.images and recipe.images.domains:
        domains = recipe.images.domains
        yield "domains", _helping("clip", domains.model, domains.revision, folder, table)
    if inputs.writer is not None:
        yield "prompts", inputs.writer
    near = recipe.prompts.near_duplicates if recipe.prompts else None
    if near and near.model:
        yield "near duplicates", _helping("clip", near.model, None, folder, table)


def _after(recipe: Recipe, folder: Path, table: FactTable) -> Iterator[tuple[str, Asked]]:
    """The models that look at what was made."""
    yield from _filters(recipe.filters, folder, table)


def _filters(choices: Iterable[FilterChoice], folder: Path, table: FactTable) -> Iterator[tuple[str, Asked]]:
    for choice in choices:
        model, revision = choice.options.get("model"), choice.options.get("revision")
        if isinstance(model, str):
            revision = revision if isinstance(revision, str) else None
            yield f"filter {choice.filter}", _helping("filter", model, revision, folder, table)


def _helping(kind: str, model: str, revision: str | None, folder: Path, table: FactTable) -> Asked:
    """A model that makes no rows; a relative path begins at the recipe's folder."""
    beside = folder / model.removeprefix("local-dir:")
    options = {"revision": revision} if revision else {}
    return Asked(model, model, kind, str(beside) if beside.is_dir() else model, options, table.models.get(model))


def _loaded(tasks: Sequence[_Task]) -> Iterator[tuple[str, Asked]]:
    """Each model of a stage once, in the order in which they are loaded; the loop's images come with the others."""
    for stage in _ORDER:
        seen = set()
        for part, asked in tasks:
            where = Stage.IMAGES if part.stage is Stage.LOOP_IMAGES else part.stage
            if where is stage and asked.key not in seen:
                seen.add(asked.key)
                yield stage.value, asked


def _loads(wanted: Iterable[tuple[str, Asked]]) -> Iterator[Load]:
    fetched = set()
    for purpose, asked in wanted:
        if not asked.is_local:
            continue
        weights = weigh(asked)
        source = (asked.model, str(asked.options.get("revision")))
        licence = asked.facts.licence if asked.facts else None
        yield Load(purpose, asked.called, weights.size, Amount(0) if source in fetched else weights.fetch, licence)
        fetched.add(source)


def _totals(inputs: Sequence[Input], producers: Sequence[Producer], loads: Sequence[Load]) -> Totals:
    named = [(each.model, each) for each in producers]
    sources = [(f"{each.what} by {each.source}", each) for each in inputs]
    return Totals(
        rows=total((name, each.rows) for name, each in named),
        seconds=total((name, each.seconds) for name, each in sources + named if each.seconds),
        dollars=total((name, each.dollars) for name, each in sources + named if each.dollars),
        fetch=total((load.model, load.fetch) for load in loads),
        disk=total((name, each.disk) for name, each in sources + named),
    )
