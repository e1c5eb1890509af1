"""The options that everything behind an API has in common, and what they may be."""

from __future__ import annotations

import math
from collections.abc import Iterable

from alignbench.errors import UnknownNameError, UsageError

DETAILS = ("auto", "low", "high", "original")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def check_number(option: str, given: object, least: float, most: float = math.inf, *, whole: bool = False) -> None:
    """Raise UsageError where an option's value is no number from `least` to `most`, or not a whole one."""
    number = isinstance(given, int if whole else (int, float)) and not isinstance(given, bool)
    if not number or not least <= given <= most:  # type: ignore[operator]
        kind = "a whole number" if whole else "a number"
        allowed = f"{kind} from {least:g} up" if most == math.inf else f"{kind} from {least:g} to {most:g}"
        raise UsageError(f"{option} is {given!r}, but must be {allowed}; mend the option {option}")


def check_name(option: str, given: str | None, known: Iterable[str]) -> None:
    """Raise UnknownNameError where an option has a value that is none of the known ones."""
    if given is not None and given not in known:
        raise UnknownNameError.of(option, str(given), known, f"mend the option {option}")


def check_pace(in_flight: int, timeout: float, retries: int) -> None:
    """Raise UsageError where a connection cannot be made with these."""
    check_number("in_flight", in_flight, 1, whole=True)
    check_number("timeout", timeout, 0.001)
    check_number("retries", retries, 0, whole=True)
