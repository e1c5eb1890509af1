"""Images, pairs, sentences and label events of a Hub folder in the dataset's own order, however they are split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import pyarrow as pa

from alignbench import schema
from alignbench.errors import PublishError
from alignbench.parquet import open_parquet, read_group
from alignbench.publish.folder.damage import AGAIN, reading_published
from alignbench.publish.folder.features import EVENT_ROW, IMAGE, IMAGE_COLUMNS, IMAGE_ROW, PAIR_ROW
from alignbench.publish.folder.layout import LABELS, PAIRS, SENTENCES
from alignbench.publish.folder.published import Published
from alignbench.publish.folder.row_groups import Place, RowGroups
from alignbench.rows import Row, canonical_json, event_row, row_event, row_image, row_pair, row_sentence
from alignbench.types import Image, Pair, Sentence

_T = TypeVar("_T")
_ABOUT_IMAGES = ["image_key", *IMAGE_COLUMNS.values()]


def images_of(published: Published) -> Iterator[Image]:
    """Every image once, in the order of the dataset's images table; the bytes of all pairs are checked before.

    Raises:
        PublishError: Pairs of one image differ in what they say of it, bytes are not those of their sha256, or an
            image is missing.
    """
    files = [path for split in published.splits for path in published.files(PAIRS, split)]
    places = _places(published, files)
    groups = RowGroups(files, [IMAGE, *_ABOUT_IMAGES])
    for place in places:
        with reading_published(published.folder):
            row = groups.row(place).to_pylist()[0]
        yield _typed(row_image, _image_row(row), published)


def pairs_of(published: Published) -> Iterator[tuple[str, Pair, list[Sentence]]]:
    """Every pair in the dataset's order: its split, itself and its sentences.

    Raises:
        PublishError: A pair is missing or comes twice, or sentences do not stand where their pair does.
    """
    columns = [PAIR_ROW, *schema.PAIRS.names]
    pairs = {split: published.plain_rows(PAIRS, split, columns) for split in published.splits}
    sentences = {split: _Ahead(published.plain_rows(SENTENCES, split)) for split in published.splits}
    for split, row in merged(pairs, PAIR_ROW):
        pair = _typed(row_pair, {name: row[name] for name in schema.PAIRS.names}, published)
        mine = list(sentences[split].while_same("pair_id", pair.pair_id))
        yield split, pair, [_typed(row_sentence, _own(row, schema.SENTENCES), published) for row in mine]
    for split, rest in sentences.items():
        if rest.next is not None:
            said = f"{rest.next['sentence_id']!r} of the split {split} does not follow its pair"
            raise PublishError(f"{published.folder} has a sentence out of its place: {said}; {AGAIN}")


def events_of(published: Published) -> Iterator[Row]:
    """The rows of the label events in the dataset's order; PublishError where one is missing or comes twice."""
    streams = {split: published.plain_rows(LABELS, split) for split in published.splits}
    for _, row in merged(streams, EVENT_ROW):
        yield event_row(_typed(row_event, _own(row, schema.LABELS), published))


def merged(streams: Mapping[str, Iterator[Row]], number: str) -> Iterator[tuple[str, Row]]:
    """The rows of all splits by their `number`, which counts from 0 and rises in each: the split and the row.

    Raises:
        PublishError: A number is missing or comes twice.
    """
    heads = {split: next(rows, None) for split, rows in streams.items()}
    count = 0
    while waiting := {split: row for split, row in heads.items() if row is not None}:
        split = next((split for split, row in waiting.items() if row[number] == count), None)
        if split is None:
            seen = ", ".join(f"{row[number]} in {split}" for split, row in waiting.items())
            raise PublishError(f"no row has the {number} {count}, next are {seen}: rows are lost or twice; {AGAIN}")
        yield split, waiting[split]
        heads[split] = next(streams[split], None)
        count += 1


class _Ahead:
    """Rows of which the next one is known."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self.next = next(rows, None)

    def while_same(self, column: str, value: str) -> Iterator[Row]:
        while self.next is not None and self.next[column] == value:
            yield self.next
            self.next = next(self._rows, None)


def _places(published: Published, files: Sequence[Any]) -> list[Place]:
    """Where each image is found first, in the order of the images; every row's bytes are looked at."""
    count = published.header["counts"]["images"]
    first: dict[int, tuple[Place, bytes]] = {}
    for file, path in enumerate(files):
        with reading_published(published.folder), open_parquet(path) as parquet:
            for group in range(parquet.num_row_groups):
                rows = read_group(parquet, group, [IMAGE, IMAGE_ROW, *_ABOUT_IMAGES])
                for place in range(rows.num_rows):
                    number, said = _checked(rows.slice(place, 1), path.name)
                    known = first.setdefault(number, (Place(file, group, place), said))
                    if known[1] != said:
                        raise _image_error(path.name, f"pairs of image {number} differ in what they say of it")
    if sorted(first) != list(range(count)):
        raise _image_error(
            published.folder.name, f"the pairs have {len(first)} images, not those from 0 to {count - 1}"
        )
    return [first[number][0] for number in range(count)]


def _checked(one: pa.Table, name: str) -> tuple[int, bytes]:
    """The number of the image of a row, and a fingerprint of all that the row says of it."""
    row = one.to_pylist()[0]
    number, image, sha256 = row.pop(IMAGE_ROW), row.pop(IMAGE), row["image_sha256"]
    encoded = None if image is None else image["bytes"]
    if (encoded is None) != (sha256 is None) or (encoded is not None and hashlib.sha256(encoded).hexdigest() != sha256):
        raise _image_error(name, f"the bytes of image {row['image_key']!r} are not those of its image_sha256")
    if type(number) is not int:
        raise _image_error(name, f"image {row['image_key']!r} has no {IMAGE_ROW}")
    return number, hashlib.sha256(canonical_json(row).encode()).digest()[:16]


def _image_error(where: str, what: str) -> PublishError:
    return PublishError(f"{where} is damaged: {what}; {AGAIN}")


def _image_row(row: Row) -> dict[str, Any]:
    encoded = None if row[IMAGE] is None else row[IMAGE]["bytes"]
    about = {own: row[name] for own, name in IMAGE_COLUMNS.items()}
    return {"image_key": row["image_key"], "bytes": encoded, **about}


def _own(row: Row, columns: pa.Schema) -> dict[str, Any]:
    return {name: row[name] for name in columns.names}


def _typed(make: Callable[[Row], _T], row: Row, published: Published) -> _T:
    try:
        return make(row)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        name = next(iter(row.values()))
        raise PublishError(f"{published.folder} has a row {name!r} that breaks a rule: {error}; {AGAIN}") from error
