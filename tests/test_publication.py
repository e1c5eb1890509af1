"""publication.yaml: what is accepted, that every problem is told by its line, and the one to fill in."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from alignbench.cards import card_file
from alignbench.errors import PublishError
from alignbench.publish.terms.publication import Publication, read_publication, template, write_template
from alignbench.store import Dataset, DatasetWriter
from alignbench.types import ModelRef
from alignbench.yaml_lines import YamlError, parse
from tests.datasets import make_dataset, make_image, make_pair

_PHOTOGRAPHS = Path(__file__).parents[1] / "alignbench" / "embedded" / "photographs"


def written(folder: Path, text: str) -> Path:
    path = folder / "publication.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> list[str]:
    with pytest.raises(PublishError) as caught:
        read_publication(written(folder, text))
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("cannot be used:") and "run the same command again" in lines[-1]
    return [line.strip() for line in lines[1:-1]]


def test_a_title_is_enough(tmp_path: Path) -> None:
    said = read_publication(written(tmp_path, "title: Mine\n"))
    assert said == Publication(title="Mine")
    assert (said.licence, said.language, said.splits, said.authors) == (None, "en", {"test": 1.0}, ())


def test_keys_with_nothing_after_them_say_nothing(tmp_path: Path) -> None:
    names = [name for name in Publication.model_fields if name not in {"title", "language"}]
    text = "title: Mine\n" + "".join(f"{name}:\n" for name in names) + "language: en\n"
    assert read_publication(written(tmp_path, text)) == Publication(title="Mine")
    inner = "title: Mine\nproducers:\n  one:\n    licence:\n    terms:\n  two:\nsources: {a: {url: }}\n"
    said = read_publication(written(tmp_path, inner))
    assert said.producers["one"] == said.producers["two"] and said.sources["a"].url is None


def test_every_problem_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    text = """\
title:
licence: [a]
lisence: x
language: no
homepage: ftp://x
authors: somebody
splits: {test: 0.5, "a-b": 0.2}
producers:
  a: {licence: 1.0, revison: x}
sources:
  c: {url: x}
  2: {}
waive:
  - {check: a, name: b}
  - {check: a, name: c, why: ''}
  - x
