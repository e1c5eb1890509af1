"""What `alignbench judge --dry-run` says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignbench.cli.output import aligned, say
from alignbench.report.amounts import dollars

if TYPE_CHECKING:
    from alignbench.dry_run import Forecast
    from alignbench.store import Dataset

_HEADERS = ("judge", "sentences", "answered", "queries", "requests", "input tokens", "output tokens", "USD")
_UNKNOWN = "unknown"


def tell(
    dataset: Dataset,
    judges: Sequence[str],
    out: Path,
    options: Mapping[str, Any],
    orders: Sequence[int | None] = (None,),
    *,
    max_cost: float | None,
    as_json: bool,
    **request: Any,
) -> int:
    """Print what judging would take, run by run; no model is loaded and nothing asked.

    Args:
        dataset: What would be judged.
        judges: As the user named them.
        out: Folder of runs.
        options: Of the judges' adapters.
        orders: The shuffles in which each judge would be shown the captions; null for their own order.
        max_cost: What the user would pay at most.
        as_json: Whether a program reads it.
        request: What else `alignbench.dry_run.forecast` takes.

    Returns:
        The exit code.
    """
    from alignbench.dry_run import forecast

    forecasts = [
        forecast(dataset, reference, out, options=options, shuffle=shuffle, **request)
        for reference in judges
        for shuffle in orders
    ]
    lines = [*aligned([_HEADERS, *map(_row, forecasts)]), *_notes(forecasts), *_verdict(forecasts, max_cost)]
    say({"dry_run": [asdict(each) for each in forecasts]}, lines, as_json=as_json)
    return 0


def _row(forecast: Forecast) -> tuple[str, ...]:
    what = "images" if forecast.context == "sentence" else "captions"
    said = forecast.estimate
    numbers = (said.requests, said.input_tokens, said.output_tokens) if said else (None, None, None)
    return (
        _name(forecast),
        f"{forecast.sentences:,}",
        _count(forecast.answered),
        f"{forecast.queries:,} {what}",
        *map(_count, numbers),
        _UNKNOWN if said is None or said.cost_usd is None else dollars(said.cost_usd),
    )


def _name(forecast: Forecast) -> str:
    return forecast.judge if forecast.shuffle is None else f"{forecast.judge} (shuffle {forecast.shuffle})"


def _count(number: int | None) -> str:
    return _UNKNOWN if number is None else f"{number:,}"


def _notes(forecasts: Sequence[Forecast]) -> Iterator[str]:
    for each in forecasts:
        if each.estimate is None:
            yield f"{_name(each)}: what it takes, and what it has answered, is known only when it is loaded"
        else:
            yield from (f"{_name(each)}: {note}" for note in each.estimate.notes)


def _verdict(forecasts: Sequence[Forecast], max_cost: float | None) -> Iterator[str]:
    costs = [each.estimate.cost_usd for each in forecasts if each.estimate and each.estimate.cost_usd is not None]
    if len(costs) > 1:
        yield f"together: {dollars(sum(costs))} USD"
    if max_cost is not None and sum(costs) > max_cost:
        yield f"that is more than --max-cost {max_cost:g}, which would stop it on the way"
    yield "nothing was asked; run the same command without --dry-run to judge"
