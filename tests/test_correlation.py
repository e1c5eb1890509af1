"""Correlation of judges' AUROC with what others measured: the numbers, the CSV, the names, the command."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from alignbench.analysis import correlation as module
from alignbench.analysis.correlation import MIN_JUDGES, PERMUTATIONS, Correlations, correlations
from alignbench.cli import alignbench as program
from alignbench.errors import AlignbenchError, ImportFileError, UnknownNameError, UsageError
from alignbench.literature import read_reference
from alignbench.literature.score_table import read_scores

KINDS = ("spearman", "kendall", "pearson")


# The numbers


def drawn(n: int, seed: int = 0, step: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = 0.7 * x + rng.normal(size=n)
    return (np.round(x / step), np.round(y / step)) if step else (x, y)


@pytest.mark.parametrize("step", [0.0, 0.8], ids=["all different", "tied"])
@pytest.mark.parametrize("n", [5, 9, 40])
def test_values_are_those_of_scipy(n: int, step: float) -> None:
    x, y = drawn(n, step=step)
    said = correlations(x, y, 0)
    assert said.n == n
    assert said.spearman.value == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert said.kendall.value == pytest.approx(stats.kendalltau(x, y, variant="b").statistic, abs=1e-12)
    assert said.pearson.value == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)


def test_the_interval_of_pearson_is_that_of_scipy() -> None:
    x, y = drawn(20)
    expected = stats.pearsonr(x, y).confidence_interval(0.95)
    assert correlations(x, y, 0).pearson[1:3] == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_the_intervals_of_ranks_are_those_of_bonett_and_wright_by_hand() -> None:
    x, y = drawn(20)
    said = correlations(x, y, 0)
    for found, variance in (
        (said.spearman, (1 + (said.spearman.value or 0) ** 2 / 2) / 17),
        (said.kendall, 0.437 / 16),
    ):
        z = np.arctanh(found.value or 0)
        expected = np.tanh([z - 1.959964 * np.sqrt(variance), z + 1.959964 * np.sqrt(variance)])
        assert found[1:3] == pytest.approx(expected.tolist(), abs=1e-6)


def test_intervals_cover() -> None:
    covered = dict.fromkeys(KINDS, 0)
    truth = {"spearman": 6 / np.pi * np.arcsin(0.3), "kendall": 2 / np.pi * np.arcsin(0.6), "pearson": 0.6}
    rng = np.random.default_rng(0)
    for _ in range(400):
        x, noise = rng.normal(size=(2, 12))
        said = correlations(x, 0.6 * x + 0.8 * noise, 0) if _ == 0 else _without_p(x, 0.6 * x + 0.8 * noise)
        for kind in KINDS:
            low, high = getattr(said, kind)[1:3]
            covered[kind] += low <= truth[kind] <= high
    assert all(0.91 <= count / 400 <= 0.99 for count in covered.values()), covered


def _without_p(x: np.ndarray, y: np.ndarray) -> Correlations:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_permutation_p", lambda *_: 1.0)
        return correlations(x, y, 0)


def test_the_p_of_few_judges_counts_all_permutations() -> None:
    x, y = drawn(7, step=0.8)
    observed = abs(stats.spearmanr(x, y).statistic)
    extreme = [
        abs(stats.spearmanr(x, y[list(order)]).statistic) >= observed - 1e-9
        for order in itertools.permutations(range(7))
    ]
    assert correlations(x, y, 0).p == pytest.approx(np.mean(extreme), abs=1e-12)


def test_the_p_of_many_judges_is_near_that_of_t_and_never_zero() -> None:
    x, y = drawn(40, seed=3)
    y += 1.0 * np.random.default_rng(4).normal(size=40)
    assert correlations(x, y, 0).p == pytest.approx(stats.spearmanr(x, y).pvalue, abs=0.01)
    assert correlations(x, x, 0).p == 1 / (1 + PERMUTATIONS)
    assert correlations(x, y, 7) == correlations(x, y, 7)


def test_a_perfect_correlation_has_no_interval() -> None:
    x = np.arange(6.0)
    for sign in (1, -1):
        said = correlations(x, sign * x, 0)
        for kind in KINDS:
            found = getattr(said, kind)
            assert found[:3] == (sign, None, None)
            assert found.reason == "the correlation is perfect, which leaves no spread to go by"
        assert said.p == pytest.approx(2 / 720)


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        (np.arange(4.0), np.arange(4.0), f"4 judges have both numbers, and a correlation needs at least {MIN_JUDGES}"),
        (np.empty(0), np.empty(0), f"0 judges have both numbers, and a correlation needs at least {MIN_JUDGES}"),
        (np.ones(8), np.arange(8.0), "all judges have the same number"),
        (np.arange(8.0), np.ones(8), "all judges have the same number"),
        (
            np.full(8, np.nan),
            np.arange(8.0),
            f"0 judges have both numbers, and a correlation needs at least {MIN_JUDGES}",
        ),
    ],
)
def test_what_cannot_be_correlated_is_null_with_a_reason(x: np.ndarray, y: np.ndarray, reason: str) -> None:
    said = correlations(x, y, 0)
    assert all(getattr(said, kind) == (None, None, None, reason) for kind in KINDS)
    assert said.p is None


def test_judges_without_both_numbers_are_left_out() -> None:
    x, y = drawn(12)
    holed_x, holed_y = x.copy(), y.copy()
    holed_x[2] = holed_y[5] = np.nan
    kept = np.delete(np.arange(12), [2, 5])
    assert correlations(holed_x, holed_y, 0) == correlations(x[kept], y[kept], 0)


@given(st.lists(st.floats(-1e100, 1e100), min_size=5, max_size=5), st.permutations([1.0, 2.0, 3.0, 4.0, 5.0]))
def test_any_numbers_give_values_or_reasons(x: list[float], y: list[float]) -> None:
    said = correlations(np.array(x), np.array(y), 0)
    for kind in KINDS:
        value, low, high, reason = getattr(said, kind)
        assert (value is None) <= (reason is not None)
        assert value is None or -1 <= value <= 1
        assert low is None or -1 <= low <= value <= high <= 1


# The CSV


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_is_read_with_empty_cells_quotes_and_a_byte_order_mark(tmp_path: Path) -> None:
    text = '\ufeffjudge, MMMU,"Bench, hard"\r\n"a, big",56.1,\r\n\r\nb, ,-2e1\r\n'
    table = read_scores(write(tmp_path / "scores.csv", text))
    assert (table.judges, table.columns) == (("a, big", "b"), ("MMMU", "Bench, hard"))
    assert table.values == pytest.approx(np.array([[56.1, np.nan], [np.nan, -20]]), nan_ok=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the columns are none"),
        ("name,MMMU\na,1\n", "line 1: the columns are name, MMMU"),
        ("judge\na\n", "line 1"),
        ("judge,MMMU,MMMU\na,1,2\n", "line 1"),
        ("judge,MMMU,\na,1,2\n", "line 1"),
        ("judge,judge,MMMU\na,b,2\n", "line 1"),
        ("judge,MMMU\na,1\nb,1,2\n", "line 3: 3 cells, but the header has 2"),
        ("judge,MMMU\na,1\n,2\n", "line 3: there is no name"),
        ("judge,MMMU\na,1\nb,2\na,3\n", "line 4: 'a' stands in line 2 already"),
        ("judge,MMMU\na,good\n", "line 2: 'good' in the column 'MMMU' is no finite number"),
        ("judge,MMMU\na,nan\n", "line 2: 'nan'"),
        ("judge,MMMU\na,inf\n", "line 2: 'inf'"),
        ('judge,MMMU\n"a" b,1\n', "line 2"),
    ],
)
def test_a_malformed_table_is_refused_with_its_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path / "scores.csv", text)
    with pytest.raises(ImportFileError) as caught:
        read_scores(path)
    assert str(path) in str(caught.value) and said in str(caught.value)


def test_no_file_and_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match=r"nowhere\.csv cannot be read"):
        read_scores(tmp_path / "nowhere.csv")
    (tmp_path / "bytes.csv").write_bytes(b"judge,MMMU\n\xff\xfe,1\n")
    with pytest.raises(ImportFileError, match=r"bytes\.csv cannot be read as UTF-8"):
        read_scores(tmp_path / "bytes.csv")


# The command

AUROCS = {"gpt-4o": 0.71, "lantern-7b": 0.66, "lantern-70b": 0.81, "quill": 0.6, "clip": 0.55, "siglip": 0.54}


def write_report(folder: Path, aurocs: Mapping[str, float | None] = AUROCS) -> Path:
    """A report with these judges and a blind control."""
    judges = [{"name": name, "control": None, "auroc": {"value": value}} for name, value in aurocs.items()]
    judges.append({"name": "blank", "control": "blank", "auroc": {"value": 0.5}})
    producers = {"alpha": {"correct": 90, "incorrect": 90, "in_macro": True}}
    results = {"signature": "signed", "seed": 0, "replicates": 100, "comparisons": []}
    results |= {"judges": judges, "dataset": {"producers": producers}}
    folder.mkdir()
    write(folder / "results.json", json.dumps(results))
    return folder


def scores_of(path: Path, scores: Mapping[str, float | str]) -> Path:
    return write(path, "judge,MMMU\n" + "".join(f"{name},{value}\n" for name, value in scores.items()))


def asked(*arguments: object) -> dict[str, Any]:
    done = CliRunner().invoke(program, ["correlate", *map(str, arguments), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.output)
    return found


def test_columns_are_correlated_with_the_judges_they_name(tmp_path: Path) -> None:
    report = write_report(tmp_path / "report")
    text = "judge,MMMU,other\n" + "".join(f"{name},{60 * value},{value**2}\n" for name, value in AUROCS.items())
    said = asked(report, write(tmp_path / "scores.csv", text))
    assert [(each["column"], each["n"]) for each in said["correlations"]] == [("MMMU", 6), ("other", 6)]
    assert [each["spearman"]["value"] for each in said["correlations"]] == [1, 1]
    assert list(said["correlations"][0]["spearman"]) == ["value", "low", "high", "reason", "p"]
    assert said["correlations"][0]["judges"][0] == {
        "name": "lantern-70b",
        "auroc": 0.81,
        "score": pytest.approx(48.6),
        "published": False,
    }
    assert said["not_in_report"] == said["not_in_scores"] == said["without_auroc"] == []


def test_names_without_a_partner_are_named_with_the_nearest(tmp_path: Path) -> None:
    report = write_report(tmp_path / "report", {**AUROCS, "mute": None})
    scores = {"GPT4o": 70, "lantern_7b": 1, "lantern-90b": 1, "quill": 3, "clip": 4, "siglip": 5, "mute": 6}
    path = scores_of(tmp_path / "scores.csv", scores)
    said = asked(report, path)
    assert [each["name"] for each in said["correlations"][0]["judges"]] == [
        "gpt-4o",
        "lantern-7b",
        "quill",
        "clip",
        "siglip",
    ]
    (lacking,) = said["not_in_report"]
    assert lacking["name"] == "lantern-90b" and "lantern-70b" in lacking["nearest"]
    (unscored,) = said["not_in_scores"]  # a blind control is not missed
    assert unscored["name"] == "lantern-70b" and "lantern-90b" in unscored["nearest"]
    assert said["without_auroc"] == ["mute"]
    printed = CliRunner().invoke(program, ["correlate", str(report), str(path)], catch_exceptions=False).output
    assert "in the score table, but no judge here: lantern-90b (nearest: lantern-70b" in printed
    assert "no line in the score table: lantern-70b (nearest: lantern-90b" in printed
    assert "without an AUROC: mute" in printed


def test_too_few_judges_are_null_with_the_reason(tmp_path: Path) -> None:
    report = write_report(tmp_path / "report")
    path = scores_of(tmp_path / "scores.csv", {"gpt-4o": 1, "quill": 2, "clip": 3, "siglip": ""})
    (said,) = asked(report, path)["correlations"]
    assert said["n"] == 3
    assert all(said[kind]["value"] is None and "at least 5" in said[kind]["reason"] for kind in KINDS)
    assert said["spearman"]["p"] is None
    printed = CliRunner().invoke(program, ["correlate", str(report), str(path)], catch_exceptions=False).output
    assert "\N{EN DASH} MMMU: 3 judges have both numbers" in printed


def test_published_judges_take_part_where_asked(tmp_path: Path) -> None:
    table = read_reference("alignbench-2511.20515")
    report = write_report(tmp_path / "report")
    # By the name in the table with its size, by the name that `alignbench list judges` gives, and one of ours.
    scores = {"GPT5": 84, "Llama-4 400B": 73, "qwen2.5-vl-32b": 70, "gemma-3-27b": 65, "InternVL2 8B": 51, "gpt-4o": 69}
    path = scores_of(tmp_path / "scores.csv", scores)
    (said,) = asked(report, path, "--reference", table.name)["correlations"]
    published = {row.label: row.average for row in table.judges}
    expected = {
        "GPT5": published["GPT5"],
        "Llama-4 400B": published["Llama-4 400B"],
        "Qwen-2.5(-VL) 32B": published["Qwen-2.5(-VL) 32B"],
        "Gemma-3 27B": published["Gemma-3 27B"],
        "InternVL2 8B": published["InternVL2 8B"],
    }
    assert {each["name"]: each["auroc"] for each in said["judges"] if each["published"]} == expected
    assert [each["name"] for each in said["judges"] if not each["published"]] == ["gpt-4o"]
    rho = stats.spearmanr([*expected.values(), 0.71], list(scores.values())).statistic
    assert said["spearman"]["value"] == pytest.approx(rho)
    printed = CliRunner().invoke(program, ["correlate", str(report), str(path), "--reference", table.name]).output
    assert "MMMU, published, not run here: GPT5, Llama-4 400B" in printed
    assert "over other producers" in printed


def test_two_lines_of_one_judge_are_refused(tmp_path: Path) -> None:
    report = write_report(tmp_path / "report")
    path = scores_of(tmp_path / "scores.csv", {"gpt-4o": 1, "GPT4o": 2})
    with pytest.raises(ImportFileError, match=r"the lines gpt-4o, GPT4o are all of the judge gpt-4o"):
        asked(report, path)
    path = scores_of(tmp_path / "scores.csv", {"llama-4-maverick": 1, "Llama-4 400B": 2})
    with pytest.raises(ImportFileError, match="Llama-4 400B"):
        asked(report, path, "--reference", "alignbench-2511.20515")


def test_judges_whose_names_differ_in_signs_only_are_told_apart(tmp_path: Path) -> None:
    report = write_report(tmp_path / "report", {"clip-a": 0.6, "clip_a": 0.7})
    said = asked(report, scores_of(tmp_path / "scores.csv", {"clip_a": 1, "clip a": 2}))
    assert [each["name"] for each in said["correlations"][0]["judges"]] == ["clip_a"]
    assert [each["name"] for each in said["not_in_report"]] == ["clip a"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["nowhere", "scores.csv"], UsageError),
        (["report", "nowhere.csv"], ImportFileError),
        (["report", "scores.csv", "--reference", "alignbench-2511"], UnknownNameError),
    ],
)
def test_wrong_use_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], error: type[AlignbenchError]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_report(tmp_path / "report")
    scores_of(tmp_path / "scores.csv", {"gpt-4o": 1})
    with pytest.raises(error):
        asked(*arguments)


def test_one_column_prints_a_line_a_person_can_read(tmp_path: Path) -> None:
    report = write_report(tmp_path / "report")
    path = scores_of(tmp_path / "scores.csv", dict(zip(AUROCS, [69, 50, 60, 40, 30, 35], strict=True)))
    head, line, *_ = CliRunner().invoke(program, ["correlate", str(report), str(path)]).output.splitlines()
    assert head.split() == "column judges Spearman [95% CI] p Kendall [95% CI] Pearson [95% CI]".split()
    assert line.split()[:4] == ["MMMU", "6", ".89", "[.07,"]
