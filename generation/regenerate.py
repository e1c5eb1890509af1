"""Makes rows of a dataset again from their provenance alone, and compares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignbench.adapters import Role
from alignbench.errors import BudgetError, DatasetError, ImageError, UsageError
from alignbench.rows import canonical_json
from alignbench.store import Dataset
from alignbench.types import CaptionTask, Image, ImageTask, Pair, Produced, Status, TextTask, Written
from generation.injection.again import is_planted_by_rules, rewritten
from generation.produce import release
from generation.purse import Purse
from generation.regeneration import choice
from generation.regeneration.asked import Asked, asked_by, planted_again
from generation.regeneration.difference import caption_difference, image_difference
from generation.regeneration.models import CANNOT_RUN, Model, Permitted, Refusal, load
from generation.regeneration.outcome import Again, Outcome
from generation.regeneration.outcome import Regeneration as Regeneration
from generation.regeneration.surroundings import changed
from generation.regeneration.threads import on_threads, threads_of


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call has come, in rows; `failed` counts those that did not come out as they are stored."""

    finished: int
    total: int
    failed: int


Told = Callable[[Progress], None]
_Waiting = dict[int, tuple[Asked, Image | None]]


def regenerate(
    path: Path,
    pair_ids: Sequence[str] = (),
    *,
    each: int | None = None,
    seed: int = 0,
    permitted: Permitted | None = None,
    progress: Told | None = None,
) -> Regeneration:
    """Make rows again and compare them with what is stored: images by their bytes, captions by their text.

    One model is in memory at a time, and the images of one row group.

    Args:
        path: A dataset folder; nothing in it changes.
        pair_ids: The rows.
        each: In place of ids, so many rows of each producer.
        seed: Of the draw of these rows.
        permitted: What the user allows beyond what provenance says; by default no API is asked.
        progress: Called after each row.

    Raises:
        UsageError: Neither ids nor a number, or both.
        UnknownNameError: There is no pair of such an id.
        DatasetError: The folder is no dataset, or a file of it is damaged.
    """
    if bool(pair_ids) == (each is not None):
        raise UsageError("say which rows: one or more PAIR_IDs, or --each N for N rows of every producer")
    dataset = Dataset.open(path)
    pairs = choice.named(dataset, pair_ids) if each is None else choice.drawn(dataset.pairs(), each, seed)
    return _Session(dataset, pairs, permitted or Permitted(), progress).run()


class _Session:
    """The rows of one call and what has become of them."""

    def __init__(self, dataset: Dataset, pairs: Sequence[Pair], permitted: Permitted, told: Told | None) -> None:
        self._dataset, self._pairs, self._permitted, self._told = dataset, pairs, permitted, told
        self._purse = Purse(permitted.max_cost)
        self._outcomes: dict[str, Outcome] = {}
        self._loads = self._failed = 0

    def run(self) -> Regeneration:
        groups: dict[tuple[str, ...], list[Asked]] = {}
        for pair in self._pairs:
            found = planted_again(pair) if is_planted_by_rules(pair) else asked_by(pair)
            if isinstance(found, Outcome):
                self._record(found)
            else:
                groups.setdefault(_key(found), []).append(found)
        for group in groups.values():
            self._make(group)
            release()
        outcomes = [self._outcomes[pair.pair_id] for pair in self._pairs]
        return Regeneration(self._dataset.path, outcomes, self._loads, self._purse.spent)

    def _make(self, group: Sequence[Asked]) -> None:
        model = load(group[0], self._permitted)
        if isinstance(model, Refusal):
            self._give_up(group, model.again, model.reason)
            return
        self._loads += 1
        try:
            with on_threads(threads_of(group[0].pair.provenance)):
                self._drain(model, group)
        except DatasetError:
            raise
        except BudgetError as error:
            self._give_up(group, Again.NOT_MADE, str(error))
        except CANNOT_RUN as error:
            self._give_up(group, Again.NOT_MADE, f"the model fell over: {error}")
        self._give_up(group, Again.NOT_MADE, "the model gave no answer")

    def _drain(self, model: Model, group: Sequence[Asked]) -> None:
        waiting: _Waiting = {}
        with self._purse.minding(model):
            for made in _answers(model, self._tasks(group, waiting)):
                self._record(_outcome(*waiting.pop(made.number), made))

    def _give_up(self, group: Sequence[Asked], again: Again, reason: str) -> None:
        """The same outcome for all rows of a group that have none yet."""
        for asked in group:
            if asked.pair.pair_id not in self._outcomes:
                self._record(Outcome.of(asked.pair, again, reason))

    def _tasks(self, group: Sequence[Asked], waiting: _Waiting) -> Iterator[Any]:
        """A task a row, in the order of the stored images, of which each is in memory until its rows are answered."""
        if group[0].role is Role.TEXT_MODELS:
            for number, asked in enumerate(group):
                waiting[number] = (asked, None)
                yield TextTask(number, asked.prompt, asked.seed)
            return
        by_image: dict[str, list[tuple[int, Asked]]] = {}
        for number, asked in enumerate(group):
            by_image.setdefault(asked.pair.image_key, []).append((number, asked))
        for image in self._dataset.images(by_image):
            for number, asked in by_image[image.image_key]:
                if image.bytes is None:
                    self._record(Outcome.of(asked.pair, Again.IMAGE_MISSING, "the dataset has no bytes of its image"))
                else:
                    waiting[number] = (asked, image)
                    yield _task(number, asked, image)

    def _record(self, outcome: Outcome) -> None:
        self._outcomes[outcome.pair_id] = outcome
        self._failed += outcome.again is not Again.SAME
        if self._told:
            self._told(Progress(len(self._outcomes), len(self._pairs), self._failed))


def _key(asked: Asked) -> tuple[str, ...]:
    """The same for rows that one loaded model can make."""
    producer = asked.producer
    return asked.role, asked.model, canonical_json(asked.options), producer.name, producer.revision or ""


def _task(number: int, asked: Asked, image: Image) -> CaptionTask | ImageTask:
    if asked.role is Role.CAPTIONERS:
        return CaptionTask(number, image, asked.prompt, asked.seed)
    return ImageTask(number, asked.prompt, asked.seed)


def _answers(model: Any, tasks: Iterator[Any]) -> Iterator[Produced | Written]:
    """What a captioner, an image model or a text model makes of tasks of its sort."""
    make = model.write if hasattr(model, "write") else model.produce
    yield from make(tasks)


def _outcome(asked: Asked, stored: Image | None, made: Produced | Written) -> Outcome:
    told = changed(asked.pair.provenance, made.provenance)
    if made.status is not Status.OK:
        reason = made.provenance.get("reason", "no reason given")
        return Outcome.of(asked.pair, Again.NOT_MADE, f"{made.status}: {reason}", changed=told)
    try:
        difference = _difference(asked.pair, stored, made)
    except (ImageError, ValueError) as error:
        return Outcome.of(asked.pair, Again.NOT_MADE, str(error), changed=told)
    again = Again.SAME if difference is None else Again.DIFFERS
    return Outcome.of(asked.pair, again, difference=difference, changed=told)


def _difference(pair: Pair, stored: Image | None, made: Produced | Written) -> Mapping[str, Any] | None:
    """How far what was made is from what is stored; null where they are the same."""
    if isinstance(made, Produced) and made.image is not None:
        then = (stored.bytes if stored else None) or b""
        return None if then == made.image else image_difference(then, made.image)
    caption = made.caption if isinstance(made, Produced) else rewritten(pair, made.text or "")
    return None if caption == pair.caption else caption_difference(pair.caption, caption or "")
