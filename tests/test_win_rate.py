"""Win rates, contest by contest."""

from __future__ import annotations

import numpy as np
import pytest

from alignbench.analysis.win_rate import ALONE, NO_AUROC, NO_PRODUCER, NOTE, win_rates
from alignbench.cells import Cells
from alignbench.intervals import NO_SPREAD
from alignbench.panel import Panel
from alignbench.resample import Draws
from alignbench.scored import Scored
from tests.oracles import FloatArray, slow_auroc
from tests.panels import draw_panel

PRODUCERS = (0, 1, 2)


def scored_of(panel: Panel, score: FloatArray, replicates: int = 200) -> Scored:
    cells = Cells(panel.is_correct, panel.producer, len(panel.producers), ~panel.is_correct[:, None])
    return Scored(cells, score, panel.cluster, Draws(panel.stratum, 0, replicates))


def judges(panel: Panel, score: FloatArray, levels: list[float]) -> list[FloatArray]:
    """Judges that know more the higher their level, each with noise of its own."""
    rng = np.random.default_rng(1)
    return [score * level + rng.normal(size=score.size) for level in levels]


def slow_win_rate(panel: Panel, scores: list[FloatArray], place: int) -> float:
    won = []
    for producer in PRODUCERS:
        aurocs = []
        for score in scores:
            rows = (panel.producer == producer) & ~np.isnan(score)
            aurocs.append(slow_auroc(panel.is_correct[rows], score[rows]))
        others = [auroc for other, auroc in enumerate(aurocs) if other != place]
        pairs = [(aurocs[place], other) for other in others if not np.isnan(aurocs[place] + other)]
        won += [1.0 if own > other else 0.5 if own == other else 0.0 for own, other in pairs]
    return float(np.mean(won))


def test_a_win_rate_is_the_share_of_contests_won() -> None:
    panel, score = draw_panel(60)
    scores = [*judges(panel, score, [2.0, 0.5, 0.5, 0.0]), np.zeros(score.size), np.zeros(score.size)]
    names = [f"judge-{place}" for place in range(len(scores))]
    found = win_rates(names, [scored_of(panel, each) for each in scores], PRODUCERS)
    assert list(found) == names
    for place, name in enumerate(names):
        assert found[name]["value"] == pytest.approx(slow_win_rate(panel, scores, place))
        assert found[name]["n"] == 15
        assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]
    assert sum(found[name]["value"] for name in names) / len(names) == pytest.approx(0.5)


def test_the_interval_is_of_the_paired_replicates() -> None:
    panel, score = draw_panel(150)
    scored = [scored_of(panel, each) for each in judges(panel, score, [0.5, 0.45, 0.4])]
    found = win_rates(["a", "b", "c"], scored, PRODUCERS)["a"]
    # Replicates of continuous scores hardly ever tie.
    one = scored[0]
    won = np.mean([one.replicates([p]) > two.replicates([p]) for two in scored[1:] for p in PRODUCERS], axis=0)
    assert (found["low"], found["high"]) == pytest.approx(tuple(np.quantile(won, [0.025, 0.975])))
    assert found["low"] < found["high"]
    assert found["reason"] is None


def test_contests_without_an_auroc_are_left_out() -> None:
    panel, score = draw_panel(60)
    scores = judges(panel, score, [1.0, 0.5, 0.2])
    scores[1] = np.where((panel.producer == 2) & panel.is_correct, np.nan, scores[1])
    found = win_rates(["a", "b", "c"], [scored_of(panel, each) for each in scores], PRODUCERS)
    assert [found[name]["n"] for name in "abc"] == [5, 4, 5]
    for place, name in enumerate("abc"):
        assert found[name]["value"] == pytest.approx(slow_win_rate(panel, scores, place))


def test_nothing_to_win_gives_nulls_with_a_reason() -> None:
    panel, score = draw_panel(30)
    one, silent = scored_of(panel, score), scored_of(panel, np.full(score.size, np.nan))
    nothing = {"value": None, "low": None, "high": None, "n": 0}
    assert win_rates([], [], PRODUCERS) == {}
    assert win_rates(["a"], [one], PRODUCERS) == {"a": nothing | {"reason": ALONE}}
    assert win_rates(["a", "b"], [one, one], ()) == dict.fromkeys("ab", nothing | {"reason": NO_PRODUCER})
    assert win_rates(["a", "b"], [one, silent], PRODUCERS) == dict.fromkeys("ab", nothing | {"reason": NO_AUROC})


def test_few_clusters_are_said_and_one_gives_no_interval() -> None:
    panel, score = draw_panel(18, aurocs=(0.7,))
    scores = judges(panel, score, [1.0, 0.5])
    found = win_rates(["a", "b"], [scored_of(panel, each, 40) for each in scores], (0,))
    assert found["a"]["reason"].startswith("too few")
    panel = Panel(**{name: getattr(panel, name) for name in Panel.__slots__} | {"cluster": panel.cluster * 0})
    scored = [scored_of(panel, each, 40) for each in scores]
    found = win_rates(["a", "b"], scored, (0,))
    assert found["a"]["value"] == 1
    assert [found["a"][key] for key in ("low", "high", "reason")] == [None, None, NO_SPREAD]


def test_what_it_depends_on_is_said() -> None:
    assert "depends on which other judges there are" in NOTE
