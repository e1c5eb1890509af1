"""Writes seconds and US dollars in a few characters."""

from __future__ import annotations


def seconds(value: float) -> str:
    """A time as in `1,234`, `12` or `0.4`; one that would round to nothing is `<0.1`."""
    if 0 < value < 0.05:
        return "<0.1"
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.1f}"


def dollars(value: float) -> str:
    """An amount as in `12.30`, cents at least; one that would round to nothing is `<0.01`."""
    return "<0.01" if 0 < value < 0.005 else f"{value:,.2f}"
