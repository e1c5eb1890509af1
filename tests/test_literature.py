"""Published tables: that they are whole, that our normalisation gives the published figures, and how they are shown."""

from __future__ import annotations

import copy
import csv
import json
from typing import Any

import numpy as np
import pytest

from alignbench.analysis.normalisation import normalised
from alignbench.errors import UnknownNameError
from alignbench.evaluate.reference import reference_entry
from alignbench.exchange.producers import producer_of
from alignbench.literature import ReferenceTable, read_reference, references
from alignbench.literature.tables import FOLDER, ROUNDING
from alignbench.report import formats
from alignbench.report.reference import ELSEWHERE, HERE, reference_table
from alignbench.report.table import NONE, WARNING, Table
from judges.specs import JUDGES

NAMES = ("alignbench-2511.20515", "haldec-2603.15253")
RECOMPUTED = {
    ("Llama-4 109B", "llama-4"): 0.815,
    ("Llama-4 109B", "gpt-4o"): 0.921,
    ("GPT4o", "llama-4"): 0.967,
    ("GPT4o", "gpt-4o"): 0.882,
    ("Qwen-2.5(-VL) 32B", "llama-4"): 0.966,
    ("Qwen-2.5(-VL) 32B", "gpt-4o"): 0.966,
    ("Gemma-3 27B", "llama-4"): 0.965,
    ("Gemma-3 27B", "gpt-4o"): 0.973,
}
"""The cells of the published figure (arXiv 2511.20515) whose captions are in the published table."""


@pytest.fixture(params=NAMES)
def table(request: pytest.FixtureRequest) -> ReferenceTable:
    return read_reference(request.param)


# The tables


def test_the_names() -> None:
    assert tuple(references()) == NAMES


def test_an_unknown_name_lists_the_nearest() -> None:
    with pytest.raises(
        UnknownNameError, match=r"no reference table 'alignbench-2511' \(nearest: alignbench-2511.20515"
    ):
        read_reference("alignbench-2511")


def test_a_table_says_where_it_comes_from(table: ReferenceTable) -> None:
    assert table.arxiv in table.name
    assert table.title and table.note and "https://" in table.source
    assert "\n" not in table.note


def test_every_cell_is_that_of_the_file_and_in_the_unit_interval(table: ReferenceTable) -> None:
    with (FOLDER / f"{table.name}.csv").open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert table.aurocs.shape == (len(rows), 8) == (len(table.judges), len(table.producers))
    for row, judge, aurocs in zip(rows, table.judges, table.aurocs, strict=True):
        assert (row["judge"], row["parameters"] or None) == (judge.name, judge.parameters)
        assert [f"{100 * value:.1f}" for value in aurocs] == [row[name] for name in table.producers]
        assert f"{100 * judge.average:.1f}" == row["average"]
        assert aurocs.min() > 0.4 and aurocs.max() < 0.9


def test_labels_are_all_different(table: ReferenceTable) -> None:
    assert len({row.label for row in table.judges}) == len(table.judges)


def test_producers_are_those_that_an_import_names(table: ReferenceTable) -> None:
    assert all(producer_of(name).published and producer_of(name).model.name == name for name in table.producers)
    assert {row.self_producer for row in table.judges} - {None} <= set(table.producers)


def test_rows_are_those_that_the_judges_known_by_name_refer_to(table: ReferenceTable) -> None:
    measured = {
        (row.judge, row.parameters)
        for judge in JUDGES.values()
        for row in judge.measured
        if row.table == f"arXiv {table.arxiv}"
    }
    assert measured == {(row.name, row.parameters) for row in table.judges}


def test_averages_are_those_of_their_rows_but_for_two_misprints() -> None:
    deviating = {
        name: [row.label for row, deviates in zip(table.judges, table.deviating(), strict=True) if deviates]
        for name in NAMES
        for table in [read_reference(name)]
    }
    assert deviating == {NAMES[0]: ["Gemma-3 12B", "GPT4o-mini"], NAMES[1]: []}
    rest = read_reference(NAMES[0])
    off = rest.aurocs.mean(axis=1) - [row.average for row in rest.judges]
    assert np.abs(off[~rest.deviating()]).max() <= ROUNDING
    assert np.abs(off).max() < 0.003


# What is computed from them


def test_our_normalisation_gives_the_eight_published_cells() -> None:
    table = read_reference(NAMES[0])
    found = normalised(table.aurocs, np.ones(8, bool))
    row = {judge.label: place for place, judge in enumerate(table.judges)}
    for (judge, producer), published in RECOMPUTED.items():
        assert found[row[judge], table.producers.index(producer)] == pytest.approx(published, abs=0.003)


