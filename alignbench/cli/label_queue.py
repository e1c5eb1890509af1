"""`alignbench label queue`: which labels to look at again first."""

from __future__ import annotations

from pathlib import Path

import click

from alignbench.cli.arguments import PATH
from alignbench.cli.output import json_option, say


@click.command("queue")
@click.argument("dataset", type=PATH)
@click.argument("runs", type=PATH)
@click.option("--out", type=PATH, required=True, metavar="FILE.csv", help="File to write.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="How many sentences at most.")
@click.option(
    "--judge",
    "judges",
    multiple=True,
    metavar="NAME",
    help="Hear this judge, by the name or id that evaluate shows; by default all. May be repeated.",
)
@click.option(
    "--families", type=PATH, metavar="FILE.yaml", help="Which models are of one lineage, on top of what is known."
)
@json_option
def queue(
    *,
    dataset: Path,
    runs: Path,
    out: Path,
    limit: int | None,
    judges: tuple[str, ...],
    families: Path | None,
    as_json: bool,
) -> None:
    """List where judges and people differ most, most doubtful label first.

    noise is the probability of the opposite label given all judges' scores, learnt from the sentences of other
    clusters, both labels weighing alike; a judge never counts on producers of its own family. doubt adds the votes,
    each annotator taken to be right in 80 %. A queue has a top even where every label is right: it then holds what
    judges find hardest.
    """
    from alignbench.labelling.assisted.queue import queue_of, write_queue
    from alignbench.store import Dataset

    found = queue_of(Dataset.open(dataset), runs, judges=judges, families=families)
    kept = found._replace(rows=found.rows[:limit])
    write_queue(kept, out)
    lines = [
        f"heard: {', '.join(found.judges)}",
        *(f"not heard: {name}: {reason}" for name, reason in found.not_heard.items()),
        *(f"left out: {count:,} sentences {reason}" for reason, count in found.left_out.items()),
        f"{out}: {len(kept.rows):,} of {len(found.rows):,} sentences, most doubtful first",
        f"next: alignbench label export {dataset} --to label-studio --queue {out} --out tasks",
    ]
    outcome = {
        "out": str(out),
        "sentences": len(kept.rows),
        "of": len(found.rows),
        "judges": list(found.judges),
        "not_heard": dict(found.not_heard),
        "left_out": dict(found.left_out),
    }
    say(outcome, lines, as_json=as_json)
