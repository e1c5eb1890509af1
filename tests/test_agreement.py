"""Agreement between annotators: against reference libraries, by hand, from datasets, and how its intervals cover."""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import fleiss_kappa

from alignbench.analysis.agreement import (
    ClusterSums,
    agreement_of_sums,
    agreement_sums,
    cluster_interval,
    pair_agreement,
    replicated_agreement,
)
from alignbench.analysis.characters import Ranges, Text
from alignbench.analysis.span_agreement import MarkedVotes, overlap
from alignbench.cli import run
from alignbench.errors import DatasetError
from alignbench.exchange.halcap import import_halcap
from alignbench.labelling.agreement.figures import agreement_of
from alignbench.labelling.events import make_event
from alignbench.labelling.record import record_events
from alignbench.resample import Draws
from alignbench.schema import LABELS
from alignbench.store import Dataset
from alignbench.types import ErrorType, Label, LabelEvent, Role, Sentence, Span
from tests.datasets import make_dataset
from tests.oracles import FloatArray, IntArray

SAME = 1e-12
FIXTURES = Path(__file__).parent / "fixtures"
MORNING = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)

# Fleiss (1971) in the form of a table of 10 subjects, 14 raters and 5 categories, as in textbooks: kappa = 0.210.
FLEISS = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
)
# Krippendorff (2011), "Computing Krippendorff's alpha-reliability", section C: 4 observers, 12 units, 0 = missing.
KRIPPENDORFF = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
        [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
    ]
)
# model, N_items, kappa, P_bar, P_e: https://huggingface.co/datasets/omron-sinicx/AlignBench, fleiss_by_model.csv at
# revision d34e3d7, the release of arXiv 2511.20515.
PUBLISHED = """\
sharegpt,19314,0.24459905731667178,0.7447464706085429,0.662095299372082
llama-4,17092,0.3040423840257063,0.7727357828223926,0.6734510666149507
gpt4o,14032,0.22118103621518398,0.8583238312428856,0.8180884450108756
sd,22005,0.27894352114873583,0.6998682117700742,0.5837610547400193
cogvlm,7769,0.4005938232279705,0.8853649118290763,0.8087522407789225
llava,16795,0.24717753573178539,0.729711223578472,0.6409661118650812
gpt4o-imagen,3968,0.2860384169876807,0.7377184139784893,0.6326390771406742
qwen,16286,0.26133085224950925,0.8248843587539652,0.7629308848497003
"""


def agreement(counts: IntArray) -> tuple[float, float, float, float]:
    kappa, alpha, mean, chance = (float(each) for each in agreement_of_sums(agreement_sums(counts).sum(axis=0)))
    return kappa, alpha, mean, chance


def counts_of(votes: IntArray, labels: int) -> IntArray:
    """(units, labels) from (observers, units) of 1..labels, 0 where missing."""
    return np.array([[int((unit == label).sum()) for label in range(1, labels + 1)] for unit in votes.T])


def kappa_by_pairs(counts: IntArray) -> float:
    """Every two annotators of every sentence, one after the other."""
    shares, votes = [], []
    for row in counts.tolist():
        said = [label for label, number in enumerate(row) for _ in range(number)]
        if len(said) > 1:
            shares.append(np.mean([a == b for a, b in combinations(said, 2)]))
            votes += said
    chance = sum((votes.count(label) / len(votes)) ** 2 for label in set(votes))
    return float((np.mean(shares) - chance) / (1 - chance))


# --- against libraries, textbooks, a table by hand


@pytest.mark.parametrize("seed", range(20))
def test_fleiss_kappa_is_that_of_statsmodels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = int(rng.integers(2, 6))
    shares = rng.dirichlet(np.ones(labels), 40)
    counts = np.array([rng.multinomial(2 + seed % 7, share) for share in shares])
    assert agreement(counts)[0] == pytest.approx(fleiss_kappa(counts), abs=SAME)


@pytest.mark.parametrize("seed", range(20))
def test_krippendorffs_alpha_is_that_of_the_krippendorff_package_with_missing_votes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(1, 4, 60)
    votes = np.where(rng.random((6, 60)) < 0.6, truth, rng.integers(1, 4, (6, 60)))
    votes[rng.random(votes.shape) < 0.5] = 0
    missing = np.where(votes == 0, np.nan, votes)
    expected = krippendorff.alpha(reliability_data=missing, level_of_measurement="nominal")
    assert agreement(counts_of(votes, 3))[1] == pytest.approx(expected, abs=SAME)


