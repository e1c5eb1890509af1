from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from alignbench.errors import StorageError
from alignbench.evaluate import evaluate
from alignbench.report.amounts import dollars, seconds
from alignbench.report.formats import latex, markdown
from alignbench.report.leaderboard import Row, Table, decimals, interval, leaderboard, short
from alignbench.report.tables import print_leaderboard, write_report
from alignbench.report.terminal import print_table
from alignbench.types import Direction
from tests.planted_runs import Producer, scores_for, write_dataset, write_run

FILES = ["error_types.csv", "error_types.md", "error_types.tex", "leaderboard.csv", "leaderboard.md", "leaderboard.tex"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Five producers and awkward judge names."""
    folder = tmp_path_factory.mktemp("tables")
    producers = [
        Producer("scenes-a"),
        Producer("scenes-b", wrong=0.15),
        Producer("scenes-template"),
        Producer("scenes-painter-a", wrong=0.4, direction=Direction.TEXT_TO_IMAGE),
        Producer("scenes-painter-b", images=3, direction=Direction.TEXT_TO_IMAGE),
    ]
    dataset = write_dataset(folder / "scenes", producers)
    nothing = scores_for(dataset, 0.0, seed=2)
    flaky = np.where(np.arange(nothing.size) % 9 == 0, np.nan, nothing)
    write_run(folder / "runs", dataset, "strong_judge", scores_for(dataset, 2.0))
    write_run(folder / "runs", dataset, "a [red]judge|100%", scores_for(dataset, 1.0))
    write_run(folder / "runs", dataset, "blindfolded", nothing)
    write_run(folder / "runs", dataset, "flaky", flaky)
    write_run(folder / "runs", dataset, "constant", np.zeros(nothing.size), control="constant")
    unfinished = write_run(folder / "runs", dataset, "half", nothing, options={"half": "done"})
    (unfinished / "judgments.parquet").unlink()
    return evaluate(dataset, folder / "runs", replicates=200)


def printed(results: dict[str, Any], width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    print_leaderboard(results, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def columns_of(lines: list[str], name: str) -> list[str]:
    return re.split(r" {2,}", next(line for line in lines if re.search(rf"(^| ){re.escape(name)}  ", line)).strip())


# In the terminal


def test_a_judge_is_one_line_of_a_hundred_columns(results: dict[str, Any]) -> None:
    lines = printed(results, 100)
    assert max(map(len, lines)) <= 100
    entry = results["judges"][0]
    cells = columns_of(lines, "strong_judge")
    assert cells[:4] == ["1", "strong_judge", interval(entry["auroc"]), "100%"]
    assert cells[4:] == [short(figure) for figure in entry["by_producer"].values()]
    assert "a [red]judge|100%" in "\n".join(lines)


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_nothing_is_cut_off_at_any_width(results: dict[str, Any], width: int) -> None:
    lines = printed(results, width)
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)
    assert sum("[" in line and "]" in line for line in lines if re.match(r"^[\d–]", line)) >= 5


def test_controls_come_last_in_a_section_of_their_own(results: dict[str, Any]) -> None:
    lines = printed(results, 100)
    places = [next(n for n, line in enumerate(lines) if f"{name}  " in line) for name in ("blindfolded", "constant")]
    assert not lines[places[1] - 1].strip()
    assert places[0] < places[1]


def measured(results: dict[str, Any], **rates: float) -> dict[str, Any]:
    """The results as if the first judge had been measured."""
    first, *rest = results["judges"]
    return {**results, "judges": [{**first, "usage": {**first["usage"], **rates}}, *rest]}


def test_what_judging_takes_is_blank_where_it_was_not_measured(results: dict[str, Any]) -> None:
    both = measured(results, seconds_per_1000=1234.5, cost_usd_per_1000=0.414)
    table = leaderboard(both)
    assert table.columns[-2:] == ("s/1k", "$/1k")
    assert [row.cells[-2:] for row in table.rows] == [("1,234", "0.41"), *[("", "")] * (len(table.rows) - 1)]
    assert leaderboard(measured(results, seconds_per_1000=0.04)).columns[-1] == "s/1k"
    assert "/1k" not in "".join((*leaderboard(results).columns, *leaderboard(results).notes))
    text = " ".join(printed(both, 1000))
    assert "s/1k: seconds per 1,000 sentences, of computing or of requests" in text
    assert "$/1k: US dollars per 1,000 sentences" in text


def test_numbers_that_do_not_fit_go_before_producers_do(results: dict[str, Any]) -> None:
    both = measured(results, seconds_per_1000=1234.5, cost_usd_per_1000=0.414)
    assert "1,234" in "\n".join(printed(both, 100))
    narrow = printed(both, 80)
    assert max(map(len, narrow)) <= 80
    assert columns_of(narrow, "strong_judge")[4:] == columns_of(printed(results, 80), "strong_judge")[4:]
    assert "too narrow to show $/1k, s/1k" in " ".join(narrow)


def test_a_wide_window_is_no_reason_for_a_wide_table(results: dict[str, Any]) -> None:
    both = measured(results, seconds_per_1000=12.3, cost_usd_per_1000=0.414)
    lines = [line for line in printed(both, 300) if re.match(r"^[\d–]|^rank  ", line)]
    assert max(map(len, lines)) <= 105


@pytest.mark.parametrize(
    ("value", "said"), [(0, "0.0"), (0.01, "<0.1"), (0.06, "0.1"), (9.94, "9.9"), (9.96, "10"), (12345.6, "12,346")]
)
def test_seconds(value: float, said: str) -> None:
    assert seconds(value) == said


@pytest.mark.parametrize(("value", "said"), [(0, "0.00"), (0.004, "<0.01"), (0.006, "0.01"), (1234.5, "1,234.50")])
def test_dollars(value: float, said: str) -> None:
    assert dollars(value) == said


def test_a_table_by_error_type_without_a_number_is_not_printed(results: dict[str, Any]) -> None:
    assert any("by error type" in line for line in printed(results, 100))
    nothing = {"value": None, "low": None, "high": None, "reason": "no incorrect sentence"}
    judges = [{**judge, "by_error_type": dict.fromkeys(judge["by_error_type"], nothing)} for judge in results["judges"]]
    assert not any("by error type" in line for line in printed({**results, "judges": judges}, 100))


def test_notes_say_what_is_missing(results: dict[str, Any]) -> None:
    text = " ".join(printed(results, 1000))
    assert "mean over 4 producers" in text
    assert "not in the mean: scenes-painter-b, with only" in text
    assert "blindfolded: not shown to be better than blind: constant" in text
    assert "strong_judge: not shown" not in text
    assert re.search(r"flaky: no score for \d+ failed; with them its AUROC would lie between \.\d+ and \.\d+", text)
    assert re.search(r"run left out: \S+: half: it is not finished", text)
    assert text.count(results["signature"]) == 2


def test_headers_get_shorter_and_are_explained() -> None:
    names = ("scenes-a", "scenes-template", "scenes-painter-a")
    table = Table("t", ("judge",), names, (Row(("x",), (".84", ".85", ".86"), False),), ("signature",))

    def shown(width: int) -> str:
        console = Console(width=width, file=io.StringIO())
        print_table(table, console)
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    assert "template" in shown(100)
    assert "begin with" not in shown(100)
    assert re.search(r"painter-\njudge +a +template +a\n", shown(31))
    assert "names begin with 'scenes-'" in shown(31)
    assert "names are cut: a, template, painter-a" in " ".join(shown(25).split())
    assert "A = scenes-a" in shown(21)
    assert "too narrow" in shown(10)


# In files


def test_all_files_are_written_and_json_is_the_results(results: dict[str, Any], tmp_path: Path) -> None:
    write_report(results, tmp_path / "new" / "report")
    assert sorted(path.name for path in (tmp_path / "new" / "report").iterdir()) == [*FILES, "results.json"]
    assert json.loads((tmp_path / "new" / "report" / "results.json").read_text(encoding="utf-8")) == results
    assert all(
        results["signature"] in (tmp_path / "new" / "report" / name).read_text(encoding="utf-8") for name in FILES
    )


def test_the_same_results_are_the_same_bytes(results: dict[str, Any], tmp_path: Path) -> None:
    for folder in ("one", "two", "two"):
        write_report(results, tmp_path / folder)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_a_report_that_cannot_be_written_says_so(results: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "report").write_text("in the way", encoding="utf-8")
    with pytest.raises(StorageError, match="report"):
        write_report(results, tmp_path / "report")


def test_csv_keeps_all_digits(results: dict[str, Any], tmp_path: Path) -> None:
    write_report(results, tmp_path)
    with (tmp_path / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [entry["name"] for entry in results["judges"]]
    for row, entry in zip(rows, results["judges"], strict=True):
        assert float(row["auroc_value"]) == entry["auroc"]["value"]
        assert float(row["scenes-a_low"]) == entry["by_producer"]["scenes-a"]["low"]
    with (tmp_path / "error_types.csv").open(encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))
    assert {row["cost_usd_per_1000"] for row in rows} == {""}
    assert len(cells) == 9 * len(results["judges"])
    assert cells[0]["value"] == str(results["judges"][0]["by_error_type"]["attribute"]["value"] or "")


def test_markdown_is_a_table_whatever_the_names(results: dict[str, Any], tmp_path: Path) -> None:
    write_report(results, tmp_path)
    lines = (tmp_path / "leaderboard.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 2 + len(results["judges"])
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {10}
    assert any(r"strong\_judge" in row for row in rows)


def test_latex_escapes_and_rules_off_the_controls() -> None:
    rows = (Row((r"a_b & c\d {50%} $x$ #1 ~^",), (".84†",), False), Row(("blind",), ("–",), True))
    text = latex(Table("t", ("judge",), ("p_1",), rows, ("a note\nof two lines",)))
    assert r"judge & p\_1 \\" in text
    escaped = r"a\_b \& c\textbackslash{}d \{50\%\} \$x\$ \#1 \textasciitilde{}\textasciicircum{} & .84$^\dagger$ \\"
    assert escaped in text
    assert text.count(r"\midrule") == 2
    assert r"blind & -- \\" in text
    assert all(line.startswith(("%", "\\", "judge", "a", "blind")) for line in text.splitlines())
    assert "% a note of two lines" in text


def test_numbers_are_flush_right_in_files_too(results: dict[str, Any]) -> None:
    table = leaderboard(measured(results, seconds_per_1000=12.3))
    assert "| --- | --- | --- | --- | --: | --: |" in markdown(table)
    assert r"\begin{tabular}{llllrr" in latex(table)


def test_markdown_escapes_html() -> None:
    text = markdown(Table("t", ("judge",), (), (Row(("<script>",), (), False),), ()))
    assert "<script>" not in text


@pytest.mark.parametrize(
    ("value", "places", "said"), [(0.8449, 2, ".84"), (1.0, 2, "1.00"), (0.0, 3, ".000"), (0.9999, 3, "1.000")]
)
def test_numbers_lose_their_leading_zero(value: float, places: int, said: str) -> None:
    assert decimals(value, places) == said


def test_a_number_without_interval_or_without_value_shows_it() -> None:
    nothing = {"value": None, "low": None, "high": None, "reason": "no incorrect sentence"}
    assert (interval(nothing), short(nothing)) == ("–", "–")
    bare = {"value": 0.75, "low": None, "high": None, "reason": "undefined in 5.0% of the replicates"}
    assert (interval(bare), short(bare)) == (".750 [–]†", ".75†")
