"""What votes come to, by the accuracy of a simulated crowd over the scenes benchmark; one JSON line.

Five annotators at 0.75 to 0.85: the strict majority against the best of them. One at 0.95 and four at 0.65: Dawid-Skene
against the best one, and the strict majority beside it. Each with several seeds, through label events recorded in a
copy of the dataset, whose labels are the truth. Then how long it takes to record and resolve five annotators' labels.

The ratio is the lowest, over both crowds and all seeds, of the accuracy of what the votes came to (strict majority of
the even crowd, Dawid-Skene of the uneven one) over that of the best annotator. It fails where a majority does not beat
every annotator, or Dawid-Skene falls short of the best one by more than 0.01.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import generation
from alignbench.labelling.record import Recording, record_events, resolve_labels
from alignbench.simulation.crowd import SimulatedAnnotator, simulate_labels, simulated_crowd
from alignbench.store import Dataset
from alignbench.types import Label
from generation.pipeline import generate

EVEN = simulated_crowd(0.75, 0.775, 0.8, 0.825, 0.85)
UNEVEN = simulated_crowd(0.95, 0.65, 0.65, 0.65, 0.65)
SLACK = 0.01
GOAL = 0.99
Truth = Mapping[str, Label]


class Outcome(NamedTuple):
    """Accuracies of one crowd with one seed: of every annotator, of the strict majority, of Dawid-Skene."""

    annotators: list[float]
    majority: float
    dawid_skene: float

    @property
    def best(self) -> float:
        """That of the best annotator."""
        return max(self.annotators)


def accuracy(said: Mapping[str, Label | None], truth: Truth) -> float:
    """The share of the sentences whose label is the true one."""
    return round(sum(said[sentence] is label for sentence, label in truth.items()) / len(truth), 4)


def labels_of(dataset: Path) -> dict[str, Label | None]:
    """The label of every sentence, by its id."""
    return {sentence.sentence_id: sentence.label for sentence in Dataset.open(dataset).sentences()}


def outcome(dataset: Path, crowd: Sequence[SimulatedAnnotator], seed: int, folder: Path) -> Outcome:
    """Let a crowd label a copy of the dataset, and hold what their votes come to against the truth."""
    truth = {sentence: label for sentence, label in labels_of(dataset).items() if label is not None}
    events = simulate_labels(Dataset.open(dataset), crowd, seed=seed)
    said: dict[str, dict[str, Label | None]] = {one.name: {} for one in crowd}
    for event in events:
        said[event.annotator][event.sentence_id] = event.label
    copy = Path(shutil.copytree(dataset, folder / "copy"))
    try:
        record_events(copy, events, rule="strict-majority")
        majority = accuracy(labels_of(copy), truth)
        resolve_labels(copy, rule="dawid-skene")
        return Outcome([accuracy(each, truth) for each in said.values()], majority, accuracy(labels_of(copy), truth))
    finally:
        shutil.rmtree(copy)


def timed(dataset: Path, folder: Path) -> dict[str, float]:
    """Seconds to record five annotators' labels, and to resolve them anew by each rule."""
    events = simulate_labels(Dataset.open(dataset), EVEN)
    copy = Path(shutil.copytree(dataset, folder / "timed"))
    seconds = {"record": seconds_of(partial(record_events, copy, events))}
    for rule in ("majority", "strict-majority", "dawid-skene"):
        seconds[f"resolve {rule}"] = seconds_of(partial(resolve_labels, copy, rule=rule))
    return {"sentences": len(labels_of(copy)), "events": len(events)} | seconds


def seconds_of(do: Callable[[], Recording]) -> float:
    """How long it takes."""
    begun = time.perf_counter()
    do()
    return round(time.perf_counter() - begun, 2)


def report(even: Sequence[Outcome], uneven: Sequence[Outcome], times: Mapping[str, float]) -> int:
    """Print what came out; 1 where votes do worse than they should."""
    for name, crowd, rule in (("even", even, "majority"), ("uneven", uneven, "dawid_skene")):
        for seed, each in enumerate(crowd):
            print(
                f"{name} crowd, seed {seed}: best annotator {each.best:.4f}, "
                f"strict majority {each.majority:.4f}, Dawid-Skene {each.dawid_skene:.4f}"
            )
        margin = min(getattr(each, rule) - each.best for each in crowd)
        print(f"{name} crowd: {rule} less the best annotator is at least {margin:+.4f} over {len(crowd)} seeds")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"seconds: {dict(times)}; peak memory of all this {peak:,.0f} MB")
    over = min(each.majority - each.best for each in even)
    short = min(each.dawid_skene - each.best for each in uneven)
    detail = {
        "seeds": len(even),
        "majority_less_best": round(over, 4),
        "dawid_skene_less_best": round(short, 4),
        "majority_of_uneven_less_best": round(min(each.majority - each.best for each in uneven), 4),
        "seconds": dict(times),
        "peak_mb": round(peak),
        "even": [each._asdict() for each in even],
        "uneven": [each._asdict() for each in uneven],
    }
    ratio = min(*(each.majority / each.best for each in even), *(each.dawid_skene / each.best for each in uneven))
    print(
        json.dumps(
            {"benchmark": "crowds", "ratio": round(ratio, 4), "goal": GOAL, "max_abs_diff": None, "detail": detail}
        )
    )
    return int(over <= 0 or short < -SLACK)


def main() -> int:
    """Print the accuracies, the times and the JSON line; 1 where votes do worse than they should."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "dataset", type=Path, nargs="?", help="a labelled dataset; by default the demo's scenes are made"
    )
    parser.add_argument("--quick", action="store_true", help="two seeds in place of ten")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = given.dataset or folder / "scenes"
        if given.dataset is None:
            generate(Path(generation.__file__).parent / "recipes" / "scenes.yaml", dataset)
        seeds = range(2 if given.quick else 10)
        even = [outcome(dataset, EVEN, seed, folder) for seed in seeds]
        uneven = [outcome(dataset, UNEVEN, seed, folder) for seed in seeds]
        times = timed(dataset, folder)
    return report(even, uneven, times)


if __name__ == "__main__":
    sys.exit(main())
