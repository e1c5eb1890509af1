"""`alignbench power`: how many clusters it takes to tell two judges apart."""

from __future__ import annotations

from pathlib import Path

import click

from alignbench.cli.arguments import PATH
from alignbench.cli.output import aligned, json_option, say


@click.command()
@click.argument("report", type=PATH)
@click.option(
    "--judge",
    "judges",
    multiple=True,
    metavar="NAME_OR_ID",
    help="One judge against all, or several against each other; by default all but blind controls.",
)
@click.option("--difference", type=float, metavar="D", help="A difference of macro AUROCs that would matter.")
@click.option("--power", type=float, default=0.8, show_default=True, metavar="P", help="The chance to find it.")
@click.option(
    "--tests", type=int, default=1, show_default=True, metavar="N", help="How many comparisons share the 5 % level."
)
@json_option
def power(
    report: Path, judges: tuple[str, ...], difference: float | None, power: float, tests: int, *, as_json: bool
) -> None:
    """Tell how many images it takes to tell judges apart, from the results in REPORT.

    For every pair: the difference that was seen, the smallest that these images can show, and how many images, or
    prompts, such as these it takes for the difference seen, for the nearer end of its interval, and for D.
    """
    from alignbench.power import clusters_needed
    from alignbench.report.planning import needed_notes, needed_rows
    from alignbench.report.stored import read_results

    said = clusters_needed(read_results(report), judges=judges, difference=difference, power=power, tests=tests)
    say(said, [*aligned(needed_rows(said)), "", *needed_notes(said)], as_json=as_json)
