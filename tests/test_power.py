"""Planning how many clusters it takes, with formulas by hand and by simulated replications."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from alignbench import cli
from alignbench.clustered import Scores, influence, standard_error
from alignbench.errors import UnknownNameError, UsageError
from alignbench.evaluate import evaluate
from alignbench.metrics import auroc
from alignbench.power import UNPLANNABLE, clusters_needed
from alignbench.report.differences import signed, signed_interval
from alignbench.report.planning import needed_notes, needed_rows
from alignbench.significance import p_value
from tests.oracles import FloatArray, World, draw_world
from tests.planted_runs import Producer, scores_for, write_dataset, write_run


def results_of(*comparisons: dict[str, Any], clusters: int = 100, controls: Sequence[str] = ()) -> dict[str, Any]:
    names = list(dict.fromkeys(said[side] for said in comparisons for side in "ab"))
    judges = [
        {"name": name, "judge_id": f"id-of-{name}", "control": "constant" if name in controls else None}
        for name in names
    ]
    return {
        "dataset": {"name": "planted", "version": "1", "clusters": clusters},
        "judges": judges,
        "comparisons": list(comparisons),
    }


def difference(a: str, b: str, delta: float | None, se: float | None, *, reach: float = 2.0) -> dict[str, Any]:
    ends = (None, None) if delta is None or se is None else (delta - reach * se, delta + reach * se)
    reason = None if se is not None else "nothing to compare"
    return dict(zip(("a", "b", "delta", "low", "high", "reason", "se"), (a, b, delta, *ends, reason, se), strict=True))


def pairs(said: dict[str, Any]) -> list[set[str]]:
    return [{pair["a"], pair["b"]} for pair in said["pairs"]]


# Numbers


def test_the_numbers_by_hand() -> None:
    # (1.95996 + 0.84162) x .02 = .0560; the interval is [.03, .11]; 100 x (.0560 / d)^2 for .07, .03 and .02.
    said = clusters_needed(results_of(difference("x", "y", -0.07, 0.02)), difference=0.02)
    (pair,) = said["pairs"]
    assert pair["detectable"] == pytest.approx(0.056032, abs=1e-6)
    assert [pair["needed"][kind]["clusters"] for kind in ("seen", "nearer_end", "difference")] == [65, 349, 785]
    assert all(each["reason"] is None for each in pair["needed"].values())
    assert said["dataset"] == {"name": "planted", "version": "1", "clusters": 100}


@pytest.mark.parametrize(("power", "tests"), [(0.8, 1), (0.9, 1), (0.8, 10), (0.5, 3)])
def test_the_needed_clusters_detect_just_that_difference(power: float, tests: int) -> None:
    wanted, se = 0.01, 0.02
    said = clusters_needed(results_of(difference("x", "y", 0.05, se)), difference=wanted, power=power, tests=tests)
    needed = said["pairs"][0]["needed"]["difference"]["clusters"]
    critical = stats.norm.isf(0.05 / tests / 2)
    for clusters, enough in ((needed, True), (needed - 1, False)):
        se_then = se * np.sqrt(100 / clusters)
        assert (stats.norm.sf(critical - wanted / se_then) >= power) is np.bool_(enough)


def test_more_power_and_more_tests_need_more() -> None:
    results = results_of(difference("x", "y", 0.05, 0.02))
    counts = [
        clusters_needed(results, power=power, tests=tests)["pairs"][0]["needed"]["seen"]["clusters"]
        for power, tests in ((0.8, 1), (0.9, 1), (0.9, 5))
    ]
    assert counts == sorted(set(counts))


def test_a_difference_whose_interval_holds_nothing_cannot_be_planned_from() -> None:
    (pair,) = clusters_needed(results_of(difference("x", "y", 0.03, 0.02)))["pairs"]
    assert pair["needed"]["nearer_end"] == {"clusters": None, "reason": UNPLANNABLE}
    assert pair["needed"]["seen"]["clusters"] == 349
    assert pair["needed"]["difference"] is None


@pytest.mark.parametrize(
    ("delta", "se", "missing"),
    [
        (None, None, {"seen", "nearer_end", "difference"}),
        (0.1, None, {"seen", "nearer_end", "difference"}),
        (0.0, 0.0, {"seen", "nearer_end", "difference"}),
        (0.0, 0.02, {"seen", "nearer_end"}),
    ],
)
def test_what_cannot_be_told_is_null_with_a_reason(delta: float | None, se: float | None, missing: set[str]) -> None:
    said = clusters_needed(results_of(difference("x", "y", delta, se)), difference=0.02)
    needed = said["pairs"][0]["needed"]
    for kind, each in needed.items():
        assert (each["clusters"] is None) == (kind in missing) == (each["reason"] is not None)
    json.dumps(said, allow_nan=False)


def test_plans_of_too_few_clusters_are_said() -> None:
    large, small = (clusters_needed(results_of(difference("x", "y", delta, 0.02))) for delta in (0.05, 0.3))
    assert not any("fewer than 20" in note for note in large["says"])
    assert any("fewer than 20" in note for note in small["says"])


def lead(world: World, other: World) -> tuple[float, float | None]:
    """The difference of two judges of the same sentences, and its standard error."""
    moves = []
    for each in (other, world):
        sides = [Scores(each.score[each.is_correct == side], each.cluster[each.is_correct == side]) for side in (1, 0)]
        moves.append(influence(sides[0], sides[1], int(each.cluster.max()) + 1))
    delta = (auroc(*other[:2]).value or 0.0) - (auroc(*world[:2]).value or 0.0)
    return delta, standard_error(moves[0] - moves[1])


def two_judges(rng: np.random.Generator, images: int, aurocs: tuple[float, float]) -> tuple[World, World]:
    """Judges whose noise is partly the same, with these AUROCs; scores and labels have an ICC of .5."""
    world = draw_world(rng, images=images, auroc=aurocs[0], wrong=0.3)
    shift, more = (np.sqrt(2) * special.ndtri(value) for value in aurocs)
    own: FloatArray = np.sqrt(0.5) * (rng.normal(size=images)[world.cluster] + rng.normal(size=world.cluster.size))
    noise = 0.6 * (world.score - shift * world.is_correct) + 0.8 * own
    return world, world._replace(score=noise + more * world.is_correct)


def test_the_planned_number_of_clusters_gives_the_planned_power() -> None:
    """Planned from 4,000 images, then as many new data sets of the planned size as show the power to 4 points."""
    rng = np.random.default_rng(0)
    delta, se = lead(*two_judges(rng, 4000, (0.70, 0.76)))
    results = results_of(difference("x", "y", delta, se), clusters=4000)
    needed = clusters_needed(results, difference=0.06)["pairs"][0]["needed"]["difference"]["clusters"]
    assert 100 < needed < 600
    found = 0
    for _ in range(500):
        worlds = two_judges(rng, needed, (0.70, 0.76))
        p = p_value(*lead(*worlds), np.unique(worlds[0].cluster[~worlds[0].is_correct]).size - 1)
        found += p is not None and p < 0.05
    # Two standard errors of a share of 500 are 3.6 points.
    assert found / 500 == pytest.approx(0.8, abs=0.04)


# Which judges


FOUR = results_of(
    difference("x", "y", 0.05, 0.02),
    difference("x", "z", 0.06, 0.02),
    difference("y", "z", 0.01, 0.02),
    difference("x", "blind", 0.3, 0.02),
    difference("y", "blind", 0.25, 0.02),
    difference("z", "blind", 0.24, 0.02),
    controls=["blind"],
)


def test_judges_are_chosen_by_name_or_id() -> None:
    assert pairs(clusters_needed(FOUR)) == [{"x", "y"}, {"x", "z"}, {"y", "z"}]
    assert pairs(clusters_needed(FOUR, judges=["z"])) == [{"x", "z"}, {"y", "z"}]
    assert pairs(clusters_needed(FOUR, judges=["x", "id-of-z"])) == [{"x", "z"}]
    assert pairs(clusters_needed(FOUR, judges=["x", "y", "blind"])) == [{"x", "y"}, {"x", "blind"}, {"y", "blind"}]
    assert pairs(clusters_needed(FOUR, judges=["blind"])) == [{"x", "blind"}, {"y", "blind"}, {"z", "blind"}]


def test_an_unknown_judge_is_told_the_nearest() -> None:
    results = results_of(difference("scenes-a", "scenes-clip", 0.1, 0.02))
    with pytest.raises(UnknownNameError, match=r"no judge 'scene-a' .nearest: scenes-a"):
        clusters_needed(results, judges=["scene-a"])


@pytest.mark.parametrize(
    "wrong",
    [{"power": 0.05}, {"power": 1.0}, {"tests": 0}, {"difference": 0.0}, {"difference": -0.1}, {"difference": 1.0}],
)
def test_wrong_arguments_say_what_is_allowed(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"the power between 0.05 and 1, tests at least 1"):
        clusters_needed(FOUR, **wrong)


def test_judges_without_a_comparison_are_wrong_use() -> None:
    with pytest.raises(UsageError, match="does not differ from itself"):
        clusters_needed(FOUR, judges=["x", "id-of-x"])
    alone = results_of(difference("x", "blind", 0.3, 0.02), controls=["blind"])
    with pytest.raises(UsageError, match="no comparison of judges that are no blind controls among blind, x; judge"):
        clusters_needed(alone)


def test_results_of_an_earlier_version_say_what_to_run() -> None:
    said = difference("x", "y", 0.1, 0.02)
    del said["se"]
    with pytest.raises(UsageError, match="earlier version: they say no standard errors; run `alignbench evaluate"):
        clusters_needed(results_of(said))
    results = results_of(difference("x", "y", 0.1, 0.02))
    del results["dataset"]["clusters"]
    with pytest.raises(UsageError, match="earlier version"):
        clusters_needed(results)


# What is printed


def test_differences_in_a_few_characters() -> None:
    assert [signed(value) for value in (0.0123, -0.5, 1.0, None)] == ["+.012", "-.500", "+1.000", "–"]
    assert signed_interval(0.1, -0.05, 0.25) == "+.100 [-.050, .250]"
    assert signed_interval(0.1, None, None) == "+.100"


def test_rows_and_notes() -> None:
    said = clusters_needed(FOUR, judges=["y", "z"], difference=0.02)
    header, row = needed_rows(said)
    assert header[-1] == "for .020"
    assert row == ["y, z", "+.010 [-.030, .050]", ".056", "3,140", "–", "785"]
    notes = needed_notes(said)
    assert notes[0] == f"– {UNPLANNABLE}"
    assert any("itself uncertain" in note for note in notes)
    assert len(needed_rows(clusters_needed(FOUR))[0]) == 5


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("power")
    dataset = write_dataset(folder / "planted", [Producer("alpha"), Producer("beta")])
    write_run(folder / "runs", dataset, "strong", scores_for(dataset, 2.0, seed=1))
    write_run(folder / "runs", dataset, "weak", scores_for(dataset, 0.5, seed=2))
    write_run(folder / "runs", dataset, "blind", np.zeros(dataset.counts["sentences"]), control="constant")
    results = evaluate(dataset, folder / "runs", replicates=100)
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    return folder


def test_the_command_prints_a_table_or_json(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["power", str(report), "--difference", "0.05"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("judges")
    assert "strong, weak" in said
    assert "for .050" in said
    assert "blind" not in said
    assert cli.run(["power", str(report), "--judge", "strong", "--judge", "blind", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert pairs(found) == [{"strong", "blind"}]
    assert found["pairs"][0]["needed"]["nearer_end"]["clusters"] >= found["pairs"][0]["needed"]["seen"]["clusters"] > 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is no folder, so it is no report; run `alignbench evaluate DATASET RUNS --out"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "holds no results of alignbench: it lacks signature, dataset"),
        ('{"dataset": 1}', "it lacks signature, seed"),
        (b"\xff\xfe\x00", "is no text"),
    ],
)
def test_what_is_no_report_says_what_to_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | bytes | None, said: str
) -> None:
    folder = tmp_path / "report"
    if content is not None:
        folder.mkdir()
        (folder / "results.json").write_bytes(content.encode() if isinstance(content, str) else content)
    assert cli.run(["power", str(folder)]) == 2
    assert said in capsys.readouterr().err
    if content is None:
        folder.mkdir()
        assert cli.run(["power", str(folder)]) == 2
        assert "has no results.json, so it is no report" in capsys.readouterr().err
