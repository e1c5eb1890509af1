"""`alignbench demo`: the whole flow, with what is embedded."""

from __future__ import annotations

from pathlib import Path

import click

from alignbench.cli.arguments import PATH
from alignbench.cli.output import json_option, say


@click.command()
@click.option(
    "--out", type=PATH, default=Path("demo"), show_default=True, metavar="DIR", help="Folder for all it makes."
)
@json_option
def demo(out: Path, as_json: bool) -> None:
    """Run the whole flow offline, on embedded images and judges.

    Generates and labels a benchmark of rendered scenes, adds a few photographs, lets three embedded judges and the
    blind controls score every sentence, and prints the leaderboards.
    """
    from rich.console import Console

    from alignbench.cli.progress import meter
    from alignbench.demo import run_demo

    results = run_demo(out, Console(stderr=as_json), meter)
    say({"out": str(out), "results": results}, [], as_json=as_json)