def test_the_worked_figures_of_fleiss_and_krippendorff() -> None:
    kappa, _, mean, chance = agreement(FLEISS)
    assert (round(kappa, 3), round(mean, 3), round(chance, 3)) == (0.210, 0.378, 0.213)
    alpha = agreement(counts_of(KRIPPENDORFF, 5))[1]
    assert round(alpha, 3) == 0.743
    missing = np.where(KRIPPENDORFF == 0, np.nan, KRIPPENDORFF)
    assert alpha == pytest.approx(krippendorff.alpha(missing, level_of_measurement="nominal"), abs=SAME)


def test_a_table_worked_by_hand() -> None:
    # Four sentences, three annotators each: correct, incorrect, unknown.
    counts = np.array([[3, 0, 0], [2, 1, 0], [0, 3, 0], [1, 1, 1]])
    # P_i = agreeing pairs / 3 pairs: 3/3, 1/3, 3/3, 0/3, so P = (1 + 1/3 + 1 + 0) / 4 = 7/12.
    assert pair_agreement(counts).tolist() == pytest.approx([1, 1 / 3, 1, 0], abs=SAME)
    # 6 correct, 5 incorrect, 1 unknown of 12: P_e = (36 + 25 + 1) / 144 = 62/144 = 31/72.
    # kappa = (7/12 - 31/72) / (1 - 31/72) = (42/72 - 31/72) / (41/72) = 11/41.
    # Coincidences: o_cc sums P_i times 3 votes: 3 + 1 + 3 + 0 = 7 of n = 12, so D_o = 5/12.
    # D_e = (n^2 - sum n_c^2) / (n (n - 1)) = (144 - 62) / 132 = 82/132.
    # alpha = 1 - (5/12) / (82/132) = 1 - 55/82 = 27/82.
    assert agreement(counts) == pytest.approx((11 / 41, 27 / 82, 7 / 12, 31 / 72), abs=SAME)
    assert fleiss_kappa(counts) == pytest.approx(11 / 41, abs=SAME)
    assert krippendorff.alpha(value_counts=counts, level_of_measurement="nominal") == pytest.approx(27 / 82, abs=SAME)


def test_different_numbers_of_votes_by_hand() -> None:
    # A sentence with one vote says nothing of agreement and does not count, not even in P_e.
    counts = np.array([[2, 0, 0], [1, 3, 0], [1, 0, 0], [0, 2, 1]])
    # P_i = 1/1, 3/6, -, 1/3: P = (1 + 1/2 + 1/3) / 3 = 11/18. Votes 3, 5, 1 of 9: P_e = 35/81.
    # kappa = (99/162 - 70/162) / (92/162) = 29/92.
    # o_cc: 2 + 2 + 1 = 5 of 9: D_o = 4/9; D_e = (81 - 35) / 72 = 46/72; alpha = 1 - 4/9 * 72/46 = 1 - 32/46 = 7/23.
    assert agreement(counts) == pytest.approx((29 / 92, 7 / 23, 11 / 18, 35 / 81), abs=SAME)


@given(st.lists(st.lists(st.integers(0, 5), min_size=3, max_size=3), min_size=2, max_size=30))
def test_kappa_is_that_of_all_pairs_whatever_the_numbers_of_votes(rows: list[list[int]]) -> None:
    counts = np.array(rows)
    counted = counts[counts.sum(axis=1) > 1]
    kappa, alpha, mean, _ = agreement(counts)
    if (counted.sum(axis=0) > 0).sum() < 2:
        assert np.isnan(kappa) and np.isnan(alpha)
        assert np.isnan(mean) == (not counted.size)
        return
    assert kappa == pytest.approx(kappa_by_pairs(counts), abs=SAME)
    expected = krippendorff.alpha(value_counts=counts, level_of_measurement="nominal")
    assert alpha == pytest.approx(expected, abs=SAME)


