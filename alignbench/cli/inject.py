"""`alignbench inject`: control pairs, each with one planted error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from alignbench.cli.arguments import PATH
from alignbench.cli.assignments import read_options
from alignbench.cli.output import aligned, json_option, say


@click.command()
@click.argument("dataset", type=PATH)
@click.option("--out", type=PATH, required=True, metavar="CONTROL", help="Folder to write.")
@click.option("--types", metavar="TYPE,...", help="Which errors, such as attribute,number; by default all eight.")
@click.option(
    "--per-type", type=click.IntRange(min=1), default=100, show_default=True, metavar="N", help="How many of each type."
)
@click.option(
    "--per-pair",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="How many at most of one pair of DATASET, each with an error of another type.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Seed of all draws."
)
@click.option("--mixed", is_flag=True, help="Use captions with incorrect sentences too; these keep their labels.")
@click.option(
    "--definite",
    is_flag=True,
    help='Take "the car" for the only car where a caption hints at no second: more errors, a little less certain.',
)
@click.option(
    "--method",
    type=click.Choice(["rules", "text-model"]),
    default="rules",
    show_default=True,
    help="Rules give labels that are certain; those of a text model are as good as it is.",
)
@click.option(
    "--text-model", metavar="MODEL", help="The model: KIND:MODEL[@REVISION] of `alignbench list text-models`."
)
@click.option(
    "--option",
    "options",
    multiple=True,
    callback=read_options,
    metavar="NAME=VALUE",
    help="An option of the text model, such as temperature=0.7; may be repeated.",
)
@click.option("--max-cost", type=click.FloatRange(min=0), metavar="USD", help="Stop before an API model costs more.")
@click.option("--name", metavar="NAME", help="Name of the new dataset; by default that of DATASET and -control.")
@json_option
def inject(  # noqa: PLR0913 - an argument an option
    *,
    dataset: Path,
    out: Path,
    types: str | None,
    definite: bool,
    method: str,
    text_model: str | None,
    options: dict[str, Any],
    max_cost: float | None,
    name: str | None,
    as_json: bool,
    **wanted: Any,
) -> int:
    """Plant one error of a chosen type into correct captions of DATASET, and write these control pairs to CONTROL.

    Each keeps its image, domain and cluster; one sentence is incorrect, with its type and the exact span of the wrong
    words. The answers of a text model are kept in CONTROL.answers.jsonl: after an interruption, run the same command
    again to go on. Exit code 1 where the money ran out.
    """
    from alignbench.cli.progress import meter
    from alignbench.registry import load_module

    control = load_module("generation.injection.control")
    if types is not None:
        wanted["types"] = control.types_of([each.strip() for each in types.split(",")])
    wishes = control.Wanted(**wanted)
    chosen = {"text_model": text_model, "options": options, "max_cost": max_cost}
    with (
        load_module("generation.injection.methods").method_of(
            method, out, seed=wishes.seed, definite=definite, **chosen
        ) as planting,
        meter(f"inject {dataset.name}", "captions" if method == "rules" else "errors") as update,
    ):
        summary = control.inject(dataset, out, wishes, planting, name=name, progress=update)
    outcome = {**asdict(summary), "path": str(summary.path)}
    say(outcome, _lines(outcome, method), as_json=as_json)
    return 1 if summary.stopped else 0


def _lines(outcome: Mapping[str, Any], method: str) -> Iterator[str]:
    found = [f"{count:,} {reason}" for reason, count in outcome["unfit"].items()]
    yield f"{outcome['sources']:,} captions are fit{', not ' + ', '.join(found) if found else ''}"
    if method == "text-model":
        useless = [f"{count:,} {reason}" for reason, count in outcome["useless"].items()]
        spent = f", {outcome['spent_usd']:.4f} USD spent" if outcome["spent_usd"] is not None else ""
        lost = f", of no use: {', '.join(useless)}" if useless else ""
        yield f"{outcome['asked']:,} questions asked now{spent}{lost}"
    if outcome["stopped"]:
        yield f"stopped: {outcome['stopped']}"
        yield "next: the same command with a higher --max-cost, which goes on where this stopped"
        return
    rows = [(name, f"{count:,}", f"{outcome['short'].get(name, 0):,}") for name, count in outcome["planted"].items()]
    yield from aligned([("error type", "planted", "short"), *rows])
    if outcome["short"] and method == "rules":
        yield "short: too few captions say what such an error needs; --mixed and --definite find more"
    counts = ", ".join(f"{count:,} {what}" for what, count in outcome["counts"].items() if count)
    yield f"{outcome['path']}: {counts}"
    yield f"next: alignbench judge {outcome['path']} --judge JUDGE --judge ngram --out runs"
