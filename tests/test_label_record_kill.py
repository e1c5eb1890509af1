"""Recording labels, killed at any moment: the dataset is the old or the new one, and trying again gives the same."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alignbench.atomic import old_of
from alignbench.folder_exchange import exchange
from alignbench.labelling.record import record_events
from alignbench.simulation.crowd import simulate_labels, simulated_crowd
from alignbench.store import Dataset
from alignbench.validate import validate
from tests.datasets import make_dataset, tree

RANDOM_KILLS = 20
REFUSED = 2
DONE = 10
# Records in a child of its own for every line it reads; the child can kill itself at a step on the disk.
PROGRAM = """
import datetime as dt, os, signal, sys
import pandas  # pyarrow would import it in every child
from pathlib import Path
from alignbench.errors import DatasetError
from alignbench import folder_exchange
from alignbench.labelling.record import record_events
from alignbench.simulation.crowd import SimulatedAnnotator, simulate_labels
from alignbench.store import Dataset

def record(path, truth, names, step, exchanges):
    if exchanges == "no":
        folder_exchange.exchange = lambda one, other: False
    crowd = [SimulatedAnnotator(name, 0.8, jitter=2) for name in names.split(",")]
    events = simulate_labels(Dataset.open(Path(truth)), crowd, seed=4)
    steps = 0
    def dying(do):
        def done(*args, **more):
            nonlocal steps
            steps += 1
            if steps == int(step):
                os.kill(os.getpid(), signal.SIGKILL)
            return do(*args, **more)
        return done
    os.link, os.fsync, Path.rename = dying(os.link), dying(os.fsync), dying(Path.rename)
    try:
        record_events(Path(path), events, moment=dt.datetime(2026, 2, 1, tzinfo=dt.UTC))
    except DatasetError as error:
        return 2 if "another process is writing" in str(error) else 3
    return 10

print("0", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os._exit(record(*line.rstrip("\\n").split("\\t")))
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Recorder:
    """A process that records what the simulated crowd says of a dataset."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.read()  # it is ready

    def begin(self, path: Path, truth: Path, *, names: str = "a,b", step: int = 0, exchanges: str = "yes") -> int:
        """Begin to record; the id of the process that does."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{path}\t{truth}\t{names}\t{step}\t{exchanges}\n")
        self.process.stdin.flush()
        return self.read()

    def read(self) -> int:
        """The next number that the process tells; after `begin`, the exit code."""
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())


@pytest.fixture(scope="module")
def recorders() -> Iterator[list[Recorder]]:
    found = [Recorder() for _ in range(3)]
    yield found
    for each in found:
        assert each.process.stdin is not None and each.process.stdout is not None
        each.process.stdin.close()
        each.process.wait()
        each.process.stdout.close()


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with 180 sentences, which no test changes."""
    return make_dataset(tmp_path_factory.mktemp("truth") / "d", images=30).path


def copy_of(truth: Path, folder: Path) -> Path:
    return Path(shutil.copytree(truth, folder / "d"))


def check_and_go_on(recorder: Recorder, path: Path, truth: Path, new: dict[str, bytes]) -> bool:
    """That the dataset at `path` is the old or the new one, and becomes the new one; whether it was the old one."""
    # The old folder stands aside for the moment between two renames.
    now = tree(path if path.exists() else old_of(path))
    assert now in (tree(truth), new)
    recorder.begin(path, truth)
    assert recorder.read() == DONE
    assert tree(path) == new
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    return now != new


@pytest.fixture(scope="module")
def whole(truth: Path, recorders: list[Recorder], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """What a recording that nothing disturbs makes, and in how many seconds."""
    path = copy_of(truth, tmp_path_factory.mktemp("whole"))
    begun = time.monotonic()
    recorders[0].begin(path, truth)
    assert recorders[0].read() == DONE
    assert validate(path) == []
    assert tree(path) != tree(truth)
    return path, time.monotonic() - begun


def test_killed_at_random_moments(
    tmp_path: Path, truth: Path, recorders: list[Recorder], whole: tuple[Path, float]
) -> None:
    done, seconds = whole
    rng, new, early = random.Random(1), tree(done), 0
    for kill in range(RANDOM_KILLS):
        path = copy_of(truth, tmp_path / str(kill))
        child = recorders[0].begin(path, truth)
        time.sleep(rng.uniform(0, seconds))
        with contextlib.suppress(ProcessLookupError):  # it was done already
            os.kill(child, signal.SIGKILL)
        recorders[0].read()
        early += check_and_go_on(recorders[0], path, truth, new)
    assert early > RANDOM_KILLS / 4


@pytest.mark.parametrize("exchanges", ["yes", "no"])
def test_killed_at_every_step_on_the_disk(
    tmp_path: Path, truth: Path, recorders: list[Recorder], whole: tuple[Path, float], exchanges: str
) -> None:
    """On a disk that can exchange folders, and on one that cannot."""
    new, was_old, code = tree(whole[0]), list[bool](), -signal.SIGKILL
    while code == -signal.SIGKILL:
        step = len(was_old) + 1
        path = copy_of(truth, tmp_path / str(step))
        recorders[0].begin(path, truth, step=step, exchanges=exchanges)
        code = recorders[0].read()
        was_old.append(check_and_go_on(recorders[0], path, truth, new))
    assert len(was_old) > 8
    assert was_old == sorted(was_old, reverse=True)
    assert was_old[0] and not was_old[-2]


def test_several_at_once_lose_nothing(tmp_path: Path, truth: Path, recorders: list[Recorder]) -> None:
    path, refused = copy_of(truth, tmp_path), 0
    waiting = dict(zip(["a,b", "c", "d,e"], recorders, strict=True))
    while waiting:
        for names, recorder in waiting.items():
            recorder.begin(path, truth, names=names)
        codes = {names: recorder.read() for names, recorder in waiting.items()}
        assert all(code in (REFUSED, DONE) for code in codes.values())
        refused += list(codes.values()).count(REFUSED)
        waiting = {names: recorder for names, recorder in waiting.items() if codes[names] == REFUSED}
    assert refused > 0
    opened = Dataset.open(path)
    assert opened.labels is not None and opened.labels["events"] == 6 * opened.counts["sentences"]
    assert {event.annotator for event in opened.label_events()} == {"dataset", *"abcde"}
    assert validate(path) == []


def test_who_opens_the_dataset_meanwhile_finds_it_whole(tmp_path: Path, truth: Path, recorders: list[Recorder]) -> None:
    path, opened = copy_of(truth, tmp_path), 0
    if not exchange(path, copy_of(truth, tmp_path / "other")):
        pytest.skip("this disk cannot exchange folders")
    for names in "abcdefgh":
        recorders[0].begin(path, truth, names=names)
        recorders[1].begin(path.parent / "other" / "d", truth, names=names)
        while Dataset.open(path).labels is None or names not in {
            e.annotator for e in Dataset.open(path).label_events()
        }:
            opened += len(list(Dataset.open(path).sentences())) == 180
        assert recorders[0].read() == recorders[1].read() == DONE
    assert opened > 0


def test_datasets_that_share_files_do_not_share_labels(tmp_path: Path, truth: Path) -> None:
    def link(source: str, target: str) -> None:
        Path(target).hardlink_to(source)

    path = Path(shutil.copytree(truth, tmp_path / "d", copy_function=link))
    before = tree(truth)
    record_events(path, simulate_labels(Dataset.open(truth), simulated_crowd(0.7)))
    assert tree(truth) == before != tree(path)
