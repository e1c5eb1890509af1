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
    *,
    max_cost: float | None,
    as_json: bool,
    **request: Any,
) -> int:
    """Print what judging would take, judge by judge; no model is loaded and nothing asked.

    Returns:
        The exit code.
    """
    from alignbench.dry_run import forecast

    forecasts = [forecast(dataset, reference, out, options=options, **request) for reference in judges]
    lines = [*aligned([_HEADERS, *map(_row, forecasts)]), *_notes(forecasts), *_verdict(forecasts, max_cost)]
    say({"dry_run": [asdict(each) for each in forecasts]}, lines, as_json=as_json)
    return 0


def _row(forecast: Forecast) -> tuple[str, ...]:
    what = {"sentence": "images", "caption": "captions"}[forecast.context]
    said = forecast.estimate
    numbers = (said.requests, said.input_tokens, said.output_tokens) if said else (None, None, None)
    return (
        forecast.judge,
        f"{forecast.sentences:,}",
        _count(forecast.answered),
        f"{forecast.queries:,} {what}",
        *map(_count, numbers),
        _UNKNOWN if said is None or said.cost_usd is None else dollars(said.cost_usd),
    )


def _count(number: int | None) -> str:
    return _UNKNOWN if number is None else f"{number:,}"


def _notes(forecasts: Sequence[Forecast]) -> Iterator[str]:
    for each in forecasts:
        if each.estimate is None:
            yield f"{each.judge}: what it takes, and what it has answered, is known only when it is loaded"
        else:
            yield from (f"{each.judge}: {note}" for note in each.estimate.notes)


def _verdict(forecasts: Sequence[Forecast], max_cost: float | None) -> Iterator[str]:
    costs = [each.estimate.cost_usd for each in forecasts if each.estimate and each.estimate.cost_usd is not None]
    if len(costs) > 1:
        yield f"together: {dollars(sum(costs))} USD"
    if max_cost is not None and sum(costs) > max_cost:
        yield f"that is more than --max-cost {max_cost:g}, which would stop it on the way"
    yield "nothing was asked; run the same command without --dry-run to judge"
