"""Reads one row of a table: an image with a caption, or with one sentence of it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from alignbench.exchange.notes import Problems, some
from alignbench.exchange.pictures import safe_path
from alignbench.exchange.rows import Row
from alignbench.exchange.values import count_of, entries, error_types_of, is_null, label_of, name_of, plain, written
from alignbench.types import Direction, ErrorType, Label, ModelRef

_T = TypeVar("_T")
COLUMNS = (
    *("image", "caption", "producer", "family", "direction", "domain", "cluster", "licence", "source"),
    *("sentence", "label", "error_types", "spans", "sentences"),
)
_SYNONYMS = {"license": "licence", "error_type": "error_types", "image_path": "image"}
_MARKS = ("label", "error_types", "spans")
_SENTENCE_KEYS = ("text", "start", "end", *_MARKS)
_SPAN_KEYS = ("start", "end", "text", "occurrence", "error_type")
_DIRECTIONS = {plain(direction.replace("_", " ")): direction for direction in Direction}


@dataclass(frozen=True, slots=True)
class Frame:
    """All that a row says of its pair, apart from the caption; null where it says nothing."""

    image: str
    producer: ModelRef
    direction: Direction
    domain: str | None
    cluster: str | None
    licence: str | None
    source: str | None


@dataclass(frozen=True, slots=True)
class Quoted:
    """A span as given: by offsets, or by words and, from 1, which of their places is meant."""

    start: int | None
    end: int | None
    text: str | None
    occurrence: int | None
    error_type: ErrorType | None


@dataclass(frozen=True, slots=True)
class Given:
    """A sentence as given: its text, or its offsets in the caption, or both; equal ones may be of different lines."""

    line: int = field(compare=False)
    text: str | None
    start: int | None = None
    end: int | None = None
    label: Label | None = None
    error_types: tuple[ErrorType, ...] = ()
    spans: tuple[Quoted, ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """What a row says in words: one `sentence`; or all `sentences` of a caption; or a caption alone, which is split."""

    caption: str | None
    sentence: Given | None
    sentences: tuple[Given, ...] | None


class _WrongCellError(ValueError):
    """What is wrong with a cell."""


@dataclass(slots=True)
class TableReader:
    """Reads rows; remembers in `problems` what is wrong with them."""

    problems: Problems
    producer: str
    columns: dict[str, None] = field(default_factory=dict)

    def read(self, row: Row) -> tuple[Frame | None, Text | None]:
        """The two halves of a row; None, with a problem, for one in which anything is wrong."""
        self.columns |= dict.fromkeys(row.cells)
        cells = {_SYNONYMS.get(column, column): cell for column, cell in row.cells.items()}
        frame = self._half(row.line, lambda: _frame(cells, self.producer))
        return frame, self._half(row.line, lambda: _words(row.line, cells))

    def _half(self, line: int, read: Callable[[], _T]) -> _T | None:
        try:
            return read()
        except _WrongCellError as wrong:
            self.problems.add(line, str(wrong))
            return None

    def has(self, column: str) -> bool:
        """Whether any row has this column, under one of its names."""
        return any(_SYNONYMS.get(name, name) == column for name in self.columns)

    def strange_columns(self) -> Iterator[str]:
        """The columns that mean nothing here, each with the known one that its name is like, if any."""
        for column in self.columns:
            if column not in COLUMNS and column not in _SYNONYMS:
                near = difflib.get_close_matches(column, COLUMNS, n=1, cutoff=0.7)
                yield f"{column} (did you mean {near[0]}?)" if near else column


def _words(line: int, cells: Mapping[str, Any]) -> Text:
    caption, sentence = _text(cells, "caption"), _text(cells, "sentence")
    listed = written(cells.get("sentences"))
    marks = [column for column in _MARKS if not is_null(cells.get(column))]
    # In a list, `null` and `none` are sentences like any other.
    if not listed if isinstance(listed, list) else is_null(listed):
        if sentence is not None:
            return Text(caption, _given(line, sentence.strip(), cells), None)
        if caption is None:
            raise _WrongCellError("there is no caption and no sentence")
        if marks:
            raise _WrongCellError(
                f"`{marks[0]}` without `sentence`: sentences are labelled, not captions; name the text `sentence`"
            )
        return Text(caption, None, None)
    if sentence is not None or marks:
        raise _WrongCellError(
            f"`sentences` together with `{'sentence' if sentence else marks[0]}`; put that inside `sentences`"
        )
    if not isinstance(listed, list):
        raise _WrongCellError("`sentences` is not a list")
    return Text(caption, None, tuple(_listed(line, place, entry) for place, entry in enumerate(listed)))


def _frame(cells: Mapping[str, Any], producer: str) -> Frame:
    image = _text(cells, "image")
    if image is None:
        raise _WrongCellError("there is no image")
    path = safe_path(image)
    if path is None:
        raise _WrongCellError(
            f"the image {image!r} is not a path inside the folder of images; give it relative to that folder"
        )
    direction = _name(cells, "direction") or Direction.IMAGE_TO_TEXT
    if plain(direction) not in _DIRECTIONS:
        raise _WrongCellError(f"direction {direction!r} is not one of {', '.join(Direction)}")
    domain, cluster, licence, source, family = (
        _name(cells, column) for column in ("domain", "cluster", "licence", "source", "family")
    )
    model = ModelRef(_name(cells, "producer") or producer, family=family)
    return Frame(path, model, _DIRECTIONS[plain(direction)], domain, cluster, licence, source)


def _name(cells: Mapping[str, Any], column: str) -> str | None:
    name = name_of(cells.get(column))
    if name is None and not is_null(cells.get(column)):
        raise _WrongCellError(f"`{column}` is {cells[column]!r:.40}, which is not text")
    return name


def _text(cells: Mapping[str, Any], column: str) -> str | None:
    cell = cells.get(column)
    if cell is None or (isinstance(cell, float) and is_null(cell)):
        return None
    if not isinstance(cell, str):
        raise _WrongCellError(f"`{column}` is {cell!r:.40}, which is not text")
    return cell if cell.strip() else None


def _listed(line: int, place: int, entry: Any) -> Given:
    if isinstance(entry, str):
        entry = {"text": entry}
    if not isinstance(entry, Mapping):
        raise _WrongCellError(
            f"sentences[{place}] is {entry!r:.40}; give a text, or an object with {', '.join(_SENTENCE_KEYS)}"
        )
    _check_keys(f"sentences[{place}]", entry, _SENTENCE_KEYS)
    text = _text(entry, "text")
    start, end = _offset(entry, "start"), _offset(entry, "end")
    if (start is None) != (end is None) or (text is None and start is None):
        raise _WrongCellError(f"sentences[{place}] needs a text, or start and end")
    # Offsets say where the text is to the letter; without them space around it means nothing.
    return _given(line, text.strip() if text is not None and start is None else text, entry, start, end)


def _given(
    line: int, text: str | None, cells: Mapping[str, Any], start: int | None = None, end: int | None = None
) -> Given:
    label = None if is_null(cells.get("label")) else label_of(cells["label"])
    if label is None and not is_null(cells.get("label")):
        raise _WrongCellError(
            f"label {cells['label']!r} is not one of {', '.join(Label)}; leave it empty where there is none"
        )
    error_types, strange = error_types_of(cells.get("error_types"))
    if strange:
        raise _WrongCellError(f"error type {strange[0]!r} is not one of {', '.join(ErrorType)}")
    only = error_types[0] if len(set(error_types)) == 1 else None
    spans = tuple(_quoted(place, entry, only) for place, entry in enumerate(entries(cells.get("spans"))))
    kinds = tuple(dict.fromkeys([*error_types, *(span.error_type for span in spans if span.error_type)]))
    if kinds and label is not Label.INCORRECT:
        raise _WrongCellError(
            f"error types or spans, but the label is {label or 'empty'}; only an incorrect sentence has them"
        )
    return Given(line, text, start, end, label, kinds, spans)


def _quoted(place: int, entry: Any, only: ErrorType | None) -> Quoted:
    if not isinstance(entry, Mapping):
        raise _WrongCellError(
            f"spans[{place}] is {entry!r:.40}; give an object with start and end or with text, and error_type"
        )
    _check_keys(f"spans[{place}]", entry, _SPAN_KEYS)
    kinds, strange = error_types_of(entry.get("error_type"))
    if strange or len(kinds) > 1 or not (kinds or only):
        said = "is missing" if is_null(entry.get("error_type")) else f"{entry['error_type']!r} is not one"
        raise _WrongCellError(f"spans[{place}]: error_type {said} of {', '.join(ErrorType)}")
    numbers = [_offset(entry, key) for key in ("start", "end", "occurrence")]
    text = _text(entry, "text")
    if (numbers[0] is None) != (numbers[1] is None) or (text is None) == (numbers[0] is None):
        raise _WrongCellError(f"spans[{place}] needs either start and end or text")
    if numbers[2] == 0:
        raise _WrongCellError(f"spans[{place}]: occurrence counts from 1")
    return Quoted(numbers[0], numbers[1], text, numbers[2], kinds[0] if kinds else only)


def _offset(entry: Mapping[str, Any], key: str) -> int | None:
    number = count_of(entry.get(key))
    if number is None and not is_null(entry.get(key)):
        raise _WrongCellError(f"`{key}` is {entry[key]!r:.40}, which is not a whole number from 0")
    return number


def _check_keys(where: str, entry: Mapping[str, Any], known: tuple[str, ...]) -> None:
    strange = [str(key) for key in entry if key not in known]
    if strange:
        raise _WrongCellError(f"{where} has {some(strange)}, which is none of {', '.join(known)}")
