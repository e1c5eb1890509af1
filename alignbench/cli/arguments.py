"""What users type after a command, as typed values."""

from __future__ import annotations

from pathlib import Path

import click

PATH = click.Path(path_type=Path)


def read_shard(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, int]:
    """The two numbers of `i/n`, the i-th of n parts counted from 0.

    Raises:
        click.BadParameter: it is not that.
    """
    first, _, second = value.partition("/")
    if not (first.isdecimal() and second.isdecimal() and int(first) < int(second)):
        raise click.BadParameter(f"{value!r} is not i/n with i from 0 to n-1, such as 0/4", ctx, param)
    return int(first), int(second)
