"""Makes the rows of a plan that are still to make, one model in memory at a time."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from alignbench import registry
from alignbench.errors import RunError
from alignbench.types import (
    Captioner,
    CaptionTask,
    Direction,
    Image,
    ImageModel,
    ImageTask,
    ModelRef,
    Produced,
    Situated,
    Status,
)
from generation.journal import Entry, Journal
from generation.made import image_made
from generation.outcome import checked
from generation.plan import Row, Stage
from generation.progress import Progress, Told
from generation.purse import Purse
from generation.recipe import Recipe
from generation.versions import versions as versions
from generation.versions import versions_for
from generation.work import Work

_NOT_OF_ROWS = frozenset({"prices"})
"""What a producer says of where it runs that can change no row."""


class Production:
    """The rows of a session, what has become of them, what may be spent, and whom to tell."""

    def __init__(
        self, recipe: Recipe, rows: Sequence[Row], work: Work, journal: Journal, purse: Purse, told: Told | None
    ) -> None:
        self._recipe, self._rows, self._work, self._journal = recipe, rows, work, journal
        self._purse, self._told = purse, told
        self._by_id = {row.pair_id: row for row in rows}
        self._statuses = standing(rows, journal)
        self._count = Counter(_sort(status) for status in self._statuses.values())
        self.made = 0

    def run(self, *, retry_failed: bool) -> None:
        """Make what is to make, stage by stage and in a stage model by model; `made` counts the rows.

        A row that cannot be made gets a status, and an exception of a model's ends the session without losing a row.
        A row whose parent came to nothing is not tried, and has no entry: it is due as soon as its parent is there.

        Raises:
            BudgetError: the money is spent; nothing is lost.
            RunError: a model is not the one that made its earlier rows, or answers a task that it was not given.
            AlignbenchError: a model cannot be loaded, or has no such option, which is told before any is loaded.
            StorageError: the disk refused.
        """
        groups: dict[tuple[Stage, str], list[Row]] = {}
        for row in sorted(self._rows, key=lambda row: row.stage):
            groups.setdefault((row.stage, row.model.key), []).append(row)
        for rows in groups.values():
            # A name that is wrong is told before the models that come first have worked for hours.
            if any(self._statuses[row.pair_id] is not Status.OK for row in rows):
                _check(rows[0])
        for rows in groups.values():
            todo = [row for row in rows if self._is_due(row, retry_failed)]
            if todo:
                with only_new_garbage():
                    self._drain(rows, todo)
                    release()

    def _is_due(self, row: Row, retry_failed: bool) -> bool:
        """Whether to make a row now, whose parent is as it will stay."""
        if row.parent is not None and self._statuses[row.parent] is not Status.OK:
            self._note(row, Status.FAILED)
            return False
        status = self._journal.status(row.pair_id)
        return status is None or (retry_failed and status is not Status.OK)

    def _drain(self, rows: Sequence[Row], todo: Sequence[Row]) -> None:
        first = todo[0]
        self._tell(first)
        producer = _built(first)
        with self._purse.minding(producer):
            self._same_model(rows, producer.model)
            made_with = _made_with(first, producer)
            with contextlib.closing(self._results(producer, todo)) as results:
                for row, made in results:
                    self._record(row, producer.model, made, made_with)

    def _results(
        self, producer: Captioner | ImageModel, todo: Sequence[Row]
    ) -> Generator[tuple[Row, Produced], None, None]:
        """Every row of `todo` with what the model made of it, a failure where it made nothing."""
        waiting = dict(enumerate(todo))
        tasks: Any = self._image_tasks(todo) if todo[0].stage is Stage.IMAGES else self._caption_tasks(todo)
        stream = producer.produce(tasks)
        try:
            for made in stream:
                row = waiting.pop(made.number, None)
                if row is None:
                    raise RunError(
                        f"the model {todo[0].model.model!r} answers task {made.number}, which it was not given or had "
                        "answered before; nothing is lost: mend the adapter, then run the same command again"
                    )
                yield row, made
        finally:
            # What it has in flight is cancelled now, not when somebody collects the garbage.
            getattr(stream, "close", lambda: None)()
        for number, row in waiting.items():
            reason = {"reason": "the model gave no answer"}
            yield row, Produced(number, status=Status.FAILED, provenance=reason)

    def _caption_tasks(self, todo: Sequence[Row]) -> Iterator[CaptionTask]:
        for number, row in enumerate(todo):
            yield CaptionTask(number, self._image_of(row), row.prompt or "", row.seed)

    def _image_tasks(self, todo: Sequence[Row]) -> Iterator[ImageTask]:
        for number, row in enumerate(todo):
            prompt = row.prompt if row.parent is None else self._journal.entry(row.parent).caption
            yield ImageTask(number, prompt or "", row.seed)

    def _image_of(self, row: Row) -> Image:
        if row.image is not None:
            return replace(row.image, bytes=self._work.read(row.image.sha256 or ""))
        parent = self._by_id[row.parent or ""]
        return image_made(self._recipe, parent, self._journal.entry(parent.pair_id), self._work)

    def _same_model(self, rows: Sequence[Row], model: ModelRef) -> None:
        """One producer, one model: weights that changed between two sessions must not stand under one name."""
        done = next((row for row in rows if self._journal.status(row.pair_id) is Status.OK), None)
        before = self._journal.entry(done.pair_id) if done else None
        if before is not None and before.producer != model:
            raise another_model(rows[0], before.producer, model, self._work)

    def _record(self, row: Row, model: ModelRef, made: Produced, made_with: Mapping[str, Any]) -> None:
        made = checked(row.direction, made)
        image = self._work.keep(made.image) if made.image is not None else None
        provenance = {"made": dict(made.provenance), **made_with}
        attempt = self._journal.attempts(row.pair_id) + 1
        self._journal.append(Entry(row.pair_id, made.status, model, made.caption, image, provenance, attempt))
        self._note(row, made.status)
        self.made += 1
        self._tell(row)

    def _note(self, row: Row, status: Status) -> None:
        self._count[_sort(self._statuses[row.pair_id])] -= 1
        self._count[_sort(status)] += 1
        self._statuses[row.pair_id] = status

    def _tell(self, row: Row) -> None:
        if self._told:
            total = len(self._rows)
            finished, failed = total - self._count["waiting"], self._count["failed"]
            self._told(Progress(finished, total, self.made, failed, row.model.model, str(row.stage)))


def standing(rows: Sequence[Row], journal: Journal) -> dict[str, Status | None]:
    """What has become of each row by its pair_id, null where it is still to make.

    A row whose parent came to nothing has failed, whatever else: parents come before their children.
    """
    statuses: dict[str, Status | None] = {}
    for row in rows:
        before = Status.OK if row.parent is None else statuses[row.parent]
        statuses[row.pair_id] = journal.status(row.pair_id) if before in (None, Status.OK) else Status.FAILED
    return statuses


def another_model(row: Row, before: ModelRef, now: ModelRef, work: Work) -> RunError:
    """The error for a model that is not the one that made other rows under its name."""
    return RunError(
        f"{row.model.model!r} is now {now}, but its earlier rows were made by {before}; "
        f"bring that model back, or remove {work.path} to begin again"
    )


def _check(row: Row) -> None:
    registry.check_model(row.stage.role, row.model.model, **row.model.options)


def _built(row: Row) -> Captioner | ImageModel:
    if row.direction is Direction.IMAGE_TO_TEXT:
        return registry.build_captioner(row.model.model, **row.model.options)
    return registry.build_image_model(row.model.model, **row.model.options)


def _made_with(row: Row, producer: object) -> dict[str, Any]:
    """The versions of libraries, and where the producer runs as far as that can change a row."""
    found = versions_for(row.stage, row.model.model)
    told = producer.environment if isinstance(producer, Situated) else {}
    environment = {name: value for name, value in told.items() if name not in {*_NOT_OF_ROWS, *found}}
    return {"versions": found, **({"environment": environment} if environment else {})}


def _sort(status: Status | None) -> str:
    if status is None:
        return "waiting"
    return "made" if status is Status.OK else "failed"


@contextlib.contextmanager
def only_new_garbage() -> Iterator[None]:
    """Let a collection within the block look at nothing older than the block.

    That is all that `release` is after, and a hundredth of what large libraries keep in memory.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def release() -> None:
    """Give back the memory of a model that nothing refers to any more, so that the next one has room."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
