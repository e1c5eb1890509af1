"""Filters of a recipe: what they say is kept, what they drop is told, and it is the same however rows came about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from alignbench.errors import RunError
from alignbench.store import Dataset
from alignbench.types import Direction, Pair
from alignbench.validate import validate
from generation.pipeline import generate
from tests.standins import BOTH, CAPTIONS, LOOP, PICTURES, Write, calls, files_of, install, writer_in

FILTERS = "filters: [third, {filter: dark, drop: false, options: {least: 128}}]\n"


@pytest.fixture
def adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return install(tmp_path / "site", monkeypatch)


@pytest.fixture
def recipe(adapters: Path, tmp_path: Path) -> Write:
    return writer_in(tmp_path)


def lost(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "failed_rows.jsonl").read_text(encoding="utf-8").splitlines()]


def pairs(out: Path, direction: Direction) -> list[Pair]:
    return [pair for pair in Dataset.open(out).pairs() if pair.direction is direction]


def test_what_filters_say_is_in_the_provenance_and_what_they_drop_among_the_failures(
    recipe: Write, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    summary = generate(recipe(BOTH + FILTERS), out)
    assert validate(out) == []
    assert summary.filtered == {"third": {"plain": 1}} and summary.failures == {}
    (dropped,) = lost(out)
    assert (dropped["status"], dropped["filter"], dropped["value"]) == ("filtered", "third", 3)
    assert (dropped["reason"], dropped["can_retry"]) == ("it is the 3th caption", False)
    captions, pictures = pairs(out, Direction.IMAGE_TO_TEXT), pairs(out, Direction.TEXT_TO_IMAGE)
    assert [pair.provenance["filters"] for pair in captions] == [
        {"third": {"passed": True, "value": number, "reason": f"it is the {number}th caption"}} for number in (1, 2)
    ]
    for pair in pictures:
        red = pair.provenance["made"]["colour"][0]
        reason = None if red >= 128 else f"its red is {red}"
        assert pair.provenance["filters"] == {"dark": {"passed": red >= 128, "value": red, "reason": reason}}
    assert {pair.provenance["filters"]["dark"]["passed"] for pair in pictures} == {True, False}


def test_what_is_dropped_is_not_made_again(recipe: Write, adapters: Path, tmp_path: Path) -> None:
    path, out = recipe(BOTH + FILTERS), tmp_path / "out"
    generate(path, out)
    asked, written = calls(adapters), files_of(out)
    assert not (tmp_path / "out.partial").exists()
    assert generate(path, out, retry_failed=True).made == 0
    assert (calls(adapters), files_of(out)) == (asked, written)


def test_the_status_of_a_dropped_row_is_the_filters(recipe: Write, tmp_path: Path) -> None:
    summary = generate(recipe(BOTH + "filters: [{filter: dark, options: {least: 128}}]\n"), tmp_path / "out")
    rows = lost(tmp_path / "out")
    assert {(row["status"], row["filter"]) for row in rows} == {("unsafe", "dark")}
    assert summary.filtered == {"dark": {"bright": len(rows)}}
    assert len(pairs(tmp_path / "out", Direction.TEXT_TO_IMAGE)) == 3 - len(rows)


def test_a_row_goes_with_its_dropped_parent(recipe: Write, tmp_path: Path) -> None:
    summary = generate(recipe(CAPTIONS.format("plain") + LOOP + "filters: [third]\n"), tmp_path / "out")
    assert validate(tmp_path / "out") == []
    assert summary.filtered == {"parent": {"bright": 1, "plain": 1}, "third": {"plain": 1}}
    first, *rest = lost(tmp_path / "out")
    assert [row["parent"] for row in rest] == [first["pair_id"], rest[0]["pair_id"]]
    assert rest[0]["reason"].startswith(f"its parent {first['pair_id']} came to nothing: filtered: it is the 3th")


def test_a_filter_with_a_memory_says_the_same_whatever_came_between(
    recipe: Write, adapters: Path, tmp_path: Path
) -> None:
    text = CAPTIONS.format("moody").replace("count: 3", "count: 9") + PICTURES.format("bright") + LOOP + FILTERS
    path = recipe(text)
    first = generate(path, tmp_path / "out")
    assert first.failures["moody"]["refused"]
    (adapters / "bold").touch()
    generate(path, tmp_path / "out", retry_failed=True)
    for number in (1, 0, 2):
        generate(path, tmp_path / "sharded", shard=(number, 3))
    generate(path, tmp_path / "fresh")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "sharded") == files_of(tmp_path / "fresh")


def test_two_filters_of_a_kind_have_names_of_their_own(recipe: Write, tmp_path: Path) -> None:
    two = "filters: [{filter: dark, drop: false}, {filter: dark, drop: false, options: {least: 0}}]\n"
    generate(recipe(PICTURES.format("bright") + two), tmp_path / "out")
    for pair in Dataset.open(tmp_path / "out").pairs():
        assert pair.provenance["filters"].keys() == {"dark", "dark-2"}


def test_nothing_left_is_an_error(recipe: Write, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"none of the 6 rows is left; the first one's status is filtered: it did not"):
        generate(recipe(BOTH + "filters: [nothing]\n"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
