"""Reads the published AlignBench (halcap) JSONL into a dataset."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from alignbench.errors import ImportFileError
from alignbench.exchange.arrivals import MISSING_IMAGES, filled, find_images, write_missing
from alignbench.exchange.halcap_captions import captions_of, pairs_of
from alignbench.exchange.halcap_rows import COLUMNS, HalcapReader, HalcapRow
from alignbench.exchange.notes import Notes, Problems, some
from alignbench.exchange.pictures import check_folder
from alignbench.exchange.rows import check_format, jsonl_rows
from alignbench.exchange.summary import ImportSummary, summarize
from alignbench.store import DatasetWriter
from alignbench.types import Image, Origin

_NEEDED = ("model", "caption")


def import_halcap(
    file: Path, images_dir: Path | None, out: Path, *, name: str | None = None, replace: bool = False
) -> ImportSummary:
    """Write the dataset that a file of the published schema describes.

    A row is a sentence; the rows of one model and one image are a caption, in the order of `sentence_index`, joined by
    one space. Spellings are read generously; what cannot be read is reported, and kept in the provenance of its pair.
    Images that are not in `images_dir` are kept as missing and listed in `missing_images.csv` of the dataset, until
    `attach_images` brings them; none is fetched.

    Args:
        file: The .jsonl file.
        images_dir: A folder with images, or null for none.
        out: The folder to write.
        name: The dataset's name; that of the file where null.
        replace: Whether a dataset that is already at `out` may be replaced.

    Raises:
        UsageError: A file or folder does not exist.
        ImportFileError: Lines that cannot be read, or images that cannot be told apart; lists them.
        DatasetError: There is something at `out` already.
        StorageError: The disk refused.
    """
    check_format(file, (".jsonl",))
    if images_dir is not None:
        check_folder(images_dir)
    writer = DatasetWriter(out, name=name or file.stem, replace=replace, splitter=None)
    notes = Notes()
    rows = _rows(file, notes)
    captions = captions_of(rows, notes)
    images = _images(rows, notes)
    files = {} if images_dir is None else find_images(images.values(), images_dir)
    missing, spans = [], 0
    with writer:
        for key in dict.fromkeys(caption.rows[0].image.image_key for caption in captions):
            image = filled(images[key], files, notes)
            missing += [image] if image.sha256 is None else []
            writer.add_image(image)
        for pair, sentences in pairs_of(captions, file.name):
            writer.add_pair(pair, sentences)
            spans += sum(len(sentence.spans) for sentence in sentences)
    write_missing(out, missing)
    summary = summarize(out, spans, notes)
    if not missing:
        return summary
    advice = f"images missing ({len(missing)}): listed in {MISSING_IMAGES}; `alignbench attach-images` adds them later"
    return dataclasses.replace(summary, report=(*summary.report, advice))


def _rows(file: Path, notes: Notes) -> list[HalcapRow]:
    problems = Problems(file)
    reader = HalcapReader(notes, problems)
    rows = [row for row in map(reader.read, jsonl_rows(file, problems, notes)) if row is not None]
    absent = [column for column in _NEEDED if column not in reader.columns]
    if reader.columns and absent:
        raise ImportFileError(
            f"{file} is not of the halcap schema: no row has `{'`, `'.join(absent)}`, only {some(reader.columns, 20)}; "
            "for a table of your own run `alignbench import table`"
        )
    problems.raise_any("mend these lines and import the file again")
    if not rows:
        raise ImportFileError(
            f"{file} has no sentence; give the .jsonl file of the release; {'; '.join(notes.lines())}"
        )
    for column in reader.columns:
        if column not in COLUMNS:
            notes.add("columns that the schema does not know, left out", column)
    return rows


def _images(rows: Iterable[HalcapRow], notes: Notes) -> dict[str, Image]:
    """Every image as its first row describes it; generated where any row says that a model drew it."""
    images: dict[str, Image] = {}
    for row in rows:
        known = images.setdefault(row.image.image_key, row.image)
        if row.image.origin is Origin.GENERATED and known.origin is Origin.REAL:
            images[known.image_key] = dataclasses.replace(known, origin=Origin.GENERATED)
        if (row.image.provenance, row.image.url) != (known.provenance, known.url):
            notes.add("rows that describe an image otherwise than its first row, left so", f"line {row.line}")
    return images
