"""`alignbench import hub`: a published dataset becomes a dataset folder again."""

from __future__ import annotations

from pathlib import Path

import click

from alignbench.cli.arguments import PATH
from alignbench.cli.output import json_option, say


@click.command()
@click.argument("source")
@click.option("--out", type=PATH, required=True, metavar="DATASET", help="Folder to write.")
@click.option("--runs", type=PATH, metavar="RUNS", help="Folder for the runs that were published with it.")
@click.option("--revision", metavar="REVISION", help="Branch, tag or commit on the Hub; by default the newest.")
@click.option("--replace", is_flag=True, help="Replace the dataset that is already at --out.")
@json_option
def hub(source: str, out: Path, runs: Path | None, revision: str | None, replace: bool, as_json: bool) -> None:
    """Import a dataset that `alignbench publish` wrote.

    SOURCE is its folder, or ORG/NAME or ORG/NAME@REVISION on the Hub. The dataset that comes back has the digest of the
    one that was published; with --runs, so do the judgments, and `alignbench evaluate` gives the published results.
    """
    from alignbench.publish.back.fetched import restore_from

    restored = restore_from(source, out, runs=runs, revision=revision, replace=replace)
    said, dataset = restored.to_json(), restored.dataset
    counts = ", ".join(f"{dataset.counts[name]:,} {name}" for name in ("images", "pairs", "sentences"))
    lines = [f"{out}: {counts}, digest {dataset.digest[:12]}"]
    if restored.commit:
        lines.insert(0, f"fetched {source} at {restored.commit}")
    if runs is not None:
        lines.append(f"{runs}: {len(restored.runs)} runs" if restored.runs else "no runs were published with it")
    then = f"alignbench evaluate {out} {runs} --out REPORT" if restored.runs else f"alignbench validate {out}"
    say(said, [*lines, f"next: {then}"], as_json=as_json)
