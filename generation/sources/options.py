"""Reads the options of an image source, and refuses values that make no sense."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from alignbench.errors import UnknownNameError, UsageError
from generation.protocols import Site


def text(option: str, given: Any) -> str:
    """A text that says something, without white space around it; UsageError for anything else."""
    if not isinstance(given, str) or not given.strip() or "\0" in given:
        raise UsageError(f"the option {option!r} is a text, not {given!r}; mend it in the recipe")
    return given.strip()


def text_or_null(option: str, given: Any) -> str | None:
    """A text as `text` takes it, or null."""
    return None if given is None else text(option, given)


def whole(option: str, given: Any, *, least: int, most: int | None = None) -> int:
    """A whole number in a range; UsageError for anything else."""
    if isinstance(given, bool) or not isinstance(given, int) or given < least or (most is not None and given > most):
        raise _number("whole number", option, given, least, most)
    return given


def seconds(option: str, given: Any, *, most: float) -> float:
    """A time above zero; UsageError for anything else."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= most:
        raise _number("number of seconds", option, given, 0, most)
    return float(given)


def _number(what: str, option: str, given: Any, least: float, most: float | None) -> UsageError:
    end = "" if most is None else f" to {most}"
    return UsageError(f"the option {option!r} is a {what} from {least}{end}, not {given!r}; mend it in the recipe")


def flag(option: str, given: Any) -> bool:
    """True or false; UsageError for anything else."""
    if not isinstance(given, bool):
        raise UsageError(f"the option {option!r} is true or false, not {given!r}; mend it in the recipe")
    return given


def place(site: Site, option: str, given: Any) -> Path:
    """A path from the recipe's folder, or an absolute one, or one below the home folder (`~`)."""
    try:
        return site.recipe_folder / Path(text(option, given)).expanduser()
    except RuntimeError as error:
        raise UsageError(f"the option {option!r} is {given!r}, but there is no such home folder: {error}") from error


def column(option: str, given: str, there: Iterable[str], where: str) -> str:
    """A column that is there; UnknownNameError that names the nearest ones for any other."""
    known = list(there)
    if given not in known:
        raise UnknownNameError.of(f"column of {where} called", given, known, f"mend the option {option!r}")
    return given
