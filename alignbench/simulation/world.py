"""What is planted: images, producers and judges, with their properties."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from alignbench.errors import UsageError
from alignbench.types import Direction


@dataclass(frozen=True, slots=True)
class SimulatedProducer:
    """A producer that makes a pair of every image, or of every prompt.

    Attributes:
        name: Its own among the producers of a world.
        wrong: Share of its sentences that are incorrect, from 0 to 1.
        family: What judges compare with their own; null for a producer of no family.
        direction: Which side of its pairs it makes.
    """

    name: str
    wrong: float = 0.2
    family: str | None = None
    direction: Direction = Direction.IMAGE_TO_TEXT

    def __post_init__(self) -> None:
        if not self.name:
            raise UsageError("a simulated producer needs a name")
        _check_range(f"the share of incorrect sentences of {self.name}", self.wrong, 0, 1)


@dataclass(frozen=True, slots=True)
class World:
    """What is judged.

    Attributes:
        producers: At least one, each with its own name.
        images: How many images each captioner gets, and how many prompts each image model; the clusters.
        sentences: Sentences of each caption.
        icc: Intra-class correlation of the labels of a caption, from 0 to 1. Each image has its own share of
            incorrect sentences from the beta distribution with 1 / (a + b + 1) = icc (the beta-binomial model, Ridout,
            Demétrio and Firth 1999, Biometrics 55:137), so that it holds for the labels themselves. An image stands at
            the same quantile for all producers: one that is hard to describe is hard for all.
        first: Share of incorrect sentences at index 0 over that at any later index; the share over all stays. Below 1
            first sentences are truer, as real ones are.
        unknown: Share of the sentences whose label is `unknown`, whatever it would have been.
    """

    producers: tuple[SimulatedProducer, ...]
    images: int = 150
    sentences: int = 5
    icc: float = 0.5
    first: float = 1.0
    unknown: float = 0.0

    def __post_init__(self) -> None:
        twice = [name for name, count in Counter(each.name for each in self.producers).items() if count > 1]
        if not self.producers or twice:
            raise UsageError(f"a world needs producers, each with its own name; {_listed(twice) or 'there is none'}")
        for name, number in (("images", self.images), ("sentences", self.sentences)):
            if number < 1:
                raise UsageError(f"a world needs at least 1 of its {name}, not {number}")
        _check_range("the correlation of labels", self.icc, 0, 1)
        _check_range("the share of unknown labels", self.unknown, 0, 1)
        _check_range("the ratio of incorrect first sentences", self.first, 0, math.inf)
        for producer in self.producers:
            if max(self.wrong_at(producer, index) for index in (0, self.sentences - 1)) > 1:
                raise UsageError(
                    f"{producer.name} cannot have {producer.wrong:g} incorrect sentences and {self.first:g} times as "
                    "many first ones: more than all would be incorrect; make one of the two smaller"
                )

    def wrong_at(self, producer: SimulatedProducer, index: int) -> float:
        """The share of incorrect sentences at an index of that producer's captions."""
        if self.sentences == 1:
            return producer.wrong
        later = producer.wrong * self.sentences / (self.first + self.sentences - 1)
        return later * self.first if index == 0 else later


@dataclass(frozen=True, slots=True)
class SimulatedJudge:
    """A judge whose scores are normal with a standard deviation of 1 within each label, before its effects.

    Attributes:
        name: Its own among the judges.
        auroc: Of correct against incorrect sentences of different images, before the other effects; above 0, below 1.
        auroc_of: The same for single producers, by name.
        icc: Share of the scores' variance that the sentences of an image have in common, within a label.
        shared: Share of the scores' variance that the judge has in common with others: the correlation, within a
            label, of two judges with the same `shared` and `icc`.
        position: Added for each step of the sentence's own index, wherever it is shown; negative where first sentences
            are favoured. An effect of content.
        presentation: Added for each step of the place at which a sentence is shown in a caption; it has no effect on
            sentences that are shown alone.
        own: Its family.
        preference: Added to incorrect sentences of its own family's producers: the leniency that costs AUROC.
        favour: Added to all sentences of its own family's producers, which costs no AUROC within a producer.
        step: Scores are rounded to multiples of it, which makes ties; 0 for none.
        failures: Share of the sentences without a score.
        restless: Share of a sentence's own noise that is drawn anew each time it is shown in another way.
    """

    name: str
    auroc: float = 0.8
    auroc_of: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    icc: float = 0.5
    shared: float = 0.0
    position: float = 0.0
    presentation: float = 0.0
    own: str | None = None
    preference: float = 0.0
    favour: float = 0.0
    step: float = 0.0
    failures: float = 0.0
    restless: float = 0.0

    def __post_init__(self) -> None:
        if not self.name:
            raise UsageError("a simulated judge needs a name")
        for what, value in (("auroc", self.auroc), *((f"auroc of {who}", one) for who, one in self.auroc_of.items())):
            if not 0 < value < 1:
                raise UsageError(f"the {what} of {self.name} is {value}, but must be above 0 and below 1")
        for what in ("icc", "shared", "failures", "restless"):
            _check_range(f"{what} of {self.name}", getattr(self, what), 0, 1)
        _check_range(f"step of {self.name}", self.step, 0, math.inf)
        if not all(math.isfinite(each) for each in (self.position, self.presentation, self.preference, self.favour)):
            raise UsageError(f"the effects of {self.name} must be finite numbers")
        if (self.preference or self.favour) and self.own is None:
            raise UsageError(f"{self.name} prefers its own family but has none; add own=FAMILY")

    def planted(self) -> dict[str, Any]:
        """Every property but the name, as JSON values."""
        said = {name: getattr(self, name) for name in self.__slots__ if name not in ("name", "auroc_of")}
        return said | {"auroc_of": dict(self.auroc_of)}


def _check_range(what: str, value: float, low: float, high: float) -> None:
    if not (low <= value <= high and math.isfinite(value)):
        raise UsageError(f"{what} is {value}, but must be from {low} to {high}")


def _listed(names: list[str]) -> str:
    return f"twice: {', '.join(names)}" if names else ""
