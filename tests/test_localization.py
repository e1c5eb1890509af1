"""Where a judge sees errors: every number beside a slow, obvious one, planted truth, and what is undefined."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from alignbench import run_folder, schema
from alignbench.analysis.characters import Ranges, Text, matched, runs, tiles
from alignbench.analysis.measures import Measure, Members
from alignbench.analysis.precision_steps import PrecisionSteps
from alignbench.errors import DatasetError, RunError
from alignbench.evaluate.localizations import DEFINITION, _text, localization_entry
from alignbench.evaluate.runs import Run, find_runs
from alignbench.panel import Panel, read_panel
from alignbench.resample import Draws
from alignbench.run import run_judge
from alignbench.store import Dataset, DatasetWriter, sentence_id_of
from alignbench.types import (
    Direction,
    ErrorType,
    JudgeSpec,
    Judgment,
    Label,
    Mark,
    ModelRef,
    Pair,
    Sentence,
    Span,
    Status,
    Verdict,
)
from judges.planted import PlantedJudge
from tests.datasets import make_image

WORDS = "a red dog 😀 sits o\u0301n\tthe left, two İ cats".split(" ")
UNMARKED = Verdict(0.5, marks=())
ALONE = {"value", "low", "high", "reason", "n", "clusters"}


# Worlds


@dataclass(frozen=True)
class Planned:
    """A sentence that a test writes: its text, its spans (none makes it correct) and what a judge answers."""

    text: str
    spans: tuple[Span, ...] = ()
    verdict: Verdict = UNMARKED
    label: Label | None = None

    @property
    def labelled(self) -> Label:
        return self.label or (Label.INCORRECT if self.spans else Label.CORRECT)


Producers = dict[str, list[list[Planned]]]
"""The captions of each producer; caption i of all of them is of image i."""


def write(folder: Path, producers: Producers) -> Dataset:
    with DatasetWriter(folder / "dataset", name="planned") as writer:
        for name, captions in producers.items():
            for number, caption in enumerate(captions):
                image = make_image(number)
                writer.add_image(image)
                pair = Pair(
                    f"{name}/{number}",
                    image.image_key,
                    " ".join(each.text for each in caption),
                    ModelRef(name),
                    Direction.IMAGE_TO_TEXT,
                    None,
                    image.image_key,
                )
                sentences, start = [], 0
                for index, each in enumerate(caption):
                    types = tuple(dict.fromkeys(span.error_type for span in each.spans))
                    sentences.append(
                        Sentence(
                            sentence_id_of(pair.pair_id, index),
                            pair.pair_id,
                            index,
                            start,
                            start + len(each.text),
                            each.text,
                            each.labelled,
                            types,
                            each.spans,
                        )
                    )
                    start += len(each.text) + 1
                writer.add_pair(pair, sentences)
    return Dataset.open(folder / "dataset")


def answer(folder: Path, dataset: Dataset, producers: Producers) -> Path:
    """A finished run that holds the planned verdicts."""
    spec = JudgeSpec("planned", "planned", ModelRef("planned"))
    run = run_folder.folder_of(folder / "runs", dataset, spec)
    run.mkdir(parents=True)
    said = run_folder.describe(dataset, spec, seed=0, shards=1, briefed=False, permutation=None, environment={})
    (run / "run.json").write_text(json.dumps(said))
    verdicts = {
        sentence_id_of(f"{name}/{number}", index): each.verdict
        for name, captions in producers.items()
        for number, caption in enumerate(captions)
        for index, each in enumerate(caption)
    }
    judgments = [Judgment(each.sentence_id, spec.judge_id, verdicts[each.sentence_id]) for each in dataset.sentences()]
    pq.write_table(schema.judgments_to_table(judgments), run / "judgments.parquet")
    return run


def opened(dataset: Dataset, runs: Path) -> tuple[Panel, Run]:
    panel = read_panel(dataset)
    (run,) = find_runs(runs, dataset, panel.all_ids).runs
    return panel, run


def entry_of(folder: Path, producers: Producers, replicates: int = 200) -> Any:
    dataset = write(folder, producers)
    answer(folder, dataset, producers)
    panel, run = opened(dataset, folder / "runs")
    found = localization_entry(dataset, panel, run, Draws(panel.stratum, 0, replicates))
    json.dumps(found, allow_nan=False)
    return found


def random_text(rng: np.random.Generator) -> str:
    return " ".join(rng.choice(WORDS, size=rng.integers(3, 9)))


def random_range(rng: np.random.Generator, text: str) -> tuple[int, int]:
    start = int(rng.integers(len(text) - 1))
    return start, int(rng.integers(start + 1, min(len(text), start + 9) + 1))


def random_sentence(rng: np.random.Generator, suspicions: Sequence[float]) -> Planned:
    text = random_text(rng)
    spans = []
    if rng.random() < 0.6:
        kinds = rng.choice(list(ErrorType)[:3], size=rng.integers(1, 4))
        spans = [Span(*random_range(rng, text), ErrorType(kind)) for kind in kinds]
        if rng.random() < 0.2:  # one range of two types
            spans.append(replace(spans[0], error_type=ErrorType.TEXT))
    near = [(span.start, min(len(text), span.end + int(rng.integers(3)))) for span in spans if rng.random() < 0.7]
    ranges = [*near, *(random_range(rng, text) for _ in range(rng.integers(3)))]
    marks = tuple(Mark(*each, float(rng.choice(suspicions))) for each in ranges)
    if rng.random() < 0.1:
        failed = Status.UNPARSABLE if rng.random() < 0.5 else Status.FAILED
        return Planned(text, tuple(spans), Verdict.failed(failed, "planned"))
    return Planned(text, tuple(spans), Verdict(0.5, marks=marks))


def random_world(seed: int, images: int = 25, suspicions: Sequence[float] = (0.2, 0.7, 1.0)) -> Producers:
    rng = np.random.default_rng(seed)
    return {
        name: [[random_sentence(rng, suspicions) for _ in range(3)] for _ in range(images)] for name in ("one", "two")
    }


# The slow way


def sentences_of(captions: list[list[Planned]], kind: ErrorType | None = None) -> list[Planned]:
    """Incorrect sentences with a span (of that type) and an answer."""
    return [
        each
        for caption in captions
        for each in caption
        if each.labelled is Label.INCORRECT
        and each.verdict.marks is not None
        and any(kind in (None, span.error_type) for span in each.spans)
    ]


def slow_average_precision(captions: list[list[Planned]], kind: ErrorType | None = None) -> float:
    positive, score = [], []
    for each in sentences_of(captions, kind):
        for place, character in enumerate(each.text):
            over = {span.error_type for span in each.spans if span.start <= place < span.end}
            if character.isspace() or (kind is not None and over and kind not in over):
                continue
            positive.append(bool(over))
            marks = [m.suspicion for m in each.verdict.marks or () if m.start <= place < m.end]
            score.append(max(marks, default=-1e9))
    return float(average_precision_score(positive, score))


def slow_matches(wanted: Sequence[tuple[int, int]], found: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Which of the wanted get a partner, by falling IoU of sets of characters."""
    pairs = []
    for a, b in ((a, b) for a in wanted for b in range(len(found))):
        one, other = set(range(*a)), set(range(*found[b]))
        iou = len(one & other) / len(one | other)
        if iou >= 0.5:
            pairs.append((-iou, a[0], found[b][0], a[1], found[b][1], a, b))
    held: set[tuple[int, int]] = set()
    taken: set[int] = set()
    for *_, a, b in sorted(pairs, key=lambda pair: pair[:3]):
        if a not in held and b not in taken:
            held.add(a)
            taken.add(b)
    return held


