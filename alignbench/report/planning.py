"""What `alignbench power` says, as rows of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alignbench.report.differences import signed, signed_interval
from alignbench.report.table import NONE

Json = Mapping[str, Any]


def needed_rows(said: Json) -> list[Sequence[str]]:
    """A header and a row a pair of judges: the difference seen, what can be seen now, and how many clusters it takes.

    Args:
        said: What `alignbench.power.clusters_needed` returned.
    """
    wanted = said["difference"]
    header = ["judges", "difference [95% CI]", "detectable now", "clusters for it", "for its nearer end"]
    header += [] if wanted is None else [f"for {signed(wanted).removeprefix('+')}"]
    return [header, *(_row(pair) for pair in said["pairs"])]


def needed_notes(said: Json) -> list[str]:
    """Why numbers are missing, then what the numbers mean."""
    missing = sorted({each["reason"] for pair in said["pairs"] for each in pair["needed"].values() if each} - {None})
    return [*(f"{NONE} {reason}" for reason in missing), *said["says"]]


def _row(pair: Json) -> list[str]:
    least = pair["detectable"]
    numbers = [each for each in pair["needed"].values() if each is not None]
    return [
        f"{pair['a']}, {pair['b']}",
        signed_interval(pair["delta"], pair["low"], pair["high"]),
        signed(least).removeprefix("+"),
        *(NONE if each["clusters"] is None else f"{each['clusters']:,}" for each in numbers),
    ]
