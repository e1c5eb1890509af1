"""Turns what the producers made into a dataset: split, labelled, in the order of the plan."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from alignbench.atomic import storage_errors
from alignbench.store import DatasetWriter, image_of, sentence_id_of
from alignbench.text import split_sentences
from alignbench.types import Direction, Image, Origin, Pair, Sentence, Status
from generation import parts
from generation.journal import Entry, Journal
from generation.plan import Row
from generation.recipe import Recipe
from generation.work import RECIPE_FILE, Work

FAILURES_FILE = "failed_rows.jsonl"


class Assembly:
    """Writes the dataset of a recipe into its work folder, from a journal in which every row has a status."""

    def __init__(self, recipe: Recipe, rows: Sequence[Row], work: Work, journal: Journal) -> None:
        self._recipe, self._rows, self._work, self._journal = recipe, rows, work, journal
        self._labeller = parts.labeller(recipe.labeller) if recipe.labeller else None
        self._roots: dict[str, str] = {}
        self._failures: list[dict[str, Any]] = []

    def write(self) -> None:
        """Write the dataset, the recipe, and a line for every row that is missing.

        Raises:
            DatasetError: no row could be made.
            StorageError: the disk refused.
        """
        name, version = self._recipe.name, self._recipe.version
        with DatasetWriter(self._work.dataset, name=name, version=version, replace=True) as writer:
            for row, entry in self._made():
                image = self._image(row, entry)
                pair, sentences = self._labelled(image, self._pair(row, entry, image))
                writer.add_image(image)
                writer.add_pair(pair, sentences)
        with storage_errors(self._work.dataset):
            (self._work.dataset / RECIPE_FILE).write_text(self._recipe.to_yaml(), encoding="utf-8")
            if self._failures:
                lines = "".join(json.dumps(failure, ensure_ascii=False) + "\n" for failure in self._failures)
                (self._work.dataset / FAILURES_FILE).write_text(lines, encoding="utf-8")

    def _made(self) -> Iterator[tuple[Row, Entry]]:
        for row in self._rows:
            entry = self._journal.entry(row.pair_id)
            if entry.status is not Status.OK:
                self._fail(row, entry, entry.status, str(entry.provenance["made"].get("reason", "")))
            elif self._is_copy(row, entry):
                self._fail(row, entry, Status.FAILED, "the image has the same bytes as that of another row's")
            else:
                yield row, entry

    def _is_copy(self, row: Row, entry: Entry) -> bool:
        """Whether an image was there before under another root, so that no cluster would hold all rows with it."""
        key = entry.image or row.cluster_id
        return self._roots.setdefault(key, row.cluster_id) != row.cluster_id

    def _fail(self, row: Row, entry: Entry, status: Status, reason: str) -> None:
        failure = {
            "pair_id": row.pair_id,
            "producer": entry.producer.name,
            "direction": row.direction,
            "cluster_id": row.cluster_id,
            "status": status,
            "reason": reason,
        }
        self._failures.append(failure)

    def _image(self, row: Row, entry: Entry) -> Image:
        if row.image is not None and row.image.sha256 is not None:
            return replace(row.image, bytes=self._work.read(row.image.sha256))
        encoded = self._work.read(entry.image or "")
        made = entry.provenance["made"]
        return image_of(encoded, source=self._recipe.name, origin=Origin.GENERATED, provenance=made)

    def _pair(self, row: Row, entry: Entry, image: Image) -> Pair:
        caption = row.prompt if row.direction is Direction.TEXT_TO_IMAGE else entry.caption or ""
        provenance = {
            "recipe": {"name": self._recipe.name, "version": self._recipe.version, "digest": self._recipe.digest},
            "model": row.model.model_dump(mode="json"),
            "prompt": row.prompt,
            "written": dict(row.written),
            "seed": row.seed,
            **entry.provenance,
        }
        return Pair(
            row.pair_id, image.image_key, caption, entry.producer, row.direction, row.domain, row.cluster_id, provenance
        )

    def _labelled(self, image: Image, pair: Pair) -> tuple[Pair, Sequence[Sentence]]:
        sentences = sentences_of(pair)
        if self._labeller is None:
            return pair, sentences
        labelled = self._labeller.label(image, pair, sentences)
        labels = {"labeller": self._recipe.labeller, **labelled.provenance}
        return replace(pair, provenance={**pair.provenance, "labels": labels}), labelled.sentences


def sentences_of(pair: Pair) -> list[Sentence]:
    """The sentences of a pair's caption, not labelled yet."""
    places = enumerate(split_sentences(pair.caption))
    return [
        Sentence(sentence_id_of(pair.pair_id, index), pair.pair_id, index, start, end, pair.caption[start:end])
        for index, (start, end) in places
    ]
