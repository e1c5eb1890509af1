"""Shards: each makes its part, who finishes last writes the dataset, and nobody can tell it from one process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from alignbench.errors import RunError, UsageError
from generation.journal import Journal
from generation.pipeline import generate
from generation.progress import Progress
from tests.standins import BOTH, CAPTIONS, LOOP, Write, files_of, install, writer_in

SCENES = """\
images: {source: scenes, count: 7}
captioners: [scenes-template]
prompts: {writer: scenes, count: 5}
image_models: [scenes-painter-a, scenes-painter-b]
loop: {image_models: [scenes-painter-b], captioners: [scenes-template]}
labeller: scenes
"""


@pytest.fixture
def adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return install(tmp_path / "site", monkeypatch)


@pytest.fixture
def recipe(adapters: Path, tmp_path: Path) -> Write:
    return writer_in(tmp_path)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_shards_are_one_process_byte_for_byte(tmp_path: Path, order: tuple[int, int]) -> None:
    path = writer_in(tmp_path)(SCENES)
    whole = generate(path, tmp_path / "whole")
    first, last = (generate(path, tmp_path / "out", shard=(number, 2)) for number in order)
    assert (first.complete, first.digest, first.counts) == (False, None, {})
    assert (first.finished, first.rows, first.failures) == (first.made, whole.rows, {})
    assert (last.complete, last.digest, last.made) == (True, whole.digest, whole.rows - first.made)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")
    assert not (tmp_path / "out.partial").exists()


def test_a_cluster_stays_in_one_shard_and_every_row_in_one(recipe: Write, tmp_path: Path) -> None:
    path = recipe(BOTH + LOOP)
    summaries = [generate(path, tmp_path / "out", shard=(number, 4)) for number in range(4)]
    assert sum(summary.made for summary in summaries) == 12
    assert [summary.complete for summary in summaries] == [False, False, False, True]


def test_shards_that_start_at_the_same_moment(recipe: Write, tmp_path: Path) -> None:
    path = recipe(BOTH + LOOP)
    generate(path, tmp_path / "whole")
    start = threading.Barrier(3, timeout=30)
    summaries = []

    def make(number: int) -> None:
        start.wait()
        summaries.append(generate(path, tmp_path / "out", shard=(number, 3)))

    together([partial(make, number) for number in range(3)])
    assert sum(summary.made for summary in summaries) == 12
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")
    assert not (tmp_path / "out.partial").exists()


def together(calls: Sequence[Callable[[], None]]) -> None:
    """Locks keep two threads apart as they do two processes, because each opens the files anew."""
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_another_number_of_shards_goes_on_with_what_is_there(recipe: Write, adapters: Path, tmp_path: Path) -> None:
    path = recipe(BOTH + LOOP)
    part = generate(path, tmp_path / "out", shard=(1, 3))
    rest = generate(path, tmp_path / "out")
    assert (rest.complete, rest.made) == (True, 12 - part.made)
    generate(path, tmp_path / "whole")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def test_two_divisions_at_once_and_one_shard_twice_are_refused(recipe: Write, tmp_path: Path) -> None:
    path = recipe(BOTH)
    generate(path, tmp_path / "out", shard=(0, 2))
    with Journal(tmp_path / "out.partial", (1, 2)):
        with pytest.raises(RunError, match=r"journal-1-of-2\.jsonl, with another number of shards; wait for it"):
            generate(path, tmp_path / "out")
        with pytest.raises(RunError, match=r"another process is at work in .*journal-1-of-2\.jsonl; wait for it"):
            generate(path, tmp_path / "out", shard=(1, 2))
        assert generate(path, tmp_path / "out", shard=(0, 2)).made == 0
    assert generate(path, tmp_path / "out").complete


def test_retrying_in_shards(recipe: Write, adapters: Path, tmp_path: Path) -> None:
    path = recipe(CAPTIONS.format("moody").replace("count: 3", "count: 9") + LOOP)
    for number in range(2):
        first = generate(path, tmp_path / "out", shard=(number, 2))
    assert first.complete and first.failures["moody"]["refused"] > 1
    (adapters / "bold").touch()
    half = generate(path, tmp_path / "out", shard=(0, 2), retry_failed=True)
    assert half.complete and 0 < half.failures["moody"]["refused"] < first.failures["moody"]["refused"]
    assert generate(path, tmp_path / "out", shard=(1, 2), retry_failed=True).failures == {}
    generate(path, tmp_path / "fresh")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "fresh")


def test_different_weights_under_one_name_are_refused(recipe: Write, tmp_path: Path) -> None:
    path = recipe(CAPTIONS.format("plain"))
    generate(path, tmp_path / "out", shard=(0, 2))
    journal = tmp_path / "out.partial" / "journal-0-of-2.jsonl"
    rows = [json.loads(line) for line in journal.read_text().split("\n")[:-1]]
    # As if the other shard had been made meanwhile, on a machine with other weights.
    for row in rows:
        row["producer"]["revision"] = "2"
    before = journal.read_bytes()
    journal.write_bytes(b"")
    generate(path, tmp_path / "out", shard=(1, 2))
    journal.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(RunError, match=r"revision='1'.*earlier rows were made by .*revision='2'"):
        generate(path, tmp_path / "out", shard=(1, 2))
    journal.write_bytes(before)
    assert generate(path, tmp_path / "out", shard=(1, 2)).complete


@pytest.mark.parametrize("shard", [(2, 2), (-1, 2), (0, 0)])
def test_a_shard_that_there_is_not(recipe: Write, tmp_path: Path, shard: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="there is no shard"):
        generate(recipe(BOTH), tmp_path / "out", shard=shard)


def test_who_comes_too_late_finds_the_dataset(recipe: Write, tmp_path: Path) -> None:
    """The last rows of two shards are made at the same moment: both find all there, one writes the dataset."""
    path = recipe(BOTH)
    meeting = threading.Barrier(2, timeout=30)
    summaries = []

    def make(number: int) -> None:
        met = iter([True])

        def update(stand: Progress) -> None:
            if stand.unit == "rows" and stand.finished == stand.total and next(met, False):
                meeting.wait()

        summaries.append(generate(path, tmp_path / "out", shard=(number, 2), progress=update))

    generate(path, tmp_path / "whole")
    together([partial(make, number) for number in range(2)])
    assert [summary.complete for summary in summaries] == [True, True]
    assert len({summary.digest for summary in summaries}) == 1
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")
    assert not (tmp_path / "out.partial").exists()
