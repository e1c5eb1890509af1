"""`alignbench list`: the names that other commands take."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from alignbench.cli.output import json_option, say

if TYPE_CHECKING:
    from alignbench.listing import JudgeLine

_WIDTH = 120
_GAP = 2
_NARROWEST = 12
_LEGEND = (
    "unpinned: the newest revision is taken. Pin a hub model as KIND:MODEL@COMMIT, one of an API by its dated name.",
    "needs alignbench[EXTRA]: run `pip install 'alignbench[EXTRA]'`. needs NAME_API_KEY: set it in the environment.",
    "downloads first: its weights are not on this machine. ?: nobody looked the id of this model up.",
)


@click.command(name="list")
@click.argument("what", type=click.Choice(["judges", "captioners", "image-models", "text-models"]))
@json_option
def list_names(what: str, as_json: bool) -> None:
    """List judges, captioners or image models.

    Of judges it says which can run here, and what the others need first.
    """
    if what == "judges":
        from alignbench.listing import list_judges

        judges = list_judges()
        say({what: [asdict(each) for each in judges]}, _page(judges), as_json=as_json)
        return
    from alignbench.registry import names

    found = names(what)
    width = max((len(each.name) for each in found), default=0)
    lines = [f"{each.name:<{width}}  {each.summary}" + _needs(each.extra) for each in found]
    say({what: [asdict(each) for each in found]}, lines, as_json=as_json)


def _needs(extra: str | None) -> str:
    return f" (needs alignbench[{extra}])" if extra else ""


def _page(judges: Sequence[JudgeLine]) -> Iterator[str]:
    """The list for people, in lines of at most `_WIDTH` as long as names are not longer."""
    notes = list(dict.fromkeys(said for each in judges if (said := each.blocked or each.note)))
    states = {each.name: _state(each, notes) for each in judges}
    own = [each for each in judges if each.group in {"embedded", "control"}]
    yield "EMBEDDED JUDGES AND BLIND CONTROLS"
    yield from _table([(each.name, each.summary, states[each.name]) for each in own], cut=1)
    yield "\nKINDS: write KIND:MODEL, with any model that fits"
    yield from _kinds([each for each in judges if each.group == "kind"], states)
    for group, title in (("published", "JUDGES OF THE PUBLISHED TABLES"), ("today", "JUDGES OF TODAY")):
        yield f"\n{title}"
        rows = [_row(each, states[each.name]) for each in judges if each.group == group]
        yield from _table([("name", "model", "size", "revision", "family", "here"), *rows], cut=1)
    yield ""
    for number, note in enumerate(notes, start=1):
        yield textwrap.fill(f"[{number}] {note}", _WIDTH, subsequent_indent="    ")
    yield from _LEGEND


def _row(judge: JudgeLine, state: str) -> tuple[str, ...]:
    model = f"{judge.model}{'' if judge.id_source else '?'}"
    revision = judge.revision[:8] if judge.revision else "unpinned"
    return judge.name, model, judge.parameters or "", revision, judge.family or "", state


def _kinds(judges: Iterable[JudgeLine], states: dict[str, str]) -> Iterator[str]:
    for judge in judges:
        yield "  ".join([judge.name, f"({judge.distribution or 'distribution unknown'})", states[judge.name]])
        yield f"    {judge.summary}"


def _state(judge: JudgeLine, notes: Sequence[str]) -> str:
    """In a few words; of all that it lacks, the first; with the number of what there is to know."""
    said = judge.blocked or judge.note
    mark = f" [{notes.index(said) + 1}]" if said else ""
    if judge.lacks and not judge.blocked:
        return f"needs {judge.lacks[0]}{mark}"
    return {"blocked": "cannot run", "downloads": "downloads first"}.get(judge.state, "ready") + mark


def _table(rows: Sequence[Sequence[str]], cut: int) -> Iterator[str]:
    """Rows as lines of at most `_WIDTH`; what does not fit is taken off the column `cut`."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    over = sum(widths) + _GAP * (len(widths) - 1) - _WIDTH
    widths[cut] = max(widths[cut] - max(over, 0), _NARROWEST)
    for row in rows:
        cells = [_fitted(cell, width) for cell, width in zip(row, widths, strict=True)]
        yield (" " * _GAP).join(cells).rstrip()


def _fitted(cell: str, width: int) -> str:
    return (cell if len(cell) <= width else f"{cell[: width - 1]}\N{HORIZONTAL ELLIPSIS}").ljust(width)
