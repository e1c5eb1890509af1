"""What licences and the terms of models ask, by the shipped table, and whether one can go into another."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from alignbench.families import Families
from alignbench.types import ModelRef

SHIPPED = Path(__file__).parent / "licences.yaml"
_BETWEEN = re.compile(r"[\s_]+")
_CREATIVE_COMMONS = re.compile(r"https?://(?:www\.)?creativecommons\.org/licenses/(by[a-z-]*)/(\d\.\d)(?:/.*)?")
_DEDICATED = re.compile(r"https?://(?:www\.)?creativecommons\.org/publicdomain/(zero|mark)/1\.0(?:/.*)?")


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence, or the terms of a model or a service, as licences.yaml says it.

    Attributes:
        name: Its id there.
        title: Its name in words.
        kind: `content`, `software` (which says nothing of what a model makes) or `terms` (of a model or a service).
        source: Where it stands.
        hub: Its id on the Hub, where that is another; null where it is the same.
        names: Other spellings.
        commercial: Whether it allows commercial use.
        attribution: Whether the author must be named.
        share_alike: The licences that alone can be those of what is made from it; empty for any.
        no_derivatives: Whether nothing made from it may be published.
        republish: Whether it may be published at all; null where that is not known.
        note: What those who use what was made with it must be told, or null.
    """

    name: str
    title: str
    kind: Literal["content", "software", "terms"]
    source: str
    hub: str | None = None
    names: tuple[str, ...] = ()
    commercial: bool = True
    attribution: bool = False
    share_alike: tuple[str, ...] = ()
    no_derivatives: bool = False
    republish: bool | None = True
    note: str | None = None

    @property
    def spellings(self) -> tuple[str, ...]:
        """All its names, in small letters."""
        return (self.name, *((self.hub,) if self.hub else ()), *self.names, _plain(self.title))


@dataclass(frozen=True, slots=True)
class LicenceTable:
    """What licences.yaml says.

    Attributes:
        licences: By name.
        models: The name of a licence, by the patterns of the models that are under it.
    """

    licences: Mapping[str, Licence]
    models: Mapping[str, str]

    @classmethod
    def shipped(cls) -> Self:
        """The table of licences.yaml."""
        import yaml

        said = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
        licences = {name: _licence(name, row) for name, row in said["licences"].items()}
        models = {pattern: licence for licence, row in said["models"].items() for pattern in row["names"]}
        return cls(licences, models)

    def find(self, spelling: str | None) -> Licence | None:
        """The licence that goes by this id, name or address; null where none does."""
        if not spelling or not spelling.strip():
            return None
        plain = _plain(spelling)
        return next((licence for licence in self.licences.values() if plain in licence.spellings), None)

    def nearest(self, spelling: str) -> list[str]:
        """The ids that look most like a spelling that is none."""
        return difflib.get_close_matches(_plain(spelling), list(self.licences), n=3, cutoff=0.5)

    def of_model(self, model: ModelRef) -> Licence | None:
        """The licence or terms of a model that the table knows, else null."""
        name = _shipped_families().name_of(model)
        if name in self.models:
            return self.licences[self.models[name]]
        fitting = [pattern for pattern in self.models if fnmatchcase(name, pattern)]
        return self.licences[self.models[max(fitting, key=len)]] if fitting else None


def conflicts(source: Licence, dataset: Licence) -> list[str]:
    """Why what is under `source` cannot go into a dataset under `dataset`, in words; empty where it can."""
    if source.republish is None:
        return ["whether what it makes may be published is not known here"]
    if not source.republish:
        return ["nothing under it may be published"]
    faults = []
    if source.no_derivatives:
        faults.append("nothing made from it may be published")
    if not source.commercial and dataset.commercial:
        faults.append("it allows no commercial use, but the dataset's licence does")
    if source.share_alike and dataset.name not in source.share_alike:
        faults.append(f"what is made from it is published under {' or '.join(source.share_alike)} alone")
    if source.attribution and not dataset.attribution:
        faults.append("its author must be named, but the dataset's licence asks nobody to do so")
    return faults


def asked_of_outputs(licence: Licence) -> Licence | None:
    """What a model's licence asks of what the model makes: null for a licence of software, which asks nothing."""
    return None if licence.kind == "software" else licence


@cache
def _shipped_families() -> Families:
    return Families.read()


def _licence(name: str, row: Mapping[str, Any]) -> Licence:
    lists = {key: tuple(row[key]) for key in ("names", "share_alike") if key in row}
    unknown = {"republish": None} if row.get("republish") == "unknown" else {}
    return Licence(name, **{**row, **lists, **unknown})


def _plain(spelling: str) -> str:
    address = spelling.strip().casefold()
    if found := _CREATIVE_COMMONS.fullmatch(address):
        return f"cc-{found[1]}-{found[2]}"
    if found := _DEDICATED.fullmatch(address):
        return "cc0-1.0" if found[1] == "zero" else "public-domain"
    return _BETWEEN.sub("-", address)
