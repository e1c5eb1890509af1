"""Reads publication.yaml, with every problem told by its line, and writes one to fill in."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pyarrow as pa
import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from alignbench.errors import PublishError
from alignbench.publish.terms.publication import FILE, LANGUAGE, ONE_LINE, SPLIT, WEB_ADDRESS, Publication
from alignbench.store import Dataset
from alignbench.yaml_lines import Document, Problem, YamlError, listed, parse, told


def read(path: Path) -> Publication:
    """As `alignbench.publish.terms.publication.read_publication`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PublishError(
            f"cannot read the publication {path}: {error}; "
            f"run `alignbench publish DATASET --init` to get a {FILE} to fill in"
        ) from error
    try:
        document = parse(text)
    except YamlError as error:
        raise _refused(path, error.problems) from error
    if not isinstance(document.value, dict):
        raise _refused(path, [(1, f"it is no mapping; its keys are {', '.join(Publication.model_fields)}")])
    try:
        return Publication.model_validate(document.value)
    except ValidationError as error:
        raise _refused(path, [_said(document, each) for each in error.errors(include_url=False)]) from error


def _refused(path: Path, problems: Sequence[Problem]) -> PublishError:
    return PublishError(
        f"the publication {path} cannot be used:\n{listed(set(problems))}\nmend it, then run the same command again"
    )


_WORDS = {
    "string_type": "it is a text",
    "string_too_short": "it is empty",
    "too_short": "it is empty",
    "string_too_long": "it is longer than {max_length} characters",
    "tuple_type": "it is a list, such as [one, another]",
    "dict_type": "it is a mapping, such as {{name: ...}}",
    "model_type": "it is a mapping, such as {{key: value}}",
}
"""What pydantic says, in words for people who write YAML."""
_PATTERNS = {
    WEB_ADDRESS: "it is no address that begins with https:// or http://",
    ONE_LINE: "it is not one line of text",
    SPLIT: "the name of a split has letters, digits, `_` and `.` alone",
    LANGUAGE: "it is no code of a language, such as en or pt-BR",
}


def _said(document: Document, error: ErrorDetails) -> Problem:
    where = [part for part in error["loc"] if part != "[key]"]  # which is pydantic's mark of a key that is wrong
    given, context = error["input"], error.get("ctx", {})
    words = "it is empty" if given is None else _WORDS.get(error["type"]) or _PATTERNS.get(str(context.get("pattern")))
    if words:
        error = {**error, "msg": words.format(**context)}
    line, problem = told(document, error, where, _keys_within(Publication, where))
    if error["type"] == "string_type" and isinstance(given, bool | int | float):
        problem += "; put it in quotes"
    return line, problem


def _keys_within(model: type[BaseModel], where: Sequence[int | str]) -> Collection[str]:
    """The keys of the part of a publication that the last of these is no key of."""
    for step in where[:-1]:
        field = model.model_fields.get(str(step))
        found = next(_models_in(field.annotation), None) if field else None
        model = found or model
    return list(model.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in {dict, tuple, list, Union, UnionType}:
        for inner in get_args(annotation):
            yield from _models_in(inner)


_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]*")
_HEAD = """\
# What `alignbench publish` says of this dataset that the dataset does not say itself.
#
# What is empty is not known. A producer or a source without a licence keeps the dataset from being published, until it
# has one or is waived by name at the end of this file. Licences are SPDX ids, such as CC-BY-4.0, or ids of the hub.
"""


def template_of(dataset: Dataset) -> str:
    """As `alignbench.publish.terms.publication.template`."""
    return "\n".join([_HEAD, *_texts(dataset), *_producers(dataset), *_sources(dataset), *_rest()]) + "\n"


def _texts(dataset: Dataset) -> Iterator[str]:
    yield f"title: {_quoted(dataset.name)}"
    yield from (
        "summary:                   # what it is, in a paragraph or two",
        "licence:                   # of the dataset",
    )
    yield "language: en               # of the captions"
    yield from ("homepage:                  # https://...", "paper:                     # https://...")
    yield "citation:                  # BibTeX; write `citation: |` and the entry below it, indented"
    yield "authors: []                # [A. Author, B. Author]"
    yield "intended_use:              # what it is for, and what not"
    yield "limits:                    # what is known to be wrong with it that no number says"
    yield ""
    yield "# The share of the clusters (source images, prompts) that each split gets; a cluster is in one split."
    yield from ("splits:", "  test: 1.0", "")


def _producers(dataset: Dataset) -> Iterator[str]:
    yield "# Who made the captions and images. `licence` is that of what the model makes, `terms` what its terms of use"
    yield "# ask of those who use that. A revision that the dataset holds need not be said again."
    yield "producers:"
    for name, revision in sorted(_models(dataset).items()):
        yield f"  {_quoted(name)}:"
        yield "    licence:"
        yield "    revision:" if revision is None else f"    revision: {_quoted(revision)}"
        yield from ("    url:", "    terms:")
    yield ""


def _models(dataset: Dataset) -> dict[str, str | None]:
    """The producers by name; the revision where the dataset says it and there is one."""
    models = dataset.pairs_table(["producer"])["producer"].combine_chunks()
    table = pa.table({name: models.field(name) for name in ("name", "revision")})
    known: dict[str, set[str | None]] = {}
    for each in table.group_by(["name", "revision"]).aggregate([]).to_pylist():
        known.setdefault(each["name"], set()).add(each["revision"])
    return {name: next(iter(said)) if len(said) == 1 else None for name, said in known.items()}


def _sources(dataset: Dataset) -> Iterator[str]:
    images = dataset.images_table(["source", "licence"])
    said: dict[str, set[str | None]] = {}
    for each in images.group_by(["source", "licence"]).aggregate([]).to_pylist():
        said.setdefault(each["source"], set()).add(each["licence"])
    yield "# Where the images come from. `licence` is that of the images which carry none of their own."
    yield "sources:"
    for name, licences in sorted(said.items()):
        carried = sorted(licence for licence in licences if licence is not None)
        yield f"  {_quoted(name)}:" + (f"  # images that say so: {', '.join(map(_quoted, carried))}" if carried else "")
        yield "    licence:" + ("" if None in licences else "               # every image carries its own")
        yield from ("    url:", "    revision:")
    yield ""


def _rest() -> Iterator[str]:
    yield "# The licences of the models whose scores are published; only with --runs."
    yield "judges: {}                 # NAME: {licence: ...}"
    yield ""
    yield "# Findings that you take on; each by the name of its check, the exact name in the finding, and why."
    yield "waive: []                  # - {check: licences, name: NAME, why: ...}"


def _quoted(text: str) -> str:
    """A text as YAML in one line, whatever is in it; a plain name stays plain."""
    if _PLAIN.fullmatch(text) and yaml.safe_load(text) == text:
        return text
    return str(yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10**9)).strip()
