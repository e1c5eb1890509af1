"""Reads one row of the halcap schema: a sentence with its model, image, label, error words, votes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from alignbench.exchange.error_words import locate
from alignbench.exchange.notes import Notes, Problems
from alignbench.exchange.pictures import path_of_url, safe_path
from alignbench.exchange.producers import Producer, producer_of
from alignbench.exchange.rows import Row
from alignbench.exchange.values import count_of, error_types_of, is_null, label_of, name_of, number_of, text_of
from alignbench.labels import RULE, label_of_votes
from alignbench.types import Direction, ErrorType, Image, Label, ModelRef, Origin, Span, Votes

_VOTES = ("n_correct", "n_incorrect", "n_unknown")
_AGREEMENT = ("agreement_ratio", "fleiss_pi")
COLUMNS = (
    *("model", "image_source", "image_name", "image_type", "sentence_index", "caption"),
    *("annotation", "error_type", "error_words", *_AGREEMENT, *_VOTES, "image_url", "image_path_in_repo"),
)
_NOBODY = Producer(ModelRef("unknown"), Direction.IMAGE_TO_TEXT, published=False)


@dataclass(frozen=True, slots=True)
class Marks:
    """What people said of a sentence: `voted` where the label is that of the votes; `unmapped` are cells, by column."""

    label: Label | None
    error_types: tuple[ErrorType, ...]
    spans: tuple[Span, ...]
    votes: Votes | None
    voted: bool
    unmapped: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HalcapRow:
    """A row: `image` has no bytes yet; `model` is the producer as the file calls it; `index` is null where unclear."""

    line: int
    model: str
    producer: Producer
    image: Image
    index: int | None
    text: str
    marks: Marks


@dataclass(slots=True)
class HalcapReader:
    """Reads rows; remembers in `notes` what it maps with doubt or leaves out, in `problems` what it must refuse."""

    notes: Notes
    problems: Problems
    columns: dict[str, None] = field(default_factory=dict)
    _images: dict[str, Image] = field(default_factory=dict)

    def read(self, row: Row) -> HalcapRow | None:
        """The sentence of a row; None, with a note or a problem, where it has no text or no image."""
        cells, line = row.cells, row.line
        self.columns |= dict.fromkeys(cells)
        producer, model = self._producer(cells.get("model"), line)
        image = self._image(cells, producer.direction, line)
        text = text_of(cells.get("caption"))
        if text is None:
            self.notes.add("rows without a sentence in `caption`, left out", f"line {line}")
        if text is None or image is None:
            return None
        return HalcapRow(line, model, producer, image, self._index(cells, line), text, self._marks(cells, text, line))

    def _producer(self, cell: Any, line: int) -> tuple[Producer, str]:
        name = name_of(cell)
        if name is None:
            self.notes.add("rows without a model, their producer is `unknown`", f"line {line}")
            return _NOBODY, "unknown"
        producer = producer_of(name)
        if not producer.published:
            self.notes.add(
                "models not in our table, each a producer and family of its own", f"{name} ({producer.direction})"
            )
        return producer, name

    def _image(self, cells: Mapping[str, Any], direction: Direction, line: int) -> Image | None:
        path, url, source, name = (
            name_of(cells.get(column)) for column in ("image_path_in_repo", "image_url", "image_source", "image_name")
        )
        folder = source or "unknown"
        if path is not None:
            key, expected = f"repo:{safe_path(path)}", safe_path(path)
        elif url is not None:
            key, expected = f"url:{url}", path_of_url(url)
        elif name is not None:
            key, expected = f"{quote(folder, safe=' /')}:{name}", safe_path(f"{folder}/{name}")
        else:
            self.notes.add("rows without an image path, URL or name, left out", f"line {line}")
            return None
        if expected is None:
            self.problems.add(line, f"the image {path or name!r} is not a path inside a folder of images")
            return None
        provenance = {
            "format": "halcap",
            "expected_path": expected,
            "path_in_repo": path,
            "image_source": source,
            "image_name": name,
            "image_type": None if is_null(cells.get("image_type")) else cells["image_type"],
        }
        said = {column: value for column, value in provenance.items() if value is not None}
        origin = Origin.GENERATED if direction is Direction.TEXT_TO_IMAGE else Origin.REAL
        image = Image(key, None, None, None, None, origin, folder, url=url, provenance=said)
        known = self._images.setdefault(key, image)
        return known if known == image else image

    def _index(self, cells: Mapping[str, Any], line: int) -> int | None:
        index = count_of(cells.get("sentence_index"))
        if index is None:
            cell = cells.get("sentence_index")
            self.notes.add(
                "`sentence_index` not understood, sentence put last in its caption", f"{cell!r} (line {line})"
            )
        return index

    def _marks(self, cells: Mapping[str, Any], text: str, line: int) -> Marks:
        unmapped: dict[str, Any] = {}
        votes = self._votes(cells, line, unmapped)
        annotated = self._annotated(cells.get("annotation"), votes, line, unmapped)
        label = annotated or (None if votes is None else label_of_votes(votes))
        voted = annotated is None and label is not None
        if label is Label.INCORRECT:
            error_types, spans = self._errors(cells, text, line, unmapped)
            return Marks(label, error_types, spans, votes, voted, unmapped)
        stray = {c: cells[c] for c in ("error_type", "error_words") if not is_null(cells.get(c))}
        if stray:
            self.notes.add("error types or words of a sentence not labelled incorrect, left out", f"line {line}")
        return Marks(label, (), (), votes, voted, unmapped | stray)

    def _votes(self, cells: Mapping[str, Any], line: int, unmapped: dict[str, Any]) -> Votes | None:
        given = {c: cells[c] for c in (*_VOTES, *_AGREEMENT) if not is_null(cells.get(c))}
        counts = {c: count_of(given[c]) for c in _VOTES if c in given}
        figures = {c: number_of(given[c]) for c in _AGREEMENT if c in given}
        strange = [c for c, number in (counts | figures).items() if number is None]
        for column in strange:
            self.notes.add(f"`{column}` not understood, left out", repr(given[column]))
        if not counts or None in counts.values():
            unmapped |= given
            if figures and not counts:
                self.notes.add("agreement figures without vote counts, left out", ", ".join(figures))
            return None
        unmapped |= {c: given[c] for c in strange}
        if len(counts) < len(_VOTES):
            self.notes.add("vote counts missing beside others, read as 0", f"line {line}")
        return Votes(*(counts.get(c) or 0 for c in _VOTES), *(figures.get(c) for c in _AGREEMENT))

    def _annotated(self, cell: Any, votes: Votes | None, line: int, unmapped: dict[str, Any]) -> Label | None:
        label = label_of(cell)
        voted = None if votes is None else label_of_votes(votes)
        if label is not None:
            if voted not in (None, label):
                self.notes.add("labels that differ from the votes, kept as annotated", f"{label} (line {line})")
            return label
        if not is_null(cell):
            unmapped["annotation"] = cell
        what = "empty" if is_null(cell) else "not understood"
        outcome = "left unlabelled" if voted is None else f"label taken from the votes ({RULE})"
        self.notes.add(f"`annotation` {what}, {outcome}", f"line {line}" if is_null(cell) else repr(cell))
        return None

    def _errors(
        self, cells: Mapping[str, Any], text: str, line: int, unmapped: dict[str, Any]
    ) -> tuple[tuple[ErrorType, ...], tuple[Span, ...]]:
        kinds, strange = error_types_of(cells.get("error_type"))
        for entry in strange:
            self.notes.add("`error_type` not understood, left out", repr(entry))
        found = locate(text, cells.get("error_words"), kinds)
        lost = {
            "error words not found in their sentence, no span": found.not_found,
            "error words that occur several times in their sentence, no span": found.ambiguous,
            "error words of which the error type is not clear, no span": found.untyped,
        }
        for kind, quotes in lost.items():
            for words in quotes:
                self.notes.add(kind, f"{words!r} (line {line})")
        unmapped |= {"error_type": cells["error_type"]} if strange else {}
        unmapped |= {"error_words": cells["error_words"]} if any(lost.values()) else {}
        error_types = tuple(dict.fromkeys([*kinds, *(span.error_type for span in found.spans)]))
        if not error_types:
            self.notes.add("incorrect sentences without an error type", f"line {line}")
        elif not found.spans:
            self.notes.add("incorrect sentences without a span", f"line {line}")
        return error_types, found.spans
