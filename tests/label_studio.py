r"""People who label in Label Studio, simulated: tasks.json in, the JSON export out.

It behaves as Label Studio 1.23.2 did in a Chromium, where it was tried: offsets count code points, and the text of a
region is that of the browser's selection, with line ends as the two characters `\n`. `UTF16` counts as browsers count,
which Label Studio did before October 2021 (https://github.com/HumanSignal/label-studio/issues/1347). Fields are those
of https://labelstud.io/guide/task_format.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignbench.store import Dataset, sentence_id_of
from alignbench.types import Direction, ModelRef, Pair, Sentence, Span
from tests.datasets import make_image, write

Count = Callable[[str], int]
CODE_POINTS: Count = len
CREATED = "2026-03-09T21:52:49.513742Z"
UPDATED = "2026-03-09T22:16:08.728378Z"
SECRET = "secret-captioner"


def UTF16(text: str) -> int:  # noqa: N802 - a constant like the one above
    """How a browser counts: `text.length`."""
    return len(text.encode("utf-16-le")) // 2


@dataclass(frozen=True)
class Said:
    """What somebody answers of a sentence; spans in code points."""

    label: str | None = None
    spans: Sequence[Span] = ()
    types: Sequence[str] = ()
    comment: str | None = None


def make_captions(folder: Path, captions: Iterable[Sequence[str]], name: str = "captions") -> Dataset:
    """A dataset of captions that are the given sentences with a space between."""
    parts: list[Any] = []
    for number, sentences in enumerate(captions):
        image, pair_id = make_image(number), f"pair{number}"
        caption, begin, rows = " ".join(sentences), 0, []
        for index, text in enumerate(sentences):
            rows.append(Sentence(sentence_id_of(pair_id, index), pair_id, index, begin, begin + len(text), text))
            begin += len(text) + 1
        pair = Pair(pair_id, image.image_key, caption, ModelRef(SECRET), Direction.IMAGE_TO_TEXT, None, image.image_key)
        parts += [image, (pair, rows)]
    return write(folder, *parts)


def results_of(text: str, said: Said, count: Count = CODE_POINTS) -> list[dict[str, Any]]:
    """The `result` of an annotation."""
    results = []
    if said.label is not None:
        results.append(result("label", "choices", {"choices": [said.label]}))
    for span in said.spans:
        start, end = count(text[: span.start]), count(text[: span.end])
        words = text[span.start : span.end].replace("\r", "\\n").replace("\n", "\\n")
        value = {"start": start, "end": end, "text": words, "labels": [str(span.error_type)]}
        results.append(result("spans", "labels", value, f"region{start}"))
    if said.types:
        results.append(result("types", "choices", {"choices": list(said.types)}))
    if said.comment is not None:
        results.append(result("comment", "textarea", {"text": [said.comment]}))
    return results


def result(name: str, kind: str, value: Mapping[str, Any], result_id: str = "one") -> dict[str, Any]:
    """One entry of a `result`."""
    return {"id": result_id, "from_name": name, "to_name": "text", "type": kind, "value": value, "origin": "manual"}


def annotation(number: int, results: Any, *, by: Any = 1, **more: Any) -> dict[str, Any]:
    """An annotation with the fields that version 1.23.2 exports."""
    fields = {
        "id": number,
        "completed_by": by,
        "result": results,
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": CREATED,
        "updated_at": UPDATED,
        "draft_created_at": None,
        "lead_time": 4.5,
        "prediction": {},
        "result_count": 1,
        "unique_id": f"00000000-0000-4000-8000-{number:012}",
        "import_id": None,
        "last_action": None,
        "bulk_created": False,
        "task": number,
        "project": 1,
        "updated_by": 1,
        "parent_prediction": None,
        "parent_annotation": None,
        "last_created_by": None,
    }
    return {**fields, **more}


def exported(task: Mapping[str, Any], number: int, annotations: Sequence[Any], **more: Any) -> dict[str, Any]:
    """A task of an export, from one of tasks.json."""
    fields = {
        "id": number,
        "annotations": list(annotations),
        "file_upload": "00000000-tasks.json",
        "drafts": [],
        "predictions": [number] if "predictions" in task else [],
        "data": dict(task["data"]),
        "meta": {},
        "created_at": CREATED,
        "updated_at": UPDATED,
        "inner_id": number,
        "total_annotations": len(annotations),
        "cancelled_annotations": 0,
        "total_predictions": 0,
        "comment_count": 0,
        "unresolved_comment_count": 0,
        "last_comment_updated_at": None,
        "project": 1,
        "updated_by": 1,
        "comment_authors": [],
    }
    return {**fields, **more}


def label_all(
    folder: Path, said: Mapping[str, Said], file: Path, *, count: Count = CODE_POINTS, ascii_only: bool = False
) -> Path:
    """Label the tasks of an exported folder, and write Label Studio's JSON export of that."""
    tasks = json.loads((folder / "tasks.json").read_text(encoding="utf-8"))
    rows = []
    for number, task in enumerate(tasks, start=1):
        data = task["data"]
        answer = results_of(data["text"], said[data["sentence_id"]], count)
        rows.append(exported(task, number, [annotation(number, answer)]))
    file.write_text(json.dumps(rows, ensure_ascii=ascii_only), encoding="utf-8")
    return file