judges: []
"""
    assert refusal(tmp_path, text) == [
        "line 1: title: it is empty",
        "line 2: licence: it is a text",
        "line 3: unknown key 'lisence' (nearest: licence)",
        "line 4: language: it is a text, got False; put it in quotes",
        "line 5: homepage: it is no address that begins with https:// or http://, got 'ftp://x'",
        "line 6: authors: it is a list, such as [one, another], got 'somebody'",
        "line 7: splits.a-b: the name of a split has letters, digits, `_` and `.` alone, got 'a-b'",
        "line 9: producers.a.licence: it is a text, got 1.0; put it in quotes",
        "line 9: unknown key 'producers.a.revison' (nearest: revision)",
        "line 11: sources.c.url: it is no address that begins with https:// or http://, got 'x'",
        "line 12: sources.2: it is a text, got 2; put it in quotes",
        "line 14: the key 'waive.0.why' is missing",
        "line 15: waive.1.why: it is empty, got ''",
        "line 16: waive.2: it is a mapping, such as {key: value}, got 'x'",
        "line 17: judges: it is a mapping, such as {name: ...}",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title: x\nsplits: {a: 0.5, b: 0.4}\n", "line 2: splits: the shares sum to 0.9, not to 1"),
        ("title: x\nsplits: {all: 1}\n", "line 2: splits: no split can be called 'all'"),
        ("title: x\nsplits: {a: 0, b: 1}\n", "line 2: splits.a: input should be greater than 0, got 0"),
        ("title: x\nwaive: [{check: a, name: b, why: c}, {check: a, name: b, why: d}]\n", "is waived twice"),
        ("title: x\ntitle: y\n", "line 2: the key 'title' stands here again"),
        ("title: &a x\nsummary: *a\n", "line 2: aliases (*name) are not allowed"),
        ("title: [\n", "line 2: not YAML that can be read"),
        ("- a\n", "line 1: it is no mapping"),
        ("", "line 1: it is no mapping"),
        ("summary: x\n", "line 1: the key 'title' is missing"),
        ('title: "a\\nb"\n', "line 1: title: it is not one line of text"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, told: str) -> None:
    assert any(told in line for line in refusal(tmp_path, text))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="--init"):
        read_publication(tmp_path / "none.yaml")
    path = tmp_path / "publication.yaml"
    path.write_bytes(b"title: \xff\n")
    with pytest.raises(PublishError, match="cannot read the publication"):
        read_publication(path)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    assert read_publication(written(tmp_path, "\N{ZERO WIDTH NO-BREAK SPACE}title: x\n")).title == "x"


@given(st.text(max_size=60))
def test_hostile_yaml_is_a_document_or_an_error_of_ours(text: str) -> None:
    with contextlib.suppress(YamlError):
        parse(text)


def test_deep_yaml_is_refused_at_once() -> None:
    with pytest.raises(YamlError, match="nested over 100 deep"):
        parse("[" * 100_000)


def test_the_template_names_all_and_guesses_nothing(tmp_path: Path, dataset: Dataset) -> None:
    text = template(dataset)
    said = read_publication(written(tmp_path, text))
    assert set(said.producers) == {"alpha-cap", "beta-cap"} and set(said.sources) == {"tests"}
    assert said.licence is None and said.summary == "" and said.waive == ()
    assert all(terms.licence is None for terms in (*said.producers.values(), *said.sources.values()))
    assert said.producers["alpha-cap"].revision == "1" and said.producers["beta-cap"].revision is None
    assert "# " in text and "licence:" in text


def test_the_template_is_written_once(dataset: Dataset, tmp_path: Path) -> None:
    assert write_template(dataset) == dataset.path / "publication.yaml"
    assert read_publication(dataset.path / "publication.yaml").title == "tiny"
    with pytest.raises(PublishError, match="is there already"):
        write_template(dataset)
    assert write_template(dataset, tmp_path / "mine.yaml").read_text(encoding="utf-8") == template(dataset)


def test_the_template_takes_any_name(tmp_path: Path) -> None:
    names = ["yes", "a: b", "1e3", "- x", "#7", "é😀", 'q"q', "tab\there", "{}", "*x", "null", "a'b\\n"]
    with DatasetWriter(tmp_path / "d", name="null") as writer:
        for number, name in enumerate(names):
            writer.add_image(replace(make_image(number), source=name, licence="x: y #z" if number else None))
            writer.add_pair(*make_pair(make_image(number), ModelRef(name, name), number))
    said = read_publication(written(tmp_path, template(Dataset.open(tmp_path / "d"))))
    assert said.title == "null"
    assert set(said.producers) == set(said.sources) == set(names)
    assert all(terms.revision == name for name, terms in said.producers.items())


def test_the_template_tells_which_licences_images_carry(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "d", name="some") as writer:
        writer.add_image(replace(make_image(0), licence="CC0-1.0"))
        writer.add_pair(*make_pair(make_image(0), ModelRef("a"), 0))
    assert "images that say so: CC0-1.0" in template(Dataset.open(tmp_path / "d"))


@pytest.mark.parametrize("name", ["scenes", "photographs"])
def test_the_shipped_publications_are_whole(name: str) -> None:
    said = read_publication(card_file(f"{name}.yaml"))
    assert said.licence and said.summary and said.intended_use and said.limits
    assert all(terms.licence for terms in said.producers.values()) and said.waive == ()
    yaml.safe_load(card_file(f"{name}.yaml").read_text(encoding="utf-8"))


def test_the_captions_of_the_photographs_are_pinned() -> None:
    said = read_publication(card_file("photographs.yaml"))
    digest = hashlib.sha256((_PHOTOGRAPHS / "photographs.jsonl").read_bytes()).hexdigest()
    assert said.producers["hand-written"].revision == digest[:12]


def test_publications_do_not_change(tmp_path: Path) -> None:
    said = read_publication(written(tmp_path, "title: x\n"))
    with pytest.raises(ValueError, match="frozen"):
        said.title = "y"
    make_dataset(tmp_path / "d")
