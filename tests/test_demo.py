"""The main job, whole: what `alignbench demo` makes, judges and prints holds what the README says of it."""

from __future__ import annotations

import contextlib
import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from alignbench.demo import CONTROLS, EMBEDDED_JUDGES, Meter, run_demo
from alignbench.store import Dataset
from alignbench.types import Label
from alignbench.validate import validate

# Some 5,000 sentences, six times over, by real models: the one long test.
pytestmark = pytest.mark.timeout(1500)


@contextlib.contextmanager
def unmetered(title: str, unit: str) -> Iterator[Meter]:
    yield lambda stand: None


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """The demo's folder, its results and what it printed."""
    out = tmp_path_factory.mktemp("demo")
    console = Console(file=io.StringIO(), width=100)
    results = run_demo(out, console, unmetered)
    assert isinstance(console.file, io.StringIO)
    return out, results, console.file.getvalue()


def test_the_benchmark_is_large_enough_in_every_part(demo: tuple[Path, dict[str, Any], str]) -> None:
    out = demo[0]
    assert validate(out / "scenes") == [] and validate(out / "photographs") == []
    dataset = Dataset.open(out / "scenes")
    assert dataset.counts["images"] >= 300 and dataset.counts["sentences"] >= 2500
    producer = {pair.pair_id: pair.producer.name for pair in dataset.pairs()}
    labels: Counter[tuple[str, Label | None]] = Counter()
    captioners_errors: Counter[str] = Counter()
    types: set[str] = set()
    for sentence in dataset.sentences():
        name = producer[sentence.pair_id]
        labels[name, sentence.label] += 1
        types.update(sentence.error_types)
        if name in {"scenes-a", "scenes-b"}:
            captioners_errors.update(sentence.error_types)
    assert len(set(producer.values())) == 5 and len(types) == 8
    for name in set(producer.values()):
        assert min(labels[name, Label.CORRECT], labels[name, Label.INCORRECT]) >= 50, (name, labels)
    for name in ("scenes-a", "scenes-b"):
        total = sum(count for (who, _), count in labels.items() if who == name)
        assert labels[name, Label.UNKNOWN] <= 0.05 * total
        assert 0.08 <= labels[name, Label.INCORRECT] / total <= 0.6
    assert sum(count >= 30 for count in captioners_errors.values()) >= 4, captioners_errors


def test_the_better_vlm_lies_above_every_blind_control(demo: tuple[Path, dict[str, Any], str]) -> None:
    judges = demo[1]["scenes"]["judges"]
    controls = [judge for judge in judges if judge["control"] is not None]
    seeing = [judge for judge in judges if judge["control"] is None]
    assert len(controls) == len(CONTROLS) and len(seeing) == len(EMBEDDED_JUDGES)
    assert all(judge["coverage"] == 1 and not judge["failures"] for judge in judges)
    better = max(seeing, key=lambda judge: judge["auroc"]["value"])
    assert better["auroc"]["low"] > max(control["auroc"]["high"] for control in controls)
    assert next(c for c in controls if c["control"] == "constant")["auroc"]["value"] == 0.5


def test_it_prints_every_judge_and_what_to_try_next(demo: tuple[Path, dict[str, Any], str]) -> None:
    out, _, printed = demo
    for name in (*EMBEDDED_JUDGES, "ngram", "scenes-a (blank)", "hand-", "95% CI"):
        assert name in printed
    assert "alignbench judge" in printed and "alignbench import table" in printed
    assert (out / "reports" / "photographs" / "leaderboard.tex").exists()


def test_a_second_demo_finds_everything_there_and_says_the_same(demo: tuple[Path, dict[str, Any], str]) -> None:
    out, results, printed = demo
    ledgers = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/*/ledger-*")}
    console = Console(file=io.StringIO(), width=100)
    again = run_demo(out, console, unmetered)
    assert json.dumps(again) == json.dumps(results)
    assert isinstance(console.file, io.StringIO) and console.file.getvalue() == printed
    assert {path: path.stat().st_mtime_ns for path in out.glob("runs/*/*/ledger-*")} == ledgers
