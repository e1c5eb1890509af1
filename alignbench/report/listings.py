"""A table that is read and its numbers with all digits, from one list of columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from alignbench.report.marks import mark_notes, share
from alignbench.report.table import NONE, Row, Table

Json = Mapping[str, Any]
Pick = Callable[[Json], Any]


class Column(NamedTuple):
    """One fact about each row.

    Attributes:
        header: Over its cells.
        name: What its columns in a CSV file begin with.
        pick: The fact: a figure, a number, text, or null.
        say: Writes it.
        is_text: Whether it names something, so that it is flush left.
        is_figure: Whether it has parts: a value, its interval, a reason.
    """

    header: str
    name: str
    pick: Pick
    say: Callable[[Any], str]
    is_text: bool = False
    is_figure: bool = False


class Line(NamedTuple):
    """What a row is about, and whether that is a blind control."""

    said: Json
    is_control: bool = False


class Listing(NamedTuple):
    """A table, and the same numbers with all digits.

    Attributes:
        table: To be read.
        records: To be computed with; those of a matrix are a record a cell.
    """

    table: Table
    records: list[dict[str, Any]]


def text(header: str, pick: Pick) -> Column:
    """A column of names."""
    return Column(header, header.replace(" ", "_"), pick, lambda said: said or "", is_text=True)


def figure(header: str, name: str, pick: Pick, say: Callable[[Any], str] = share) -> Column:
    """A column of numbers with intervals."""
    return Column(header, name, pick, say, is_figure=True)


def number(header: str, name: str, pick: Pick, say: Callable[[Any], str]) -> Column:
    """A column of bare numbers."""
    return Column(header, name, pick, lambda said: NONE if said is None else say(said))


NAMED = (text("judge", lambda judge: judge["name"]),)


def listing(
    title: str, results: Json, columns: Sequence[Column], lines: Sequence[Line], notes: Sequence[str]
) -> Listing:
    """A row a line, a cell a column."""
    return Listing(
        Table(
            title=_titled(title, results),
            columns=tuple(column.header for column in columns),
            groups=(),
            rows=tuple(Row(tuple(each.say(each.pick(said)) for each in columns), (), blind) for said, blind in lines),
            notes=_noted(
                notes, [column.pick(line.said) for column in columns if column.is_figure for line in lines], results
            ),
            numeric=frozenset(column.header for column in columns if not column.is_text),
        ),
        [dict(part for column in columns for part in _parts(column, line.said)) for line in lines],
    )


def matrix(
    title: str,
    results: Json,
    groups: Mapping[str, Mapping[str, Json | None]],
    say: Callable[[Json | None], str],
    notes: Sequence[str],
    *,
    over: str,
) -> Listing:
    """A row a judge, a column for each of what is `over` the columns; in the records a row a cell.

    Args:
        title: What is in it.
        results: The judges, in their order; those that `groups` lacks are left out.
        groups: Figures by judge and column.
        say: Writes a figure.
        notes: Lines below it.
        over: What the columns are, such as "producer".
    """
    judges = [judge for judge in results["judges"] if judge["name"] in groups]
    headers = list(dict.fromkeys(header for judge in judges for header in groups[judge["name"]]))
    cells = [[groups[judge["name"]].get(header) for header in headers] for judge in judges]
    rows = [
        Row((judge["name"],), tuple(say(cell) for cell in row), judge["control"] is not None)
        for judge, row in zip(judges, cells, strict=True)
    ]
    records = [
        {"judge": judge["name"], "judge_id": judge["judge_id"], "control": judge["control"], over: header}
        | {name: part for name, part in (cell or {}).items() if not isinstance(part, Mapping)}
        for judge, row in zip(judges, cells, strict=True)
        for header, cell in zip(headers, row, strict=True)
    ]
    every = [cell for row in cells for cell in row]
    said = Table(_titled(title, results), ("judge",), tuple(headers), tuple(rows), _noted(notes, every, results))
    return Listing(said, records)


def lines_of(results: Json) -> list[Line]:
    """The judges, then the blind controls."""
    return [Line(judge, judge["control"] is not None) for judge in results["judges"]]


def has_number(found: Listing) -> bool:
    """Whether there is any number in it, beside counts and settings."""
    return any(
        part is not None
        for record in found.records
        for name, part in record.items()
        if name == "value" or name.endswith("_value")
    )


def _parts(column: Column, said: Json) -> Iterator[tuple[str, Any]]:
    fact = column.pick(said)
    if not column.is_figure:
        yield column.name, fact
    elif fact is not None:
        yield from (
            (f"{column.name}_{name}", part) for name, part in fact.items() if not isinstance(part, Mapping | list)
        )


def _titled(title: str, results: Json) -> str:
    return f"{results['dataset']['name']}, {title}"


def _noted(notes: Sequence[str], figures: Sequence[Json | None], results: Json) -> tuple[str, ...]:
    return (*notes, *mark_notes(figures), results["signature"])
