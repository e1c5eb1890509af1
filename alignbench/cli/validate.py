"""`alignbench validate`: every rule a dataset breaks."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from alignbench.cli.arguments import PATH
from alignbench.cli.output import json_option, say


@click.command()
@click.argument("dataset", type=PATH)
@json_option
def validate(dataset: Path, as_json: bool) -> int:
    """List every rule that DATASET breaks, row by row.

    Exit code 1 where a rule is broken.
    """
    from alignbench.validate import validate as violations_of

    violations = violations_of(dataset)
    lines = [f"{each.table} {each.row or '(all)'}: {each.rule}: {each.message}" for each in violations]
    verdict = f"violations: {len(lines):,}" if lines else "valid"
    outcome = {"dataset": str(dataset), "valid": not lines, "violations": [asdict(each) for each in violations]}
    say(outcome, [*lines, f"{dataset}: {verdict}"], as_json=as_json)
    return 1 if violations else 0