@pytest.mark.parametrize("row", PUBLISHED.splitlines())
def test_the_published_kappas_are_those_of_the_published_agreement(row: str) -> None:
    kappa, mean, chance = map(float, row.split(",")[2:])
    assert kappa == pytest.approx((mean - chance) / (1 - chance), abs=SAME)


# --- intervals


def draw_votes(rng: np.random.Generator, clusters: int, sentences: int = 5, annotators: int = 4) -> IntArray:
    """(clusters, sentences, 3) vote counts; images differ in how much is wrong and in how easy they are."""
    wrong = rng.random((clusters, sentences)) < rng.beta(0.6, 1.4, (clusters, 1))
    skill = rng.choice([0.7, 0.95], (clusters, 1))
    right = rng.random((clusters, sentences, annotators)) < skill[..., None]
    label = np.where(right, wrong[..., None], ~wrong[..., None]).astype(int)
    label = np.where(rng.random(label.shape) < 0.05, 2, label)
    return np.stack([(label == each).sum(axis=2) for each in range(3)], axis=2)


def interval_of(counts: IntArray, cluster: IntArray, seed: int, replicates: int = 400) -> tuple[float, float]:
    clusters = int(cluster.max()) + 1
    sums = ClusterSums(agreement_sums(counts), np.zeros(len(counts), int), cluster, (1, clusters))
    drawn = replicated_agreement(sums, Draws(np.zeros(clusters, int), seed, replicates))
    low, high, _ = cluster_interval(drawn.krippendorff_alpha[0], clusters)
    assert low is not None and high is not None
    return low, high


def test_intervals_cover_the_true_agreement_where_sentences_cluster() -> None:
    """100 images x 5 sentences x 4 annotators: 93.0 % of 500, 93.9 % of 2,000; 81 % by sentence."""
    truth = agreement(draw_votes(np.random.default_rng(0), 100_000).reshape(-1, 3))[1]
    cluster = {"image": np.repeat(np.arange(100), 5), "sentence": np.arange(500)}
    covered: dict[str, list[bool]] = {"image": [], "sentence": []}
    for seed in range(500):
        counts = draw_votes(np.random.default_rng(seed + 1), 100).reshape(-1, 3)
        for name in ("image", "sentence") if seed < 150 else ("image",):
            low, high = interval_of(counts, cluster[name], seed)
            covered[name].append(low <= truth <= high)
    assert 0.92 <= np.mean(covered["image"]) <= 0.97
    assert np.mean(covered["sentence"]) < 0.88


def test_the_first_replicates_do_not_depend_on_how_many_follow() -> None:
    counts = draw_votes(np.random.default_rng(0), 30).reshape(-1, 3)
    sums = ClusterSums(agreement_sums(counts), np.zeros(150, int), np.repeat(np.arange(30), 5), (1, 30))
    few, many = (replicated_agreement(sums, Draws(np.zeros(30, int), 3, number)) for number in (50, 120))
    assert (few.fleiss_kappa[0] == many.fleiss_kappa[0, :50]).all()


def test_a_replicate_is_the_agreement_of_what_it_drew() -> None:
    counts = draw_votes(np.random.default_rng(1), 12)
    draws = Draws(np.zeros(12, int), 0, 5)
    sums = ClusterSums(agreement_sums(counts.reshape(-1, 3)), np.zeros(60, int), np.repeat(np.arange(12), 5), (1, 12))
    drawn = replicated_agreement(sums, draws)
    (times,) = list(draws)
    for place in range(5):
        again = np.repeat(counts, times[:, place].astype(int), axis=0).reshape(-1, 3)
        assert [float(each[0, place]) for each in drawn] == pytest.approx(agreement(again), abs=1e-10)


@pytest.mark.parametrize(
    ("replicates", "clusters", "reason"),
    [
        (np.linspace(0, 1, 200), 1, "one cluster holds them all"),
        (np.concatenate([np.full(3, np.nan), np.linspace(0, 1, 197)]), 50, "undefined in 1.5% of the replicates"),
        (np.ones(200), 50, "every replicate says the same"),
    ],
)
def test_an_interval_that_cannot_be_told_is_null_with_a_reason(
    replicates: FloatArray, clusters: int, reason: str
) -> None:
    low, high, said = cluster_interval(replicates, clusters)
    assert low is None and high is None and said is not None and said.startswith(reason)


