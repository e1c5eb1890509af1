"""`alignbench compare`: what changed between two reports."""

from __future__ import annotations

from pathlib import Path

import click

from alignbench.cli.arguments import PATH
from alignbench.cli.output import aligned, json_option, say


@click.command()
@click.argument("report_a", type=PATH)
@click.argument("report_b", type=PATH)
@click.option(
    "--limit", type=int, default=10, show_default=True, metavar="N", help="How many sentences to name each time."
)
@click.option("--dataset", type=PATH, help="A dataset folder, to show the text of these sentences too.")
@json_option
def compare(report_a: Path, report_b: Path, limit: int, dataset: Path | None, *, as_json: bool) -> None:
    """Tell what changed from REPORT_A to REPORT_B.

    The dataset, its labels, the judges with their AUROCs, and the sentences that a judge rejects in one report and not
    in the other. Judges are the same where their ids are.
    """
    from alignbench.compare import compare_reports
    from alignbench.report.changing import change_blocks
    from alignbench.store import Dataset

    texts = None if dataset is None else Dataset.open(dataset)
    said = compare_reports(report_a, report_b, limit=limit, dataset=texts)
    blocks = [
        [block.title, *(aligned(block.rows) if block.rows else ()), *block.lines, ""] for block in change_blocks(said)
    ]
    say(said, [*(line for lines in blocks for line in lines), *said["says"]], as_json=as_json)
