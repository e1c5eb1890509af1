"""`alignbench list`: the names that other commands take."""

from __future__ import annotations

from dataclasses import asdict

import click

from alignbench.cli.output import json_option, say


@click.command(name="list")
@click.argument("what", type=click.Choice(["judges", "captioners", "image-models"]))
@json_option
def list_names(what: str, as_json: bool) -> None:
    """List judges, captioners or image models."""
    from alignbench.registry import names

    found = names(what)
    width = max((len(each.name) for each in found), default=0)
    lines = [f"{each.name:<{width}}  {each.summary}" + _needs(each.extra) for each in found]
    say({what: [asdict(each) for each in found]}, lines, as_json=as_json)


def _needs(extra: str | None) -> str:
    return f" (needs alignbench[{extra}])" if extra else ""
