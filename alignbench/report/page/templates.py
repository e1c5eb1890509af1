"""Templates that escape all they are given, and take nothing but text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from alignbench.errors import MissingDependencyError
from alignbench.report.page.pieces import visible

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).resolve().parent
_CODE = re.compile(r"`([^`\n]+)`")


@cache
def environment() -> Environment:
    """Where the templates of the page are loaded.

    Its filters: `trusted` marks text as HTML; `keys` writes numbers for the script; `coded` sets what stands between
    backticks as code.

    Raises:
        MissingDependencyError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from markupsafe import Markup
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of(error.name or "jinja2", "report") from error

    def shown(value: object) -> object:
        # Before it is escaped. A None or NaN that gets here is a defect of ours and must not reach a reader.
        if isinstance(value, Markup) or type(value) is int:
            return value
        if isinstance(value, str):
            return visible(value)
        raise TypeError(f"a page shows text, not {value!r}")

    def coded(text: str) -> Markup:
        parts = (visible(part) for part in _CODE.split(text))
        return Markup().join(
            Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
        )

    made = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"trusted": Markup, "keys": _keys, "coded": coded}
    return made


def _keys(keys: Sequence[float | None]) -> str:
    return " ".join("-" if key is None else f"{key:.4f}" for key in keys)
