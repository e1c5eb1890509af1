"""Tables as CSV, Markdown, LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from alignbench.report.table import NONE, WARNING, Table

Json = Mapping[str, Any]

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "#": r"\#",
        "$": r"\$",
        "%": r"\%",
        "&": r"\&",
        "_": r"\_",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        NONE: "--",
        WARNING: r"$^\dagger$",
        "\n": " ",
    }
)
_MARKDOWN = str.maketrans({"\\": r"\\", "|": r"\|", "<": "&lt;", ">": "&gt;", "*": r"\*", "_": r"\_", "\n": " "})


def markdown(table: Table) -> str:
    """A heading, the table, and its notes as a list."""
    rows = [(*row.cells, *row.grouped) for row in table.rows]
    aligned = ["--:" if header in table.numeric else "---" for header in table.columns] + ["--:"] * len(table.groups)
    lines = [(*table.columns, *table.groups), *rows]
    written = [_markdown_line(cell.translate(_MARKDOWN) for cell in cells) for cells in lines]
    notes = [f"- {note.translate(_MARKDOWN)}" for note in table.notes]
    return "\n".join([f"# {table.title}", "", written[0], _markdown_line(aligned), *written[1:], "", *notes, ""])


def latex(table: Table) -> str:
    r"""A `tabular` in the style of booktabs, to be read with `\input`; its notes are comments."""
    lines = [f"% {note.replace(chr(10), ' ')}" for note in (table.title, *table.notes)]
    aligned = "".join("r" if header in table.numeric else "l" for header in table.columns) + "r" * len(table.groups)
    lines += [rf"\begin{{tabular}}{{{aligned}}}", r"\toprule"]
    lines += [_latex_line((*table.columns, *table.groups)), r"\midrule"]
    for place, row in enumerate(table.rows):
        if row.is_control and place and not table.rows[place - 1].is_control:
            lines.append(r"\midrule")
        lines.append(_latex_line((*row.cells, *row.grouped)))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def leaderboard_csv(results: Json) -> str:
    """A row a judge, with all digits; three columns a producer, then what 1,000 sentences take."""
    rows = []
    for judge in results["judges"]:
        row = {name: judge[name] for name in ("name", "judge_id", "family", "control", "coverage")}
        row |= {f"rank_{end}": judge["rank"][end] for end in ("low", "high")}
        row |= {f"auroc_{name}": judge["auroc"][name] for name in ("value", "low", "high", "reason")}
        for producer, figure in judge["by_producer"].items():
            row |= {f"{producer}_{name}": figure[name] for name in ("value", "low", "high")}
        row |= {name: judge["usage"][name] for name in ("seconds_per_1000", "cost_usd_per_1000")}
        rows.append(row)
    return records_csv(rows, results["signature"])


def error_types_csv(results: Json) -> str:
    """A row a judge and error type, with all digits."""
    rows = [
        {"name": judge["name"], "judge_id": judge["judge_id"], "control": judge["control"], "error_type": kind} | figure
        for judge in results["judges"]
        for kind, figure in judge["by_error_type"].items()
    ]
    return records_csv(rows, results["signature"])


def records_csv(records: Sequence[Mapping[str, Any]], signature: str) -> str:
    """A row a record, with all digits; what a record lacks stays blank."""
    # The signature is a column, not a comment line: CSV has no comments.
    text = io.StringIO()
    names = dict.fromkeys(name for record in records for name in record)
    writer = csv.DictWriter(text, fieldnames=[*names, "signature"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({**record, "signature": signature} for record in records)
    return text.getvalue()


def _markdown_line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _latex_line(cells: Iterable[str]) -> str:
    return rf"{' & '.join(cell.translate(_LATEX) for cell in cells)} \\"
