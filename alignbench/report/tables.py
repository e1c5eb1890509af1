"""All tables of a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from alignbench.report import analyses, biases
from alignbench.report.leaderboard import error_types, leaderboard
from alignbench.report.listings import Listing, has_number
from alignbench.report.reference import reference_listing
from alignbench.report.table import Table, interval, short

if TYPE_CHECKING:
    from rich.console import Console

Json = Mapping[str, Any]

_LISTINGS: Mapping[str, Callable[[Json], Listing]] = {
    "by_producer": analyses.by_producer,
    "comparisons": analyses.comparisons,
    "detection": analyses.detection,
    "position": biases.position,
    "by_index": biases.by_index,
    "self_preference": biases.self_preference,
    "normalised": biases.normalised,
    "calibration": analyses.calibration,
    "filter": analyses.filtering,
    "localization": analyses.localization,
    "localization_types": analyses.localization_types,
    "localization_producers": analyses.localization_producers,
    "sensitivity": analyses.sensitivity,
    "reference": reference_listing,
}
NAMES = tuple(_LISTINGS)


def tables_of(results: Json) -> dict[str, Table]:
    """Every table that has a number, by name, in the order in which they are read; the leaderboard always.

    Args:
        results: What results.json says; analyses that it lacks are as if they had no numbers.
    """
    said = {"leaderboard": leaderboard(results)}
    if has_types(results):
        said["error_types"] = error_types(results, interval)
    return said | {name: found.table for name, found in listings(results)}


def listings(results: Json) -> Iterator[tuple[str, Listing]]:
    """The tables beside the leaderboard and that by error type, where there is a number to put in them."""
    for name, list_ in _LISTINGS.items():
        found = list_(results)
        if has_number(found):
            yield name, found


def print_leaderboard(results: Json, console: Console) -> None:
    """Print the leaderboard, then the table by error type where there is a number to put in it.

    Args:
        results: What `alignbench.evaluate.evaluate` returned.
        console: Its width decides how the columns are headed.
    """
    from alignbench.report.terminal import print_table

    print_table(leaderboard(results), console)
    console.print()
    if has_types(results):
        print_table(error_types(results, short), console)
        console.print()


def has_types(results: Json) -> bool:
    """Whether there is a number by error type."""
    return any(figure["value"] is not None for judge in results["judges"] for figure in judge["by_error_type"].values())