def test_few_clusters_are_a_warning() -> None:
    low, _, reason = cluster_interval(np.linspace(0, 1, 200), 19)
    assert low is not None and reason == "too few: these sentences lie in 19 clusters"
    assert cluster_interval(np.linspace(0, 1, 200), 20).reason is None


# --- marked words


def marked_votes(texts: Sequence[str], votes: Sequence[tuple[int, Sequence[tuple[int, int, int]]]]) -> MarkedVotes:
    """Votes as (sentence, marks); marks as (start, end, kind)."""
    first = np.concatenate([[0], np.cumsum([len(text) for text in texts])])
    marks = sorted(
        (sentence, vote, *mark) for vote, (sentence, marks) in enumerate(votes) for mark in marks if mark[0] < mark[1]
    )
    table = np.array(marks, int).reshape(-1, 5)
    begin = first[table[:, 0]]
    return MarkedVotes(
        Text(first, np.array([character.isspace() for character in "".join(texts)], bool)),
        np.array([sentence for sentence, _ in votes], int),
        Ranges(table[:, 0], begin + table[:, 2], begin + table[:, 3]),
        table[:, 1],
        table[:, 4],
    )


def slow_f1(texts: Sequence[str], votes: Sequence[tuple[int, Sequence[tuple[int, int, int]]]]) -> float | None:
    """Sets of characters of every two votes of one sentence of which one marks anything."""
    shared = marked = 0
    for (one, these), (other, those) in combinations(votes, 2):
        if one == other:
            a, b = (
                {place for start, end, _ in marks for place in range(start, end) if not texts[one][place].isspace()}
                for marks in (these, those)
            )
            shared, marked = shared + len(a & b), marked + len(a) + len(b)
    return 2 * shared / marked if marked else None


TEXTS = ("a red 😀 sofa", "e\u0301 on the left ", "猫が 二匹 いる。")
MARK = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 2))
VOTES = st.lists(st.tuples(st.integers(0, 2), st.lists(MARK, max_size=3)), max_size=9)


@given(VOTES)
def test_span_f1_is_that_of_sets_of_characters(votes: list[tuple[int, list[tuple[int, int, int]]]]) -> None:
    found = overlap(marked_votes(TEXTS, votes))
    expected = slow_f1(TEXTS, [(sentence, [mark for mark in marks if mark[0] < mark[1]]) for sentence, marks in votes])
    assert (
        found.marked.sum() == 0
        if expected is None
        else 2 * found.shared.sum() / found.marked.sum() == pytest.approx(expected, abs=SAME)
    )


def test_marked_words_by_hand() -> None:
    # "a red sofa": one marks "red", one "red sofa" (7 characters without the space), one nothing.
    votes = [(0, [(2, 5, 0)]), (0, [(2, 10, 0)]), (0, [])]
    found = overlap(marked_votes(["a red sofa"], votes))
    # Pairs: 3 shared of 3 + 7; 0 of 3 + 0; 0 of 7 + 0. F1 = 2 * 3 / (10 + 3 + 7) = 0.3.
    assert 2 * found.shared.sum() / found.marked.sum() == pytest.approx(0.3)
    # The first against the two others: 2 * 3 / (10 + 3).
    assert 2 * found.shared[0] / found.marked[0] == pytest.approx(6 / 13)
    assert found.counts.tolist() == [True, True, True]


# --- from datasets


def said_by(
    sentence: Sentence, annotator: str, label: Label | None, *, minute: int = 0, spans: Sequence[Span] = (), **more: Any
) -> LabelEvent:
    time = MORNING + dt.timedelta(minutes=minute)
    return make_event(
        sentence_id=sentence.sentence_id,
        text=sentence.text,
        annotator=annotator,
        time=time,
        label=label,
        spans=spans,
        **more,
    )


def crowd_events(dataset: Dataset, annotators: int = 3, seed: int = 0) -> list[LabelEvent]:
    rng = np.random.default_rng(seed)
    events = []
    for number, sentence in enumerate(dataset.sentences()):
        for annotator in range(annotators):
            label = sentence.label if rng.random() < 0.8 else Label(str(rng.choice(list(Label))))
            end, kind = int(rng.integers(2, 8)), list(ErrorType)[int(rng.integers(3))]
            spans = (Span(0, end, kind),) if label is Label.INCORRECT else ()
            events.append(said_by(sentence, f"annotator-{annotator}", label, minute=number, spans=spans))
    return events


