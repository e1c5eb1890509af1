from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from alignbench.errors import StorageError
from alignbench.evaluate import Evaluation, evaluation_of
from alignbench.report import folder
from alignbench.report.amounts import dollars, seconds
from alignbench.report.folder import write_report
from alignbench.report.formats import latex, markdown, records_csv
from alignbench.report.leaderboard import leaderboard
from alignbench.report.listings import Listing
from alignbench.report.marks import OWN_NOTE, chance, change, mark_notes, raw, share
from alignbench.report.table import Row, Table, decimals, interval, short
from alignbench.report.tables import listings, print_leaderboard, tables_of
from alignbench.report.terminal import print_table
from alignbench.types import Direction
from tests.planted_results import (
    bare_results,
    hostile_results,
    nothing_results,
    one_judge,
    planted_results,
)
from tests.planted_runs import Producer, scores_for, write_dataset, write_run

ROOT = Path(__file__).resolve().parent.parent
FILES = ["error_types.csv", "error_types.md", "error_types.tex", "leaderboard.csv", "leaderboard.md", "leaderboard.tex"]
WITH_NUMBERS = (
    "leaderboard error_types by_producer comparisons detection position by_index self_preference normalised "
    "calibration filter localization localization_types localization_producers sensitivity reference"
).split()


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
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
    return evaluation_of(dataset, folder / "runs", replicates=200)


@pytest.fixture(scope="module")
def results(evaluation: Evaluation) -> dict[str, Any]:
    return evaluation.results


