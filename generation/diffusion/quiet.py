"""Keeps diffusers and transformers from telling people what is told in the provenance of each row."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import diffusers
import transformers

_LIBRARIES = ("diffusers", "transformers")


@contextmanager
def quiet() -> Iterator[None]:
    """Let no advice of the two libraries through, nor warnings for their authors."""
    loggers = [logging.getLogger(name) for name in _LIBRARIES]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for category in (DeprecationWarning, FutureWarning):
                warnings.simplefilter("ignore", category)
            # diffusers passes on an argument that huggingface_hub has given up.
            warnings.filterwarnings("ignore", "The `local_dir_use_symlinks` argument", UserWarning)
            # A picture that is no numbers is looked at by the safety checker before we see it.
            warnings.filterwarnings("ignore", "invalid value encountered in cast", RuntimeWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def no_progress_bars() -> None:
    """Show no bars of the two libraries, in this process from now on."""
    for library in (diffusers, transformers):
        logs: Any = library.utils.logging
        logs.disable_progress_bar()
