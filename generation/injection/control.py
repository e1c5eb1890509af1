"""Writes a dataset of control pairs: captions of a labelled dataset, each with one planted error."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alignbench.errors import BudgetError, UnknownNameError, UsageError
from alignbench.rows import canonical_json
from alignbench.store import Dataset, DatasetWriter
from alignbench.types import Direction, ErrorType, Pair
from generation.injection.by_rules import ByRules
from generation.injection.by_text_model import ByTextModel
from generation.injection.draw import balanced
from generation.injection.plant import Caption, sentences_of
from generation.injection.rules import RULES
from generation.injection.source import Unfit, captions, unfit

TYPES = tuple(RULES)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be planted.

    Attributes:
        types: Which errors.
        per_type: How many of each.
        per_pair: How many control pairs at most of one pair, each with an error of another type.
        seed: Of everything that is drawn.
        mixed: Whether captions with sentences that are not correct are used too; these keep their labels.
    """

    types: tuple[ErrorType, ...] = TYPES
    per_type: int = 100
    per_pair: int = 1
    seed: int = 0
    mixed: bool = False

    def __post_init__(self) -> None:
        if not self.types or any(each not in TYPES for each in self.types):
            raise UsageError(f"errors of the types {', '.join(TYPES)} can be planted, not {', '.join(self.types)!r}")
        if self.per_type < 1 or self.per_pair < 1 or self.seed < 0:
            raise UsageError("the numbers of control pairs a type and a pair are at least 1, the seed at least 0")


