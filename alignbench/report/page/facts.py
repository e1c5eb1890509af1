"""What the page says of the dataset, the judges and the way everything was computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from alignbench.evaluate.judges import Judged
from alignbench.types import JudgeSpec

Json = Mapping[str, Any]


class Count(NamedTuple):
    """A number at the top of the page, and what it counts."""

    number: str
    what: str


class Identity(NamedTuple):
    """What exactly a judge was: its name and everything that can change a score."""

    name: str
    judge_id: str
    model: str
    told: str


def counts(results: Json) -> list[Count]:
    """How large everything is."""
    dataset = results["dataset"]
    n_controls = sum(judge["control"] is not None for judge in results["judges"])
    numbers = {
        "judges": len(results["judges"]) - n_controls,
        "blind controls": n_controls,
        "producers": len(dataset["producers"]),
        "images": dataset["images"],
        "captions": dataset["pairs"],
        "correct sentences": dataset["correct"],
        "incorrect sentences": dataset["incorrect"],
        "left out": dataset["unknown"] + dataset["unlabelled"],
    }
    return [Count(f"{number:,}", what) for what, number in numbers.items()]


def signature(results: Json) -> list[tuple[str, str]]:
    """What the numbers can be recomputed from, a name and a value each."""
    dataset = results["dataset"]
    return [
        ("dataset", f"{dataset['name']} {dataset['version']}"),
        ("digest", dataset["digest"]),
        ("digest of what judges see", dataset["shown_digest"]),
        ("seed", str(results["seed"])),
        ("replicates", f"{results['replicates']:,}"),
        ("signature", results["signature"]),
    ]


def identities(judged: Sequence[Judged]) -> list[Identity]:
    """Every judge and control, in the order of the results."""
    return [Identity(one.run.name, one.run.judge_id, _model(one.run.spec), _told(one.run.spec)) for one in judged]


def left_out(results: Json) -> list[str]:
    """What was not evaluated, and why: images, sentences, producers, runs."""
    dataset = results["dataset"]
    said = {
        "images are not in the dataset": dataset["images_missing"],
        "sentences are labelled unknown": dataset["unknown"],
        "sentences have no label": dataset["unlabelled"],
        "runs in the same folder belong to other datasets": results["runs_of_other_datasets"],
    }
    return [
        *(f"{number:,} {what}" for what, number in said.items() if number),
        *(f"run {run}: {reason}" for run, reason in results["refused"].items()),
    ]


def _model(spec: JudgeSpec) -> str:
    return f"{spec.model.name}@{spec.model.revision}" if spec.model.revision else spec.model.name


def _told(spec: JudgeSpec) -> str:
    parts = {"kind": spec.kind, "mode": spec.mode, "shown": spec.context, "control": spec.control, "dtype": spec.dtype}
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value)
