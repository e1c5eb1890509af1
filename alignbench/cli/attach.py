"""`alignbench attach-images`: bytes for missing images."""

from __future__ import annotations

from pathlib import Path

import click

from alignbench.cli.arguments import PATH
from alignbench.cli.output import json_option, say


@click.command(name="attach-images")
@click.argument("dataset", type=PATH)
@click.option("--images", type=PATH, required=True, metavar="DIR", help="Folder with the images.")
@json_option
def attach_images(dataset: Path, images: Path, as_json: bool) -> int:
    """Add missing images to DATASET without changing an id.

    Exit code 1 where a file was found that is no image.
    """
    from alignbench.exchange.attach import attach_images as attach

    summary = attach(dataset, images)
    line = f"{summary.attached:,} images attached, {summary.still_missing:,} still missing"
    say(summary.to_json(), [*summary.report, line], as_json=as_json)
    return 1 if summary.mismatched else 0