def slow_counts(captions: list[list[Planned]]) -> tuple[int, int, int]:
    """True positives, predicted spans, spans."""
    hits = said = wanted = 0
    for each in sentences_of(captions):
        spans = sorted({(span.start, span.end) for span in each.spans})
        marks = [(mark.start, mark.end) for mark in each.verdict.marks or ()]
        hits += len(slow_matches(spans, marks))
        said, wanted = said + len(marks), wanted + len(spans)
    return hits, said, wanted


def slow_recall(captions: list[list[Planned]], kind: ErrorType) -> float:
    hits = total = 0
    for each in sentences_of(captions, kind):
        spans = sorted({(span.start, span.end) for span in each.spans})
        held = slow_matches(spans, [(mark.start, mark.end) for mark in each.verdict.marks or ()])
        of_kind = {(span.start, span.end) for span in each.spans if span.error_type is kind}
        hits, total = hits + len(held & of_kind), total + len(of_kind)
    return hits / total


@pytest.mark.parametrize("seed", range(4))
def test_every_number_is_that_of_loops(tmp_path: Path, seed: int) -> None:
    world = random_world(seed)
    found = entry_of(tmp_path, world)
    areas = {name: slow_average_precision(captions) for name, captions in world.items()}
    counts = {name: slow_counts(captions) for name, captions in world.items()}
    shares = {
        name: (2 * hits / (said + spans), hits / said, hits / spans) for name, (hits, said, spans) in counts.items()
    }
    assert found["average_precision"]["value"] == pytest.approx(np.mean(list(areas.values())), abs=1e-12)
    for name in world:
        assert found["by_producer"][name]["average_precision"]["value"] == pytest.approx(areas[name], abs=1e-12)
        assert found["by_producer"][name]["span_f1"]["value"] == pytest.approx(shares[name][0], abs=1e-12)
        assert found["by_producer"][name]["span_f1"]["n"] == len(sentences_of(world[name]))
    for place, name in enumerate(("span_f1", "precision", "recall")):
        mean = np.mean([each[place] for each in shares.values()])
        assert found[name]["value"] == pytest.approx(mean, abs=1e-12)
    for kind in (*list(ErrorType)[:3], ErrorType.TEXT):
        counted = [each for each in world.values() if len(sentences_of(each, kind)) >= 10]
        said = found["by_error_type"][str(kind)]
        if counted:
            area = np.mean([slow_average_precision(each, kind) for each in counted])
            assert said["average_precision"]["value"] == pytest.approx(area, abs=1e-12)
            assert said["recall"]["value"] == pytest.approx(np.mean([slow_recall(each, kind) for each in counted]))
        else:
            assert "no producer has 10 such sentences" in said["recall"]["reason"]
    flagged = [
        np.mean([bool(each.verdict.marks) for each in chain(*captions) if not each.spans and each.verdict.score])
        for captions in world.values()
    ]
    assert found["flagged_correct"]["value"] == pytest.approx(np.mean(flagged))
    lost = [
        each for captions in world.values() for each in chain(*captions) if each.verdict.status is Status.UNPARSABLE
    ]
    assert found["unparsable"] == len(lost) > 0


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_average_precision_is_that_of_scikit_learn(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 40))
    positive = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    score = np.array(data.draw(st.lists(st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0]), min_size=n, max_size=n)))
    weight = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)), float)
    steps = PrecisionSteps(np.zeros(n, np.int64), positive, score, np.arange(n), (1, n))
    found = steps.values(np.column_stack([np.ones(n), weight]))[0]
    for value, times in zip(found, (np.ones(n), weight), strict=True):
        drawn, said = np.repeat(positive, times.astype(int)), np.repeat(score, times.astype(int))
        if drawn.any() and not drawn.all():
            assert value == pytest.approx(average_precision_score(drawn, np.maximum(said, -9)))
        else:
            assert np.isnan(value)


