"""`alignbench evaluate`: numbers from stored judgments."""

from __future__ import annotations

from pathlib import Path

import click

from alignbench.cli.arguments import PATH, resampling_options
from alignbench.cli.output import json_option, say


@click.command()
@click.argument("dataset", type=PATH)
@click.argument("runs", type=PATH)
@click.option("--out", type=PATH, required=True, metavar="REPORT", help="Folder for all that comes out.")
@resampling_options
@click.option(
    "--reference",
    metavar="NAME",
    help="Lay a published table beside the results, such as alignbench-2511.20515 or haldec-2603.15253.",
)
@click.option(
    "--families",
    type=PATH,
    metavar="FILE",
    help="A .yaml file of models and their lineages, for self-preference; goes over what is known already.",
)
@click.option("--page/--no-page", default=True, show_default=True, help="Write report.html and the figures too.")
@click.option(
    "--sentences",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    metavar="N",
    help="How many sentences the page shows at most, the hardest first.",
)
@json_option
def evaluate(  # noqa: PLR0913 - an argument an option
    *,
    dataset: Path,
    runs: Path,
    out: Path,
    seed: int,
    replicates: int,
    reference: str | None,
    families: Path | None,
    page: bool,
    sentences: int,
    as_json: bool,
) -> None:
    """Tell how well every judge in RUNS finds errors in DATASET, and what its scores hang on.

    Writes to REPORT: results.json; the leaderboard and all other tables as .csv, .md and .tex; the score of every
    sentence; report.html, one file that needs nothing else, and its figures as .svg and .pdf.
    """
    from alignbench.evaluate import evaluation_of
    from alignbench.report.folder import write_report
    from alignbench.report.tables import print_leaderboard
    from alignbench.store import Dataset

    evaluation = evaluation_of(
        Dataset.open(dataset), runs, seed=seed, replicates=replicates, families=families, reference=reference
    )
    advice = write_report(evaluation, out, page=page, sentences=sentences)
    if not as_json:
        from rich.console import Console

        print_leaderboard(evaluation.results, Console())
    say(evaluation.results, [*advice, f"written to {out}"], as_json=as_json)
