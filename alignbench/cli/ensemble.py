"""`alignbench ensemble`: stored judgments of several judges combined into those of one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from alignbench.cli.arguments import PATH
from alignbench.cli.output import json_option, say

RULES = ("mean-rank", "mean-logit", "stacking")


@click.command()
@click.argument("dataset", type=PATH)
@click.argument("runs", type=PATH)
@click.option(
    "--member",
    "members",
    multiple=True,
    required=True,
    metavar="NAME_OR_ID",
    help="A judge with a finished run in RUNS, by the name or id that evaluate shows; give at least two.",
)
@click.option(
    "--rule",
    type=click.Choice(RULES),
    default=RULES[0],
    show_default=True,
    help="Mean of ranks (any scores), mean of logits (scores in [0, 1]), or a regression cross-fitted by cluster.",
)
@click.option("--name", metavar="NAME", help="Its name for people; by default made from the members' names.")
@json_option
def ensemble(dataset: Path, runs: Path, members: tuple[str, ...], rule: str, name: str | None, as_json: bool) -> int:
    """Combine judges that have judged DATASET into one, whose run goes to RUNS beside theirs.

    No model runs. Afterwards `alignbench evaluate` ranks it like any judge, with its gain over its best member. A
    sentence that one member did not score gets no score.
    Exit code 1 where a sentence has no score for another reason than a missing image.
    """
    from alignbench.registry import build_judge
    from alignbench.run import run_judge
    from alignbench.store import Dataset
    from alignbench.types import Status

    judge = build_judge(f"ensemble:{rule}", dataset=str(dataset), runs=str(runs), members=members, name=name)
    summary = run_judge(Dataset.open(dataset), judge, runs)
    words = [f"{summary.name}: {summary.finished:,} of {summary.sentences:,} sentences in {summary.folder}"]
    words += [f"{count:,} {status}" for status, count in summary.statuses.items()]
    lines = [", ".join(words), f"next: alignbench evaluate {dataset} {runs} --out report"]
    outcome = {**asdict(summary), "folder": str(summary.folder), "statuses": dict(summary.statuses)}
    say({"run": outcome}, lines, as_json=as_json)
    return 1 if set(summary.statuses) - {Status.OK, Status.IMAGE_MISSING} else 0