def test_the_entry_says_which_cells_are_recomputed_and_which_are_published_only() -> None:
    cells = reference_entry(NAMES[0])["published_normalised"]
    again = {(each["judge"], each["producer"]): each for each in cells if each["recomputed"] is not None}
    assert {key: each["published"] for key, each in again.items()} == RECOMPUTED
    assert all(abs(each["recomputed"] - each["published"]) < 0.003 for each in again.values())
    only = [each for each in cells if each["recomputed"] is None]
    assert {each["producer"] for each in only} == {"qwen-2.5", "gemma-3"}
    assert len(only) == 8
    assert reference_entry(NAMES[1])["published_normalised"] is None


def test_the_entry_is_the_table_as_json(table: ReferenceTable) -> None:
    entry = reference_entry(table.name)
    assert json.loads(json.dumps(entry, allow_nan=False)) == entry
    assert list(entry) == ("name title source note producers judges normalised published_normalised deviations".split())
    assert all(each["published"] is True for each in entry["judges"])
    first, row = entry["judges"][0], table.judges[0]
    assert (first["name"], first["parameters"], first["label"]) == (row.name, row.parameters, row.label)
    assert list(first["by_producer"].values()) == table.aurocs[0].tolist()
    ratios = entry["normalised"][row.label]
    assert np.mean(list(ratios.values())) == pytest.approx(1)


# How it is shown


def figure(value: float | None, reason: str | None = None) -> dict[str, Any]:
    return {"value": value, "low": None, "high": None, "reason": reason}


@pytest.fixture
def results() -> dict[str, Any]:
    """An own judge that captioned a part itself, a blind control, and the table."""
    by_producer = {"gpt-4o": figure(0.5821), "llama-4": figure(0.7, "too few"), "other": figure(0.9)}
    judges = [
        {"name": "ours", "control": None, "by_producer": by_producer},
        {"name": "blank", "control": "blank", "by_producer": {**by_producer, "gpt-4o": figure(None, "no score")}},
    ]
    return {
        "dataset": {"name": "planted"},
        "judges": judges,
        "reference": reference_entry(NAMES[0]),
        "self_preference": {"own": {"ours": {"gpt-4o": "self", "llama-4": "family"}}},
        "signature": "signed",
    }


def cells(table: Table) -> dict[str, dict[str, str]]:
    return {
        " ".join(row.cells[:2]).strip(): dict(
            zip((*table.columns, *table.groups), (*row.cells, *row.grouped), strict=True)
        )
        for row in table.rows
    }


def test_own_judges_stand_beside_published_ones(results: dict[str, Any]) -> None:
    table = reference_table(results)
    said = cells(table)
    assert table.groups == read_reference(NAMES[0]).producers
    assert len(table.rows) == 2 + 25
    assert (said["ours"]["gpt-4o"], said["ours"]["llama-4"], said["ours"]["sharegpt"]) == (
        ".582*",
        f".700{WARNING}",
        NONE,
    )
    assert (said["ours"]["where"], said["ours"]["average"]) == (HERE, NONE)
    assert said["blank"]["gpt-4o"] == NONE
    assert {each["where"] for name, each in said.items() if name not in ("ours", "blank")} == {ELSEWHERE}
    assert (said["GPT4o"]["gpt-4o"], said["GPT4o"]["average"]) == (".582*", ".661")
    assert said["Llama-4 109B"]["llama-4"] == ".599*"
    assert [row.cells[0] for row in table.rows[:3]] == ["ours", "GPT5", "GPT5-mini"]
    assert table.rows[-1].is_control and not any(row.is_control for row in table.rows[:-1])


def test_the_notes_say_what_can_be_compared(results: dict[str, Any]) -> None:
    table = reference_table(results)
    assert "arXiv 2511.20515" in table.title
    assert table.notes[-1] == "signed"
    assert any("matched by name alone" in note for note in table.notes)
    assert any(note.startswith("GPT4o-mini: the average is printed as .611, but") for note in table.notes)
    assert any(note.startswith(WARNING) for note in table.notes)
    assert not any("none of these producers" in note for note in table.notes)


def test_an_own_judge_with_all_producers_has_an_average(results: dict[str, Any]) -> None:
    producers = results["reference"]["producers"]
    results["judges"][0]["by_producer"] = {name: figure(0.6 + 0.01 * place) for place, name in enumerate(producers)}
    assert cells(reference_table(results))["ours"]["average"] == ".635"


def test_a_dataset_of_other_producers_says_so(results: dict[str, Any]) -> None:
    bare = copy.deepcopy(results)
    for judge in bare["judges"]:
        judge["by_producer"] = {"other": figure(None, "no sentence")}
    del bare["self_preference"]
    table = reference_table(bare)
    assert set(cells(table)["ours"].values()) == {"ours", "", HERE, NONE}
    assert any("none of these producers" in note for note in table.notes)


def test_every_format_can_write_it(results: dict[str, Any]) -> None:
    table = reference_table(results)
    assert "published, not run here" in formats.markdown(table)
    assert r"\midrule" in formats.latex(table)
