"""Pastes leaderboards between the markers of a page, as `alignbench evaluate` prints them.

.venv/bin/python docs/paste_results.py README.md demo/reports/scenes demo/reports/photographs
.venv/bin/python docs/paste_results.py alignbench/embedded/README.md PROBE_REPORT
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from alignbench.report.leaderboard import leaderboard
from alignbench.report.terminal import print_table

START, END = "<!-- results:", "<!-- results end -->"
_WIDTH = 118


def leaderboards(reports: Sequence[Path]) -> str:
    """The leaderboards of some report folders, as text without colour."""
    out = io.StringIO()
    console = Console(file=out, width=_WIDTH, no_color=True)
    for report in reports:
        print_table(leaderboard(json.loads((report / "results.json").read_text(encoding="utf-8"))), console)
        console.print()
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n")


def paste(page: str, board: str) -> str:
    """The page with the board in place of what stands between its markers."""
    start = page.index("\n", page.index(START)) + 1
    return f"{page[:start]}\n```text\n{board}\n```\n\n{page[page.index(END) :]}"


if __name__ == "__main__":
    target, *reports = map(Path, sys.argv[1:])
    target.write_text(paste(target.read_text(encoding="utf-8"), leaderboards(reports)), encoding="utf-8")
