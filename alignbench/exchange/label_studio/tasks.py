"""Labelling tasks go out as a folder that Label Studio imports.

The format of tasks with predictions is that of https://labelstud.io/guide/predictions, their images that of local file
serving (https://labelstud.io/guide/storage). Offsets of predicted spans count code points: so does Label Studio since
October 2021 (https://github.com/HumanSignal/label-studio/pull/1559). Version 1.23.2 marks other words where they count
UTF-16 code units.
"""

from __future__ import annotations

import base64
import hashlib
import json
import mimetypes
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from alignbench.atomic import partial_folder, storage_errors, swap_folder
from alignbench.errors import UsageError
from alignbench.exchange.label_studio.config import (
    CAPTION,
    IMAGE,
    LABEL,
    PLACE,
    SPANS,
    TEXT,
    TYPES,
    labelling_config,
)
from alignbench.exchange.labelling_tasks import LabellingTask, Suggestion, write_pictures
from alignbench.labelling.guidelines import fingerprint
from alignbench.store import Dataset
from alignbench.types import Sentence

TASKS, CONFIG, README, IMAGES = "tasks.json", "config.xml", "README.md", "images"
LOCAL_FILES = "/data/local-files/?d="


@dataclass(frozen=True, slots=True)
class LabelStudioExport:
    """What was written: a folder with tasks.json, config.xml, README.md and, unless they are embedded, images/.

    Attributes:
        folder: The folder.
        tasks: How many tasks, one a sentence.
        pairs: Of how many pairs.
        images: How many image files; 0 where they are embedded.
        suggestions: How many tasks come with a suggestion.
        image_prefix: What stands before an image's name in a task; null where images are embedded.
    """

    folder: Path
    tasks: int
    pairs: int
    images: int
    suggestions: int
    image_prefix: str | None

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {**asdict(self), "folder": str(self.folder)}


def export_tasks(
    dataset: Dataset, tasks: list[LabellingTask], folder: Path, *, image_prefix: str | None = None, embed: bool = False
) -> LabelStudioExport:
    """Write a folder that Label Studio imports; all of it or nothing.

    Annotators see the image, the caption and the sentence, and what a judge suggests where there are suggestions; no
    producer, label or vote. A task carries the ids, the dataset's name and shown digest and the fingerprint of the
    guidelines, by which `read_annotations` finds its way back.

    Args:
        dataset: Where the tasks come from.
        tasks: Pairs; each of their sentences that is asked becomes a task.
        folder: A new or an empty folder.
        image_prefix: What to put before an image's name; by default the address of Label Studio's local file serving,
            with the folder that holds `folder` as its document root.
        embed: Put every image into each of its tasks as a data URI, for a few small images.

    Raises:
        UsageError: The folder is not empty, both `image_prefix` and `embed` are given, or an image is missing.
        DatasetError: Another process writes the folder.
        StorageError: The disk refused.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there and not an empty folder; give --out a new one, or empty it")
    if embed and image_prefix is not None:
        raise UsageError("images are either embedded or fetched by a prefix; leave one of --embed and --image-prefix")
    prefix = None if embed else _ending(image_prefix or f"{LOCAL_FILES}{quote(folder.resolve().name)}/{IMAGES}/")
    with storage_errors(folder), partial_folder(folder) as partial:
        names = write_pictures(dataset, {task.pair.image_key for task in tasks}, partial / IMAGES)
        addresses = _addresses(tasks, names, partial / IMAGES, prefix)
        origin = {"dataset": dataset.name, "shown_digest": dataset.shown_digest, "guideline": fingerprint()}
        rows = (row for task, address in addresses for row in _rows(task, address, origin))
        written, suggested = _write_rows(partial / TASKS, rows)
        if embed:
            shutil.rmtree(partial / IMAGES)
        (partial / CONFIG).write_text(labelling_config(), encoding="utf-8")
        (partial / README).write_text(_readme(dataset, prefix, suggested > 0), encoding="utf-8")
        swap_folder(partial, folder)
    return LabelStudioExport(folder, written, len(tasks), 0 if embed else len(set(names.values())), suggested, prefix)


def _ending(prefix: str) -> str:
    return prefix if prefix.endswith(("/", "=")) else f"{prefix}/"


def _addresses(
    tasks: Iterable[LabellingTask], names: Mapping[str, str], images: Path, prefix: str | None
) -> Iterator[tuple[LabellingTask, str]]:
    """Every task with what its image is fetched by."""
    for task in tasks:
        name = names.get(task.pair.image_key)
        if name is None:
            raise UsageError(
                f"the image {task.pair.image_key!r} is missing, so nobody can label pair {task.pair.pair_id!r}; "
                "run `alignbench attach-images` or leave the pair out"
            )
        yield task, f"{prefix}{name}" if prefix is not None else _data_uri(images / name)


def _data_uri(file: Path) -> str:
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"


def _rows(task: LabellingTask, address: str, origin: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for sentence in task.sentences:
        if sentence.index not in task.asked:
            continue
        shown = {
            IMAGE: address,
            CAPTION: task.pair.caption,
            PLACE: f"Sentence {sentence.index + 1} of {len(task.sentences)}",
            TEXT: sentence.text,
        }
        ids = {"sentence_id": sentence.sentence_id, "pair_id": sentence.pair_id}
        row: dict[str, Any] = {"data": {**shown, **ids, **origin}}
        suggestion = task.suggestions.get(sentence.sentence_id)
        yield row if suggestion is None else {**row, "predictions": [prediction_of(sentence, suggestion)]}


def prediction_of(sentence: Sentence, suggestion: Suggestion) -> dict[str, Any]:
    """A suggestion as Label Studio's prediction: the label, the spans, and types that no span has."""
    results = [_result(sentence, LABEL, "choices", {"choices": [str(suggestion.label)]})]
    for number, span in enumerate(suggestion.spans):
        words = sentence.text[span.start : span.end]
        value = {"start": span.start, "end": span.end, "text": words, "labels": [str(span.error_type)]}
        results.append(_result(sentence, SPANS, "labels", value, number))
    marked = {span.error_type for span in suggestion.spans}
    if spare := [str(kind) for kind in suggestion.error_types if kind not in marked]:
        results.append(_result(sentence, TYPES, "choices", {"choices": spare}))
    score = {} if suggestion.score is None else {"score": suggestion.score}
    return {"model_version": suggestion.judge_id, **score, "result": results}


