"""A group of commands that imports the module of a command when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from alignbench.errors import UnknownNameError


class CommandGroup(click.Group):
    """Commands by name, in the order in which people need them.

    Args:
        homes: where each command is defined, as `module:attribute`.
        **settings: what `click.Group` takes.
    """

    def __init__(self, homes: Mapping[str, str], **settings: Any) -> None:
        super().__init__(**settings)
        self._homes = homes

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        """The names, in the order in which they were given."""
        return list(self._homes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """The command of that name, imported now; null if there is none."""
        if cmd_name not in self._homes:
            return None
        module, _, attribute = self._homes[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments begin with.

        Raises:
            UnknownNameError: there is no such command; names the nearest ones.
        """
        if args[0] not in self._homes and not ctx.resilient_parsing:
            raise UnknownNameError.of("command", args[0], self._homes, f"run `{ctx.command_path} --help`")
        return super().resolve_command(ctx, args)
