"""Turns what the producers made into a dataset: split, filtered, labelled, in the order of the plan."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from alignbench.atomic import storage_errors
from alignbench.decode import decode
from alignbench.errors import RunError
from alignbench.store import DatasetWriter, sentence_id_of
from alignbench.text import split_sentences
from alignbench.types import Direction, Image, ModelRef, Pair, Sentence, Status
from generation import parts
from generation.journal import Entry, Journal
from generation.lost import COPY, Lost, write_lost
from generation.made import image_made
from generation.plan import Row, Stage
from generation.produce import another_model
from generation.protocols import Candidate
from generation.recipe import Recipe
from generation.screening import Drop, Screening
from generation.work import DOMAINS_FILE, RECIPE_FILE, UNUSABLE_FILE, Work


class Assembly:
    """Writes the dataset of a recipe into its work folder, from a journal in which every row has a status."""

    def __init__(self, recipe: Recipe, rows: Sequence[Row], work: Work, journal: Journal, recipe_folder: Path) -> None:
        self._recipe, self._rows, self._work, self._journal = recipe, rows, work, journal
        self._labeller = parts.labeller(recipe.labeller) if recipe.labeller else None
        self._screening = Screening(recipe.filters, "filter", work, recipe_folder)
        self._by_id = {row.pair_id: row for row in rows}
        self._said_of_recipe = {"name": recipe.name, "version": recipe.version, "digest": recipe.digest}
        self._roots: dict[tuple[str, str], str] = {}
        self._lost: dict[str, Lost] = {}
        self._names: dict[tuple[Direction, str], str] = {}

    def write(self) -> None:
        """Write the dataset, the recipe, and a line for every row that is missing.

        Raises:
            RunError: no row could be made, or none is left; or two models made rows under one name.
            DatasetError: what was made breaks a rule of datasets.
            StorageError: the disk refused.
        """
        self._need_some()
        self._names = self._producers()
        name, version = self._recipe.name, self._recipe.version
        with DatasetWriter(self._work.dataset, name=name, version=version, replace=True) as writer:
            for row, entry, findings in self._left():
                image = self._image(row, entry)
                pair, sentences = self._labelled(image, self._pair(row, entry, image, findings))
                writer.add_image(image)
                writer.add_pair(pair, sentences)
            if len(self._lost) == len(self._rows):
                raise self._nothing_left()
        self._add_files()

    def _left(self) -> Iterator[tuple[Row, Entry, Mapping[str, Any]]]:
        """Every row that goes into the dataset, with what the filters say of it; of the others, notes are kept."""
        for row in self._rows:
            entry = self._entry(row)
            if isinstance(entry, Lost):
                self._lost[row.pair_id] = entry
                continue
            screened = self._screening.look(self._candidate(row, entry))
            drop = screened.drop or self._repeats(row, entry)
            if drop is None:
                yield row, entry, screened.findings
            else:
                self._lost[row.pair_id] = Lost(drop.status, drop.reason, drop.filter, drop.value)

    def _entry(self, row: Row) -> Entry | Lost:
        """What was made for a row whose parent, if any, is in the dataset."""
        parent = self._lost.get(row.parent or "")
        if parent is not None:
            return parent.of_child(row.parent or "")
        entry = self._journal.entry(row.pair_id)
        return entry if entry.status is Status.OK else Lost(entry.status, entry.reason)

    def _candidate(self, row: Row, entry: Entry) -> Candidate:
        sha256 = entry.image
        picture = None if sha256 is None else cache(lambda: decode(self._work.read(sha256)))
        return Candidate(row.pair_id, row.cluster_id, entry.producer.name, entry.caption, picture)

    def _repeats(self, row: Row, entry: Entry) -> Drop | None:
        """Whether an image or a prompt was there before under another root, so that no cluster would hold all of it."""
        shown = self._sha256(row, entry)
        found = [("the image has the same bytes as that", ("image", shown))]
        if row.stage is Stage.IMAGES:
            found.append(("the prompt has the same words as that", ("prompt", self._caption(row, entry))))
        for what, key in found:
            if self._roots.get(key, row.cluster_id) != row.cluster_id:
                return Drop(COPY, Status.FILTERED, None, f"{what} of another row's")
        self._roots.update((key, row.cluster_id) for _, key in found)
        return None

    def _sha256(self, row: Row, entry: Entry) -> str:
        """Which image a row's pair shows."""
        if row.stage is Stage.IMAGES:
            return entry.image or ""
        return (row.image.sha256 if row.image else self._journal.entry(row.parent or "").image) or ""

    def _image(self, row: Row, entry: Entry) -> Image:
        if row.image is not None:
            return replace(row.image, bytes=self._work.read(row.image.sha256 or ""))
        if row.stage is Stage.IMAGES:
            return image_made(self._recipe, row, entry, self._work)
        parent = self._by_id[row.parent or ""]
        return image_made(self._recipe, parent, self._journal.entry(parent.pair_id), self._work)

    def _caption(self, row: Row, entry: Entry) -> str:
        if row.direction is Direction.IMAGE_TO_TEXT:
            return entry.caption or ""
        if row.parent is None:
            return row.prompt or ""
        return self._journal.entry(row.parent).caption or ""

    def _pair(self, row: Row, entry: Entry, image: Image, findings: Mapping[str, Any]) -> Pair:
        caption = self._caption(row, entry)
        provenance = {
            "recipe": self._said_of_recipe,
            "model": {"model": row.model.model, "options": row.model.options},
            "prompt": caption if row.prompt is None else row.prompt,
            "written": dict(row.written),
            "seed": row.seed,
            **({"parent": row.parent} if row.parent else {}),
            **entry.provenance,
            **({"filters": findings} if findings else {}),
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

    def _need_some(self) -> None:
        if any(self._journal.status(row.pair_id) is Status.OK for row in self._rows):
            return
        first = self._journal.entry(self._rows[0].pair_id)
        raise RunError(
            f"none of the {len(self._rows):,} rows could be made; the first one's status is {first.status}: "
            f"{first.reason or 'no reason given'}; mend that and retry the failed rows, "
            f"or remove {self._work.path} to begin again"
        )

    def _nothing_left(self) -> RunError:
        first = self._lost[self._rows[0].pair_id]
        return RunError(
            f"none of the {len(self._rows):,} rows is left; the first one's status is {first.status}: {first.reason} "
            f"({first.filter or 'not made'}); mend the recipe, or remove {self._work.path} to begin again"
        )

    def _producers(self) -> dict[tuple[Direction, str], str]:
        """The name of who made the rows of each model.

        Raises:
            RunError: sessions that ran side by side had different models under one name.
        """
        made_by: dict[tuple[Direction, str], ModelRef] = {}
        names: dict[tuple[Direction, str], str] = {}
        for row in self._rows:
            status = self._journal.status(row.pair_id)
            if status is None:
                continue
            key, producer = (row.direction, row.model.key), self._journal.entry(row.pair_id).producer
            names.setdefault(key, producer.name)
            if status is Status.OK and made_by.setdefault(key, producer) != producer:
                raise another_model(row, made_by[key], producer, self._work)
        return names

    def _add_files(self) -> None:
        """Put beside the tables what else there is to know."""
        dataset, names = self._work.dataset, self._names
        lost = (
            (row, self._lost[row.pair_id], names.get((row.direction, row.model.key), row.model.model))
            for row in self._rows
            if row.pair_id in self._lost
        )
        with storage_errors(dataset):
            (dataset / RECIPE_FILE).write_text(self._recipe.to_yaml(), encoding="utf-8")
            write_lost(dataset, (why.to_json(row, producer) for row, why, producer in lost))
            for name in (UNUSABLE_FILE, DOMAINS_FILE):
                if (self._work.path / name).is_file():
                    shutil.copyfile(self._work.path / name, dataset / name)


def sentences_of(pair: Pair) -> list[Sentence]:
    """The sentences of a pair's caption, not labelled yet."""
    places = enumerate(split_sentences(pair.caption))
    return [
        Sentence(sentence_id_of(pair.pair_id, index), pair.pair_id, index, start, end, pair.caption[start:end])
        for index, (start, end) in places
    ]