def _result(sentence: Sentence, name: str, kind: str, value: dict[str, Any], number: int = 0) -> dict[str, Any]:
    # Digits and letters alone: what follows a # is cut off, and results whose ids are then equal become one.
    result_id = hashlib.sha256(f"{sentence.sentence_id}\0{name}\0{number}".encode()).hexdigest()[:16]
    return {"id": result_id, "from_name": name, "to_name": TEXT, "type": kind, "value": value}


def _write_rows(file: Path, rows: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """Write the rows as one JSON list, one a line; how many there are, and how many with predictions."""
    written = suggested = 0
    with file.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(("[\n" if not written else ",\n") + json.dumps(row, ensure_ascii=False, allow_nan=False))
            written += 1
            suggested += "predictions" in row
        out.write("\n]\n" if written else "[]\n")
    return written, suggested


def _readme(dataset: Dataset, prefix: str | None, suggested: bool) -> str:
    if prefix is None:
        served = "Start Label Studio; the images are in the tasks."
    elif prefix.startswith(LOCAL_FILES):
        served = (
            "Start Label Studio with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and "
            "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT set to the folder that holds this one; in the project, under "
            f"Settings, Cloud Storage, add the source storage `Local Files` with the full path of `{IMAGES}/`, "
            "and do not sync it."
        )
    else:
        served = f"Put what is in `{IMAGES}/` where {prefix} leads to, and start Label Studio."
    begun = " Under Settings, Annotation, switch on `Use predictions to prelabel tasks`." if suggested else ""
    steps = (
        f"1. {served}",
        f"2. Create a project; paste `{CONFIG}` into its Labeling Interface (Code) and import `{TASKS}`.{begun}",
        "3. When people have labelled, export as JSON (not JSON-MIN or CSV) and run `alignbench label import`.",
    )
    return "\n".join([f"# {dataset.name}: sentences to label in Label Studio", "", *steps]) + "\n"
