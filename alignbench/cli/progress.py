"""How far a long command has come, told on stderr: by a bar on a terminal, elsewhere by a line from time to time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

SECONDS_BETWEEN_LINES = 30.0


class Stand(Protocol):
    """How far a call has come: `finished` of `total`, of which `failed` came to nothing."""

    @property
    def finished(self) -> int: ...  # noqa: D102

    @property
    def total(self) -> int: ...  # noqa: D102

    @property
    def failed(self) -> int: ...  # noqa: D102


Meter = Callable[[Stand], None]
Clock = Callable[[], float]


@contextmanager
def meter(title: str, unit: str, stream: TextIO | None = None) -> Iterator[Meter]:
    """A meter for the time of the block.

    Args:
        title: What is under way.
        unit: What is counted, in the plural; a stand that has a `unit` of its own counts that.
        stream: Where to write; by default stderr.
    """
    stream = sys.stderr if stream is None else stream
    if stream.isatty():
        with _bar(title, unit, stream) as update:
            yield update
    else:
        yield line_meter(title, unit, stream)


def line_meter(title: str, unit: str, stream: TextIO, clock: Clock = time.monotonic) -> Meter:
    """A meter that writes a line when `SECONDS_BETWEEN_LINES` have passed since the last one."""
    pace, last = Pace(unit, clock), clock()

    def update(stand: Stand) -> None:
        nonlocal last
        words = pace.words(stand)
        if clock() - last >= SECONDS_BETWEEN_LINES:
            last = clock()
            stream.write(f"{title}: {words}\n")
            stream.flush()

    return update


class Pace:
    """Says counts, rate and time left; the rate is that since the first call, so what was there before is not in it.

    A stand that has a `stage` and a `model` is told with them. Where what is counted changes, the rate begins anew.
    """

    def __init__(self, unit: str, clock: Clock = time.monotonic) -> None:
        self._unit = unit
        self._clock = clock
        self._first: tuple[int, float] | None = None

    def words(self, stand: Stand) -> str:
        """The stand in one line."""
        now = self._clock()
        unit = getattr(stand, "unit", self._unit)
        if unit != self._unit:
            self._unit, self._first = unit, None
        finished, began = self._first = self._first or (stand.finished, now)
        words = [f"{stand.finished:,}{f' of {stand.total:,}' if stand.total else ''} {unit}"]
        if stand.finished > finished and now > began:
            rate = (stand.finished - finished) / (now - began)
            words.append(f"{rate:,.1f} a second")
            if stand.total:
                words.append(f"{_duration((stand.total - stand.finished) / rate)} left")
        if stand.failed:
            words.append(f"{stand.failed:,} failed")
        return ", ".join([*words, *_at_work(stand)])


def _at_work(stand: Stand) -> Iterator[str]:
    """Who is at what, where a stand says so."""
    stage, model = getattr(stand, "stage", ""), getattr(stand, "model", "")
    if stage and model:
        yield f"now {stage}: {model}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


@contextmanager
def _bar(title: str, unit: str, stream: TextIO) -> Iterator[Meter]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"))
    with Progress(*columns, console=Console(file=stream), transient=True) as progress:
        task, pace = progress.add_task(title, total=None, words=""), Pace(unit)

        def update(stand: Stand) -> None:
            progress.update(task, completed=stand.finished, total=stand.total or None, words=pace.words(stand))

        yield update