def test_merged_thresholds_keep_ties_together_and_the_area_nearly() -> None:
    rng = np.random.default_rng(0)
    positive = rng.random(20_000) < 0.2
    score = np.where(rng.random(positive.size) < 0.3, -np.inf, rng.normal(size=positive.size) + positive)
    cell, cluster = rng.integers(2, size=positive.size), rng.integers(50, size=positive.size)
    cases = (cell, positive, score, cluster, (2, 50))
    exact, merged = (PrecisionSteps(*cases, most) for most in (None, 500))
    once = np.ones((50, 1))
    assert merged.values(once) == pytest.approx(exact.values(once), abs=2e-3)
    assert merged._found.shape[0] <= 2 * 501
    few = (cell, positive, np.round(score), cluster, (2, 50))
    assert PrecisionSteps(*few, 500).values(once) == pytest.approx(PrecisionSteps(*few).values(once), abs=1e-15)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_partners_are_those_of_loops(data: st.DataObject) -> None:
    pair = st.tuples(st.integers(0, 11), st.integers(1, 6)).map(lambda each: (each[0], min(12, each[0] + each[1])))
    of_sentences = [(data.draw(st.sets(pair, max_size=4)), data.draw(st.lists(pair, max_size=4))) for _ in range(3)]
    expected = [
        each in slow_matches(sorted(wanted), sorted(found)) for wanted, found in of_sentences for each in sorted(wanted)
    ]
    sides = [
        [
            (number, 12 * number + start, 12 * number + end)
            for number, each in enumerate(side)
            for start, end in sorted(each)
        ]
        for side in zip(*of_sentences, strict=True)
    ]
    wanted, found = (Ranges(*np.array(side, np.int64).reshape(-1, 3).T) for side in sides)
    held = matched(wanted, found)
    assert held.sum() == sum(expected)
    if len(set(sides[1])) == len(sides[1]):
        assert held.tolist() == expected


