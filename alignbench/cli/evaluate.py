"""`alignbench evaluate`: numbers from stored judgments."""

from __future__ import annotations

from pathlib import Path

import click

from alignbench.cli.arguments import PATH
from alignbench.cli.output import json_option, say


@click.command()
@click.argument("dataset", type=PATH)
@click.argument("runs", type=PATH)
@click.option("--out", type=PATH, required=True, metavar="REPORT", help="Folder for results.json and tables.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Seed of the resampling.")
@click.option(
    "--replicates",
    type=click.IntRange(min=100),
    default=2000,
    show_default=True,
    metavar="N",
    help="How often to resample.",
)
@json_option
def evaluate(dataset: Path, runs: Path, out: Path, seed: int, replicates: int, as_json: bool) -> None:
    """Tell how well every judge in RUNS finds errors in DATASET.

    Writes results.json and the leaderboard as .csv, .md and .tex to REPORT.
    """
    from alignbench.evaluate import evaluate as evaluate_runs
    from alignbench.report.tables import print_leaderboard, write_report
    from alignbench.store import Dataset

    results = evaluate_runs(Dataset.open(dataset), runs, seed=seed, replicates=replicates)
    write_report(results, out)
    if not as_json:
        from rich.console import Console

        print_leaderboard(results, Console())
    say(results, [f"written to {out}"], as_json=as_json)
