"""`alignbench simulate`: a dataset and finished runs in which every number is known."""

from __future__ import annotations

from pathlib import Path

import click

from alignbench.cli.arguments import PATH
from alignbench.cli.output import json_option, say

PRODUCERS = ("alpha=0.15", "beta=0.2", "gamma=0.3", "delta=0.4")
COUNTED = ("images", "pairs", "sentences", "correct", "incorrect", "unknown")
JUDGES = (
    "fair:auroc=0.8",
    "better:auroc=0.85",
    "likes-first:auroc=0.8,position=-0.2",
    "likes-alpha:auroc=0.8,own=alpha,preference=0.3",
)


@click.command()
@click.option("--out", type=PATH, required=True, metavar="DATASET", help="Folder to write the dataset to.")
@click.option("--runs", type=PATH, required=True, metavar="RUNS", help="Folder to write the judges' finished runs to.")
@click.option("--images", type=int, default=150, show_default=True, metavar="N", help="Images, and prompts.")
@click.option("--sentences", type=int, default=5, show_default=True, metavar="N", help="Sentences of each caption.")
@click.option(
    "--producer",
    "producers",
    multiple=True,
    default=PRODUCERS,
    show_default=True,
    metavar="NAME=SHARE",
    help="A producer and its share of incorrect sentences; then, if you like, ,family=FAMILY (else its name) and "
    ",direction=text_to_image. Give it several times.",
)
@click.option(
    "--judge",
    "judges",
    multiple=True,
    default=JUDGES,
    show_default=True,
    metavar="NAME:KEY=VALUE,...",
    help="A judge and what is planted: auroc (auroc@PRODUCER for one), icc, shared, position, presentation, own, "
    "preference, favour, step, failures, restless. Give it several times.",
)
@click.option(
    "--icc", type=float, default=0.5, show_default=True, metavar="R", help="Correlation of labels within a caption."
)
@click.option(
    "--first",
    type=float,
    default=1.0,
    show_default=True,
    metavar="R",
    help="Share of incorrect sentences at the first index over that at later ones.",
)
@click.option("--unknown", type=float, default=0.0, show_default=True, metavar="R", help="Share of unknown labels.")
@click.option(
    "--shuffles",
    type=int,
    default=0,
    show_default=True,
    metavar="N",
    help="Show the judges captions too, as they are and in N shuffled orders.",
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Seed of all chance.")
@json_option
def simulate(  # noqa: PLR0913, PLR0917 - each argument is an option
    out: Path,
    runs: Path,
    images: int,
    sentences: int,
    producers: tuple[str, ...],
    judges: tuple[str, ...],
    icc: float,
    first: float,
    unknown: float,
    shuffles: int,
    seed: int,
    as_json: bool,
) -> None:
    """Make a dataset and judges with known properties, to see what evaluate makes of them.

    Scores are normal with a standard deviation of 1 within each label, and effects are in these units. position is
    added for each step of a sentence's index (below 0: first sentences are favoured), presentation for each step of
    the place where a caption shows it (see --shuffles), preference to the incorrect sentences of producers of the
    family own, favour to all of theirs. icc is the share of the variance that the sentences of an image have in common,
    shared what judges have in common, restless the share of a sentence's own noise that changes with the way it is
    shown, step what scores are rounded to, failures the share without a score.

    No model runs.
    """
    from alignbench.errors import UsageError
    from alignbench.simulation import World, write_dataset, write_run
    from alignbench.simulation import simulate as drawn
    from alignbench.simulation.parse import parse_judge, parse_producer

    if shuffles < 0:
        raise UsageError(f"there are no {shuffles} shuffles; give 0 or more to --shuffles")
    world = World(tuple(map(parse_producer, producers)), images, sentences, icc, first, unknown)
    simulated = drawn(world, [parse_judge(each) for each in judges], seed)
    dataset = write_dataset(simulated, out)
    orders = [None, *range(shuffles)] if shuffles else []
    showings = [("sentence", None), *(("caption", order) for order in orders)]
    folders = [
        write_run(simulated, place, dataset, runs, context=context, shuffle=shuffle)
        for place in range(len(simulated.judges))
        for context, shuffle in showings
    ]
    counts = {
        name: dataset.counts[name] for name in ("images", "pairs", "sentences", "correct", "incorrect", "unknown")
    }
    lines = [
        f"{out}: {', '.join(f'{count:,} {name}' for name, count in counts.items())}",
        f"{runs}: {len(folders)} finished runs",
        f"next: alignbench evaluate {out} {runs} --out report",
    ]
    say({"dataset": str(out), "counts": counts, "runs": [str(folder) for folder in folders]}, lines, as_json=as_json)