def test_half_of_what_either_covers_is_enough() -> None:
    one = Ranges(np.array([0]), np.array([0]), np.array([4]))
    assert matched(one, Ranges(np.array([0]), np.array([0]), np.array([8]))).tolist() == [True]
    assert matched(one, Ranges(np.array([0]), np.array([0]), np.array([9]))).tolist() == [False]
    twice = Ranges(np.array([0, 0]), np.array([0, 0]), np.array([4, 4]))
    assert matched(one, twice).tolist() == [True], "the second of two equal marks is a false one"
    assert matched(twice, one).sum() == 1


# A suspicion for every character


def characters(text: str, suspicion: Callable[[int], float]) -> tuple[Mark, ...]:
    return tuple(Mark(place, place + 1, suspicion(place)) for place in range(len(text)))


def test_runs_of_suspected_characters() -> None:
    text = Text(np.array([0, 10, 14]), np.array([character == " " for character in "ab cd efghij k"]))
    suspicion = np.array([0.5, 0.9, 0.1, 0.7, 0.4, 0.9, 0.2, 0.3, 0.6, 0.6, 0.8, 0.2, 0.9, 0.9])
    found = runs(text, suspicion)
    assert list(zip(found.sentence.tolist(), found.start.tolist(), found.end.tolist(), strict=True)) == [
        (0, 0, 4),
        (0, 8, 10),
        (1, 10, 11),
        (1, 13, 14),
    ], "white space neither makes nor breaks a run, and no run reaches into the next sentence"


def test_what_tiles_a_sentence() -> None:
    text = Text(np.array([0, 5]), np.array([character == " " for character in "ab cd"]))

    def of(*ranges: tuple[int, int]) -> bool:
        start, end = np.array(ranges, np.int64).reshape(-1, 2).T
        return tiles(text, Ranges(np.zeros(len(ranges), np.int64), start, end))

    assert of((0, 5)) and of((0, 2), (2, 3), (3, 5)) and of((0, 2), (3, 5))
    assert not of() and not of((0, 2)) and not of((0, 3), (2, 5)) and not of((0, 2), (4, 5))


def test_a_judge_of_characters_gets_runs_and_one_of_spans_its_marks(tmp_path: Path) -> None:
    text = "a red dog sits"
    span = (Span(2, 5, ErrorType.ATTRIBUTE),)
    tiled = Planned(text, span, Verdict(0.1, marks=characters(text, lambda place: 0.9 if 2 <= place < 5 else 0.1)))
    clean = Planned(text, (), Verdict(0.9, marks=characters(text, lambda place: 0.2)))
    world = {"one": [[tiled, clean] for _ in range(12)]}
    found = entry_of(tmp_path / "tiled", world)
    assert found["span_f1"]["value"] == found["precision"]["value"] == found["average_precision"]["value"] == 1
    assert found["flagged_correct"]["value"] == 0
    assert found["flagged_correct"]["high"] == pytest.approx(1 - 0.025 ** (1 / 12))
    world["one"][3][1] = replace(clean, verdict=Verdict(0.9, marks=()))
    loose = entry_of(tmp_path / "loose", world)
    assert loose["precision"]["value"] == 0, "marks that do not tile every sentence are spans as they are"
    assert loose["flagged_correct"]["value"] == pytest.approx(11 / 12)
    assert loose["average_precision"]["value"] == 1


