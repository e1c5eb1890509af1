"""Writes a sheet to label by: sheet.csv to fill in, page.html to look at, images/."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from alignbench.atomic import partial_folder, storage_errors, swap_folder
from alignbench.cards import card_file
from alignbench.errors import DatasetError, MissingDependencyError
from alignbench.exchange.labelling_tasks import LabellingTask, Suggestion, write_pictures
from alignbench.exchange.sheets.errors_cell import errors_cell
from alignbench.exchange.spreadsheet import guarded
from alignbench.store import Dataset
from alignbench.types import ErrorType, Label, Sentence

if TYPE_CHECKING:
    from jinja2 import Template

SHEET = "sheet.csv"
PAGE = "page.html"
COLUMNS = ("number", "sentence_id", "image", "sentence", "label", "errors", "comment")
SUGGESTED = ("suggested_label", "suggested_errors", "suggested_by")


def export_sheet(dataset: Dataset, tasks: Sequence[LabellingTask], folder: Path) -> int:
    """Write the sheet; how many sentences it asks for.

    A row of sheet.csv is a sentence to label; its number stands beside it on page.html, under its image and within its
    whole caption. Nothing tells the producer, a label or another's vote.

    Raises:
        DatasetError: There is something at `folder` already.
        MissingDependencyError: jinja2 is not installed.
        StorageError: The disk refused.
    """
    template = _template()
    if folder.exists() and (not folder.is_dir() or next(folder.iterdir(), None)):
        raise DatasetError(f"{folder} exists already; choose another --out, or remove it first")
    numbered = list(_numbered(tasks))
    with storage_errors(folder), partial_folder(folder.resolve()) as partial:
        names = write_pictures(dataset, {task.pair.image_key for task in tasks}, partial / "images")
        (partial / SHEET).write_text(_csv(numbered, names), encoding="utf-8-sig", newline="")
        (partial / PAGE).write_text(_page(template, numbered, names), encoding="utf-8")
        swap_folder(partial, folder.resolve())
    return sum(len(asked) for _, asked in numbered)


_Numbered = tuple[LabellingTask, dict[int, int]]
"""A task, and the number in the sheet of each sentence that is asked, by its index."""


def _numbered(tasks: Sequence[LabellingTask]) -> Iterator[_Numbered]:
    number = 0
    for task in tasks:
        yield task, {index: number + place for place, index in enumerate(task.asked, start=1)}
        number += len(task.asked)


def _csv(numbered: Sequence[_Numbered], names: dict[str, str]) -> str:
    suggested = any(task.suggestions for task, _ in numbered)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*COLUMNS, *(SUGGESTED if suggested else ())])
    for task, asked in numbered:
        for index, number in asked.items():
            sentence = task.sentences[index]
            row = [str(number), sentence.sentence_id, f"images/{names[task.pair.image_key]}", sentence.text, "", "", ""]
            if suggested:
                row += _suggested(sentence, task.suggestions.get(sentence.sentence_id))
            writer.writerow([guarded(cell) for cell in row])
    return text.getvalue()


def _suggested(sentence: Sentence, suggestion: Suggestion | None) -> list[str]:
    if suggestion is None:
        return ["", "", ""]
    try:
        errors = errors_cell(sentence.text, suggestion.error_types, suggestion.spans)
    except ValueError:  # marks of a judge need not be whole words
        errors = "; ".join(suggestion.error_types)
    return [str(suggestion.label), errors, suggestion.judge_id]


def _page(template: Template, numbered: Sequence[_Numbered], names: dict[str, str]) -> str:
    return template.render(
        guidelines=card_file("annotation_guidelines.md").read_text(encoding="utf-8"),
        labels=", ".join(Label),
        types=", ".join(ErrorType),
        tasks=[
            {
                "image": f"images/{names[task.pair.image_key]}",
                "caption": task.pair.caption,
                "sentences": [{"number": asked.get(s.index), "text": s.text} for s in task.sentences],
            }
            for task, asked in numbered
        ],
    )


def _template() -> Template:
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of("jinja2", "labels") from error
    loader = FileSystemLoader(Path(__file__).parent)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template("page.html.j2")
