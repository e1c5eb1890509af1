"""Judges that see the caption: a query a caption, in its order, whatever part of it is asked."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alignbench import shown
from alignbench.decode import decode
from alignbench.errors import DatasetError, UnknownNameError
from alignbench.run import RunSummary, run_judge
from alignbench.store import Dataset
from alignbench.types import Query, Status, Verdict
from tests.datasets import make_dataset
from tests.fake_judges import BriefedJudge, FakeJudge, TurbulentJudge
from tests.run_results import expected, judgments, scores, statuses

ROOT = Path(__file__).parent.parent


def in_caption(ahead: int = 1) -> FakeJudge:
    return FakeJudge(ahead=ahead, context="caption")


def shuffled_run(dataset: Dataset, out: Path, judge: FakeJudge | None = None, **request: object) -> RunSummary:
    return run_judge(dataset, judge or in_caption(), out, shuffle=1, **request)  # type: ignore[arg-type]


def said(query: Query) -> list[str]:
    assert query.context is not None
    return [query.context.caption[slice(*query.context.ranges[place])] for place in query.context.places]


def test_a_query_holds_the_sentences_of_a_caption_in_order(dataset: Dataset, tmp_path: Path) -> None:
    judge = in_caption()
    summary = run_judge(dataset, judge, tmp_path / "runs")
    texts = {pair.pair_id: [] for pair in dataset.pairs()}
    for sentence in dataset.sentences():
        texts[sentence.pair_id].append((sentence.start, sentence.end, sentence.text))
    assert sorted(query.context.caption for query in judge.asked if query.context) == sorted(
        pair.caption for pair in dataset.pairs()
    )
    for query in judge.asked:
        assert query.context is not None
        assert query.context.places == (0, 1, 2)
        assert list(query.sentences) == said(query)
        (rows,) = {tuple(texts[pair.pair_id]) for pair in dataset.pairs() if pair.caption == query.context.caption}
        assert [(start, end) for start, end, _ in rows] == list(query.context.ranges)
    assert [query.number for query in judge.asked] == list(range(8))
    assert scores(summary) == expected(dataset)
    assert json.loads((summary.folder / "run.json").read_text())["spec"]["context"] == "caption"


def test_a_judge_that_sees_no_caption_gets_no_context(dataset: Dataset, tmp_path: Path) -> None:
    judge = FakeJudge()
    run_judge(dataset, judge, tmp_path / "runs")
    assert {query.context for query in judge.asked} == {None}


def test_both_are_judges_of_their_own(dataset: Dataset, tmp_path: Path) -> None:
    folders = {run_judge(dataset, judge, tmp_path).folder for judge in (FakeJudge(), in_caption())}
    assert len(folders) == 2


def test_the_captions_of_an_image_share_its_bytes(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[bytes] = []
    monkeypatch.setattr(shown, "decode", lambda encoded: decoded.append(encoded) or decode(encoded))
    judge = in_caption()
    run_judge(dataset, judge, tmp_path / "runs")
    assert Counter(query.image for query in judge.asked) == dict.fromkeys(decoded, 2)
    assert len(decoded) == 4
    assert len({id(query.image) for query in judge.asked}) == 4


@pytest.mark.parametrize("count", [0, 1, 2, 4, 7, 23])
def test_what_is_left_after_an_interruption_keeps_its_caption_and_number(
    dataset: Dataset, tmp_path: Path, count: int
) -> None:
    whole = in_caption()
    run_judge(dataset, whole, tmp_path / "whole")
    given = iter(range(count))

    def meddle(query: Query, place: int) -> None:
        if next(given, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_judge(dataset, FakeJudge(meddle, context="caption"), tmp_path / "runs")
    judge = in_caption()
    summary = run_judge(dataset, judge, tmp_path / "runs")
    assert scores(summary) == expected(dataset)
    for query in judge.asked:
        first = whole.asked[query.number]
        assert query.context is not None and first.context is not None
        assert query.context == dataclasses.replace(first.context, places=query.context.places)
        assert list(query.sentences) == said(query)
    assert sum(len(query.sentences) for query in judge.asked) == 24 - count


def test_shards_limits_and_retries_ask_by_the_same_numbers(dataset: Dataset, tmp_path: Path) -> None:
    whole = in_caption()
    run_judge(dataset, whole, tmp_path / "whole")
    shards = [in_caption() for _ in range(3)]
    for number, judge in enumerate(shards):
        summary = run_judge(dataset, judge, tmp_path / "shards", shard=(number, 3))
    assert [query for judge in shards for query in judge.asked] == whole.asked
    assert scores(summary) == expected(dataset)

    def fail(query: Query, place: int) -> Verdict | None:
        return Verdict.failed(Status.REFUSED, "no") if (query.number, place) in {(3, 1), (6, 0)} else None

    run_judge(dataset, FakeJudge(fail, context="caption"), tmp_path / "retried", limit=22)
    again = in_caption()
    run_judge(dataset, again, tmp_path / "retried", retry_failed=True)
    asked = {query.number: query.context.places for query in again.asked if query.context}
    assert asked == {3: (1,), 6: (0,), 7: (1, 2)}


@pytest.mark.parametrize("control", ["blank", "shuffled"])
def test_controls_replace_the_image_of_a_caption(dataset: Dataset, tmp_path: Path, control: str) -> None:
    judge = in_caption()
    summary = run_judge(dataset, judge, tmp_path / "runs", control=control)
    assert summary.statuses == {Status.OK: 24}
    own = {image.bytes: image.image_key for image in dataset.images()}
    keys = {pair.caption: pair.image_key for pair in dataset.pairs()}
    for query in judge.asked:
        assert query.context is not None
        assert own.get(query.image) != keys[query.context.caption]
        assert (query.image in own) is (control == "shuffled")


def test_missing_images_are_never_asked_about(tmp_path: Path) -> None:
    judge = in_caption()
    summary = run_judge(make_dataset(tmp_path / "data", missing=[1]), judge, tmp_path / "runs")
    assert [query.number for query in judge.asked] == [0, 1, 4, 5, 6, 7]
    assert statuses(summary) == [
        Status.IMAGE_MISSING if "tests:1#" in each.sentence_id else Status.OK for each in judgments(summary)
    ]


def test_a_judge_that_is_told_the_rows_is_told_those_of_the_caption(dataset: Dataset, tmp_path: Path) -> None:
    run_judge(dataset, BriefedJudge(context="caption"), tmp_path / "runs", limit=8)
    summary = run_judge(dataset, BriefedJudge(context="caption"), tmp_path / "runs")
    assert (summary.statuses, summary.asked) == ({Status.OK: 24}, 16)


def test_many_open_captions_come_back_in_any_order(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", images=60)
    summary = run_judge(dataset, TurbulentJudge(ahead=50, context="caption"), tmp_path / "runs")
    assert scores(summary) == expected(dataset)


def test_a_context_that_there_is_not(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="nearest: caption"):
        run_judge(dataset, FakeJudge(context="captions"), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_sentence_that_lies_outside_its_caption_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    path = dataset.path / "sentences.parquet"
    table = pq.read_table(path)
    ends = [*table["end"].to_pylist()[:-1], 4000]
    pq.write_table(table.set_column(table.schema.get_field_index("end"), "end", pa.array(ends, pa.int32())), path)
    with pytest.raises(DatasetError, match=r"does not lie in its caption.*alignbench validate"):
        run_judge(dataset, in_caption(), tmp_path / "runs")


# Captions in shuffled orders


@pytest.mark.parametrize("count", [0, 1, 4, 23])
def test_what_is_left_of_a_shuffled_caption_stands_where_it_stood(dataset: Dataset, tmp_path: Path, count: int) -> None:
    whole = in_caption()
    shuffled_run(dataset, tmp_path / "whole", whole)
    given = iter(range(count))

    def meddle(query: Query, place: int) -> None:
        if next(given, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shuffled_run(dataset, tmp_path / "runs", FakeJudge(meddle, context="caption"))
    judge = in_caption()
    summary = shuffled_run(dataset, tmp_path / "runs", judge)
    assert scores(summary) == expected(dataset)
    assert summary.asked == 24 - count
    for query in judge.asked:
        first = whole.asked[query.number]
        assert query.context is not None and first.context is not None
        assert query.context == dataclasses.replace(first.context, places=query.context.places)
        assert list(query.sentences) == said(query)


def test_shards_of_a_shuffled_run_ask_by_the_same_numbers(dataset: Dataset, tmp_path: Path) -> None:
    whole = in_caption()
    shuffled_run(dataset, tmp_path / "whole", whole)
    shards = [in_caption() for _ in range(3)]
    for number, judge in enumerate(shards):
        summary = shuffled_run(dataset, tmp_path / "shards", judge, shard=(number, 3))
    assert [query for judge in shards for query in judge.asked] == whole.asked
    assert scores(summary) == expected(dataset)


def test_the_order_of_a_caption_does_not_depend_on_the_seed(dataset: Dataset, tmp_path: Path) -> None:
    judges = [in_caption(), in_caption()]
    for seed, judge in enumerate(judges):
        shuffled_run(dataset, tmp_path / str(seed), judge, seed=seed)
    assert judges[0].asked == judges[1].asked


@pytest.mark.parametrize("control", ["blank", "shuffled"])
def test_a_control_may_replace_the_image_of_a_shuffled_caption(dataset: Dataset, tmp_path: Path, control: str) -> None:
    plain, judge = in_caption(), in_caption()
    shuffled_run(dataset, tmp_path / "runs", plain)
    summary = shuffled_run(dataset, tmp_path / "runs", judge, control=control)
    spec = json.loads((summary.folder / "run.json").read_text())["spec"]
    assert (spec["control"], spec["context"], spec["options"]) == (control, "shuffled-caption", {"shuffle": 1})
    captions = [{query.sentences for query in asked.asked} for asked in (plain, judge)]
    assert captions[0] == captions[1]
    assert {query.image for query in judge.asked}.isdisjoint({query.image for query in plain.asked}) is (
        control == "blank"
    )


def test_a_judge_that_is_told_the_rows_is_told_those_of_the_shuffled_caption(dataset: Dataset, tmp_path: Path) -> None:
    shuffled_run(dataset, tmp_path / "runs", BriefedJudge(context="caption"), limit=8)
    summary = shuffled_run(dataset, tmp_path / "runs", BriefedJudge(context="caption"))
    assert (summary.statuses, summary.asked) == ({Status.OK: 24}, 16)


KILLED = """
import sys, time
from pathlib import Path
from alignbench.run import run_judge
from alignbench.store import Dataset
from tests.fake_judges import FakeJudge
judge = FakeJudge(lambda query, place: time.sleep(0.02), context="caption")
run_judge(Dataset.open(Path(sys.argv[1])), judge, Path(sys.argv[2]), shuffle=1)
"""


def test_a_shuffled_run_that_is_killed_goes_on(dataset: Dataset, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with subprocess.Popen([sys.executable, "-c", KILLED, dataset.path, runs], cwd=ROOT) as process:
        while sum(path.read_bytes().count(b"\n") for path in runs.glob("*/ledger-*.jsonl")) < 4:
            assert process.poll() is None
            time.sleep(0.005)
        process.kill()
    kept = sum(path.read_bytes().count(b"\n") for path in runs.glob("*/ledger-*.jsonl"))
    summary = shuffled_run(dataset, runs)
    assert scores(summary) == expected(dataset)
    assert 4 <= kept < 24 and summary.asked == 24 - kept