# Intervals


def slow_macro(world: Producers, images: Sequence[int]) -> tuple[float, float]:
    drawn = [[captions[image] for image in images] for captions in world.values()]
    counts = [slow_counts(each) for each in drawn]
    return (
        float(np.mean([slow_average_precision(each) for each in drawn])),
        float(np.mean([2 * hits / (said + spans) for hits, said, spans in counts])),
    )


def test_intervals_are_those_of_clusters_drawn_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    world = random_world(9, images=110, suspicions=rng.random(400).tolist())
    found = entry_of(tmp_path, world, replicates=120)
    dataset = Dataset.open(tmp_path / "dataset")
    panel = read_panel(dataset)
    images = [int(key.split(":")[1]) for key in dataset.pairs_table(["cluster_id"])["cluster_id"].to_pylist()]
    image_of = {int(cluster): images[pair] for cluster, pair in zip(panel.cluster, panel.pair, strict=True)}
    counts = np.concatenate(list(Draws(panel.stratum, 0, 120)), axis=1).astype(int)
    again = [
        slow_macro(world, [image_of[cluster] for cluster in np.repeat(np.arange(len(column)), column).tolist()])
        for column in counts.T
    ]
    for name, values in zip(("average_precision", "span_f1"), np.transpose(again), strict=True):
        low, high = np.quantile(values, [0.025, 0.975])
        assert (found[name]["low"], found[name]["high"]) == pytest.approx((low, high), abs=2e-3), name
        assert found[name]["reason"] is None and found[name]["clusters"] == 110


def test_few_clusters_get_a_wide_interval_and_a_warning(tmp_path: Path) -> None:
    few, some = entry_of(tmp_path / "few", random_world(3, images=9)), entry_of(tmp_path / "some", random_world(3, 40))
    for name in ("average_precision", "span_f1", "recall", "flagged_correct"):
        assert few[name]["reason"].startswith("too few: these sentences lie in ")
        assert some[name]["reason"] is None
        assert 0 <= few[name]["low"] < few[name]["value"] < few[name]["high"] <= 1
        assert some[name]["high"] - some[name]["low"] < few[name]["high"] - few[name]["low"]


# What is undefined


def flat(found: Any) -> list[dict[str, Any]]:
    if not isinstance(found, dict):
        return []
    return [found] if "value" in found else [figure for each in found.values() for figure in flat(each)]


