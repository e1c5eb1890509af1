"""`alignbench publish`, `verify` and `import hub` as their users run them, against a Hub on loopback."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import huggingface_hub
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants
from PIL import Image as Pillow

from alignbench import cli as alignbench
from alignbench.publish.changes.compare import difference
from alignbench.publish.checks import waived
from alignbench.publish.hub.remote import remote_state
from alignbench.publish.publishing import findings_of
from alignbench.publish.terms.publication import read_publication
from alignbench.store import Dataset, DatasetWriter
from alignbench.types import Image, Label, ModelRef, Pair, Sentence
from tests.datasets import make_image, make_pair, tree
from tests.hub_commits import HubCommits, be_quick
from tests.hub_folders import judge_it, make_labelled

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

REPO = "org/tiny"
SAID = """\
title: A tiny benchmark
licence: CC-BY-4.0
producers:
  alpha-cap: {licence: Apache-2.0, revision: r1}
  beta-cap: {licence: MIT, revision: r2}
sources:
  tests: {licence: CC0-1.0}
waive:
  - {check: revisions, name: judge keen, why: planted by the tests}
  - {check: revisions, name: judge dull, why: planted by the tests}
  - {check: images, name: missing, why: one is left out on purpose}
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    be_quick(monkeypatch, tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubCommits]:
    with HubCommits() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)  # what HF_ENDPOINT said when the library was imported
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield server
    huggingface_hub.close_session()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A labelled dataset `tiny`, its publication.yaml, and runs of two judges."""
    dataset = make_labelled(tmp_path / "tiny")
    (dataset.path / "publication.yaml").write_text(SAID, encoding="utf-8")
    judge_it(dataset, tmp_path / "runs")
    return tmp_path


class Done(NamedTuple):
    """What a command printed, on both streams, and its exit code."""

    exit_code: int
    output: str


def run(*arguments: object) -> Done:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = alignbench.run([str(each) for each in arguments])
    return Done(code, said.getvalue())


def publish(home: Path, *more: object) -> Done:
    return run("publish", home / "tiny", "--runs", home / "runs", "--repo", REPO, "--replicates", 100, *more)


def change_publication(home: Path, old: str, new: str) -> None:
    path = home / "tiny" / "publication.yaml"
    said = path.read_text(encoding="utf-8")
    assert old in said
    path.write_text(said.replace(old, new), encoding="utf-8")


def relabel(home: Path) -> str:
    """Correct the first sentence that is labelled correct, by an adjudication; its id."""
    chosen = next(each for each in Dataset.open(home / "tiny").sentences() if each.label is Label.CORRECT)
    sheet = home / "sheet.csv"
    sheet.write_text(f"sentence_id,label,errors\n{chosen.sentence_id},incorrect,other\n", encoding="utf-8")
    done = run("label", "import", home / "tiny", sheet, "--from", "sheet", "--annotator", "lead", "--adjudicate")
    assert done.exit_code == 0, done.output
    return chosen.sentence_id


def test_a_dry_run_gives_back_everything(home: Path, server: HubCommits) -> None:
    done = publish(home, "--dry-run", home / "hub")
    assert done.exit_code == 0, done.output
    assert "every check passed; nothing was sent" in done.output
    assert REPO not in server.repositories
    dataset = Dataset.open(home / "tiny")
    cache = str(home / "cache")
    sentences = datasets.load_dataset(str(home / "hub"), "sentences", split="test", cache_dir=cache)
    wanted = pq.read_table(home / "tiny" / "sentences.parquet").to_pylist()
    got = {row["sentence_id"]: row for row in sentences}
    assert [{name: got[row["sentence_id"]][name] for name in row} for row in wanted] == wanted
    pairs = datasets.load_dataset(str(home / "hub"), "pairs", split="test", cache_dir=cache)
    assert isinstance(pairs[0]["image"], Pillow.Image)
    stored = {image.image_key: image.bytes for image in dataset.images()}
    raw = pairs.cast_column("image", datasets.Image(decode=False))
    assert {row["pair_id"] for row in raw} == {pair.pair_id for pair in dataset.pairs()}
    for row in raw:
        assert (row["image"] or {"bytes": None})["bytes"] == stored[row["image_key"]]
    assert run("verify", home / "hub").exit_code == 0
    assert run("validate", home / "tiny").exit_code == 0


def test_what_was_published_comes_back_from_the_hub(home: Path, server: HubCommits) -> None:
    done = publish(home)
    assert done.exit_code == 0, done.output
    assert len(server.repositories[REPO].made) == 1
    again = publish(home)
    assert again.exit_code == 0 and "already there" in again.output
    assert len(server.repositories[REPO].made) == 1
    found = run("import", "hub", REPO, "--out", home / "back", "--runs", home / "back-runs")
    assert found.exit_code == 0, found.output
    assert Dataset.open(home / "back").digest == Dataset.open(home / "tiny").digest
    assert tree(home / "back").keys() <= tree(home / "tiny").keys()
    verified = run("verify", REPO)
    assert verified.exit_code == 0, verified.output


def test_a_correction_is_a_new_version_with_its_erratum(home: Path, server: HubCommits) -> None:
    assert publish(home).exit_code == 0
    sentence_id = relabel(home)
    refused = publish(home)
    assert refused.exit_code == 1 and "--version 1.3.0" in refused.output
    assert len(server.repositories[REPO].made) == 1
    done = publish(home, "--version", "1.3.0")
    assert done.exit_code == 0, done.output
    assert f"{sentence_id}: correct -> incorrect" in done.output
    contents = server.repositories[REPO].contents()
    assert sentence_id in contents["errata.csv"].decode()
    log = contents["CHANGELOG.md"].decode()
    assert log.index("[1.3.0]") < log.index("[1.2.0]")
    assert json.loads(contents["dataset.json"])["version"] == "1.3.0"
    assert run("verify", REPO).exit_code == 0


def test_an_upload_that_was_cut_off_is_taken_up(home: Path, server: HubCommits) -> None:
    server.fail("upload", times=50, received=1000)
    assert publish(home).exit_code == 2
    assert not server.repositories[REPO].made
    server.faults.clear()
    assert publish(home).exit_code == 0
    assert len(server.repositories[REPO].made) == 1


def test_a_commit_whose_answer_is_lost_is_found(home: Path, server: HubCommits) -> None:
    server.fail("commit", done=True)
    done = publish(home)
    assert done.exit_code == 0, done.output
    assert len(server.repositories[REPO].made) == 1
    assert "already there" in publish(home).output


def test_a_wrong_token_is_told_and_not_shown(home: Path, server: HubCommits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_ThisIsNoTokenThatAnybodyKnows99")
    done = publish(home)
    assert done.exit_code == 2 and "HF_TOKEN" in done.output
    assert "NoTokenThatAnybodyKnows" not in done.output
    assert REPO not in server.repositories


def pairs_of(dataset: Dataset) -> list[tuple[Pair, list[Sentence]]]:
    sentences = list(dataset.sentences())
    return [(pair, [each for each in sentences if each.pair_id == pair.pair_id]) for pair in dataset.pairs()]


def rewrite(home: Path, images: Sequence[Image], pairs: Sequence[tuple[Pair, list[Sentence]]]) -> None:
    """Write the dataset anew, with its publication.yaml, and judge it again."""
    old = Dataset.open(home / "tiny")
    said = (old.path / "publication.yaml").read_text(encoding="utf-8")
    with DatasetWriter(old.path, name=old.name, version=old.version, replace=True, splitter=old.splitter) as writer:
        for image in images:
            writer.add_image(image)
        for pair, sentences in pairs:
            writer.add_pair(pair, sentences)
    (old.path / "publication.yaml").write_text(said, encoding="utf-8")
    shutil.rmtree(home / "runs")
    judge_it(Dataset.open(old.path), home / "runs")


def note(home: Path, words: str) -> None:
    """Put these words into the provenance of a pair."""
    old = Dataset.open(home / "tiny")
    (first, sentences), *rest = pairs_of(old)
    rewrite(home, list(old.images()), [(replace(first, provenance={"note": words}), sentences), *rest])


KEY = "sk-proj-" + "abcdEFGH1234567890abcdEFGH"


def changed(old: str, new: str) -> Callable[[Path], None]:
    return lambda home: change_publication(home, old, new)


VIOLATIONS: dict[str, tuple[Callable[[Path], None], str]] = {
    "key": (lambda home: note(home, KEY), "secrets: "),
    "path": (lambda home: note(home, "/home/somebody/llava"), "paths: "),
    "licence": (changed("licence: CC-BY-4.0\n", ""), "licences: the dataset has no licence"),
    "terms": (changed("{licence: Apache-2.0", "{licence: CC-BY-NC-4.0"), "licences: producer alpha-cap is under"),
    "revision": (changed(", revision: r2", ""), "revisions: "),
    "waiver": (changed("waive:\n", "waive:\n  - {check: paths, name: x, why: y}\n"), "waivers: "),
}


@pytest.mark.parametrize(("plant", "said"), VIOLATIONS.values(), ids=VIOLATIONS)
def test_a_violation_blocks(home: Path, server: HubCommits, plant: Callable[[Path], None], said: str) -> None:
    plant(home)
    done = publish(home)
    assert done.exit_code == 1
    assert f"blocks: {said}" in done.output and "nothing was sent" in done.output
    assert KEY not in done.output
    assert REPO not in server.repositories
    assert not list(home.glob(".*partial"))


def test_a_waiver_by_name_lets_it_pass_and_is_on_the_card(home: Path, server: HubCommits) -> None:
    change_publication(home, ", revision: r2", "")
    refused = publish(home)
    line = re.search(r"- \{check: revisions, .*\}", refused.output)
    assert line is not None, refused.output
    with (home / "tiny" / "publication.yaml").open("a", encoding="utf-8") as file:
        file.write("  " + line[0].replace("...", "its maker keeps no versions") + "\n")
    done = publish(home)
    assert done.exit_code == 0, done.output
    assert "its maker keeps no versions" in server.repositories[REPO].contents()["README.md"].decode()


def test_truncated_images_and_changed_numbers_are_named(home: Path, server: HubCommits) -> None:
    assert publish(home, "--dry-run", home / "hub").exit_code == 0
    card = home / "hub" / "README.md"
    said = card.read_text(encoding="utf-8")
    number = re.search(r"\*\*(\d+) sentences\*\*", said)
    assert number is not None
    card.write_text(said.replace(number[0], f"**{int(number[1]) + 1} sentences**"), encoding="utf-8")
    found = run("verify", home / "hub", "--json")
    told: dict[str, Any] = json.loads(found.output)
    assert found.exit_code == 1 and not told["verified"]
    assert {each["file"] for each in told["discrepancies"]} == {"README.md"}
    assert any(str(int(number[1]) + 1) in str(each["said"]) for each in told["discrepancies"])


def test_init_writes_what_is_to_be_filled_in_and_never_over_it(home: Path) -> None:
    path = home / "tiny" / "publication.yaml"
    assert run("publish", home / "tiny", "--init").exit_code == 2
    assert path.read_text(encoding="utf-8") == SAID
    path.unlink()
    assert run("publish", home / "tiny", "--init").exit_code == 0
    assert "alpha-cap" in path.read_text(encoding="utf-8")


def test_where_it_goes_must_be_said(home: Path) -> None:
    done = run("publish", home / "tiny")
    assert done.exit_code == 2 and "--repo" in done.output


def test_a_dry_run_over_another_folder_is_refused(home: Path, server: HubCommits) -> None:
    (home / "mine").mkdir()
    (home / "mine" / "thesis.txt").write_text("all my work", encoding="utf-8")
    refused = publish(home, "--dry-run", home / "mine")
    assert refused.exit_code == 2 and "give another DIR" in refused.output
    assert (home / "mine" / "thesis.txt").exists()
    assert publish(home, "--dry-run", home / "hub").exit_code == 0
    before = tree(home / "hub")
    assert publish(home, "--dry-run", home / "hub").exit_code == 0
    assert tree(home / "hub") == before


def test_a_dry_run_needs_no_hub(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    done = publish(home, "--dry-run", home / "hub")
    assert done.exit_code == 0, done.output
    assert "not compared" in done.output


def test_a_picture_that_was_cut_off_blocks(home: Path, server: HubCommits) -> None:
    old = Dataset.open(home / "tiny")
    whole = make_image(99)
    assert whole.bytes is not None
    cut = whole.bytes[: len(whole.bytes) // 2]
    broken = replace(whole, bytes=cut, sha256=hashlib.sha256(cut).hexdigest(), licence="CC0-1.0")
    rewrite(home, [*old.images(), broken], [*pairs_of(old), make_pair(broken, ModelRef("alpha-cap", "1"), 99)])
    done = publish(home)
    assert done.exit_code == 1 and "blocks: images: " in done.output
    assert REPO not in server.repositories


def test_a_number_that_is_not_the_datas_blocks(home: Path, server: HubCommits) -> None:
    assert publish(home, "--dry-run", home / "hub").exit_code == 0
    dataset, publication = Dataset.open(home / "tiny"), read_publication(home / "tiny" / "publication.yaml")
    found = difference(home / "hub", remote_state(REPO))
    assert waived(findings_of(home / "hub", dataset, publication, found), publication)[0] == []
    facts = (home / "hub" / "facts.json").read_text(encoding="utf-8")
    (home / "hub" / "facts.json").write_text(facts.replace('"sentences": 30', '"sentences": 31', 1), encoding="utf-8")
    blocking = waived(findings_of(home / "hub", dataset, publication, found), publication)[0]
    assert {finding.check for finding in blocking} == {"card"}
    assert any("says 31, the data say 30" in finding.message for finding in blocking)
