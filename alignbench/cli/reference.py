"""`python -m alignbench.cli.reference [--check] FILE` writes docs/cli.md from the commands themselves."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from alignbench.cli import alignbench

HEAD = """# Command line

<!-- Written by `make docs` from the commands themselves; `make check` fails where it is out of date. -->

Exit codes: 0 done; 1 ran, but something failed (a rule broken, a sentence without a score) or the money ran out; 2
wrong use; 130 interrupted. With `--json` a command prints one JSON object, and an error is
`{"error": {"type", "message"}}`.
"""
WIDTH = 100


def contexts(command: click.Command, parent: click.Context | None = None) -> Iterator[click.Context]:
    """A context for the command and for all commands under it, in the order of its help."""
    context = click.Context(
        command,
        parent,
        info_name=command.name,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    yield context
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None:
                yield from contexts(found, context)


def reference() -> str:
    """The whole page: the help of every command."""
    sections = [
        f"## {context.command_path}\n\n```text\n{context.get_help()}\n```\n" for context in contexts(alignbench)
    ]
    return "\n".join([HEAD, *sections])


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; fail where the file is out of date.")
def main(file: Path, check: bool) -> None:
    """Write the reference of the command line to FILE."""
    page = reference()
    if not check:
        file.write_text(page, encoding="utf-8")
    elif not file.exists() or file.read_text(encoding="utf-8") != page:
        click.echo(f"{file} is out of date: run `make docs`", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
