"""A judging process killed at any moment, and started again, ends where an uninterrupted one does."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from tests.datasets import make_dataset

KILLS = 20
JUDGE = "planted:auroc=0.8,failures=0.1,seed=3"
SLOW = f"{JUDGE},delay=0.004"
"""The same judge, at a pace at which a kill finds it at work."""
PROGRAM = """
import sys
from pathlib import Path
from alignbench.registry import build_judge
from alignbench.run import run_judge
from alignbench.store import Dataset
print("ready", flush=True)
run_judge(Dataset.open(Path(sys.argv[1])), build_judge(sys.argv[2]), Path(sys.argv[3]))
"""


def start(dataset: Path, judge: str, out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, dataset, judge, out], stdout=subprocess.PIPE)


def table(out: Path) -> list[dict[str, object]]:
    (path,) = out.glob("*/judgments.parquet")
    return pq.read_table(path, columns=["sentence_id", "status", "score", "attempts", "raw"]).to_pylist()


def recorded(out: Path) -> Counter[str]:
    """How often each sentence stands in the ledger; a line that a kill cut short does not count."""
    lines = [line for path in out.glob("*/ledger-*.jsonl") for line in path.read_bytes().splitlines(keepends=True)]
    return Counter(json.loads(line)["sentence_id"] for line in lines if line.endswith(b"\n"))


def test_killed_at_random_moments(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", images=200).path
    with start(dataset, JUDGE, tmp_path / "whole") as process:
        assert process.wait() == 0
    rng = random.Random(0)
    kills_that_met_a_run = 0
    for _ in range(KILLS):
        before = recorded(tmp_path / "runs")
        with start(dataset, SLOW, tmp_path / "runs") as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.uniform(0, 0.5))
            process.kill()
        after = recorded(tmp_path / "runs")
        kills_that_met_a_run += 0 < sum(after.values()) < 1200
        assert before <= after
        assert set(after.values()) <= {1}
    assert kills_that_met_a_run > KILLS / 2
    with start(dataset, JUDGE, tmp_path / "runs") as process:
        assert process.wait() == 0
    assert set(recorded(tmp_path / "runs").values()) == {1}
    assert table(tmp_path / "runs") == table(tmp_path / "whole")