def test_one_cluster_has_no_spread(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    world = {"one": [[random_sentence(rng, (1.0,)) for _ in range(60)]]}
    found = entry_of(tmp_path, world)
    assert found["average_precision"]["value"] == pytest.approx(slow_average_precision(world["one"]))
    for name in ("average_precision", "span_f1", "flagged_correct"):
        assert (found[name]["low"], found[name]["high"]) == (None, None)
        assert found[name]["reason"].startswith("one cluster holds them all")


def test_a_judge_that_marks_nothing(tmp_path: Path) -> None:
    span = (Span(2, 5, ErrorType.OBJECT),)
    world = {"one": [[Planned("a red dog", span), Planned("a dog")] for _ in range(12)]}
    found = entry_of(tmp_path, world)
    assert found["average_precision"]["value"] == pytest.approx(3 / 7), "all tied: the share of wrong characters"
    assert found["span_f1"]["value"] == found["recall"]["value"] == found["flagged_correct"]["value"] == 0
    assert (found["precision"]["value"], found["precision"]["reason"]) == (None, "nothing is marked in these sentences")


def test_spans_over_everything_or_over_nothing_but_space(tmp_path: Path) -> None:
    for number, (start, end) in enumerate([(0, 9), (1, 2)]):
        planned = Planned("a red dog", (Span(start, end, ErrorType.OBJECT),), Verdict(0.1, marks=(Mark(start, end),)))
        found = entry_of(tmp_path / str(number), {"one": [[planned] for _ in range(12)]})
        assert found["average_precision"]["value"] is None
        assert "every character is in a span" in found["average_precision"]["reason"]
        assert found["span_f1"]["value"] == 1


@pytest.mark.parametrize(
    ("planned", "says"),
    [
        (Planned("a dog"), "no producer has 10 such sentences"),
        (Planned("a dog", label=Label.INCORRECT), "no producer has 10 such sentences"),
        (Planned("a dog", (Span(0, 1, ErrorType.TEXT),), Verdict.failed(Status.FAILED, "no")), "no producer has 10"),
    ],
    ids=["no incorrect sentence", "no span", "all failed"],
)
def test_nothing_to_find(tmp_path: Path, planned: Planned, says: str) -> None:
    found = entry_of(tmp_path, {"one": [[planned, Planned("a cat")] for _ in range(12)], "two": [[planned]]})
    for name in ("average_precision", "span_f1", "precision", "recall"):
        assert found[name]["value"] is None and says in found[name]["reason"], name
    assert found["by_producer"]["two"]["span_f1"]["reason"] == "no such sentence has an answer"
    assert found["flagged_correct"]["value"] == 0
    for figure in flat(found):
        assert set(figure) == ALONE
        assert (figure["value"] is not None) or figure["reason"]


def test_a_judge_without_marks_has_no_entry_and_no_span_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = {"one": [[Planned("a dog", (Span(0, 1, ErrorType.TEXT),), Verdict(0.5))] for _ in range(12)]}
    dataset = write(tmp_path, world)
    run = answer(tmp_path, dataset, world)
    panel, read = opened(dataset, tmp_path / "runs")
    draws = Draws(panel.stratum, 0, 10)
    monkeypatch.setattr(Dataset, "sentences_table", lambda *_: pytest.fail("the sentences are read"))
    assert localization_entry(dataset, panel, read, draws) is None
    monkeypatch.undo()
    path = run / "judgments.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["marks"]), path)
    assert localization_entry(dataset, *opened(dataset, tmp_path / "runs"), draws) is None, "a run of before marks"


def test_marks_and_spans_outside_their_sentence(tmp_path: Path) -> None:
    world = {"one": [[Planned("a dog", (Span(0, 1, ErrorType.TEXT),), Verdict(0.5, marks=(Mark(0, 6),)))]]}
    with pytest.raises(RunError, match="a mark outside its sentence"):
        entry_of(tmp_path / "mark", world)
    wrong = {"one": [[Planned("a dog", (Span(0, 1, ErrorType.TEXT),))]]}
    dataset = write(tmp_path / "span", wrong)
    answer(tmp_path / "span", dataset, wrong)
    panel, run = opened(dataset, tmp_path / "span" / "runs")
    path = dataset.path / "sentences.parquet"
    table = pq.read_table(path)
    far = pa.array([[{"start": 0, "end": 9, "error_type": "text"}]], table.schema.field("spans").type)
    pq.write_table(table.set_column(table.schema.get_field_index("spans"), table.schema.field("spans"), far), path)
    with pytest.raises(DatasetError, match="alignbench validate"):
        localization_entry(dataset, panel, run, Draws(panel.stratum, 0, 10))


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        ("marks", [{"start": 3, "end": 3, "suspicion": 1.0}], "no ranges of finite suspicion"),
        ("marks", [{"start": -1, "end": 3, "suspicion": 1.0}], "no ranges of finite suspicion"),
        ("marks", [{"start": 0, "end": 3, "suspicion": float("nan")}], "no ranges of finite suspicion"),
    ],
)
def test_a_run_with_damaged_marks_is_refused(tmp_path: Path, column: str, value: Any, fault: str) -> None:
    world = {"one": [[Planned("a dog"), Planned("a cat")]]}
    dataset = write(tmp_path, world)
    path = answer(tmp_path, dataset, world) / "judgments.parquet"
    table = pq.read_table(path)
    damaged = pa.array([[], value], table.schema.field(column).type)
    place = table.schema.get_field_index(column)
    pq.write_table(table.set_column(place, table.schema.field(column), damaged), path)
    with pytest.raises(RunError, match=f"1 rows have marks that are {fault}"):
        opened(dataset, tmp_path / "runs")


