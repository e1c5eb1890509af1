"""What is written for people says what the code does."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
import types
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image as Pillow

from alignbench.cli import alignbench, run
from alignbench.cli.reference import contexts, reference

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("data_cards/*.md")])
PAGES.append(ROOT / "alignbench" / "embedded" / "README.md")
COMMAND = re.compile(r"^(?:\$ |\.venv/bin/)?(alignbench .+)$", re.MULTILINE)
BLOCK = re.compile(r"^```(?:console|bash|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED_PATH = re.compile(r"`((?:alignbench|generation|judges|tests|benchmarks|docs|data_cards)/[\w./-]*)`")
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)")


def commands_in(page: Path) -> Iterator[str]:
    """Every `alignbench ...` that a code block of the page tells people to run; docs/cli.md holds none."""
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        for line in COMMAND.findall(block.replace("\\\n", " ")):
            yield line.partition(" #")[0].strip()


def parse(words: list[str]) -> None:
    """Let click read the arguments as it would, without running anything."""
    command: click.Command = alignbench
    context = click.Context(alignbench, info_name="alignbench")
    while isinstance(command, click.Group):
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found
    command.make_context(command.name, words, parent=context)


WRITTEN = [
    (page.relative_to(ROOT).as_posix(), line) for page in PAGES if page.name != "cli.md" for line in commands_in(page)
]


def test_cli_md_is_what_the_commands_say() -> None:
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == reference()


def test_every_command_and_option_says_what_it_does() -> None:
    for context in contexts(alignbench):
        assert context.command.help, context.command_path
        for option in context.command.params:
            assert isinstance(option, click.Argument) or option.help, f"{context.command_path} {option.name}"


def test_every_command_that_runs_something_speaks_json() -> None:
    for context in contexts(alignbench):
        if not isinstance(context.command, click.Group):
            assert "--json" in {name for option in context.command.params for name in option.opts}


@pytest.mark.parametrize("line", [pytest.param(line, id=f"{page}:{line}") for page, line in WRITTEN])
def test_every_command_in_the_docs_can_be_typed(line: str) -> None:
    with contextlib.suppress(click.exceptions.Exit):  # what --help and --version end with
        parse(shlex.split(line)[1:])


def test_the_readme_has_commands() -> None:
    assert [line for page, line in WRITTEN if page == "README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_path_that_is_named_exists(page: Path) -> None:
    named = NAMED_PATH.findall(page.read_text(encoding="utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_make_target_in_the_docs_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    written = set(re.findall(r"(?:`|^)make(?: [A-Z]+=\S+)? ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert written - targets == set()


def test_the_citation_names_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    paper = citation["preferred-citation"]
    assert paper["year"] == 2025
    assert paper["authors"][0]["family-names"] == "Saito"
    assert paper["identifiers"][0]["value"] == "arXiv:2511.20515"


def test_the_code_of_how_it_works_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a dataset with the page's importer and judge it with the page's judge, announced as the page says."""
    text = (ROOT / "docs" / "how_it_works.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    page = types.ModuleType("page")
    for block in blocks:
        exec(compile(block, "docs/how_it_works.md", "exec"), vars(page))
    pictures = []
    for shade in (20, 200):
        encoded = io.BytesIO()
        Pillow.new("RGB", (4, 4), (shade, 0, 0)).save(encoded, "PNG")
        pictures.append((encoded.getvalue(), "A dot. It is red."))
    page.write(tmp_path / "mine", pictures)
    monkeypatch.setitem(sys.modules, "page", page)
    point = EntryPoint("brightness", "page:Brightness", "alignbench.judges")
    monkeypatch.setattr("alignbench.registry.entry_points", lambda group: [point] if group == point.group else [])
    arguments = ["judge", str(tmp_path / "mine"), "--judge", "brightness:R", "--out", str(tmp_path / "runs")]
    assert run(arguments) == 0
    (judgments,) = (tmp_path / "runs").glob("*/judgments.parquet")
    assert pq.read_table(judgments)["score"].to_pylist() == [20.0, 20.0, 200.0, 200.0]
