"""How long a row takes: a rough estimate from what hardware could do at best, never a measurement.

A captioner first reads its prompt, at `SHARE` of the device's operations, then writes token by token; each token reads
all weights that are in use, at `SHARE` of the device's bandwidth, once for all captions of a batch. An image model
takes its operations a step, twice where there is guidance, and those that decode the picture.
"""

from __future__ import annotations

from generation.forecast.amounts import Amount
from generation.forecast.asked import Asked
from generation.forecast.facts import Device
from generation.forecast.lengths import (
    CAPTION_LATENCY,
    CAPTIONS_IN_FLIGHT,
    IMAGE_LATENCY,
    IMAGES_IN_FLIGHT,
    SIDES,
    Text,
    pixels,
)
from generation.forecast.weights import weigh

SHARE = 0.4
STEP = 0.025
"""Seconds: no token takes less where transformers starts its kernels one by one; a guess."""
BATCH = 8
"""Captions at a time where a recipe says `exact: false` and no `batch`; without that they are written one by one."""


def seconds_a_row(asked: Asked, device: Device, text: Text | None) -> Amount:
    """Seconds for one row of a model.

    Args:
        asked: The model.
        device: What it would run on where it has weights.
        text: What it writes; null for an image model.
    """
    if asked.facts and asked.facts.seconds is not None:
        return Amount(asked.facts.seconds)
    if asked.kind == "api":
        return _asking(asked, draws=text is None)
    obstacle = _obstacle(asked, device)
    if obstacle is not None:
        return Amount.unknown(obstacle)
    return _drawing(asked, device) if text is None else _writing(asked, device, text)


def _asking(asked: Asked, *, draws: bool) -> Amount:
    if asked.is_served_here:
        return Amount.unknown("how fast a server on this machine answers is known to whoever runs it")
    usual = (IMAGE_LATENCY, IMAGES_IN_FLIGHT) if draws else (CAPTION_LATENCY, CAPTIONS_IN_FLIGHT)
    return Amount(usual[0] / asked.option("in_flight", usual[1]))


def _obstacle(asked: Asked, device: Device) -> str | None:
    """Why nobody can tell how long a model takes on a device; null where it can be estimated."""
    if not asked.is_local:
        return asked.problem or f"how long {asked.called} takes is known only when it runs"
    if asked.options.get("device", "cuda") != "cuda":
        return f"{asked.called} is to run on {asked.options['device']!r}, for which nothing is known"
    if asked.options.get("offload") is True:
        return f"how long it takes to move the parts of {asked.called} on and off the device is not known"
    size = _loaded(asked)
    if size.value is not None and size.value > device.memory:
        return f"the weights of {asked.called} take {size.value / 1e9:,.1f} GB, more than {device.name} has"
    return size.reason


def _loaded(asked: Asked) -> Amount:
    """Bytes of the weights in memory."""
    return weigh(asked).parameters.times(Amount(4 if asked.options.get("dtype") == "float32" else 2))


def _writing(asked: Asked, device: Device, text: Text) -> Amount:
    facts, loaded = asked.facts, _loaded(asked)
    parameters = weigh(asked).parameters
    if parameters.value is None or loaded.value is None:
        return parameters
    # Without facts, the image counts as many tokens as patches of 14 pixels, four in one, as most models cut it.
    known = facts.image_tokens if facts else None
    image = 0 if not text.looks else SIDES[0] * SIDES[1] / 28**2 if known is None else known
    in_use = (facts.active if facts and facts.active else None) or parameters.value
    read = 2 * in_use * (text.prompt + image) / (SHARE * device.operations)
    step = max(STEP, loaded.value * in_use / parameters.value / (SHARE * device.bandwidth))
    together = asked.option("batch", BATCH) if asked.options.get("exact") is False else 1
    return Amount(read + text.answer * step / max(1.0, together))


def _drawing(asked: Asked, device: Device) -> Amount:
    facts = asked.facts
    if facts is None or facts.forward is None or facts.size is None:
        return Amount.unknown(f"how much {asked.called} computes is not in generation/forecast/models.yaml")
    usual, wanted = pixels(facts.size), asked.size(facts.size)
    if usual is None or wanted is None:
        return Amount.unknown(f"the size of the images of {asked.called} is not known")
    scale = wanted[0] * wanted[1] / (usual[0] * usual[1])
    passes = asked.option("steps", facts.steps or 1) * (2 if asked.option("guidance", facts.guidance or 1) > 1 else 1)
    operations = scale * (passes * facts.forward + (facts.decode or 0))
    return Amount(operations / (SHARE * device.operations))
