"""Puts the sentences of halcap rows together into captions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from alignbench.exchange.clusters import chain_clusters
from alignbench.exchange.halcap_rows import HalcapRow
from alignbench.exchange.notes import Notes
from alignbench.labels import RULE
from alignbench.store import sentence_id_of
from alignbench.types import Direction, Pair, Sentence

JOINT = " "


@dataclass(frozen=True, slots=True)
class Caption:
    """The rows of one caption, in order; `number` counts, from 1, the captions of one model about one image."""

    rows: Sequence[HalcapRow]
    number: int

    @property
    def text(self) -> str:
        """The sentences, joined by one space."""
        return JOINT.join(row.text for row in self.rows)


def captions_of(rows: Iterable[HalcapRow], notes: Notes) -> list[Caption]:
    """The captions in rows of any order, by the first row of their model and image.

    A row that repeats the place and text of another is left out. A place that comes again with another text begins a
    second caption of the model about the image. What is repeated, missing or cannot be placed is noted.
    """
    groups: dict[tuple[str, str], list[HalcapRow]] = {}
    for row in rows:
        groups.setdefault((row.producer.model.name, row.image.image_key), []).append(row)
    places = [row.index for group in groups.values() for row in group if row.index is not None]
    base = 1 if places and min(places) == 1 else 0
    captions: list[Caption] = []
    for group in groups.values():
        layers = _layers(group, notes)
        if len(layers) > 1:
            notes.add("second captions of one model about one image, kept apart", _named(group[0]))
        for number, layer in enumerate(layers, start=1):
            captions.append(Caption(layer, number))
            _note_gaps(layer, base, notes)
    return captions


def _layers(group: Sequence[HalcapRow], notes: Notes) -> list[list[HalcapRow]]:
    """The rows of each caption in order. Captions of one model and image are taken to stand one after the other."""
    current: dict[int, HalcapRow] = {}
    layers = [current]
    for row in group:
        if row.index is None:
            continue
        twin = next((layer[row.index] for layer in layers if _same_sentence(layer.get(row.index), row)), None)
        if twin is not None:
            _note_twin(row, twin, notes)
            continue
        if row.index in current:
            current = next((layer for layer in layers if row.index not in layer), {})
            layers += [] if any(current is layer for layer in layers) else [current]
        current[row.index] = row
    ordered = [[layer[index] for index in sorted(layer)] for layer in layers]
    ordered[0] += [row for row in group if row.index is None]
    return ordered


def _same_sentence(one: HalcapRow | None, other: HalcapRow) -> bool:
    return one is not None and one.text == other.text


def _note_twin(row: HalcapRow, twin: HalcapRow, notes: Notes) -> None:
    if row.marks == twin.marks:
        notes.add("rows that repeat another, left out", f"line {row.line} repeats line {twin.line}")
    else:
        notes.add(
            "rows that repeat a sentence with other marks, left out", f"line {row.line} contradicts line {twin.line}"
        )


def _note_gaps(layer: Sequence[HalcapRow], base: int, notes: Notes) -> None:
    indices = [row.index for row in layer if row.index is not None]
    if indices != list(range(base, base + len(indices))):
        said = ", ".join(str(index) for index in indices[:8]) + (", ..." if len(indices) > 8 else "")
        notes.add("captions with a gap in `sentence_index`, closed", f"{_named(layer[0])} ({said})")


def _named(row: HalcapRow) -> str:
    return f"{row.producer.model.name} about {row.image.image_key}"


def pairs_of(captions: Sequence[Caption], file_name: str) -> Iterator[tuple[Pair, list[Sentence]]]:
    """A pair and its sentences for every caption.

    The cluster of an image-to-text pair is its image, that of a text-to-image pair the chain of prompts and images it
    belongs to, where the prompt is the caption.

    Args:
        captions: All captions of the file.
        file_name: The file's name, for the provenance.
    """
    drawn = [c for c in captions if c.rows[0].producer.direction is Direction.TEXT_TO_IMAGE]
    chains = chain_clusters((caption.rows[0].image.image_key, caption.text) for caption in drawn)
    for caption in captions:
        first = caption.rows[0]
        key, direction = first.image.image_key, first.producer.direction
        cluster = chains[key] if direction is Direction.TEXT_TO_IMAGE else key
        yield _pair_of(caption, cluster, file_name)


def _pair_of(caption: Caption, cluster: str, file_name: str) -> tuple[Pair, list[Sentence]]:
    first = caption.rows[0]
    # Quoting keeps `/` and `(` out of the producer, so that no two pairs can share an id.
    producer = quote(first.producer.model.name, safe="")
    copy = "" if caption.number == 1 else f"({caption.number})"
    pair = Pair(
        pair_id=f"{producer}{copy}/{first.image.image_key}",
        image_key=first.image.image_key,
        caption=caption.text,
        producer=first.producer.model,
        direction=first.producer.direction,
        domain=None,
        cluster_id=cluster,
        provenance={"format": "halcap", "file": file_name, "model": first.model, **_leftovers(caption.rows)},
    )
    return pair, list(_sentences(pair.pair_id, caption.rows))


def _leftovers(rows: Sequence[HalcapRow]) -> dict[str, Any]:
    """What the tables have no column for: places other than 0, 1, 2; labels by votes; cells that were not mapped."""
    left: dict[str, Any] = {}
    if [row.index for row in rows] != list(range(len(rows))):
        left["sentence_index"] = [row.index for row in rows]
    voted = [index for index, row in enumerate(rows) if row.marks.voted]
    if voted:
        left["labels_from_votes"] = {"rule": RULE, "indices": voted}
    unmapped = [{"index": index, **row.marks.unmapped} for index, row in enumerate(rows) if row.marks.unmapped]
    return left | ({"unmapped": unmapped} if unmapped else {})


def _sentences(pair_id: str, rows: Sequence[HalcapRow]) -> Iterator[Sentence]:
    start = 0
    for index, row in enumerate(rows):
        end, marks = start + len(row.text), row.marks
        yield Sentence(
            sentence_id=sentence_id_of(pair_id, index),
            pair_id=pair_id,
            index=index,
            start=start,
            end=end,
            text=row.text,
            label=marks.label,
            error_types=marks.error_types,
            spans=marks.spans,
            votes=marks.votes,
        )
        start = end + len(JOINT)