@pytest.fixture
def labelled(tmp_path: Path) -> Dataset:
    dataset = make_dataset(tmp_path / "dataset", images=25)
    record_events(dataset.path, crowd_events(dataset))
    return Dataset.open(dataset.path)


def test_agreement_of_label_events_is_that_of_the_votes_they_resolve_to(labelled: Dataset) -> None:
    said = agreement_of(labelled, replicates=200)
    assert said is not None
    rows = [(sentence, sentence.votes) for sentence in labelled.sentences()]
    counts = np.array([[votes.correct, votes.incorrect, votes.unknown] for _, votes in rows if votes is not None])
    names = ("fleiss_kappa", "krippendorff_alpha", "mean_agreement", "chance_agreement")
    assert [said[name]["value"] for name in names] == pytest.approx(agreement(counts), abs=SAME)
    assert said["from"] == "events" and said["annotators"] == 3
    assert said["sentences_from"] == {"events": 150, "votes": 0}
    for name in (*names, "span_f1", "span_f1_typed"):
        assert said[name]["low"] <= said[name]["value"] <= said[name]["high"]
    assert said["fleiss_kappa"]["sentences"] == 150 and said["fleiss_kappa"]["votes"] == 450
    own = np.array([row.sentence_id.startswith("alpha") for row, _ in rows])
    assert said["by_producer"]["alpha-cap"]["fleiss_kappa"]["value"] == pytest.approx(
        agreement(counts[own])[0], abs=SAME
    )
    assert list(said["by_producer"]) == ["alpha-cap", "beta-cap"]


def test_error_types_and_marked_words_are_those_of_the_events(labelled: Dataset) -> None:
    said = agreement_of(labelled, replicates=100)
    assert said is not None
    votes: dict[str, list[LabelEvent]] = {}
    for event in labelled.label_events():
        if event.role is Role.ANNOTATOR:
            votes.setdefault(event.sentence_id, []).append(event)
    for kind in (ErrorType.ATTRIBUTE, ErrorType.ILLUSION):
        chose = np.array([sum(kind in event.error_types for event in each) for each in votes.values()])
        found = said["by_error_type"][kind]
        assert found["fleiss_kappa"]["value"] == pytest.approx(
            agreement(np.column_stack([chose, 3 - chose]))[0], abs=SAME
        )
        assert found["fleiss_kappa"]["sentences"] == 150
    assert said["by_error_type"]["location"]["fleiss_kappa"]["value"] is None
    assert "all votes say the same" in said["by_error_type"]["location"]["fleiss_kappa"]["reason"]
    shared = typed = marked = 0
    for each in votes.values():
        for one, other in combinations([event for event in each if event.label is Label.INCORRECT], 2):
            a, b = (
                {(place, span.error_type) for span in event.spans for place in range(span.start, span.end)}
                for event in (one, other)
            )
            solid = {place for place, character in enumerate(one.text) if not character.isspace()}
            a, b = ({mark for mark in marks if mark[0] in solid} for marks in (a, b))
            typed += len(a & b)
            shared += len({place for place, _ in a} & {place for place, _ in b})
            marked += len(a) + len(b)
    assert said["span_f1"]["value"] == pytest.approx(2 * shared / marked, abs=SAME)
    assert said["span_f1_typed"]["value"] == pytest.approx(2 * typed / marked, abs=SAME)


