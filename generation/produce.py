"""Makes the rows of a plan that are still to make, one model in memory at a time."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version

import alignbench
from alignbench import registry
from alignbench.errors import RunError
from alignbench.types import CaptionTask, Direction, ImageTask, ModelRef, Produced, Status
from generation.journal import Entry, Journal
from generation.outcome import checked
from generation.plan import Row
from generation.recipe import Model
from generation.work import Work

_LIBRARIES = ("pillow", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call has come, in rows: `finished` of `total` have a status, and this call made `made` of them.

    `failed` came to nothing, in this call or before; `model` is at work.
    """

    finished: int
    total: int
    made: int
    failed: int
    model: str


Told = Callable[[Progress], None]


class Production:
    """The rows of a plan, what has become of them, and whom to tell."""

    def __init__(self, rows: Sequence[Row], work: Work, journal: Journal, told: Told | None) -> None:
        self._rows, self._work, self._journal, self._told = rows, work, journal, told
        self._versions = versions()
        self._statuses = {row.pair_id: journal.status(row.pair_id) for row in rows}
        self._count = Counter(_sort(status) for status in self._statuses.values())
        self._made = 0

    def run(self, *, retry_failed: bool) -> int:
        """Make what is to make; returns how many rows that were.

        A row that cannot be made gets a status, and an exception of a model's ends the session without losing a row.

        Raises:
            RunError: a model is not the one that made its earlier rows, or answers a task that it was not given.
            AlignbenchError: a model cannot be loaded.
            StorageError: the disk refused.
        """
        groups: dict[tuple[Direction, str], list[Row]] = {}
        for row in self._rows:
            groups.setdefault((row.direction, row.model.key), []).append(row)
        for rows in groups.values():
            todo = [row for row in rows if self._is_due(row, retry_failed)]
            if todo:
                self._drain(rows, todo)
                release()
        return self._made

    def _is_due(self, row: Row, retry_failed: bool) -> bool:
        status = self._statuses[row.pair_id]
        return status is None or (retry_failed and status is not Status.OK)

    def _drain(self, rows: Sequence[Row], todo: Sequence[Row]) -> None:
        waiting = dict(enumerate(todo))
        model, results = self._start(todo)
        self._same_model(rows, model)
        for made in results:
            row = waiting.pop(made.number, None)
            if row is None:
                raise RunError(
                    f"the model {todo[0].model.model!r} answers task {made.number}, which it was not given or had "
                    "answered before; nothing is lost: mend the adapter, then run the same command again"
                )
            self._record(row, model, made)
        for number, row in waiting.items():
            unanswered = Produced(number, status=Status.FAILED, provenance={"reason": "the model gave no answer"})
            self._record(row, model, unanswered)

    def _start(self, todo: Sequence[Row]) -> tuple[ModelRef, Iterator[Produced]]:
        asked = todo[0].model
        if todo[0].direction is Direction.IMAGE_TO_TEXT:
            captioner = registry.build_captioner(asked.model, **asked.options)
            return captioner.model, captioner.produce(self._caption_tasks(todo))
        image_model = registry.build_image_model(asked.model, **asked.options)
        return image_model.model, image_model.produce(_image_tasks(todo))

    def _caption_tasks(self, todo: Sequence[Row]) -> Iterator[CaptionTask]:
        for number, row in enumerate(todo):
            if row.image is not None and row.image.sha256 is not None:
                image = replace(row.image, bytes=self._work.read(row.image.sha256))
                yield CaptionTask(number, image, row.prompt, row.seed)

    def _same_model(self, rows: Sequence[Row], model: ModelRef) -> None:
        """One producer, one model: weights that changed between two sessions must not stand under one name."""
        done = next((row for row in rows if self._statuses[row.pair_id] is Status.OK), None)
        before = self._journal.entry(done.pair_id) if done else None
        if before is not None and before.producer != model:
            raise RunError(
                f"{rows[0].model.model!r} is now {model}, but its earlier rows were made by {before.producer}; "
                f"bring that model back, or remove {self._work.path} to begin again"
            )

    def _record(self, row: Row, model: ModelRef, made: Produced) -> None:
        made = checked(row.direction, made)
        image = self._work.keep(made.image) if made.image is not None else None
        provenance = {"made": dict(made.provenance), "versions": self._versions}
        self._journal.append(Entry(row.pair_id, made.status, model, made.caption, image, provenance))
        self._count[_sort(self._statuses[row.pair_id])] -= 1
        self._count[_sort(made.status)] += 1
        self._statuses[row.pair_id] = made.status
        self._made += 1
        if self._told:
            self._told(self._progress(row.model))

    def _progress(self, model: Model) -> Progress:
        total = len(self._rows)
        return Progress(total - self._count["waiting"], total, self._made, self._count["failed"], model.model)


def _sort(status: Status | None) -> str:
    if status is None:
        return "waiting"
    return "made" if status is Status.OK else "failed"


def _image_tasks(todo: Sequence[Row]) -> Iterator[ImageTask]:
    for number, row in enumerate(todo):
        yield ImageTask(number, row.prompt, row.seed)


def release() -> None:
    """Give back the memory of a model that nothing refers to any more, so that the next one has room."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def versions() -> dict[str, str]:
    """The versions of the libraries here that the bytes of a row can depend on."""
    found = {"alignbench": alignbench.__version__}
    for library in _LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[library] = version(library)
    return found
