"""What has to be done or known before a recipe is run, and what the numbers of its forecast rest on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from alignbench.backends.api.endpoint import Endpoint
from alignbench.backends.api.prices import is_loopback
from alignbench.errors import UsageError
from generation.forecast import lengths
from generation.forecast.asked import Asked
from generation.forecast.dollars import shipped_prices
from generation.forecast.facts import Device
from generation.forecast.inputs import Gathered
from generation.forecast.seconds import SHARE, STEP
from generation.recipe import Model, Recipe


def warnings(models: Sequence[Asked]) -> Iterator[str]:
    """What has to be done first; a line for each thing, with all the models that it is about."""
    told: dict[str, list[str]] = {}
    for asked in models:
        for said in _warnings(asked):
            names = told.setdefault(said, [])
            if asked.called not in names:
                names.append(asked.called)
    yield from (f"{', '.join(names)}: {said}" for said, names in told.items())


def _warnings(asked: Asked) -> Iterator[str]:
    if asked.problem:
        yield asked.problem
    facts = asked.facts
    if facts and facts.ended:
        yield facts.ended
    if facts and facts.gated:
        yield "weights are given out on request; ask for them on the model's page, then run `hf auth login`"
    if asked.kind == "api":
        yield from _of_endpoint(asked)


def _of_endpoint(asked: Asked) -> Iterator[str]:
    address, variable = asked.options.get("base_url"), asked.options.get("key_env", "OPENAI_API_KEY")
    try:
        endpoint = Endpoint(address if isinstance(address, str) else None, str(variable))
        has_key = endpoint.has_key
    except (UsageError, ValueError) as error:
        yield str(error)
        return
    if is_loopback(endpoint.host):
        size = asked.facts.weights if asked.facts else None
        needs = f"; its weights take {size / 1e9:,.0f} GB" if size else ""
        yield f"asked at {endpoint.address}; start that server before{needs}"
    elif not has_key:
        yield f"asked at {endpoint.host}, whose key has to be in the variable {endpoint.key_env}"


def assumptions(recipe: Recipe, models: Sequence[Asked], inputs: Gathered, device: Device) -> Iterator[str]:
    """What the numbers rest on, a line for each thing."""
    yield "rows: each is made once; what filters drop is made before it is dropped"
    if recipe.images and recipe.images.count is None:
        yield "images: all files of the source are counted; those that cannot be used are left out when they are read"
    if recipe.images and recipe.images.domains:
        yield "images: all that the source has are fetched and looked at, before as many of each domain are drawn"
    if recipe.prompts and recipe.prompts.count is None and recipe.prompts.near_duplicates:
        yield "prompts: all of the file are counted; near duplicates are left out when they are read"
    yield from _on_time(models, device)
    if any(asked.kind == "api" for asked in models):
        yield from _on_prices()
    painters = [*recipe.image_models, *(recipe.loop.image_models if recipe.loop else ())]
    yield from _on_disk(painters, inputs)


def _on_time(models: Sequence[Asked], device: Device) -> Iterator[str]:
    guessed = [asked for asked in models if asked.facts is None or asked.facts.seconds is None]
    if len(guessed) < len(models):
        yield "time of the offline world's models: measured over 12 rows on one core of a server"
    if any(asked.is_local for asked in guessed):
        yield (
            f"time of models with weights: a rough estimate for {device.name}, not measured: {SHARE:.0%} of its "
            f"operations and bandwidth, a token takes {1000 * STEP:.0f} ms at least"
        )
    if any(asked.kind == "api" for asked in guessed):
        yield (
            f"time of APIs: a guess of {lengths.CAPTION_LATENCY:.0f} s a caption, {lengths.CAPTIONS_IN_FLIGHT} at a "
            f"time, and {lengths.IMAGE_LATENCY:.0f} s an image, {lengths.IMAGES_IN_FLIGHT} at a time; or as many as "
            "the recipe's `in_flight`"
        )
    yield "time: one model after the other; loading, fetching, filters and labels are not in it"
    if guessed:
        wide, high = lengths.SIDES
        yield (
            f"a caption has {lengths.CAPTION_TOKENS} tokens, a prompt for an image {lengths.IMAGE_PROMPT_TOKENS}, by "
            f"table 1 of arXiv 2511.20515; an image that is described has {wide} x {high} pixels"
        )


def _on_prices() -> Iterator[str]:
    yield f"prices: the table of {shipped_prices().dated}; look before you spend; reasoning is not counted"


def _on_disk(painters: Sequence[Model], inputs: Gathered) -> Iterator[str]:
    parts = [f"{lengths.ROW_BYTES:,} bytes a row"]
    if any(not model.model.startswith("scenes") for model in painters):
        parts.append(f"PNG at {lengths.PNG_BYTES_A_PIXEL:g} bytes a pixel")
    if inputs.images and inputs.images.count.value and inputs.images.disk.value:
        parts.append(f"{inputs.images.disk.value / inputs.images.count.value / 1000:,.0f} kB a source image")
    yield f"disk: {', '.join(parts)}; while it is made, the images are there a second time"
