"""Writes a forecast for people: tables, then what is not known and why, then what the numbers rest on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from generation.forecast.amounts import Amount, Total
from generation.forecast.shape import Forecast, Input, Load

_Number = Amount | Total | None
_UNKNOWN = "?"
_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def tell(forecast: Forecast) -> list[str]:
    """The lines of `alignbench generate --dry-run`."""
    rows = _amount(forecast.totals.rows, _count)
    return [
        f"{forecast.recipe} {forecast.version}, seed {forecast.seed}: {rows} rows",
        *_inputs(forecast.inputs),
        "",
        *_aligned(_producers(forecast)),
        "",
        *_loads(forecast.loads, forecast.totals.fetch),
        *_part("first:", forecast.warnings),
        *_part(f"not known ({_UNKNOWN}), and not in the totals:", _reasons(forecast)),
        *_part("these numbers rest on:", forecast.assumptions),
    ]


def _inputs(inputs: Sequence[Input]) -> Iterator[str]:
    for each in inputs:
        yield f"{each.what}: {_amount(each.count, _count)} by {each.source!r}"


def _producers(forecast: Forecast) -> Iterator[tuple[str, ...]]:
    yield "stage", "producer", "rows", "time", "USD", "disk"
    for each in forecast.inputs:
        yield each.what, each.source, "", *_costs(each.seconds, each.dollars, each.disk)
    for made in forecast.producers:
        yield made.stage, made.model, _amount(made.rows, _count), *_costs(made.seconds, made.dollars, made.disk)
    sums = forecast.totals
    yield "total", "", _amount(sums.rows, _count), *_costs(sums.seconds, sums.dollars, sums.disk)


def _costs(seconds: _Number, dollars: _Number, disk: _Number) -> tuple[str, str, str]:
    return _amount(seconds, _time), _amount(dollars, lambda usd: f"{usd:,.2f}"), _amount(disk, _bytes)


def _loads(loads: Sequence[Load], fetch: Total) -> Iterator[str]:
    yield f"model loads: {len(loads)}, in this order; {_amount(fetch, _bytes)} to fetch"
    lines = [
        (
            f"  {number}.",
            load.purpose,
            load.model,
            _amount(load.weights, _bytes),
            "nothing to fetch" if load.fetch.value == 0 else f"{_amount(load.fetch, _bytes)} to fetch",
            load.licence or "licence not known",
        )
        for number, load in enumerate(loads, 1)
    ]
    yield from _aligned(lines, left=3)


def _reasons(forecast: Forecast) -> list[str]:
    """Why something is not known, each reason once."""
    amounts: list[Amount | None] = []
    for each in forecast.inputs:
        amounts += [each.count, each.seconds, each.dollars, each.disk]
    for made in forecast.producers:
        amounts += [made.rows, made.seconds, made.dollars, made.disk]
    for load in forecast.loads:
        amounts += [load.weights, load.fetch]
    return list(dict.fromkeys(amount.reason for amount in amounts if amount and amount.reason))


def _part(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from ("", title)
        yield from (f"  {line}" for line in lines)


def _amount(amount: _Number, write: Callable[[float], str]) -> str:
    if amount is None:
        return ""
    if amount.value is None:
        return _UNKNOWN
    told = write(amount.value)
    return f">= {told}" if isinstance(amount, Total) and amount.left_out else told


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:,.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"


def _bytes(value: float) -> str:
    for size, unit in _UNITS:
        if value >= size:
            return f"{value / size:,.1f} {unit}"
    return f"{value:,.0f} B"


def _aligned(rows: Iterable[Sequence[str]], left: int = 2) -> list[str]:
    """The rows of a table as lines: the first columns flush left, the others flush right."""
    table = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(_flush(cells, widths, left)).rstrip() for cells in table]


def _flush(cells: Sequence[str], widths: Sequence[int], left: int) -> Iterator[str]:
    for place, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        yield cell.ljust(width) if place < left else cell.rjust(width)
