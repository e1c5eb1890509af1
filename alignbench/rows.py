"""Types to rows of plain values, as tables hold them, and back."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping
from typing import Any

from alignbench.types import (
    Direction,
    ErrorType,
    Image,
    Judgment,
    Label,
    LabelEvent,
    Mark,
    ModelRef,
    Origin,
    Pair,
    Role,
    Sentence,
    Span,
    Status,
    Usage,
    Verdict,
    Votes,
)

Row = Mapping[str, Any]
"""One row of a table as plain values: what `pyarrow.Table.to_pylist` yields."""


def canonical_json(value: Any) -> str:
    """The one spelling of a JSON value: sorted keys, no spaces, UTF-8 kept.

    JSON has no not-a-number and no infinity: these floats become the strings "nan", "inf" and "-inf".

    Raises:
        TypeError: `value` holds what JSON cannot say.
    """
    try:
        return _dumps(value)
    except ValueError:
        return _dumps(_without_non_finite(value))


def _dumps(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"JSON cannot say {value!r} of type {type(value).__name__}")


def _without_non_finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _without_non_finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_non_finite(inner) for inner in value]
    return value


def image_row(image: Image) -> dict[str, Any]:
    """The row of `image`."""
    return {
        "image_key": image.image_key,
        "sha256": image.sha256,
        "bytes": image.bytes,
        "width": image.width,
        "height": image.height,
        "origin": str(image.origin),
        "source": image.source,
        "licence": image.licence,
        "url": image.url,
        "provenance": canonical_json(image.provenance),
    }


def row_image(row: Row) -> Image:
    """The image of a row; ValueError where the row breaks a rule of the type."""
    return Image(**{**row, "origin": Origin(row["origin"]), "provenance": json.loads(row["provenance"])})


def pair_row(pair: Pair) -> dict[str, Any]:
    """The row of `pair`."""
    maker = pair.producer
    return {
        "pair_id": pair.pair_id,
        "image_key": pair.image_key,
        "caption": pair.caption,
        "producer": {
            "name": maker.name,
            "revision": maker.revision,
            "family": maker.family,
            "provider": maker.provider,
        },
        "direction": str(pair.direction),
        "domain": pair.domain,
        "cluster_id": pair.cluster_id,
        "provenance": canonical_json(pair.provenance),
    }


def row_pair(row: Row) -> Pair:
    """The pair of a row; ValueError where the row breaks a rule of the type."""
    return Pair(
        **{
            **row,
            "producer": ModelRef(**row["producer"]),
            "direction": Direction(row["direction"]),
            "provenance": json.loads(row["provenance"]),
        }
    )


def sentence_row(sentence: Sentence) -> dict[str, Any]:
    """The row of `sentence`."""
    return {
        "sentence_id": sentence.sentence_id,
        "pair_id": sentence.pair_id,
        "index": sentence.index,
        "start": sentence.start,
        "end": sentence.end,
        "text": sentence.text,
        "label": None if sentence.label is None else str(sentence.label),
        "error_types": [str(kind) for kind in sentence.error_types],
        "spans": [_span_row(span) for span in sentence.spans],
        "votes": _votes_row(sentence.votes),
    }


def row_sentence(row: Row) -> Sentence:
    """The sentence of a row; ValueError where the row breaks a rule of the type."""
    return Sentence(
        **{
            **row,
            "label": None if row["label"] is None else Label(row["label"]),
            "error_types": tuple(ErrorType(kind) for kind in row["error_types"]),
            "spans": _spans_of(row),
            "votes": None if row["votes"] is None else Votes(**row["votes"]),
        }
    )


def event_row(event: LabelEvent) -> dict[str, Any]:
    """The row of `event`; its time in UTC."""
    return {
        "event_id": event.event_id,
        "sentence_id": event.sentence_id,
        "text": event.text,
        "annotator": event.annotator,
        "role": str(event.role),
        "time": event.time.astimezone(dt.UTC),
        "label": None if event.label is None else str(event.label),
        "error_types": [str(kind) for kind in event.error_types],
        "spans": [_span_row(span) for span in event.spans],
        "votes": _votes_row(event.votes),
        "comment": event.comment,
        "guideline": event.guideline,
        "tool": event.tool,
        "suggested_by": event.suggested_by,
        "seconds": event.seconds,
    }


def row_event(row: Row) -> LabelEvent:
    """The event of a row; ValueError where the row breaks a rule of the type."""
    return LabelEvent(
        **{
            **row,
            "role": Role(row["role"]),
            "label": None if row["label"] is None else Label(row["label"]),
            "error_types": tuple(ErrorType(kind) for kind in row["error_types"]),
            "spans": _spans_of(row),
            "votes": None if row["votes"] is None else Votes(**row["votes"]),
        }
    )


def _span_row(span: Span) -> dict[str, Any]:
    return {"start": span.start, "end": span.end, "error_type": str(span.error_type)}


def _spans_of(row: Row) -> tuple[Span, ...]:
    return tuple(Span(span["start"], span["end"], ErrorType(span["error_type"])) for span in row["spans"])


def _votes_row(votes: Votes | None) -> dict[str, Any] | None:
    if votes is None:
        return None
    return {
        "correct": votes.correct,
        "incorrect": votes.incorrect,
        "unknown": votes.unknown,
        "agreement_ratio": votes.agreement_ratio,
        "fleiss_pi": votes.fleiss_pi,
    }


def judgment_row(judgment: Judgment) -> dict[str, Any]:
    """The row of `judgment`."""
    verdict, usage = judgment.verdict, judgment.verdict.usage
    return {
        "sentence_id": judgment.sentence_id,
        "judge_id": judgment.judge_id,
        "score": verdict.score,
        "status": str(verdict.status),
        "truncated": verdict.truncated,
        "marks": None if verdict.marks is None else [_mark_row(mark) for mark in verdict.marks],
        "raw": canonical_json(verdict.raw),
        "input_tokens": usage.input_tokens,
        "cached_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
        "seconds": usage.seconds,
        "cost_usd": usage.cost_usd,
        "attempts": judgment.attempts,
    }


def _mark_row(mark: Mark) -> dict[str, Any]:
    return {"start": mark.start, "end": mark.end, "suspicion": mark.suspicion}


def row_judgment(row: Row) -> Judgment:
    """The judgment of a row; ValueError where the row breaks a rule of the type."""
    marks = row.get("marks")
    verdict = Verdict(
        score=row["score"],
        status=Status(row["status"]),
        raw=json.loads(row["raw"]),
        usage=Usage(
            input_tokens=row["input_tokens"],
            output_tokens=row["output_tokens"],
            seconds=row["seconds"],
            cost_usd=row["cost_usd"],
            cached_tokens=row.get("cached_tokens"),
        ),
        truncated=row["truncated"],
        marks=None if marks is None else tuple(Mark(**mark) for mark in marks),
    )
    return Judgment(row["sentence_id"], row["judge_id"], verdict, row["attempts"])
