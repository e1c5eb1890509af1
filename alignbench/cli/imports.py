"""`alignbench import`: files of others become datasets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from alignbench.cli.arguments import PATH
from alignbench.cli.group import CommandGroup
from alignbench.cli.output import json_option, say

if TYPE_CHECKING:
    from alignbench.exchange.summary import ImportSummary

import_group = CommandGroup(
    {
        "halcap": "alignbench.cli.imports:halcap",
        "table": "alignbench.cli.imports:table",
        "hub": "alignbench.cli.import_hub:hub",
    },
    name="import",
    help="Turn files of others into a dataset. Only `hub` downloads anything.",
)

_out = click.option("--out", type=PATH, required=True, metavar="DATASET", help="Folder to write.")
_name = click.option("--name", metavar="NAME", help="Name of the dataset; by default the name of the file.")
_replace = click.option("--replace", is_flag=True, help="Replace the dataset that is already at --out.")


@click.command()
@click.argument("file", type=PATH)
@click.option("--images", type=PATH, metavar="DIR", help="Folder with the images that you have.")
@_out
@_name
@_replace
@json_option
def halcap(file: Path, images: Path | None, out: Path, name: str | None, replace: bool, as_json: bool) -> None:
    """Import the JSONL of the published AlignBench.

    Images that are not in DIR are kept as missing, and listed in missing_images.csv of the dataset.
    """
    from alignbench.exchange.halcap import import_halcap

    _report(import_halcap(file, images, out, name=name, replace=replace), as_json)


@click.command()
@click.argument("file", type=PATH)
@click.option("--images", type=PATH, required=True, metavar="DIR", help="Folder that image paths start from.")
@click.option(
    "--producer", default="unknown", show_default=True, metavar="NAME", help="Producer of rows that name none."
)
@_out
@_name
@_replace
@json_option
def table(file: Path, images: Path, producer: str, out: Path, name: str | None, replace: bool, as_json: bool) -> None:
    """Import a table of your own images and captions.

    FILE is a .csv, .tsv, .jsonl or .parquet file. Columns: image and caption; if you have them, also producer, family,
    direction, domain, cluster, licence, source, sentence, label, error_types and spans. Without labels the dataset can
    be judged, not evaluated.
    """
    from alignbench.exchange.table import import_table

    _report(import_table(file, images, out, producer=producer, name=name, replace=replace), as_json)


def _report(summary: ImportSummary, as_json: bool) -> None:
    counts = ", ".join(f"{number:,} {what}" for what, number in summary.counts.items())
    lines = [*summary.report, f"{summary.dataset}: {counts}", f"next: alignbench validate {summary.dataset}"]
    say(summary.to_json(), lines, as_json=as_json)
