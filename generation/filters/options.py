"""Checks the numbers among a filter's options."""

from __future__ import annotations

from alignbench.errors import UsageError


def whole(filter_name: str, option: str, given: object, least: int, most: int | None = None) -> int:
    """The whole number that was given for an option.

    Raises:
        UsageError: It is none, or out of bounds.
    """
    if isinstance(given, int) and not isinstance(given, bool) and least <= given and (most is None or given <= most):
        return given
    allowed = f"from {least}" if most is None else f"from {least} to {most}"
    raise UsageError(f"the option {option} of the filter {filter_name} is {given!r}; give a whole number {allowed}")


def number(filter_name: str, option: str, given: object, least: float, most: float) -> float:
    """The number that was given for an option.

    Raises:
        UsageError: It is none, or out of bounds.
    """
    if isinstance(given, int | float) and not isinstance(given, bool) and least <= given <= most:
        return float(given)
    raise UsageError(
        f"the option {option} of the filter {filter_name} is {given!r}; give a number from {least:g} to {most:g}"
    )
