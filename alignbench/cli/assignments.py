"""`NAME=VALUE` as users type it, once or several times."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click


def read_assignments(ctx: click.Context, param: click.Parameter, values: Iterable[str]) -> dict[str, str]:
    """What several `NAME=VALUE` say; the last of a name counts.

    Raises:
        click.BadParameter: One of them has no name, no `=` or no value.
    """
    said = {}
    for value in values:
        name, equals, rest = value.partition("=")
        if not (name and equals and rest):
            raise click.BadParameter(f"{value!r} is not {param.metavar or 'NAME=VALUE'}", ctx, param)
        said[name] = rest
    return said


def read_options(ctx: click.Context, param: click.Parameter, values: Iterable[str]) -> dict[str, Any]:
    """The same with each value read as a recipe would: `0.7` is a number, `true` a flag.

    Raises:
        click.BadParameter: One of them is not `NAME=VALUE`, or its value is no YAML.
    """
    import yaml

    said: dict[str, Any] = {}
    for name, value in read_assignments(ctx, param, values).items():
        try:
            said[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise click.BadParameter(f"the value of {name!r} is no YAML: {value!r}", ctx, param) from error
    return said