@dataclass(frozen=True, slots=True)
class InjectSummary:
    """What a call to `inject` did.

    Attributes:
        path: The dataset's folder, which is not there where nothing was written.
        digest: The dataset's digest; null where `stopped`.
        counts: Its counts, as dataset.json has them; empty where `stopped`.
        planted: Control pairs by type.
        short: By type, how many fewer than wanted.
        sources: How many captions of the source could be used.
        unfit: How many could not, by reason.
        asked: Questions put to a text model in this call.
        useless: Its answers that could not be used, by reason; those of earlier calls too.
        spent_usd: What this call spent; null where nothing costs money.
        stopped: Why this call ended before all was planted; null where it did not.
    """

    path: Path
    digest: str | None
    counts: Mapping[str, int]
    planted: Mapping[str, int]
    short: Mapping[str, int]
    sources: int
    unfit: Mapping[str, int]
    asked: int = 0
    useless: Mapping[str, int] = field(default_factory=dict)
    spent_usd: float | None = None
    stopped: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call has come: captions looked through by rules, or errors planted by a text model."""

    finished: int
    total: int
    failed: int


Told = Callable[[Progress], None]
Method = ByRules | ByTextModel


def inject(
    path: Path, out: Path, wanted: Wanted, method: Method, *, name: str | None = None, progress: Told | None = None
) -> InjectSummary:
    """Write the control pairs of the dataset `path` to `out`, whole or not at all.

    A control pair has the image, the domain and the cluster of the pair that it is made from, a caption with one error
    more, and `planted` in its provenance. Both captions of images and prompts of drawn images are used: what is false
    of the image is an error whoever made it, so that all control pairs are image_to_text. The same dataset, method and
    wishes give the same bytes; a text model's answers are kept, and a call that was cut short goes on from there.

    Raises:
        UsageError: Nothing can be planted.
        DatasetError: The source is no dataset, or `out` exists.
        StorageError: The disk refused.
    """
    dataset = Dataset.open(path)
    survey = _Survey(dataset, wanted, method, progress)
    try:
        with DatasetWriter(
            out, name=name or f"{dataset.name}-control", version=dataset.version, splitter=dataset.splitter
        ) as writer:
            survey.look_through()
            planted = _write(dataset, writer, survey)
    except BudgetError as error:
        return _summary(out, None, survey, Counter(), stopped=str(error))
    return _summary(out, Dataset.open(out), survey, planted)


class _Survey:
    """What a first pass over the captions of a dataset finds, and what is chosen of it."""

    def __init__(self, dataset: Dataset, wanted: Wanted, method: Method, told: Told | None) -> None:
        self.dataset, self.wanted, self.method = dataset, wanted, method
        self._told = told
        self.unfit: Counter[str] = Counter()
        self.offers: dict[str, frozenset[ErrorType]] = {}
        self.chosen: dict[str, tuple[ErrorType, ...]] = {}
        self._clusters: dict[str, str] = {}

    def look_through(self) -> None:
        """Find out which captions can carry which errors, and choose."""
        total = self.dataset.counts["pairs"]
        for number, (pair, sentences) in enumerate(captions(self.dataset), 1):
            reason = unfit(pair, sentences, mixed=self.wanted.mixed) or self._of_two_clusters(pair)
            if reason is None:
                caption = Caption.of(pair, sentences)
                self.offers[pair.pair_id] = self.method.offers(pair.pair_id, caption, self.wanted.types)
            else:
                self.unfit[reason.value] += 1
            if self._told:
                self._told(Progress(number, total, 0))
        wanted = self.wanted
        pool = self.method.pool(wanted.per_type, len(wanted.types), len(self.offers) * wanted.per_pair)
        self.chosen = balanced(self.offers, wanted.types, pool, wanted.per_pair, wanted.seed)
        if not self.chosen:
            raise UsageError(self._nothing())
        self.method.prepare(self.dataset, self.chosen, wanted.per_type, self._told_of)

    def _told_of(self, finished: int, total: int, failed: int) -> None:
        if self._told:
            self._told(Progress(finished, total, failed))

    def _of_two_clusters(self, pair: Pair) -> Unfit | None:
        """An image has one cluster in a direction, and control pairs have one direction."""
        first = self._clusters.setdefault(pair.image_key, pair.cluster_id)
        return None if first == pair.cluster_id else Unfit.TWO_CLUSTERS

    def _nothing(self) -> str:
        found = ", ".join(f"{count:,} {reason}" for reason, count in sorted(self.unfit.items()))
        unlabelled = self.unfit[Unfit.UNLABELLED.value] == self.dataset.counts["pairs"]
        advice = (
            "label them first: an error is planted into a sentence that is labelled correct"
            if unlabelled
            else "give other --types, --mixed for captions with errors of their own, or --definite"
        )
        return (
            f"none of the {self.dataset.counts['pairs']:,} captions of {self.dataset.path} can carry an error of the "
            f"types {', '.join(self.wanted.types)} ({len(self.offers):,} are fit{f', {found}' if found else ''}); "
            f"{advice}"
        )


def _write(dataset: Dataset, writer: DatasetWriter, survey: _Survey) -> Counter[str]:
    """Write images, then pairs, both in the order of the source."""
    chosen, planted = survey.chosen, Counter[str]()
    ready = {pair_id for pair_id, types in chosen.items() if any(survey.method.has(pair_id, t) for t in types)}
    if not ready:
        raise UsageError("none of the text model's answers can be used; choose another model, or --method rules")
    keys = {pair.image_key for pair in dataset.pairs() if pair.pair_id in ready}
    for image in dataset.images(keys):
        writer.add_image(image)
    for pair, sentences in captions(dataset):
        for error_type in chosen.get(pair.pair_id, ()):
            made = survey.method.made(pair, Caption.of(pair, sentences), error_type)
            if made is not None:
                control = _control(pair, made.planted.text, dict(made.provenance), survey.method, dataset)
                writer.add_pair(control, sentences_of(control, made.planted, sentences))
                planted[error_type.value] += 1
    return planted


def _control(pair: Pair, text: str, provenance: dict[str, Any], method: Method, dataset: Dataset) -> Pair:
    source = {"name": dataset.name, "version": dataset.version, "digest": dataset.digest}
    provenance["planted"] = {**provenance["planted"], "dataset": source}
    told = [method.producer.name, method.producer.revision, pair.pair_id, provenance["planted"]["error_type"], text]
    pair_id = hashlib.sha256(canonical_json(told).encode()).hexdigest()[:16]
    return Pair(
        pair_id,
        pair.image_key,
        text,
        method.producer,
        Direction.IMAGE_TO_TEXT,
        pair.domain,
        pair.cluster_id,
        provenance,
    )


def _summary(
    out: Path, dataset: Dataset | None, survey: _Survey, planted: Mapping[str, int], stopped: str | None = None
) -> InjectSummary:
    wanted, method = survey.wanted, survey.method
    short = {t.value: wanted.per_type - planted.get(t.value, 0) for t in wanted.types}
    return InjectSummary(
        path=out,
        digest=dataset.digest if dataset else None,
        counts=dataset.counts if dataset else {},
        planted={t.value: planted.get(t.value, 0) for t in wanted.types},
        short={name: missing for name, missing in short.items() if missing > 0},
        sources=len(survey.offers),
        unfit=dict(sorted(survey.unfit.items())),
        asked=method.asked,
        useless=dict(sorted(method.useless.items())),
        spent_usd=method.spent_usd,
        stopped=stopped,
    )


def types_of(said: Sequence[str]) -> tuple[ErrorType, ...]:
    """The error types of these names, in the order of `TYPES`.

    Raises:
        UnknownNameError: There is none of such a name.
    """
    for name in said:
        if name not in TYPES:
            raise UnknownNameError.of("error type to plant", name, TYPES, "give --types with commas between them")
    return tuple(each for each in TYPES if each.value in said)
