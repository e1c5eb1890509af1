"""Writes differences of AUROCs in a few characters."""

from __future__ import annotations


def signed(value: float | None) -> str:
    """A difference as in `+.012`; a dash where there is none."""
    return "\N{EN DASH}" if value is None else f"{value:+.3f}".replace("0.", ".", 1)


def signed_interval(value: float | None, low: float | None, high: float | None) -> str:
    """A difference with its interval, as in `+.012 [-.004, .028]`."""
    if low is None or high is None:
        return signed(value)
    return f"{signed(value)} [{signed(low).removeprefix('+')}, {signed(high).removeprefix('+')}]"