def test_marks_of_a_failure_are_refused(tmp_path: Path) -> None:
    world = {"one": [[Planned("a dog", verdict=Verdict.failed(Status.FAILED, "no"))]]}
    dataset = write(tmp_path, world)
    path = answer(tmp_path, dataset, world) / "judgments.parquet"
    table = pq.read_table(path)
    place = table.schema.get_field_index("marks")
    kept = pa.array([[]], table.schema.field("marks").type)
    pq.write_table(table.set_column(place, table.schema.field("marks"), kept), path)
    with pytest.raises(RunError, match="1 rows have marks though their status is not ok"):
        opened(dataset, tmp_path / "runs")


# Planted truth


def planted_world(images: int = 150) -> Producers:
    rng = np.random.default_rng(5)
    words = "red blue small dog cats left right seven under table window grass".split()
    world: Producers = {}
    for name in ("one", "two"):
        world[name] = []
        for _ in range(images):
            caption = []
            for _ in range(4):
                text = " ".join(rng.choice(words, size=8))
                start = text.index(" ") + 1
                end = text.index(" ", start)
                span = (Span(start, end, list(ErrorType)[int(rng.integers(8))]),)
                caption.append(Planned(text, span if rng.random() < 0.5 else ()))
            world[name].append(caption)
    return world


@pytest.mark.parametrize("quality", [1.0, 0.8, 0.4, 0.0])
def test_what_was_planted_is_found(tmp_path: Path, quality: float) -> None:
    world = planted_world()
    dataset = write(tmp_path, world)
    run_judge(dataset, PlantedJudge.from_reference(f"spans={quality}"), tmp_path / "runs")
    panel, run = opened(dataset, tmp_path / "runs")
    found = localization_entry(dataset, panel, run, Draws(panel.stratum, 0, 400))
    assert found is not None
    strays = 7 * (1 - quality)  # of the seven other words
    assert found["recall"]["value"] == pytest.approx(quality, abs=0.05)
    assert found["flagged_correct"]["value"] == pytest.approx(1 - quality**8, abs=0.05)
    assert found["precision"]["value"] == pytest.approx(quality / (quality + strays), abs=0.05)
    assert found["span_f1"]["value"] == pytest.approx(2 * quality / (quality + strays + 1), abs=0.05)
    if 0 < quality < 1:
        assert found["recall"]["low"] < quality < found["recall"]["high"]
    # One threshold at the marks, one at the rest: about one of eight words is wrong, and marked at random but for it.
    expected = quality * quality / (quality + strays) + (1 - quality) / 8
    assert found["average_precision"]["value"] == pytest.approx(expected, abs=0.05)


def test_no_white_space_is_missed() -> None:
    points = [point for point in range(sys.maxunicode + 1) if not 0xD800 <= point < 0xE000]
    characters = "".join(map(chr, points))
    found = _text(pa.chunked_array([[characters[:100_000], "", characters[100_000:]]]))
    assert found.first.tolist() == [0, 100_000, 100_000, len(characters)]
    assert np.flatnonzero(found.is_space).tolist() == [at for at, each in enumerate(characters) if each.isspace()]


def test_the_definition_is_one_sentence_that_names_the_paper() -> None:
    assert DEFINITION.endswith(".") and DEFINITION.count(". ") == 0
    assert "cannot be compared" in DEFINITION and "does not publish its definition" in DEFINITION


def test_a_mean_over_producers_that_lie_in_one_cluster_each() -> None:
    members = Members.of(np.ones((20, 1), np.bool_), np.repeat([0, 1], 10), np.repeat([0, 1], 10), 2)
    figure = Measure(np.array([0.5, 0.7]), np.full((2, 5), 0.6), members, 10, "undefined").macro()
    assert (figure.value, figure.low, figure.clusters) == (pytest.approx(0.6), None, 2)
