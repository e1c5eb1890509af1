"""Counts how the labels of a dataset were made: who said what, by which rule, tools and guidelines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from alignbench.header import read_header
from alignbench.parquet import open_parquet
from alignbench.store import Dataset
from alignbench.types import Role

_COLUMNS = ["sentence_id", "annotator", "role", "label", "guideline", "tool", "suggested_by", "seconds"]


def history_of(dataset: Dataset) -> dict[str, Any]:
    """What is known of how the labels were made.

    Returns:
        `rule`, `events` and their `digest`, null where nobody labelled by events; counts of events by role, tool and
        guideline fingerprint; how many annotators and adjudicators there are, how many sentences have a history, were
        adjudicated, or have votes, and how many votes those have together.
    """
    said = read_header(dataset.path).get("labels") or {}
    events = _events(dataset.path)
    roles = _counted(events, "role")
    by_role = {str(role): roles.get(str(role), 0) for role in Role}
    decided = pc.and_(_is(events["role"], Role.ADJUDICATOR), pc.is_valid(events["label"]))
    return {
        "rule": said.get("rule"),
        "events": len(events),
        "digest": said.get("digest"),
        "by_role": by_role,
        "annotators": _distinct(events, "annotator", Role.ANNOTATOR),
        "adjudicators": _distinct(events, "annotator", Role.ADJUDICATOR),
        "withdrawn": _count(pc.and_(_is(events["role"], Role.ANNOTATOR), pc.is_null(events["label"]))),
        "sentences_with_history": pc.count_distinct(events["sentence_id"]).as_py(),
        "sentences_voted_on": _distinct(events, "sentence_id", Role.ANNOTATOR),
        "sentences_adjudicated": pc.count_distinct(events.filter(decided)["sentence_id"]).as_py(),
        "suggested": _count(pc.is_valid(events["suggested_by"])),
        "suggested_by": _counted(events, "suggested_by"),
        "tools": _counted(events.filter(pc.not_equal(events["role"], str(Role.BASELINE))), "tool"),
        "guidelines": _counted(events, "guideline"),
        "median_seconds": _median(events.filter(_is(events["role"], Role.ANNOTATOR))["seconds"]),
        **_votes(dataset),
    }


def _events(path: Path) -> pa.Table:
    from alignbench import schema

    file = path / "labels.parquet"
    if not file.is_file():
        return schema.LABELS.empty_table().select(_COLUMNS)
    with open_parquet(file) as parquet:
        return parquet.read(columns=_COLUMNS)


def _votes(dataset: Dataset) -> dict[str, int]:
    votes = dataset.sentences_table(["votes"])["votes"].combine_chunks()
    cast = [pc.sum(pc.struct_field(votes, name)).as_py() or 0 for name in ("correct", "incorrect", "unknown")]
    return {"sentences_with_votes": len(votes) - votes.null_count, "votes": sum(cast)}


def _is(roles: Any, role: Role) -> Any:
    return pc.equal(roles, str(role))


def _count(mask: Any) -> int:
    return int(pc.sum(mask).as_py() or 0)


def _distinct(events: pa.Table, column: str, role: Role) -> int:
    return int(pc.count_distinct(events.filter(_is(events["role"], role))[column]).as_py())


def _counted(events: pa.Table, column: str) -> dict[str, int]:
    """How often each value occurs, in the order of the values; nulls are not counted."""
    counted = pc.value_counts(events[column].combine_chunks()).to_pylist()
    return {each["values"]: each["counts"] for each in sorted(counted, key=str) if each["values"] is not None}


def _median(seconds: Any) -> float | None:
    found = pc.quantile(seconds, q=0.5)[0].as_py() if len(seconds) else None
    return None if found is None else float(found)
