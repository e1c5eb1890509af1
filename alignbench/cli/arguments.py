"""What users type after a command, as typed values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)


def resampling_options(command: Command) -> Command:
    """Give a command `--seed` and `--replicates`, which every number with a bootstrap interval hangs on."""
    replicates = click.option(
        "--replicates",
        type=click.IntRange(min=100),
        default=2000,
        show_default=True,
        metavar="N",
        help="How often to resample.",
    )
    seed = click.option(
        "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Seed of the resampling."
    )
    return seed(replicates(command))


def read_shard(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, int]:
    """The two numbers of `i/n`, the i-th of n parts counted from 0.

    Raises:
        click.BadParameter: it is not that.
    """
    first, _, second = value.partition("/")
    if not (first.isdecimal() and second.isdecimal() and int(first) < int(second)):
        raise click.BadParameter(f"{value!r} is not i/n with i from 0 to n-1, such as 0/4", ctx, param)
    return int(first), int(second)
