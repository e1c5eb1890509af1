"""Reads anybody's table of images and captions into a dataset."""

from __future__ import annotations

from pathlib import Path

from alignbench.errors import ImportFileError, UsageError
from alignbench.exchange.notes import Notes, Problems, some
from alignbench.exchange.pictures import check_folder
from alignbench.exchange.rows import FORMATS, check_format, read_rows
from alignbench.exchange.summary import ImportSummary, summarize
from alignbench.exchange.table_images import TableImages
from alignbench.exchange.table_pairs import TablePairs
from alignbench.exchange.table_rows import TableReader
from alignbench.store import DatasetWriter


def import_table(
    file: Path,
    images_dir: Path,
    out: Path,
    *,
    producer: str = "unknown",
    name: str | None = None,
    replace: bool = False,
) -> ImportSummary:
    """Write the dataset that a table describes.

    A row is a pair: `image` (a path below `images_dir`) and `caption`, which is split into sentences unless the row
    lists its `sentences`. Or it is one `sentence` of a pair: rows of the same image, producer and caption (where there
    is one) belong together in file order, and without a caption the sentences make it, joined by one space. A span is
    given by offsets into its sentence or by words of it. Nothing is guessed: a file with something wrong in it is not
    imported, and all that is wrong is listed.

    Args:
        file: A .csv, .tsv, .jsonl or .parquet file.
        images_dir: The folder that the image paths start from.
        out: The folder to write.
        producer: The producer of rows that name none.
        name: The dataset's name; that of the file where null.
        replace: Whether a dataset that is already at `out` may be replaced.

    Raises:
        UsageError: A file or folder does not exist, or the file has another format.
        ImportFileError: The file has something wrong in it, or an image is missing or not readable; lists everything.
        DatasetError: There is something at `out` already.
        StorageError: The disk refused.
    """
    if not producer.strip():
        raise UsageError("the producer has an empty name; give one with --producer, or leave that option out")
    check_format(file, FORMATS)
    check_folder(images_dir)
    problems, notes = Problems(file), Notes()
    reader = TableReader(problems, producer.strip())
    with DatasetWriter(out, name=name or file.stem, replace=replace) as writer:
        images = TableImages(writer, images_dir, file.stem, problems, notes)
        pairs = TablePairs(writer, images, file.name, problems, notes)
        for row in read_rows(file, problems, notes):
            frame, text = reader.read(row)
            if frame is not None and text is not None:
                pairs.take(row.line, frame, text)
            elif frame is not None:
                # Nothing will be written, but a missing image is to be listed with what else is wrong.
                images.key_of(frame, row.line)
        pairs.finish()
        _check(file, reader, problems)
    for column in reader.strange_columns():
        notes.add("columns that mean nothing here, left out", column)
    return summarize(out, pairs.spans, notes)


def _check(file: Path, reader: TableReader, problems: Problems) -> None:
    if not reader.columns and not problems:
        raise ImportFileError(f"{file} has no rows; give a table with the columns image and caption")
    if reader.columns and not reader.has("image"):
        raise ImportFileError(
            f"{file} has no column `image`, only {some(reader.columns, 20)}; name the column with the paths so"
        )
    problems.raise_any("mend the file and import it again")
