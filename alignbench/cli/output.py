"""What a command says when it is done: lines for people, one JSON object for machines."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

WRONG_USE = 2


def json_option(command: Command) -> Command:
    """Give a command `--json`, which it receives as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for machines.")(command)


def say(outcome: Mapping[str, Any], lines: Iterable[str], *, as_json: bool) -> None:
    """Print what came out: `outcome` as JSON, or the lines."""
    if as_json:
        click.echo(json.dumps(outcome, ensure_ascii=False, allow_nan=False))
        return
    for line in lines:
        click.echo(line)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows of a table as lines, the first column flush left, the others flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_flush(cells, widths)) for cells in rows]


def _flush(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    yield cells[0].ljust(widths[0])
    yield from (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))


def report_error(error: Exception, *, as_json: bool) -> int:
    """Print an error that is the user's to mend, without a traceback.

    Returns:
        The exit code of wrong use.
    """
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return WRONG_USE
    message = error.format_message() if isinstance(error, click.ClickException) else str(error)
    context = getattr(error, "ctx", None)
    if isinstance(context, click.Context):
        message = f"{message.rstrip('.')}; run `{context.command_path} --help`"
    if as_json:
        click.echo(json.dumps({"error": {"type": type(error).__name__, "message": message}}, ensure_ascii=False))
    else:
        click.echo(f"error: {message}", err=True)
    return WRONG_USE


def tell_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001 - their protocol
    line: str | None = None,
) -> None:
    """Print a warning for the user without the place in the code that it came from; see `warnings.showwarning`."""
    if category is UserWarning:
        click.echo(f"warning: {message}", err=True)
    else:
        click.echo(warnings.formatwarning(message, category, filename, lineno, line), err=True, nl=False)
