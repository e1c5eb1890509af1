"""Time of `alignbench --help` against a bare click program with five commands; ends with one JSON line.

Both are started by the same interpreter, turn by turn, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GOAL = 2.5
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
BARE = """
import click

@click.group()
def bare() -> None:
    "A program that does nothing."

for name in ("one", "two", "three", "four", "five"):
    @bare.command(name)
    @click.argument("path")
    @click.option("--out")
    def command(path, out):
        "A command that does nothing."

bare()
"""
OURS = """
import sys
from alignbench.cli import run
sys.exit(run())
"""


def seconds(script: Path) -> float:
    """Wall time of one `--help`."""
    began = time.perf_counter()
    subprocess.run([sys.executable, str(script), "--help"], check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    return time.perf_counter() - began


def measure(rounds: int, folder: Path) -> tuple[list[float], list[float]]:
    """Seconds of every round, bare and ours, after one round that compiles."""
    bare, ours = folder / "bare.py", folder / "ours.py"
    bare.write_text(BARE, encoding="utf-8")
    ours.write_text(OURS, encoding="utf-8")
    times = [(seconds(bare), seconds(ours)) for _ in range(rounds + 1)][1:]
    return [first for first, _ in times], [second for _, second in times]


def main() -> int:
    """Print the medians and the JSON line; exit 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds = 11 if parser.parse_args().quick else 51
    with tempfile.TemporaryDirectory() as folder:
        bare, ours = measure(rounds, Path(folder))
    bare_ms, ours_ms = 1000 * statistics.median(bare), 1000 * statistics.median(ours)
    ratio = ours_ms / bare_ms
    print(f"bare click {bare_ms:.1f} ms, alignbench {ours_ms:.1f} ms, ratio {ratio:.2f} (goal {GOAL} or less)")
    detail = {"bare_ms": round(bare_ms, 2), "alignbench_ms": round(ours_ms, 2), "rounds": rounds}
    outcome = {"benchmark": "startup", "ratio": round(ratio, 3), "goal": GOAL, "max_abs_diff": None, "detail": detail}
    print(json.dumps(outcome))
    return 0 if ratio <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
