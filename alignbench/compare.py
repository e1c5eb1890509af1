"""What changed between two reports."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignbench.errors import UsageError
from alignbench.flips import Stored, flips, labels_changed
from alignbench.report.stored import read_results

if TYPE_CHECKING:
    from alignbench.store import Dataset

Json = Mapping[str, Any]

UNPAIRED = (
    "the intervals before and after are not paired: where both reports rest on the same sentences, intervals that "
    "overlap do not show that nothing changed"
)
REJECTED = (
    "rejected: scored below the threshold that rejects no more than 5% of the correct sentences, which each report "
    "has of its own"
)
_OTHER_DATASET = "the reports are of different datasets: {a} and {b}"
_RELABELLED = "the same images, captions and sentences with other labels, or other facts about them"
_OTHER_ROWS = "the images, captions or sentences are not the same"
_NO_FLIPS = "labels and flipped sentences are not compared: {reason}; run `alignbench evaluate` again"

_COUNTS = ("images", "pairs", "sentences", "correct", "incorrect", "unknown", "unlabelled", "clusters")
_ROUNDING = 1e-9
_FIGURE = ("value", "low", "high", "reason")


def compare_reports(a: Path, b: Path, *, limit: int = 10, dataset: Dataset | None = None) -> dict[str, Any]:
    """What is different in report `b`, judges being the same where their ids are.

    Args:
        a: A folder that `alignbench evaluate` wrote.
        b: Another.
        limit: How many changed sentences to name for each judge, and for the labels.
        dataset: Where the texts of these sentences are; without it they have their ids only.

    Returns:
        `{"a": {"report", "signature"}, "b", "dataset": {field: {"a", "b"}} of what is different, "settings": the same
        of seed, replicates and version, "judges": [{"judge_id", "name": {"a", "b"}, "control", "auroc": {"a", "b",
        "change"}, "rank", "coverage", "failures", "producers": {producer: {"a", "b", "change"}} of those that changed,
        "flips"}], "only_in_a": [{"name", "judge_id", "same_name"}], "only_in_b", "labels", "says"}`; for labels and
        flips see `alignbench.flips`; both are null where a report has no scores.

    Raises:
        UsageError: A folder is no report, or the limit is negative.
    """
    if limit < 0:
        raise UsageError(f"the limit {limit} must be at least 0")
    old, new = read_results(a), read_results(b)
    scores_a, scores_b = Stored.of(a, old["signature"]), Stored.of(b, new["signature"])
    reasons = [each.reason for each in (scores_a, scores_b) if each.reason]
    before, after = (_by_id(results) for results in (old, new))
    said: dict[str, Any] = {
        "a": {"report": str(a), "signature": old["signature"]},
        "b": {"report": str(b), "signature": new["signature"]},
        "dataset": _different(*(_dataset(results) for results in (old, new))),
        "settings": _different(*(_settings(results) for results in (old, new))),
        "judges": [
            _judge(before[judge_id], one) | {"flips": None if reasons else flips(scores_a, scores_b, judge_id, limit)}
            for judge_id, one in after.items()
            if judge_id in before
        ],
        "only_in_a": list(_missing(before, after)),
        "only_in_b": list(_missing(after, before)),
        "labels": None if reasons else labels_changed(scores_a, scores_b, limit),
        "says": [*_notes(old, new), *(_NO_FLIPS.format(reason=reason) for reason in reasons)],
    }
    if dataset is not None:
        _add_texts(said, dataset)
    return said


def _by_id(results: Json) -> dict[str, Json]:
    return {judge["judge_id"]: judge for judge in results["judges"]}


def _dataset(results: Json) -> dict[str, Any]:
    said = results["dataset"]
    return {name: said.get(name) for name in ("name", "version", "digest", "shown_digest", *_COUNTS)}


def _settings(results: Json) -> dict[str, Any]:
    version = str(results["signature"]).partition(";")[0]
    return {"seed": results["seed"], "replicates": results["replicates"], "version": version}


def _different(a: Json, b: Json) -> dict[str, Any]:
    return {name: {"a": a[name], "b": b[name]} for name in a if a[name] != b[name]}


def _judge(a: Json, b: Json) -> dict[str, Any]:
    return {
        "judge_id": b["judge_id"],
        "name": {"a": a["name"], "b": b["name"]},
        "control": b["control"],
        "auroc": _figures(a["auroc"], b["auroc"]),
        **{name: {"a": a[name], "b": b[name]} for name in ("rank", "coverage", "failures")},
        "producers": _producers(a["by_producer"], b["by_producer"]),
    }


def _producers(a: Json, b: Json) -> dict[str, Any]:
    nothing = {"value": None, "reason": "not in this report"}
    both = {name: _figures(a.get(name, nothing), b.get(name, nothing)) for name in {**a, **b}}
    return {name: said for name, said in both.items() if _is_changed(said)}


def _figures(a: Json, b: Json) -> dict[str, Any]:
    known = a["value"] is not None and b["value"] is not None
    before, after = ({name: figure.get(name) for name in _FIGURE} for figure in (a, b))
    return {"a": before, "b": after, "change": b["value"] - a["value"] if known else None}


def _is_changed(said: Json) -> bool:
    if said["change"] is None:
        return bool(said["a"]["value"] != said["b"]["value"])
    return not math.isclose(said["change"], 0, abs_tol=_ROUNDING)


def _missing(here: Mapping[str, Json], there: Mapping[str, Json]) -> Iterator[dict[str, Any]]:
    """The judges that are here and not there; `same_name` is the id of one there that has the name and another id."""
    names = {judge["name"]: judge_id for judge_id, judge in there.items() if judge_id not in here}
    for judge_id, judge in here.items():
        if judge_id not in there:
            yield {"name": judge["name"], "judge_id": judge_id, "same_name": names.get(judge["name"])}


def _notes(a: Json, b: Json) -> Iterator[str]:
    old, new = a["dataset"], b["dataset"]
    if old["name"] != new["name"]:
        yield _OTHER_DATASET.format(a=old["name"], b=new["name"])
    elif old["digest"] != new["digest"]:
        yield _RELABELLED if old.get("shown_digest") == new.get("shown_digest") else _OTHER_ROWS
    yield UNPAIRED
    yield REJECTED


def _add_texts(said: Json, dataset: Dataset) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    named = [each for judge in said["judges"] for each in (judge["flips"] or {}).get("first", ())]
    named += (said["labels"] or {}).get("first", ())
    sentences = dataset.sentences_table(["sentence_id", "text"])
    wanted = pa.array([each["sentence_id"] for each in named], pa.string())
    found = sentences.filter(pc.is_in(sentences["sentence_id"], value_set=wanted))
    texts = dict(zip(found["sentence_id"].to_pylist(), found["text"].to_pylist(), strict=True))
    for each in named:
        each["text"] = texts.get(each["sentence_id"])