@pytest.fixture(scope="module")
def report(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report without a page."""
    folder = tmp_path_factory.mktemp("report") / "new" / "report"
    assert write_report(evaluation, folder, page=False) == []
    return folder


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


def files_of(folder: Path) -> dict[str, bytes]:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_all_files_are_written_and_json_is_the_results(results: dict[str, Any], report: Path) -> None:
    tables = [f"tables/{name}.{kind}" for name, _ in listings(results) for kind in ("csv", "md", "tex")]
    found = files_of(report)
    assert sorted(found) == sorted([*FILES, *tables, "results.json", "scores.parquet"])
    assert json.loads(found["results.json"]) == results
    assert all(results["signature"].encode() in found[name] for name in (*FILES, *tables))


def test_a_page_brings_figures_and_report_html(evaluation: Evaluation, tmp_path: Path) -> None:
    assert write_report(evaluation, tmp_path) == []
    found = files_of(tmp_path)
    assert {"report.html", "figures/auroc.svg", "figures/auroc.pdf", "figures/producers.svg"} <= found.keys()
    assert found["figures/auroc.svg"].rstrip(b"\n") in found["report.html"]


def test_without_a_page_nothing_that_draws_is_loaded(report: Path) -> None:
    code = (
        "import sys, json; from pathlib import Path; from alignbench.report.folder import write_report;"
        "from alignbench.report.tables import tables_of;"
        f"tables_of(json.loads(Path({str(report / 'results.json')!r}).read_text('utf-8')));"
        "print({'matplotlib', 'jinja2', 'sklearn', 'pandas', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(("gone", "said"), [(["matplotlib"], "matplotlib,"), (["jinja2", "matplotlib"], "jinja2 and")])
def test_without_the_extra_it_says_what_to_install(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: list[str], said: str
) -> None:
    monkeypatch.setattr(folder, "find_spec", lambda name: None if name in gone else name)
    (line,) = write_report(evaluation, tmp_path)
    assert line.startswith("no figures and no report.html") and said in line and "alignbench[report]" in line
    assert not (tmp_path / "report.html").exists()
    assert write_report(evaluation, tmp_path, page=False) == []


def test_what_an_earlier_report_left_goes_and_what_people_put_there_stays(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    mine = [tmp_path / "figures" / "mine.svg", tmp_path / "tables" / "notes.md", tmp_path / "talk.pptx"]
    old = [tmp_path / "figures" / "roc.pdf", tmp_path / "tables" / "reference.csv", tmp_path / "report.html"]
    for path in (*mine, *old):
        path.parent.mkdir(exist_ok=True)
        path.write_text("old", encoding="utf-8")
    write_report(evaluation, tmp_path, page=False)
    assert [path for path in mine if not path.exists()] == []
    assert [path for path in old if path.exists()] == []
    mine[0].unlink()
    write_report(evaluation, tmp_path, page=False)
    assert not (tmp_path / "figures").exists()


def test_the_same_results_are_the_same_bytes(evaluation: Evaluation, report: Path, tmp_path: Path) -> None:
    for _ in range(2):
        write_report(evaluation, tmp_path, page=False)
    assert files_of(tmp_path) == files_of(report)


def test_a_report_that_cannot_be_written_says_so(evaluation: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "report").write_text("in the way", encoding="utf-8")
    with pytest.raises(StorageError, match="report"):
        write_report(evaluation, tmp_path / "report")


def records_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_csv_keeps_all_digits(results: dict[str, Any], report: Path) -> None:
    rows = records_of(report / "leaderboard.csv")
    assert [row["name"] for row in rows] == [entry["name"] for entry in results["judges"]]
    for row, entry in zip(rows, results["judges"], strict=True):
        assert float(row["auroc_value"]) == entry["auroc"]["value"]
        assert float(row["scenes-a_low"]) == entry["by_producer"]["scenes-a"]["low"]
    cells = records_of(report / "error_types.csv")
    assert {row["cost_usd_per_1000"] for row in rows} == {""}
    assert len(cells) == 9 * len(results["judges"])
    assert cells[0]["value"] == str(results["judges"][0]["by_error_type"]["attribute"]["value"] or "")


def test_markdown_is_a_table_whatever_the_names(results: dict[str, Any], report: Path) -> None:
    lines = (report / "leaderboard.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 2 + len(results["judges"])
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {10}
    assert any(r"strong\_judge" in row for row in rows)


# Beside the leaderboard


@pytest.fixture(scope="module")
def planted() -> dict[str, Any]:
    return planted_results()


def found_in(results: dict[str, Any], name: str) -> Listing:
    return dict(listings(results))[name]


def shown(table: Table) -> list[tuple[str, ...]]:
    return [(*row.cells, *row.grouped) for row in table.rows]


def test_every_analysis_has_a_table_in_a_stable_order(planted: dict[str, Any]) -> None:
    assert list(tables_of(planted)) == WITH_NUMBERS
    assert [name for name, _ in listings(planted)] == WITH_NUMBERS[2:]


def test_tables_without_a_number_are_left_out() -> None:
    assert list(tables_of(nothing_results())) == ["leaderboard"]
    assert list(tables_of(bare_results())) == ["leaderboard", "error_types", "by_producer", "comparisons"]
    assert list(tables_of(one_judge())) == [name for name in WITH_NUMBERS if name != "comparisons"]


@pytest.mark.parametrize("results_of", [planted_results, one_judge, hostile_results, bare_results, nothing_results])
def test_every_table_can_be_written_in_every_format(results_of: Callable[[], dict[str, Any]]) -> None:
    results = results_of()
    for table in tables_of(results).values():
        assert table.notes[-1] == results["signature"]
        assert {len(row) for row in shown(table)} == {len(table.columns) + len(table.groups)}
        rows = [line for line in markdown(table).splitlines() if line.startswith("|")]
        assert len(rows) == 2 + len(table.rows)
        assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {1 + len(table.columns) + len(table.groups)}
        assert "<" not in markdown(table)
        assert r"\toprule" in latex(table)
    for _, found in listings(results):
        again = list(csv.DictReader(io.StringIO(records_csv(found.records, results["signature"]))))
        assert len(again) == len(found.records)
        assert {row["signature"] for row in again} == {results["signature"]}


def test_records_have_all_digits_and_tables_the_same_numbers(planted: dict[str, Any]) -> None:
    found, first = found_in(planted, "detection"), planted["judges"][0]
    assert found.records[0]["average_precision_value"] == first["average_precision"]["value"]
    assert found.records[0]["tpr_at_fpr_fpr"] == 0.05
    assert shown(found.table)[0] == (
        first["name"],
        interval(first["average_precision"]),
        interval(first["tpr_at_fpr"]),
        interval(first["win_rate"]),
    )
    by_producer = found_in(planted, "by_producer")
    assert len(by_producer.records) == 9 * 7
    cell = by_producer.records[0]
    assert (cell["judge"], cell["producer"], cell["own"]) == ("lantern-70b", "lantern-caption", "self")
    assert cell["value"] == first["by_producer"]["lantern-caption"]["value"]


def test_own_cells_are_marked_and_explained(planted: dict[str, Any]) -> None:
    for name in ("by_producer", "normalised"):
        table = found_in(planted, name).table
        row = dict(zip((*table.columns, *table.groups), shown(table)[0], strict=True))
        assert row["lantern-caption"].endswith("*")
        assert row["lantern-paint"].endswith("+")
        assert not row["quill-caption"].endswith(("*", "+"))
        assert OWN_NOTE in table.notes


def test_position_says_which_runs_it_lacks_and_shows_shuffles_of_nobody(planted: dict[str, Any]) -> None:
    table = found_in(planted, "position").table
    first, second = shown(table)[:2]
    assert first[3:6] == ("-.020 [-.026, -.013]", "-.008 [-.013, -.002]", "-.012 [-.018, -.005]")
    assert second[5:] == ("–",) * 4
    assert any(note.startswith("– no run of this judge with captions shuffled") for note in table.notes)
    alone = {"presentation": planted["judges"][0]["position_bias"]["presentation"], "runs": ["x"], "says": []}
    table = found_in({**planted, "shuffled_only": {"nobody": alone}}, "position").table
    assert shown(table)[0] == ("nobody", "–", "–", "–", "–", "-.012 [-.018, -.005]", "–", "–", "–")


def test_self_preference_sets_levels_directions_and_all_judges_apart(planted: dict[str, Any]) -> None:
    found = found_in(planted, "self_preference")
    assert [row[:3] for row in shown(found.table)] == [
        ("lantern-70b", "self", "captions"),
        ("harbour-32b", "self", "captions"),
        ("lantern-7b", "family", "captions"),
        ("quill-8b", "self", "captions"),
        ("all judges", "pooled", "captions"),
        ("lantern-70b", "family", "images"),
        ("lantern-7b", "family", "images"),
        ("all judges", "pooled", "images"),
    ]
    effects = planted["self_preference"]["directions"]["image_to_text"]["effects"]
    assert [record["auroc_value"] for record in found.records[:4]] == [one["value"] for one in effects]
    assert any("not causes" in note for note in found.table.notes)
    assert any("none below .008 is possible" in note for note in found.table.notes)


def test_comparisons_are_of_judges_and_then_of_controls(planted: dict[str, Any]) -> None:
    found = found_in(planted, "comparisons")
    assert [record["difference_value"] for record in found.records] == [one["delta"] for one in planted["comparisons"]]
    against = [row.is_control for row in found.table.rows]
    assert against == sorted(against) and any(against)
    assert shown(found.table)[1][3:5] == ("<.001", "<.001")


def test_a_judge_without_marks_is_in_no_table_of_localisation(planted: dict[str, Any]) -> None:
    for name in ("localization", "localization_types", "localization_producers"):
        assert [row[0] for row in shown(found_in(planted, name).table)] == ["lantern-70b", "harbour-32b"]


def test_a_threshold_that_nothing_reaches_is_a_dash_with_its_reason(planted: dict[str, Any]) -> None:
    table = found_in(planted, "filter").table
    assert shown(table)[3] == ("lantern-70b", ".99", "–", "–", "–", ".823")
    assert any("no threshold reaches this precision" in note for note in table.notes)


def test_reasons_that_differ_in_a_number_only_are_said_once() -> None:
    def reason(said: str, value: float | None = None) -> dict[str, Any]:
        return {"value": value, "low": None, "high": None, "reason": said}

    many = [reason(f"only {count} of 12,000 sentences") for count in range(30)]
    assert mark_notes(many) == ["– only 29 of 12,000 sentences"]
    few = [reason("too few: the rarer class lies in 3 clusters", 0.5), reason("too few: 9 clusters", 0.5)]
    assert mark_notes(few) == ["† rests on fewer than 20 clusters"]
    others = [reason(f"because {letter}") for letter in "abcdefgh"]
    (note,) = mark_notes(others)
    assert note == "– because a; because b; because c; because d; because e; 3 reasons more, in the .csv"
    assert mark_notes([None, reason("")]) == []


def test_numbers_are_written_in_few_characters() -> None:
    assert [chance(p) for p in (None, 0.0001, 0.0123, 1.0)] == ["–", "<.001", ".012", "1.000"]
    assert change({"value": -0.0123, "low": None, "high": None, "reason": "one cluster"}) == "-.012†"
    assert change({"value": 0.5, "low": 0.25, "high": 0.75, "reason": None}) == "+.500 [.250, .750]"
    assert raw({"value": 87.123, "low": 80.0, "high": 90.5, "reason": None}) == "87.1 [80, 90.5]"
    assert raw({"value": 1.0, "low": None, "high": None, "reason": "w"}) == "1 [–]†"
    assert share(None) == change(None) == raw(None) == "–"


# Formats


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
