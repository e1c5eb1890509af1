"""The leaderboard, shown or written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignbench.atomic import write_atomically
from alignbench.report import formats
from alignbench.report.leaderboard import error_types, interval, leaderboard, short

if TYPE_CHECKING:
    from rich.console import Console


def write_report(results: Mapping[str, Any], out: Path) -> None:
    """Write `results.json`, and `leaderboard` and `error_types` as .csv, .md and .tex, into the folder `out`.

    Args:
        results: What `alignbench.evaluate.evaluate` returned.
        out: Made where missing; files of these names are replaced.

    Raises:
        StorageError: The disk refused a write.
    """
    overall, by_type = leaderboard(results), error_types(results, interval)
    texts = {
        "results.json": json.dumps(results, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        "leaderboard.csv": formats.leaderboard_csv(results),
        "leaderboard.md": formats.markdown(overall),
        "leaderboard.tex": formats.latex(overall),
        "error_types.csv": formats.error_types_csv(results),
        "error_types.md": formats.markdown(by_type),
        "error_types.tex": formats.latex(by_type),
    }
    for name, text in texts.items():
        _write(out / name, text)


def print_leaderboard(results: Mapping[str, Any], console: Console) -> None:
    """Print the leaderboard, then the table by error type where there is a number to put in it.

    Args:
        results: What `alignbench.evaluate.evaluate` returned.
        console: Its width decides how the columns are headed.
    """
    from alignbench.report.terminal import print_table

    print_table(leaderboard(results), console)
    console.print()
    if any(figure["value"] is not None for judge in results["judges"] for figure in judge["by_error_type"].values()):
        print_table(error_types(results, short), console)
        console.print()


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda partial: _put(partial, text))


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
