"""A small version of benchmarks/coverage.py, and what docs/coverage.md says of the large one."""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import stats

ROOT = Path(__file__).resolve().parent.parent
DATASETS = 40
# Of a figure that is right, two-sided; there are 68, and the seeds are fixed.
CHANCE = 1e-5


def load() -> ModuleType:
    # By its path: another package that is installed beside ours is named `benchmarks`.
    spec = importlib.util.spec_from_file_location("coverage_benchmark", ROOT / "benchmarks" / "coverage.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


coverage = load()


@pytest.fixture(scope="module")
def rows() -> Any:
    return coverage.measure(coverage.WORLDS, DATASETS, coverage.Truth(1, 200_000))


def expected(share: float) -> tuple[float, float]:
    """Between which shares of the data sets a true share lies."""
    low, high = stats.binom.ppf([CHANCE / 2, 1 - CHANCE / 2], DATASETS, share) / DATASETS
    return float(low), float(high)


def test_intervals_cover_what_they_promise(rows: Any) -> None:
    low, high = expected(0.95)
    for row in rows:
        assert low <= row.coverage <= high, row
        assert row.undefined == 0, row


def test_fair_judges_are_accused_as_often_as_is_allowed(rows: Any) -> None:
    low, high = expected(0.05)
    banded = [row for row in rows if coverage.has_band(row.world, row.estimator)]
    assert len(banded) == 14
    for row in banded:
        assert low <= row.found <= high, row


def test_planted_effects_are_found_and_have_the_planted_sign(rows: Any) -> None:
    truth = {row.estimator: row.truth for row in rows if row.world == "biased"}
    assert truth["position (b), incorrect"] > 0.6 and truth["position (b), correct"] > 0.6
    assert truth["position (c), slope"] < -0.03
    assert truth["self-preference (b), AUROC"] < -0.03 < 0.03 < truth["self-preference (c), leniency"]
    assert truth["AUROC, alpha (15% incorrect)"] < truth["AUROC, macro"] < 0.8
    found = {row.estimator: row.found for row in rows if row.world == "biased"}
    assert min(found[name] for name in found if name.startswith("position")) > 0.8


def test_the_truths_are_those_that_can_be_worked_out(rows: Any) -> None:
    """Fair judges have the planted AUROCs and no effect at all."""
    fair = {row.estimator: row.truth for row in rows if row.world == "fair"}
    for estimator, truth in fair.items():
        known = 0.8 if estimator.startswith("AUROC") else 0.5 if estimator.startswith("position (b)") else 0.0
        known = 0.05 if estimator == "difference, unequal judges" else known
        assert truth == pytest.approx(known, abs=0.008), estimator


def test_a_row_counts_what_it_says() -> None:
    said = [coverage.Said(0.5, 0.4, 0.6, 0.04), coverage.Said(0.5, 0.45, 0.49, 0.5), coverage.Said(*[np.nan] * 4)]
    row = coverage._row("fair", "position (c), slope", np.array([0.5, 0.54]), [*said, said[1]])
    assert row.truth == pytest.approx(0.52)
    assert row.truth_error == pytest.approx(0.02)
    assert row.coverage == pytest.approx(1 / 3)
    assert row.width == pytest.approx((0.2 + 0.04 + 0.04) / 3)
    assert (row.found, row.undefined, row.accused) == (0.25, 0.25, True)
    assert row.distance(0.0) == pytest.approx((0.95 - 1 / 3) / 0.02)
    assert replace(row, coverage=0.96, found=0.06).distance(0.0) == pytest.approx(2 / 3)
    assert replace(row, coverage=0.96, world="biased").distance(0.0) == pytest.approx(0.5)
    assert replace(row, coverage=0.95, found=0.0).distance(0.0) > 1
    assert replace(row, coverage=0.95, found=0.0, estimator="self-preference (d), AUROC").distance(0.0) == 0


def test_the_page_is_that_of_a_full_run_within_its_bands(rows: Any) -> None:
    page = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| ")][
        1:
    ]
    assert [row[:2] for row in cells] == [[row.world, row.estimator] for row in rows]
    assert re.search(r"Each of 2,000 simulated data sets", page)
    for cell in cells:
        assert 93 <= float(cell[4].removesuffix(" %")) <= 97, cell
        if coverage.has_band(*cell[:2]) and not cell[1].startswith(coverage.POOLED):
            assert 3.5 <= float(cell[6].split()[0]) <= 6.5, cell


def test_the_page_says_what_the_rows_say(rows: Any) -> None:
    page = coverage.page(rows, coverage.Truth(1, 200_000), "python coverage.py")
    assert all(line in page for line in coverage.lines_of(rows))
    assert max(len(line) for line in page.splitlines()) <= 120
