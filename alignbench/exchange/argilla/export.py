"""Writes a folder that `argilla.Dataset.from_disk` reads: a record a sentence."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from alignbench.atomic import partial_folder, storage_errors, swap_folder
from alignbench.cards import card_file
from alignbench.decode import media_type
from alignbench.errors import DatasetError
from alignbench.exchange.labelling_tasks import LabellingTask, Suggestion
from alignbench.exchange.offsets import utf16_offset
from alignbench.labelling.guidelines import fingerprint
from alignbench.store import Dataset
from alignbench.types import ErrorType, Label, Sentence

LABEL, SPANS, COMMENT = "label", "spans", "comment"
"""The questions."""
_METADATA = ("pair_id", "guideline", "shown_digest")


def export_argilla(dataset: Dataset, tasks: Sequence[LabellingTask], folder: Path, *, annotators: int = 1) -> int:
    """Write the folder; how many records it has.

    Spans count UTF-16 code units, as Argilla's page does (https://github.com/argilla-io/argilla/issues/5729). Images
    are data URIs. Nothing tells the producer, a label or another's vote; metadata is hidden from annotators.

    Args:
        dataset: Whose sentences.
        tasks: What is asked.
        folder: A folder that does not exist yet, or an empty one.
        annotators: How many have to answer a record before it is complete.

    Raises:
        DatasetError: There is something at `folder` already.
        StorageError: The disk refused.
    """
    if folder.exists() and (not folder.is_dir() or next(folder.iterdir(), None)):
        raise DatasetError(f"{folder} exists already; choose another --out, or remove it first")
    count = 0
    with storage_errors(folder), partial_folder(folder.resolve()) as partial:
        (partial / ".argilla").mkdir()
        _write(partial / ".argilla" / "dataset.json", {"name": dataset.name, "guidelines": None})
        _write(partial / ".argilla" / "settings.json", _settings(annotators))
        with (partial / "records.json").open("w", encoding="utf-8") as file:
            for record in _records(dataset, tasks):
                file.write(("[\n" if count == 0 else ",\n") + json.dumps(record, ensure_ascii=False))
                count += 1
            file.write("\n]\n" if count else "[]\n")
        swap_folder(partial, folder.resolve())
    return count


def _records(dataset: Dataset, tasks: Sequence[LabellingTask]) -> Iterator[dict[str, Any]]:
    known = {"guideline": fingerprint(), "shown_digest": dataset.shown_digest}
    for task in tasks:
        image = next(dataset.images({task.pair.image_key}))
        encoded = image.bytes or b""
        uri = f"data:{media_type(encoded)};base64,{base64.b64encode(encoded).decode()}"
        for index in task.asked:
            sentence = task.sentences[index]
            yield {
                "id": sentence.sentence_id,
                "fields": {"image": uri, "caption": task.pair.caption, "sentence": sentence.text},
                "metadata": {"pair_id": sentence.pair_id, **known},
                "suggestions": _suggestions(sentence, task.suggestions.get(sentence.sentence_id)),
                "responses": {},
                "vectors": {},
                "status": "pending",
            }


def _suggestions(sentence: Sentence, suggestion: Suggestion | None) -> dict[str, Any]:
    if suggestion is None:
        return {}
    said: dict[str, Any] = {LABEL: {"value": str(suggestion.label), "agent": suggestion.judge_id}}
    if suggestion.spans:
        spans = [
            {
                "start": utf16_offset(sentence.text, span.start),
                "end": utf16_offset(sentence.text, span.end),
                "label": str(span.error_type),
            }
            for span in suggestion.spans
        ]
        said[SPANS] = {"value": spans, "agent": suggestion.judge_id}
    return said


def _settings(annotators: int) -> dict[str, Any]:
    guidelines = "\n\n".join(
        card_file(name).read_text(encoding="utf-8") for name in ("annotation_guidelines.md", "error_types.md")
    )
    return {
        "guidelines": guidelines,
        "questions": [
            _question(LABEL, "Is the sentence true of the image?", "label_selection", _options(Label), required=True),
            _question(
                SPANS,
                "Which words are wrong?",
                "span",
                {"field": "sentence", "allow_overlapping": True, **_options(ErrorType)},
            ),
            _question(COMMENT, "Anything to say?", "text", {"use_markdown": False}),
        ],
        "fields": [
            _field("image", "Image", {"type": "image"}),
            _field("caption", "Caption", {"type": "text", "use_markdown": False}),
            _field("sentence", "Sentence", {"type": "text", "use_markdown": False}),
        ],
        "vectors": [],
        "metadata": [
            {"name": name, "title": name, "visible_for_annotators": False, "settings": {"type": "terms"}}
            for name in _METADATA
        ],
        "allow_extra_metadata": False,
        "distribution": {"strategy": "overlap", "min_submitted": annotators},
    }


def _options(names: type[Label | ErrorType]) -> dict[str, Any]:
    options = [{"text": str(name), "value": str(name)} for name in names]
    return {"options": options, "visible_options": len(options)}


def _question(
    name: str, title: str, kind: str, settings: Mapping[str, Any], *, required: bool = False
) -> dict[str, Any]:
    return {"name": name, "title": title, "required": required, "settings": {"type": kind, **settings}}


def _field(name: str, title: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "title": title, "required": True, "settings": dict(settings)}


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