def test_only_standing_votes_count(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "dataset", images=1, labelled=False)
    first, second, third, *_ = dataset.sentences()
    events = [
        said_by(first, "ann", Label.INCORRECT, minute=1),
        said_by(first, "ann", Label.CORRECT, minute=2),  # newer: this one stands
        said_by(first, "bob", Label.CORRECT, minute=1),
        said_by(second, "ann", Label.CORRECT, minute=3),
        said_by(second, "bob", Label.CORRECT, minute=3),
        said_by(second, "bob", None, minute=4),  # taken back: one vote is left
        said_by(third, "ann", Label.CORRECT, minute=5),
        said_by(third, "bob", Label.INCORRECT, minute=5),
        said_by(third, "boss", Label.CORRECT, minute=6, role=Role.ADJUDICATOR),  # no vote
    ]
    record_events(dataset.path, events)
    said = agreement_of(Dataset.open(dataset.path), replicates=100)
    assert said is not None
    # (2, 0) and (1, 1): P = 1/2, P_e = 9/16 + 1/16, kappa = (1/2 - 5/8) / (3/8) = -1/3.
    assert said["fleiss_kappa"]["value"] == pytest.approx(-1 / 3, abs=SAME)
    assert (said["fleiss_kappa"]["sentences"], said["fleiss_kappa"]["votes"], said["annotators"]) == (2, 4, 2)
    assert said["fleiss_kappa"]["low"] is None and "one cluster" in said["fleiss_kappa"]["reason"]
    assert said["span_f1"] == {
        "value": None,
        "low": None,
        "high": None,
        "reason": "no two annotators called a sentence incorrect and marked words of it",
        "sentences": 0,
        "votes": 0,
    }


def test_vote_counts_without_names_give_the_table(tmp_path: Path) -> None:
    import_halcap(FIXTURES / "halcap_plain.jsonl", None, tmp_path / "dataset")
    dataset = Dataset.open(tmp_path / "dataset")
    said = agreement_of(dataset, replicates=100)
    assert said is not None
    counts = [each.votes for each in dataset.sentences() if each.votes is not None]
    table = np.array([[votes.correct, votes.incorrect, votes.unknown] for votes in counts])
    assert said["fleiss_kappa"]["value"] == pytest.approx(agreement(table)[0], abs=SAME)
    assert (said["from"], said["annotators"], said["by_error_type"]) == ("votes", None, {})
    assert "vote counts do not tell" in said["span_f1"]["reason"]
    # Theirs are rounded to two places.
    assert said["published_pi"] == {"compared": len(counts), "different": 0}


