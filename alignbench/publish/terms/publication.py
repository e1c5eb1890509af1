"""What a publisher says of a dataset that the dataset does not say itself, as a validated value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from alignbench.atomic import write_atomically
from alignbench.errors import PublishError
from alignbench.store import Dataset

FILE = "publication.yaml"
ONE_SPLIT: Mapping[str, float] = {"test": 1.0}

SPLIT = r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$"
"""As the `datasets` library wants the name of a split."""
WEB_ADDRESS = r"^https?://[^\s<>\"]+$"
ONE_LINE = r"^\S[^\r\n]*$"
LANGUAGE = r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"


def _text_of(given: Any) -> Any:
    return "" if given is None else given.strip() if isinstance(given, str) else given


def _none_of(given: Any) -> Any:
    """A key with nothing after it says nothing."""
    return None if isinstance(given, str) and not given.strip() else given


def _mapping_of(given: Any) -> Any:
    return {} if given is None else given


def _list_of(given: Any) -> Any:
    return () if given is None else given


_Text = Annotated[str, BeforeValidator(_text_of)]
_Line = Annotated[str, Field(strict=True, min_length=1, max_length=200, pattern=ONE_LINE)]
_Maybe = Annotated[_Line | None, BeforeValidator(_none_of)]
_Url = Annotated[
    Annotated[str, Field(strict=True, max_length=2000, pattern=WEB_ADDRESS)] | None,
    BeforeValidator(_none_of),
]
_Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


def _whole(splits: dict[str, float]) -> dict[str, float]:
    total = math.fsum(splits.values())
    if abs(total - 1) > 1e-9:
        raise PydanticCustomError("shares", "the shares sum to {total}, not to 1", {"total": f"{total:g}"})
    if "all" in splits:  # the `datasets` library means all splits by it
        raise PydanticCustomError("reserved", "no split can be called 'all'")
    return splits


_Splits = Annotated[
    dict[Annotated[str, Field(pattern=SPLIT, max_length=64)], _Share],
    BeforeValidator(lambda said: said or dict(ONE_SPLIT)),
    AfterValidator(_whole),
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _from_nothing(cls, given: Any) -> Any:
        return {} if given is None else given


class ProducerTerms(_Part):
    """What the publisher says of a producer.

    Attributes:
        licence: That of the model, which may bind what it makes, by an SPDX or a hub id; null while not known, which
            the licence check refuses.
        revision: Which state of it made the pairs, where the dataset does not say, or says one that moves.
        url: Where it is.
        terms: What its licence or terms of use ask of those who use what it made.
    """

    licence: _Maybe = None
    revision: _Maybe = None
    url: _Url = None
    terms: _Text = ""


class SourceTerms(_Part):
    """What the publisher says of a source of images.

    Attributes:
        licence: That of its images which carry none of their own; null while not known.
        url: Where it is.
        revision: Which state of it the images are from.
    """

    licence: _Maybe = None
    url: _Url = None
    revision: _Maybe = None


class JudgeTerms(_Part):
    """What the publisher says of a judge: the licence of its model."""

    licence: _Maybe = None


class Waiver(_Part):
    """A finding that the publisher takes on: that of `check` about exactly `name`, and why."""

    check: _Line
    name: _Line
    why: Annotated[_Text, Field(min_length=1)]


def _once(waived: tuple[Waiver, ...]) -> tuple[Waiver, ...]:
    named = [(each.check, each.name) for each in waived]
    twice = next((each for place, each in enumerate(named) if each in named[:place]), None)
    if twice is not None:
        told = {"check": twice[0], "name": twice[1]}
        raise PydanticCustomError("repeated", "'{check}' of '{name}' is waived twice", told)
    return waived


class Publication(_Part):
    """What the publisher says of a dataset.

    Attributes:
        title: The heading of the card.
        summary: What the dataset is, in a paragraph or two.
        licence: That of the dataset, by an SPDX or a hub id; null while not decided, which the licence check refuses.
        language: Of the captions.
        homepage: Where more is said.
        paper: Where it is described.
        citation: BibTeX.
        authors: Who made it.
        intended_use: What it is for, and what not.
        limits: What is known to be wrong with it that no number of the card says.
        splits: The share of the clusters that each split gets; they sum to 1.
        producers: By the producer's name in the dataset.
        sources: By `Image.source`.
        judges: By the judge's name.
        waive: Findings that are taken on.
    """

    title: _Line
    summary: _Text = ""
    licence: _Maybe = None
    language: Annotated[str, Field(strict=True, pattern=LANGUAGE)] = "en"
    homepage: _Url = None
    paper: _Url = None
    citation: _Text = ""
    authors: Annotated[tuple[_Line, ...], BeforeValidator(_list_of)] = ()
    intended_use: _Text = ""
    limits: _Text = ""
    splits: _Splits = Field(default_factory=lambda: dict(ONE_SPLIT))
    producers: Annotated[dict[str, ProducerTerms], BeforeValidator(_mapping_of)] = {}
    sources: Annotated[dict[str, SourceTerms], BeforeValidator(_mapping_of)] = {}
    judges: Annotated[dict[str, JudgeTerms], BeforeValidator(_mapping_of)] = {}
    waive: Annotated[tuple[Waiver, ...], BeforeValidator(_list_of), AfterValidator(_once)] = ()


def read_publication(path: Path) -> Publication:
    """The publication of a YAML file.

    Raises:
        PublishError: The file is missing, is not YAML, or breaks a rule; names every line that does.
    """
    from alignbench.publish.terms.publication_file import read

    return read(path)


def template(dataset: Dataset) -> str:
    """A publication.yaml of `dataset` to fill in: its producers and sources are listed, what is not known is empty."""
    from alignbench.publish.terms.publication_file import template_of

    return template_of(dataset)


def write_template(dataset: Dataset, path: Path | None = None) -> Path:
    """Write the publication.yaml of `template` to a file, by default into the dataset's folder; returns where.

    Raises:
        PublishError: There is a file already.
        StorageError: The disk refused.
    """
    file = path or dataset.path / FILE
    if file.exists():
        raise PublishError(f"{file} is there already; fill it in, or remove it to begin anew")
    text = template(dataset).encode()
    write_atomically(file, lambda partial: _write(partial, text))
    return file


def _write(path: Path, text: bytes) -> None:
    path.write_bytes(text)
