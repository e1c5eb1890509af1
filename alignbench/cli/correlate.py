"""`alignbench correlate`: judges' AUROC against what others measured of them."""

from __future__ import annotations

from pathlib import Path

import click

from alignbench.cli.arguments import PATH
from alignbench.cli.output import aligned, json_option, say


@click.command()
@click.argument("report", type=PATH)
@click.argument("scores", type=PATH, metavar="SCORES.csv")
@click.option("--reference", metavar="NAME", help="Let the judges of this published table take part, by its averages.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Seed of the permutations."
)
@json_option
def correlate(report: Path, scores: Path, reference: str | None, seed: int, *, as_json: bool) -> None:
    """Tell whether judges that do well in REPORT do well elsewhere.

    SCORES.csv has a column `judge` and one or more columns of numbers, such as MMMU. Each is correlated with the macro
    AUROC of the judges it names: Spearman with a permutation p, Kendall (tau-b) and Pearson, with 95 % intervals.
    """
    from alignbench.literature import read_reference
    from alignbench.literature.agreement import agreement
    from alignbench.literature.score_table import read_scores
    from alignbench.report.correlations import correlation_notes, correlation_rows
    from alignbench.report.stored import read_results

    table = None if reference is None else read_reference(reference)
    said = agreement(read_results(report), read_scores(scores), scores, table, seed)
    lines = [*aligned(correlation_rows(said)), "", *correlation_notes(said)]
    say(said, lines, as_json=as_json)
