"""`alignbench verify`: whether a published dataset is what it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from alignbench.cli.output import json_option, say

if TYPE_CHECKING:
    from alignbench.publish.verification.verify import Verification

_SHOWN = 20
"""Of each file."""


@click.command()
@click.argument("source")
@click.option("--revision", metavar="REV", help="A branch, a tag or a commit of a dataset on the Hub.")
@json_option
def verify(source: str, revision: str | None, as_json: bool) -> int:
    """Compute every number of a published dataset again from its data, and list those that differ.

    SOURCE is a folder that `alignbench publish` wrote, or ORG/NAME or ORG/NAME@REVISION on the Hub, which is downloaded
    first. Exit code 1 where something differs.
    """
    from alignbench.publish.verification.verify_source import verify_source

    found, commit = verify_source(source, revision=revision)
    outcome = {"source": source, "commit": commit, **found.to_json()}
    name = source if commit is None else f"{source} at {commit[:12]}"
    say(outcome, _lines(name, found), as_json=as_json)
    return 1 if found.discrepancies else 0


def _lines(name: str, found: Verification) -> Iterator[str]:
    by_file: dict[str, list[str]] = {}
    for each in found.discrepancies:
        by_file.setdefault(each.file, []).append(each.line())
    for file, lines in by_file.items():
        yield from lines[:_SHOWN]
        if len(lines) > _SHOWN:
            yield f"{file}: ... and {len(lines) - _SHOWN:,} more; --json lists all"
    yield from found.notes
    compared = ", ".join(f"{number:,} values of {file}" for file, number in found.compared.items())
    told = f"computed again: {compared}" if compared else "nothing could be computed again"
    count = len(found.discrepancies)
    verdict = f"{count:,} differ" if count else "all as published"
    yield f"{name}: {verdict}; {told}"
