"""What a forecast says; `dataclasses.asdict` makes JSON of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from generation.forecast.amounts import Amount, Total


class Stage(StrEnum):
    """What is made in which order; the images of the loop come in the same load as the others of their model."""

    CAPTIONS = "captions"
    IMAGES = "images"
    LOOP_IMAGES = "loop images"
    LOOP_CAPTIONS = "loop captions"


@dataclass(frozen=True, slots=True)
class Input:
    """The images or the prompts that are worked on: how many, and what it takes to have them here.

    `disk` is bytes in the dataset; `seconds` and `dollars` are those of the model that writes them, null where there is
    none.
    """

    what: str
    source: str
    count: Amount
    disk: Amount
    seconds: Amount | None = None
    dollars: Amount | None = None


@dataclass(frozen=True, slots=True)
class Producer:
    """What one model does in one stage: rows of the dataset, and the bytes they take there."""

    stage: Stage
    model: str
    rows: Amount
    seconds: Amount
    dollars: Amount
    disk: Amount


@dataclass(frozen=True, slots=True)
class Load:
    """A model that is read into memory: for what, the bytes of its weights, and how many of them are not here yet.

    `licence` is null where it is not known.
    """

    purpose: str
    model: str
    weights: Amount
    fetch: Amount
    licence: str | None


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of what is known: rows, bytes to fetch and to keep, seconds and US dollars."""

    rows: Total
    seconds: Total
    dollars: Total
    fetch: Total
    disk: Total


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a call to `generate` would take.

    Attributes:
        recipe: The recipe's name.
        version: Its version.
        seed: Its seed.
        digest: Its digest, as it will stand in every row.
        device: What models with weights are taken to run on.
        inputs: The images and the prompts.
        producers: In the order in which they work.
        loads: In the order in which they are read.
        totals: What all of that adds up to.
        warnings: What has to be done or known first: weights given out on request, models that are shut down.
        assumptions: What the numbers rest on.
    """

    recipe: str
    version: str
    seed: int
    digest: str
    device: str
    inputs: tuple[Input, ...]
    producers: tuple[Producer, ...]
    loads: tuple[Load, ...]
    totals: Totals
    warnings: tuple[str, ...]
    assumptions: tuple[str, ...]

    @property
    def cost_usd(self) -> float | None:
        """The known dollars in all."""
        return self.totals.dollars.value

    def lines(self) -> list[str]:
        """The forecast for people."""
        from generation.forecast.told import tell

        return tell(self)
