"""Whether what the dataset holds may be published under the dataset's licence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from alignbench.publish.checks.finding import Finding
from alignbench.publish.folder.layout import README
from alignbench.publish.terms.licences import Licence, LicenceTable, asked_of_outputs, conflicts
from alignbench.publish.terms.publication import FILE, Publication
from alignbench.store import Dataset
from alignbench.types import Direction, ModelRef, Origin

CHECK = "licences"
_WAIVE = f"or waive it by name in {FILE}"


class _Held(NamedTuple):
    """Pictures of one source under one licence as the images say it."""

    source: str
    licence: str | None
    pictures: int


def find_licences(folder: Path, dataset: Dataset, publication: Publication) -> Iterator[Finding]:
    """The dataset's licence is known; so is that of every producer and source, and it goes into the dataset's.

    What a source's licence or a model's terms ask to be told is told by the card. A picture without a licence that a
    producer drew is the producer's. Judges need none: of them only scores are published.
    """
    table = LicenceTable.shipped()
    card = _Card.of(folder)
    target = _licence_of_dataset(table, publication)
    if isinstance(target, Finding):
        yield target
    ours = None if isinstance(target, Finding) else target
    for model in {model.name: model for model in producers_of(dataset)}.values():
        yield from _of_producer(model, publication, table, ours, card)
    for held in _pictures(dataset, publication):
        yield from _of_source(held, publication, table, ours, card)


def producers_of(dataset: Dataset) -> list[ModelRef]:
    """Every producer of the dataset once, in the order of their names; one by revision where it has several."""
    rows = dataset.pairs_table(["producer"])["producer"].to_pylist()
    models = {ModelRef(**row) for row in rows}
    return sorted(
        models, key=lambda model: (model.name, model.revision or "", model.family or "", model.provider or "")
    )


def _licence_of_dataset(table: LicenceTable, publication: Publication) -> Licence | Finding:
    said = publication.licence
    found = table.find(said)
    if found is None:
        told = f"the dataset's licence {said!r} is not known" if said else "the dataset has no licence"
        return Finding(CHECK, "dataset", f"{told}; write `licence: ID` in {FILE}{_known(table, said)}, {_WAIVE}")
    if found.kind == "terms":
        told = (
            f"the dataset's licence {said!r} is that of a model or a service, under which nobody can publish a dataset"
        )
        return Finding(CHECK, "dataset", f"{told}; write an id such as CC-BY-4.0 as `licence` in {FILE}, {_WAIVE}")
    return found


def _of_producer(
    model: ModelRef, publication: Publication, table: LicenceTable, ours: Licence | None, card: _Card
) -> Iterator[Finding]:
    said = publication.producers.get(model.name)
    spelling = said.licence if said else None
    stated, known = table.find(spelling), table.of_model(model)
    name = f"producer {model.name}"
    then = f"write its licence as `licence` of {model.name!r} under `producers` in {FILE}"
    if spelling and stated is None:
        told = f"the licence {spelling!r} of {name} is not known"
        yield Finding(CHECK, name, f"{told}; {then}{_known(table, spelling)}, {_WAIVE}")
    elif stated is None and known is None:
        told = f"no licence of {name} is known: neither {FILE} nor the table of models says one"
        yield Finding(CHECK, name, f"{told}; {then}, {_WAIVE}")
    both = [licence for licence in dict.fromkeys([stated, known]) if licence is not None]
    asked = [licence for licence in both if asked_of_outputs(licence)]
    # What the table does not know of a model, its publisher may.
    asked = [licence for licence in asked if licence is stated or licence.republish is not None or stated is None]
    yield from _against(name, asked, ours, f"leave its pairs out, or publish under another licence, {_WAIVE}")
    for licence in asked:
        if licence.attribution and not card.names(model.name, licence):
            yield _unnamed(name, licence)
        if licence.note and not card.says(said.terms if said else ""):
            told = f"those who use the dataset must be told what {name} is under: {licence.title}: {licence.note}"
            then = f"write that as `terms` of {model.name!r} under `producers` in {FILE}; the card says it then"
            yield Finding(CHECK, f"{name} terms", f"{told} ({licence.source}); {then}, {_WAIVE}")


def _of_source(
    held: _Held, publication: Publication, table: LicenceTable, ours: Licence | None, card: _Card
) -> Iterator[Finding]:
    said = publication.sources.get(held.source)
    spelling = held.licence or (said.licence if said else None)
    found = table.find(spelling)
    name = f"source {held.source}" + (f" {held.licence}" if held.licence else "")
    pictures = f"{held.pictures:,} pictures of the source {held.source!r}"
    where = f"as `licence` of {held.source!r} under `sources` in {FILE}, or with the pictures when they are imported"
    then = f"write it {where}"
    if found is None:
        told = f"the licence {spelling!r} of {pictures} is not known" if spelling else f"{pictures} have no licence"
        yield Finding(CHECK, name, f"{told}; {then}{_known(table, spelling)}, {_WAIVE}")
        return
    yield from _against(name, [found], ours, f"leave the pictures out, or publish under another licence, {_WAIVE}")
    if found.attribution and not card.names(held.source, found):
        yield _unnamed(name, found)


def _against(name: str, licences: Iterable[Licence], ours: Licence | None, then: str) -> Iterator[Finding]:
    # A dataset whose licence is not known allows everything, so that what binds its parts is told at once.
    target = ours or Licence("not known", "a licence that is not known", "content", "")
    for licence in licences:
        faults = conflicts(licence, target)
        if faults:
            told = f"{name} is under {licence.name} ({licence.source}), the dataset under {target.name}"
            yield Finding(CHECK, name, f"{told}: {'; '.join(faults)}; {then}")
            return


def _unnamed(name: str, licence: Licence) -> Finding:
    told = (
        f"{name} is under {licence.name}, which wants its author named, but {README} does not name it with its licence"
    )
    return Finding(
        CHECK, f"{name} attribution", f"{told}; build the folder again, so that the card is made anew, {_WAIVE}"
    )


def _known(table: LicenceTable, spelling: str | None) -> str:
    near = table.nearest(spelling) if spelling else []
    return f" (nearest: {', '.join(near)})" if near else " (an SPDX id or one of the Hub's, such as CC-BY-4.0)"


def _pictures(dataset: Dataset, publication: Publication) -> list[_Held]:
    pairs = dataset.pairs_table(["image_key", "direction"])
    directions = zip(pairs["image_key"].to_pylist(), pairs["direction"].to_pylist(), strict=True)
    drawn = {key for key, direction in directions if direction == Direction.TEXT_TO_IMAGE}
    counts = Counter(
        (row["source"], row["licence"])
        for row in _rows(dataset.images_table(["image_key", "source", "licence", "origin"]))
        if not (
            row["licence"] is None
            and row["origin"] == Origin.GENERATED
            and row["image_key"] in drawn
            and not _has_licence(publication, row["source"])
        )
    )
    held = (_Held(str(source), licence, count) for (source, licence), count in counts.items())
    return sorted(held, key=lambda each: (each.source, each.licence or ""))


def _rows(table: pa.Table) -> Iterator[dict[str, str | None]]:
    for batch in table.to_batches(4096):
        yield from batch.to_pylist()


def _has_licence(publication: Publication, source: str | None) -> bool:
    said = publication.sources.get(source or "")
    return said is not None and said.licence is not None


class _Card(NamedTuple):
    """The letters and digits of the card, so that neither Markdown nor line breaks matter."""

    letters: str

    @classmethod
    def of(cls, folder: Path) -> _Card:
        try:
            return cls(_letters((folder / README).read_text(encoding="utf-8", errors="replace")))
        except OSError:
            return cls("")

    def says(self, text: str) -> bool:
        return bool(_letters(text)) and _letters(text) in self.letters

    def names(self, who: str, licence: Licence) -> bool:
        return self.says(who) and any(self.says(spelling) for spelling in licence.spellings)


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
