"""Running a judge: who is asked what, in which parts, and what a later call makes of it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
from dataclasses import replace
from pathlib import Path

import pytest

from alignbench.errors import DatasetChangedError, DatasetError, RunError, StorageError, UsageError
from alignbench.ledger import Ledger
from alignbench.run import Progress, run_judge
from alignbench.store import Dataset, DatasetWriter
from alignbench.types import Query, Status
from judges.blind import BlindJudge
from tests.datasets import PRODUCERS, make_dataset, make_image, make_pair
from tests.fake_judges import FakeJudge
from tests.run_results import expected, fail_on, judgments, scores, statuses, stop_after

# What is asked


def test_every_sentence_gets_its_own_score_in_file_order(dataset: Dataset, tmp_path: Path) -> None:
    summary = run_judge(dataset, FakeJudge(), tmp_path / "runs")
    assert scores(summary) == expected(dataset)
    assert (summary.sentences, summary.finished, summary.asked) == (24, 24, 24)
    assert summary.complete
    assert summary.statuses == {Status.OK: 24}


def test_a_query_holds_all_sentences_of_an_image_shuffled(dataset: Dataset, tmp_path: Path) -> None:
    judge = FakeJudge()
    run_judge(dataset, judge, tmp_path / "runs")
    written = [[s.text for s in dataset.sentences() if f"tests:{number}#" in s.sentence_id] for number in range(4)]
    asked = [list(query.sentences) for query in judge.asked]
    assert [sorted(each) for each in asked] == [sorted(each) for each in written]
    assert asked != written
    assert [query.number for query in judge.asked] == [0, 1, 2, 3]


def test_the_order_depends_on_the_seed_alone(dataset: Dataset, tmp_path: Path) -> None:
    orders = []
    for out, seed in (("one", 0), ("two", 0), ("three", 1)):
        judge = FakeJudge()
        summary = run_judge(dataset, judge, tmp_path / out, seed=seed)
        orders.append([query.sentences for query in judge.asked])
        assert scores(summary) == expected(dataset)
    assert orders[0] == orders[1] != orders[2]


def test_run_json_says_what_ran(dataset: Dataset, tmp_path: Path) -> None:
    judge = FakeJudge()
    summary = run_judge(dataset, judge, tmp_path / "runs", seed=7, control="blank")
    said = json.loads((summary.folder / "run.json").read_text())
    assert summary.folder.name == f"{dataset.shown_digest[:8]}-{summary.judge_id}"
    assert said["judge_id"] == summary.judge_id != judge.spec.judge_id
    assert said["spec"]["name"] == "fake (blank)"
    assert said["spec"]["control"] == "blank"
    assert said["dataset"]["shown_digest"] == dataset.shown_digest
    assert said["dataset"]["digest"] == dataset.digest
    assert (said["seed"], said["shards"], said["briefed"]) == (7, 1, False)


def test_run_json_says_which_shuffle_it_is(dataset: Dataset, tmp_path: Path) -> None:
    judge = FakeJudge(context="caption")
    shuffles = [run_judge(dataset, judge, tmp_path / "runs", shuffle=number) for number in range(2)]
    plain = run_judge(dataset, judge, tmp_path / "runs")
    assert len({each.folder for each in (*shuffles, plain)}) == 3
    for number, summary in enumerate(shuffles):
        spec = json.loads((summary.folder / "run.json").read_text())["spec"]
        assert (spec["name"], spec["context"]) == (f"fake (shuffle {number})", "shuffled-caption")
        assert spec["options"] == {"shuffle": number}
        assert scores(summary) == expected(dataset)
    assert judge.spec.context == "caption", "the judge does not know"


@pytest.mark.parametrize(("shuffle", "context"), [(-1, "caption"), (0, "sentence")])
def test_a_shuffle_that_makes_no_sense(dataset: Dataset, tmp_path: Path, shuffle: int, context: str) -> None:
    with pytest.raises(UsageError, match="shuffle"):
        run_judge(dataset, FakeJudge(context=context), tmp_path / "runs", shuffle=shuffle)
    assert not (tmp_path / "runs").exists()


def test_missing_and_unreadable_images_are_never_asked_about(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "data", name="odd") as writer:
        for number in range(4):
            image = make_image(number, missing=number == 1)
            if number == 2:
                junk = b"\x89PNG but not really"
                image = replace(image, bytes=junk, sha256=hashlib.sha256(junk).hexdigest())
            writer.add_image(image)
            writer.add_pair(*make_pair(image, PRODUCERS[0], number))
    judge = FakeJudge()
    summary = run_judge(Dataset.open(tmp_path / "data"), judge, tmp_path / "runs")
    assert [query.number for query in judge.asked] == [0, 3]
    assert statuses(summary) == [
        status for status in (Status.OK, Status.IMAGE_MISSING, Status.IMAGE_UNREADABLE, Status.OK) for _ in range(3)
    ]
    assert "not a whole image" in judgments(summary)[6].verdict.raw["reason"]


def test_a_dataset_without_any_image(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", missing=range(4))
    judge = FakeJudge()
    summary = run_judge(dataset, judge, tmp_path / "runs")
    assert set(statuses(summary)) == {Status.IMAGE_MISSING}
    assert judge.asked == []
    assert run_judge(dataset, judge, tmp_path / "runs", retry_failed=True).asked == 0


# Parts of a run


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_add_up(dataset: Dataset, tmp_path: Path, count: int) -> None:
    summaries = [
        run_judge(dataset, FakeJudge(), tmp_path / "runs", shard=(number, count)) for number in reversed(range(count))
    ]
    assert [each.complete for each in summaries] == [each.finished == 24 for each in summaries]
    assert sum(each.asked for each in summaries) == 24
    assert scores(summaries[-1]) == expected(dataset)


def test_a_run_can_go_on_with_another_number_of_shards(dataset: Dataset, tmp_path: Path) -> None:
    run_judge(dataset, FakeJudge(), tmp_path / "runs", shard=(1, 2))
    summary = run_judge(dataset, FakeJudge(), tmp_path / "runs")
    assert summary.asked == 12
    assert scores(summary) == expected(dataset)


def test_a_limit_is_a_part_that_a_later_call_completes(dataset: Dataset, tmp_path: Path) -> None:
    judge = FakeJudge()
    summary = run_judge(dataset, judge, tmp_path / "runs", limit=5)
    assert (summary.finished, summary.complete) == (5, False)
    assert not (summary.folder / "judgments.parquet").exists()
    first = [text for _, text in sorted((s.sentence_id, s.text) for s in list(dataset.sentences())[:5])]
    assert sorted(text for query in judge.asked for text in query.sentences) == sorted(first)
    assert scores(run_judge(dataset, FakeJudge(), tmp_path / "runs")) == expected(dataset)


@pytest.mark.parametrize("wrong", [{"shard": (2, 2)}, {"shard": (-1, 2)}, {"limit": 0}, {"control": "blnk"}], ids=str)
def test_wrong_requests(dataset: Dataset, tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        run_judge(dataset, FakeJudge(), tmp_path / "runs", **wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "runs").exists()


def test_a_finished_run_is_left_alone(dataset: Dataset, tmp_path: Path) -> None:
    summary = run_judge(dataset, FakeJudge(), tmp_path / "runs")
    before = {path: path.stat().st_mtime_ns for path in summary.folder.iterdir()}
    judge = FakeJudge()
    again = run_judge(dataset, judge, tmp_path / "runs")
    assert (again.asked, again.complete, judge.asked) == (0, True, [])
    assert {path: path.stat().st_mtime_ns for path in summary.folder.iterdir() if path.suffix != ".jsonl"} == {
        path: time for path, time in before.items() if path.suffix != ".jsonl"
    }


def test_progress_counts_what_was_there_before(dataset: Dataset, tmp_path: Path) -> None:
    seen: list[Progress] = []
    run_judge(dataset, FakeJudge(), tmp_path / "runs", limit=10)
    run_judge(dataset, FakeJudge(), tmp_path / "runs", progress=seen.append)
    assert seen[0] == Progress(finished=11, total=24, asked=1, failed=0)
    assert seen[-1] == Progress(finished=24, total=24, asked=14, failed=0)


# Interruptions


@pytest.mark.parametrize("count", [0, 1, 5, 6, 7, 23])
def test_an_interrupted_run_goes_on(dataset: Dataset, tmp_path: Path, count: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_judge(dataset, stop_after(count, KeyboardInterrupt()), tmp_path / "runs")
    judge = FakeJudge()
    summary = run_judge(dataset, judge, tmp_path / "runs")
    assert summary.asked == sum(len(query.sentences) for query in judge.asked) == 24 - count
    assert scores(summary) == expected(dataset)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_disk_that_refuses_loses_nothing(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    write, lines = os.write, []

    def refuse(descriptor: int, line: bytes) -> int:
        if len(lines) == 10:
            raise OSError(number, os.strerror(number))
        lines.append(line)
        return write(descriptor, line)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        with pytest.raises(StorageError, match=f"{os.strerror(number)}.*run the same command again"):
            run_judge(dataset, FakeJudge(), tmp_path / "runs")
    summary = run_judge(dataset, FakeJudge(), tmp_path / "runs")
    assert summary.asked == 14
    assert scores(summary) == expected(dataset)


def test_a_merge_that_the_disk_refuses_is_made_good(dataset: Dataset, tmp_path: Path) -> None:
    folder = run_judge(dataset, FakeJudge(), tmp_path / "runs").folder
    (folder / "judgments.parquet").unlink()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(StorageError, match=r"judgments\.parquet could not be written: File too large"):
            run_judge(dataset, FakeJudge(), tmp_path / "runs")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(path.name for path in folder.iterdir()) == ["ledger-0-of-1.jsonl", "run.json"]
    summary = run_judge(dataset, FakeJudge(), tmp_path / "runs")
    assert (summary.asked, summary.complete) == (0, True)
    assert scores(summary) == expected(dataset)


def test_an_interrupted_retry_reaches_the_judgments(dataset: Dataset, tmp_path: Path) -> None:
    run_judge(dataset, fail_on(make_image(2), ValueError("boom")), tmp_path / "runs")
    with pytest.raises(KeyboardInterrupt):
        run_judge(dataset, stop_after(4, KeyboardInterrupt()), tmp_path / "runs", retry_failed=True)
    summary = run_judge(dataset, FakeJudge(), tmp_path / "runs")
    assert (summary.asked, statuses(summary).count(Status.FAILED)) == (0, 2)


def test_judgments_that_cannot_be_read_are_written_again(dataset: Dataset, tmp_path: Path) -> None:
    folder = run_judge(dataset, FakeJudge(), tmp_path / "runs").folder
    (folder / "judgments.parquet").write_bytes(b"PAR1")
    assert scores(run_judge(dataset, FakeJudge(), tmp_path / "runs")) == expected(dataset)


def test_a_folder_that_cannot_be_made(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(StorageError):
        run_judge(dataset, FakeJudge(), tmp_path / "runs")


def test_two_processes_do_not_judge_the_same_part(dataset: Dataset, tmp_path: Path) -> None:
    summary = run_judge(dataset, FakeJudge(), tmp_path / "runs", limit=1)
    with Ledger(summary.folder, (0, 1)), pytest.raises(RunError, match="another process is judging"):
        run_judge(dataset, FakeJudge(), tmp_path / "runs")


# Changes between calls


def test_labels_may_change_under_a_judge_that_does_not_see_them(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", labelled=False)
    run_judge(dataset, FakeJudge(), tmp_path / "runs", limit=5)
    relabelled = make_dataset(tmp_path / "data2")
    assert run_judge(relabelled, FakeJudge(), tmp_path / "runs").asked == 19


def test_labels_may_not_change_under_a_judge_that_is_told(tmp_path: Path) -> None:
    index = BlindJudge.from_reference("index")
    run_judge(make_dataset(tmp_path / "data", labelled=False), index, tmp_path / "runs", limit=5)
    with pytest.raises(DatasetChangedError, match="has changed since the run"):
        run_judge(make_dataset(tmp_path / "data2"), index, tmp_path / "runs")


def test_an_unfinished_run_on_an_older_dataset_is_not_passed_over(tmp_path: Path) -> None:
    run_judge(make_dataset(tmp_path / "data", missing=[1]), FakeJudge(), tmp_path / "runs", limit=5)
    complete = make_dataset(tmp_path / "data2")
    with pytest.raises(DatasetChangedError, match="give another --out"):
        run_judge(complete, FakeJudge(), tmp_path / "runs")
    assert run_judge(complete, FakeJudge(), tmp_path / "others").complete


def test_a_finished_run_on_an_older_dataset_stays_beside_the_new_one(tmp_path: Path) -> None:
    old = run_judge(make_dataset(tmp_path / "data", missing=[1]), FakeJudge(), tmp_path / "runs")
    new = run_judge(make_dataset(tmp_path / "data2"), FakeJudge(), tmp_path / "runs")
    assert old.folder != new.folder
    assert old.folder.parent == new.folder.parent


def test_a_dataset_replaced_while_it_is_judged(dataset: Dataset, tmp_path: Path) -> None:
    def meddle(query: Query, place: int) -> None:
        if query.number == 3 and place == 5:
            header = json.loads((dataset.path / "dataset.json").read_text())
            header["shown_digest"] = "0" * 64
            (dataset.path / "dataset.json").write_text(json.dumps(header))

    with pytest.raises(DatasetChangedError):
        run_judge(dataset, FakeJudge(meddle), tmp_path / "runs")


def test_another_seed_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    run_judge(dataset, FakeJudge(), tmp_path / "runs", limit=1)
    with pytest.raises(RunError, match="begun with seed 0, not 1"):
        run_judge(dataset, FakeJudge(), tmp_path / "runs", seed=1)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_damaged_run_json_is_named(dataset: Dataset, tmp_path: Path, text: str) -> None:
    folder = run_judge(dataset, FakeJudge(), tmp_path / "runs", limit=1).folder
    (folder / "run.json").write_text(text)
    with pytest.raises(RunError, match=r"run\.json cannot be read"):
        run_judge(dataset, FakeJudge(), tmp_path / "runs")


def test_sentences_without_their_pair_are_refused(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = dataset.pairs_table(["pair_id", "image_key"])
    monkeypatch.setattr(Dataset, "pairs_table", lambda self, columns: pairs.slice(1))
    with pytest.raises(DatasetError, match="alignbench validate"):
        run_judge(dataset, FakeJudge(), tmp_path / "runs")


def test_pairs_without_their_image_are_refused(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Dataset, "image_keys", lambda self: ["tests:0"])
    with pytest.raises(DatasetError, match="alignbench validate"):
        run_judge(dataset, FakeJudge(), tmp_path / "runs")