def test_a_published_share_that_does_not_fit_its_counts_is_counted(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (FIXTURES / "halcap_plain.jsonl").read_text(encoding="utf-8").splitlines()]
    rows[0]["fleiss_Pi"] = 0.9
    rows[1]["fleiss_Pi"] = None
    (tmp_path / "changed.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    import_halcap(tmp_path / "changed.jsonl", None, tmp_path / "dataset")
    said = agreement_of(Dataset.open(tmp_path / "dataset"), replicates=100)
    assert said is not None
    assert said["published_pi"]["different"] == 1
    assert said["published_pi"]["compared"] == len(rows) - 1


def test_sentences_without_events_keep_the_counts_they_came_with(tmp_path: Path) -> None:
    import_halcap(FIXTURES / "halcap_plain.jsonl", None, tmp_path / "dataset")
    sentence = next(iter(Dataset.open(tmp_path / "dataset").sentences()))
    before = agreement_of(Dataset.open(tmp_path / "dataset"), replicates=100)
    record_events(tmp_path / "dataset", [said_by(sentence, name, Label.CORRECT) for name in ("ann", "bob")])
    after = agreement_of(Dataset.open(tmp_path / "dataset"), replicates=100)
    assert before is not None and after is not None
    number = before["fleiss_kappa"]["sentences"]
    assert after["sentences_from"] == {"events": 1, "votes": number - 1}
    assert (after["from"], after["annotators"]) == ("events", 2)


def test_agreement_is_none_where_nobody_voted_twice(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "dataset", labelled=False)
    assert agreement_of(dataset) is None
    record_events(dataset.path, [said_by(each, "ann", Label.CORRECT) for each in dataset.sentences()])
    assert agreement_of(Dataset.open(dataset.path)) is None


def test_the_same_dataset_and_seed_give_the_same_numbers(labelled: Dataset) -> None:
    first, again, other = (json.dumps(agreement_of(labelled, replicates=100, seed=seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_a_damaged_or_foreign_events_file_is_an_error(labelled: Dataset) -> None:
    file = labelled.path / "labels.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match="cannot be read"):
        agreement_of(labelled)
    file.write_bytes(whole)
    other = make_dataset(labelled.path.parent / "other", images=2)
    with pytest.raises(DatasetError, match="label events of no sentence"):
        agreement_of(replace(labelled, path=_with_labels(other, whole)))


def test_an_error_type_that_is_none_is_an_error(labelled: Dataset) -> None:
    file = labelled.path / "labels.parquet"
    table = pq.read_table(file)
    types = [["colour"] if each else [] for each in table["error_types"].to_pylist()]
    place = table.schema.get_field_index("error_types")
    pq.write_table(
        table.set_column(place, LABELS.field("error_types"), pa.array(types, LABELS.field("error_types").type)), file
    )
    with pytest.raises(DatasetError, match=r"error types that are none; run `alignbench validate"):
        agreement_of(labelled)


def _with_labels(dataset: Dataset, labels: bytes) -> Path:
    (dataset.path / "labels.parquet").write_bytes(labels)
    return dataset.path


# --- the command


def rows_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


def test_the_command_prints_a_table_and_writes_its_files(
    labelled: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(["label", "agreement", str(labelled.path), "--out", str(out), "--replicates", "100"]) == 0
    printed = capsys.readouterr().out
    assert "Fleiss kappa" in printed and "alpha-cap" in printed and "annotator-2" in printed
    assert sorted(path.name for path in out.iterdir()) == [
        "agreement.json",
        "annotators.csv",
        "fleiss_by_model.csv",
        "fleiss_per_item.csv",
    ]
    said = json.loads((out / "agreement.json").read_text(encoding="utf-8"))
    assert said["agreement"] == agreement_of(labelled, replicates=100)
    rows = rows_of(out / "fleiss_by_model.csv")
    # The columns of the published file, all digits.
    assert list(rows[0]) == ["model", "N_items", "kappa", "P_bar", "P_e"]
    for row in rows:
        kappa, mean, chance = (float(row[name]) for name in ("kappa", "P_bar", "P_e"))
        assert row["N_items"] == "75" and kappa == pytest.approx((mean - chance) / (1 - chance), abs=SAME)
    per_sentence = rows_of(out / "fleiss_per_item.csv")
    assert len(per_sentence) == 150
    mean = np.mean([float(row["fleiss_Pi"]) for row in per_sentence])
    assert mean == pytest.approx(said["agreement"]["mean_agreement"]["value"], abs=SAME)
    assert len(rows_of(out / "annotators.csv")) == 3


def test_the_command_prints_one_json_object(labelled: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["label", "agreement", str(labelled.path), "--replicates", "100", "--seed", "4", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["agreement"]["seed"] == 4
    assert [each["annotator"] for each in said["annotators"]] == ["annotator-0", "annotator-1", "annotator-2"]


def test_the_command_tells_that_there_is_nothing_and_leaves_no_old_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = make_dataset(tmp_path / "dataset", labelled=False)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "fleiss_by_model.csv").write_text("old", encoding="utf-8")
    assert run(["label", "agreement", str(dataset.path), "--out", str(tmp_path / "out")]) == 0
    assert "no sentence has two votes" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["agreement.json"]
    assert json.loads((tmp_path / "out" / "agreement.json").read_text(encoding="utf-8"))["agreement"] is None


def test_the_command_refuses_what_is_no_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["label", "agreement", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert run(["label", "agreement", str(tmp_path), "--replicates", "5"]) == 2


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.sampled_from([*Label, None])), max_size=30))
def test_any_history_gives_the_agreement_of_the_stored_counts(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[int, int, Label | None]]
) -> None:
    dataset = make_dataset(tmp_path_factory.mktemp("any") / "dataset", images=1, labelled=False)
    sentences = list(dataset.sentences())
    events = [
        said_by(sentences[place], f"annotator-{who}", label, minute=minute)
        for minute, (who, place, label) in enumerate(history)
    ]
    record_events(dataset.path, events)
    dataset = Dataset.open(dataset.path)
    counts = np.array(
        [[each.votes.correct, each.votes.incorrect, each.votes.unknown] for each in dataset.sentences() if each.votes]
    ).reshape(-1, 3)
    said = agreement_of(dataset, replicates=32)
    if not (counts.sum(axis=1) > 1).any():
        assert said is None
    else:
        assert said is not None
        kappa = agreement(counts)[0]
        found = said["fleiss_kappa"]["value"]
        assert found is None if np.isnan(kappa) else found == pytest.approx(kappa, abs=SAME)
