"""Lets a judge or a producer bring home what it has in flight when the user presses Ctrl-C."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator

from alignbench.types import Stoppable

_LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def first_interrupt_stops(judge: object) -> Iterator[None]:
    """Let the first Ctrl-C in the block call `stop` of a `Stoppable` judge or producer; the second interrupts at once.

    Any other is interrupted at once, and so is every one outside the main thread, where there are no signals.

    Raises:
        KeyboardInterrupt: There was a Ctrl-C, also where the judge came to its end before it could stop.
    """
    before = signal.getsignal(signal.SIGINT)
    if not isinstance(judge, Stoppable) or not _can_be_interrupted(before):
        yield
        return
    interrupted = threading.Event()

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupted.set()
        # In a thread: the interrupted one may hold a lock that the judge needs for stopping.
        threading.Thread(target=_stop, args=(judge,), daemon=True).start()

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted.is_set():
        raise KeyboardInterrupt


def _can_be_interrupted(handler: object) -> bool:
    """Whether Ctrl-C reaches this thread, and through Python: not where the process was started to ignore it."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    return in_main_thread and handler is not None and handler != signal.SIG_IGN


def _stop(judge: Stoppable) -> None:
    _LOG.warning("stopping: what is in flight is waited for and kept; press Ctrl-C again to stop at once")
    judge.stop()
