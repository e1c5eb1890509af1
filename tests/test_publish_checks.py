from __future__ import annotations

import base64
import io
import json
import os
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

import alignbench
from alignbench.cards import card_file
from alignbench.cli import run
from alignbench.exchange.table import import_table
from alignbench.publish.checks import Finding, find_violations, waived
from alignbench.publish.checks.addresses import find as find_addresses
from alignbench.publish.checks.paths import Machine
from alignbench.publish.checks.secrets import Secrets
from alignbench.publish.checks.strings import strings_in
from alignbench.publish.folder.build import build_data
from alignbench.publish.folder.layout import shards, split_files
from alignbench.publish.terms.publication import Publication, read_publication
from alignbench.store import Dataset, image_of
from alignbench.types import Direction, ModelRef, Origin
from tests.datasets import PRODUCERS, make_dataset, make_image, make_pair, png, write

EMBEDDED_PHOTOGRAPHS = Path(alignbench.__file__).parent / "embedded" / "photographs"
# Put together here, so that no scanner takes this file for a leak. None of them was ever issued.
OPENAI = "sk-" + "proj-" + "Qm9yaW5n_VGVzdEtleQ-1234567890"
ANTHROPIC = "sk-" + "ant-" + "api03-Zm9vYmFyYmF6cXV4Zm9vYmFy_12"
HUGGING = "hf" + "_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"
GITHUB = "ghp" + "_" + "1234567890abcdefghijABCDEFGHIJ123456"
KEYS = {
    "openai-key": OPENAI,
    "anthropic-key": ANTHROPIC,
    "hugging-face-token": HUGGING,
    "github-token": GITHUB,
    "aws-key": "AKIA" + "IOSFODNN7EXAMPLE",
    "aws-secret": "aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY",
    "google-key": "AI" + "zaSyA-1234567890abcdefghijklmnopqrstu",
    "slack-token": "xoxb" + "-123456789012-abcdefABCDEF",
    "stripe-key": "sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc",
    "json-web-token": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    "private-key": "-----BEGIN " + "RSA PRIVATE KEY-----MIIEpAIBAAKCAQEA",
    "authorization-header": '"Authorization": "' + 'Bearer 9d5b7c1ef0a2"',
    "password-in-a-url": "postgres://ada:" + "lovelace1815@db.internal:5432/labels",
    "named-secret": '"api_key": "' + '0a1b2c3d4e5f60718293a4b5c6d7e8f9"',
}
SAID: dict[str, Any] = {
    "title": "Tiny",
    "licence": "CC-BY-4.0",
    "producers": {
        "alpha-cap": {"licence": "Apache-2.0"},
        "beta-cap": {"licence": "MIT", "revision": "3f2a91bc"},
    },
    "sources": {"tests": {"licence": "CC0-1.0"}},
}
CARD = "# Tiny\n\nPictures of the source tests (CC0-1.0), captions by alpha-cap and beta-cap.\n"


def told(**changes: Any) -> Publication:
    return Publication.model_validate({**SAID, **changes})


def built(
    dataset: Dataset, folder: Path, publication: Publication, *, runs: Path | None = None, card: str = CARD
) -> Path:
    """What `alignbench publish` builds, as far as the checks look at it."""
    folder.mkdir()
    said = yaml.safe_dump(publication.model_dump(mode="json", exclude_defaults=True))
    build_data(dataset, runs, publication, folder, said=said, replicates=20)
    (folder / "README.md").write_text(card, encoding="utf-8")
    (folder / "errata.csv").write_text("sentence_id,version,before,after\n", encoding="utf-8")
    return folder


def found(
    folder: Path, dataset: Dataset, publication: Publication | None = None, environment: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Every finding as `check: name`, with its message."""
    findings = find_violations(folder, dataset, publication or told(), environment=environment or {})
    names = [f"{each.check}: {each.name}" for each in findings]
    assert len(names) == len(set(names)), "a waiver could not tell these apart"
    return dict(zip(names, (each.message for each in findings), strict=True))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Path]:
    """A clean dataset and its built folder, with two runs, one of a judge that was told labels."""
    folder = tmp_path_factory.mktemp("tiny")
    dataset = make_dataset(folder / "dataset", images=6)
    judges = ["--judge", "length", "--judge", "ngram"]
    assert run(["judge", str(dataset.path), *judges, "--out", str(folder / "runs")]) == 0
    return dataset, built(dataset, folder / "hub", told(), runs=folder / "runs")


@pytest.fixture
def clean(tiny: tuple[Dataset, Path], tmp_path: Path) -> tuple[Dataset, Path]:
    """The same, to change."""
    return tiny[0], Path(shutil.copytree(tiny[1], tmp_path / "hub"))


def with_pair(folder: Path, **changes: Any) -> Dataset:
    """A dataset of two pairs, of which the second one is changed."""
    image = make_image(1)
    pair, sentences = make_pair(image, PRODUCERS[0], 1)
    other, others = make_pair(image, PRODUCERS[1], 1)
    return write(folder / "dataset", image, (pair, sentences), (replace(other, **changes), others))


def with_image(folder: Path, encoded: bytes, **changes: Any) -> Dataset:
    """A dataset of one pair with this picture."""
    image = replace(image_of(encoded, source="tests", origin=Origin.REAL), **changes)
    return write(folder / "dataset", image, make_pair(image, PRODUCERS[0], 1))


def rewritten(path: Path, change: Callable[[pa.Table], pa.Table], **options: Any) -> None:
    table = change(pq.read_table(path))
    pq.write_table(table, path, **({"write_page_index": True, "row_group_size": 64} | options))


def set_column(name: str, value: Callable[[Any], Any]) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(name)
        field = table.schema.field(name)
        return table.set_column(place, field, pa.array([value(each) for each in table[name].to_pylist()], field.type))

    return change


class TestClean:
    def test_a_clean_folder_has_no_findings(self, tiny: tuple[Dataset, Path]) -> None:
        assert found(tiny[1], tiny[0]) == {}

    def test_several_splits_are_clean_without_the_judge_that_was_told_labels(
        self, tiny: tuple[Dataset, Path], tmp_path: Path
    ) -> None:
        publication = told(splits={"validation": 0.5, "test": 0.5})
        assert run(["judge", str(tiny[0].path), "--judge", "length", "--out", str(tmp_path / "runs")]) == 0
        folder = built(tiny[0], tmp_path / "hub", publication, runs=tmp_path / "runs")
        assert found(folder, tiny[0], publication) == {}

    def test_the_photographs_that_we_ship_are_clean(self, tmp_path: Path) -> None:
        import_table(EMBEDDED_PHOTOGRAPHS / "photographs.jsonl", EMBEDDED_PHOTOGRAPHS / "images", tmp_path / "dataset")
        dataset = Dataset.open(tmp_path / "dataset")
        publication = read_publication(card_file("photographs.yaml"))
        assert found(built(dataset, tmp_path / "hub", publication), dataset, publication, os.environ) == {}

    def test_the_same_findings_in_the_same_order(self, clean: tuple[Dataset, Path]) -> None:
        dataset, folder = clean
        (folder / "README.md").write_text(f"{OPENAI} in /home/ada/x by ada@lovelace.org")
        publication = told(licence=None, producers={})
        first = find_violations(folder, dataset, publication, environment={})
        assert first == find_violations(folder, dataset, publication, environment={})
        checks = [each.check for each in first]
        order = "secrets paths addresses licences revisions splits rows images dataset".split()
        assert checks == sorted(checks, key=order.index) and {"secrets", "paths", "addresses", "licences"} < set(checks)


class TestSecrets:
    @pytest.mark.parametrize("kind", KEYS)
    def test_a_key_in_a_captions_provenance(self, kind: str, tmp_path: Path) -> None:
        dataset = with_pair(tmp_path, provenance={"asked": [{"with": f"it was {KEYS[kind]} then"}]})
        messages = found(built(dataset, tmp_path / "hub", told()), dataset)
        message = messages[f"secrets: pairs/provenance {kind}"]
        assert "data/pairs/test-00000-of-00001.parquet, row 2, column provenance" in message
        assert KEYS[kind] not in message and KEYS[kind][-12:] not in message
        assert "withdraw it" in message and all(name.startswith("secrets: pairs/provenance") for name in messages)

    @pytest.mark.parametrize(
        "said",
        [
            '{"key": "\\u0073k-' + OPENAI[3:] + '"}',
            "key: \\x73k-" + OPENAI[3:],
            json.dumps({"raw": json.dumps({"deep": json.dumps("first line\n" + OPENAI)})}),
            "https://x.org/?key=" + quote(OPENAI.replace("-", "%2D"), safe="%"),
            base64.b64encode(f"user:{OPENAI}".encode()).decode(),
            base64.urlsafe_b64encode(f'{{"k":"{OPENAI}"}}'.encode()).decode().rstrip("="),
            f"({OPENAI})",
            f"key={OPENAI}&x=1",
        ],
    )
    def test_a_key_in_disguise_in_any_file(self, said: str, clean: tuple[Dataset, Path]) -> None:
        dataset, folder = clean
        files = ("README.md", "errata.csv", "notes.txt", "results.json")
        for file in files:
            (folder / file).write_text(f"one\ntwo\n{said}\n", encoding="utf-8")
        names = found(folder, dataset)
        for file in files:
            assert f"{file}, line 3" in names[f"secrets: {file} openai-key"]

    def test_values_of_the_environment(self, clean: tuple[Dataset, Path]) -> None:
        dataset, folder = clean
        environment = {
            "VENDOR_API_KEY": "correct horse",
            "MY_TOKEN": 'quote"d\\9 ü',
            "PGPASSWORD": "swordfish-42",
            "TOKENIZERS_PARALLELISM": "Pictures",
            "SHORT_KEY": "is red",
            "HARMLESS": "It shows 2 dogs",
        }
        spoken = {"a": "so correct horse, ", "b": environment["MY_TOKEN"]}
        (folder / "facts.json").write_text(json.dumps(spoken))
        (folder / "README.md").write_text(base64.b64encode(b"login: swordfish-42").decode())
        names = found(folder, dataset, environment=environment)
        assert [name for name in names if name.startswith("secrets")] == [
            "secrets: README.md value-of-PGPASSWORD",
            "secrets: facts.json value-of-VENDOR_API_KEY",
            "secrets: facts.json value-of-MY_TOKEN",
        ]
        assert "'c'... of 13 characters" in names["secrets: facts.json value-of-VENDOR_API_KEY"]

    def test_in_nested_columns_metadata_and_names_of_files(self, clean: tuple[Dataset, Path]) -> None:
        dataset, folder = clean
        sentences = split_files(folder, "sentences", "test")[0]
        span = [{"start": 0, "end": 1, "error_type": HUGGING}]
        rewritten(sentences, set_column("spans", lambda _: span))
        rewritten(
            split_files(folder, "judgments", "test")[0],
            lambda table: table.replace_schema_metadata({"made by": GITHUB}),
        )
        (folder / f"{ANTHROPIC}.txt").write_text("")
        names = found(folder, dataset)
        assert {name for name in names if name.startswith("secrets")} == {
            "secrets: sentences/spans.error_type hugging-face-token",
            "secrets: judgments/metadata github-token",
            f"secrets: {ANTHROPIC}.txt/file name anthropic-key",
        }
        assert "and in 35 more places" in names["secrets: sentences/spans.error_type hugging-face-token"]

    @given(st.text(alphabet=st.characters(codec="utf-8")), st.binary(min_size=1, max_size=64))
    @settings(max_examples=200)
    def test_text_and_sums_are_no_secrets(self, text: str, sum_of: bytes) -> None:
        assert list(Secrets({}).find(f"{text} {sum_of.hex()} {text}")) == []

    @given(st.lists(st.from_regex(r"[A-Za-z]{1,14}[,.;:!?-]?", fullmatch=True), min_size=5, max_size=80))
    @settings(max_examples=200)
    def test_prose_is_no_secret(self, words: list[str]) -> None:
        assert list(Secrets({}).find(" ".join(words))) == []

    @pytest.mark.parametrize(
        "text",
        [
            '{"tokens":49,"digest":"3bf4166d57211010dd877795f2ec133302100d7b3c561097f07dd387275674ca"}',
            "Authorization: Bearer $TOKEN",
            "set OPENAI_API_KEY=... first, or api_key: null",
            "a task-oriented risk-averse ask-me-anything; sk-learn-based-features; hf_hub_download; AKIA is a word",
            "https://user@host.org/x and git@github.com:x/y",
            '"secret": "the sign is not readable"',
            '"password": "correcthorsebatterystaple"',
            "eyJ and eyJ.eyJ.x, ghp_short, xoxb-1",
        ],
    )
    def test_what_only_looks_a_little_like_one(self, text: str) -> None:
        assert list(Secrets({}).find(text)) == []

    @given(st.sampled_from(sorted(KEYS)), st.text(alphabet=" \n\t\"'(),;{}[]<>\\", max_size=3), st.integers(0, 2))
    def test_whatever_stands_around_it(self, kind: str, around: str, depth: int) -> None:
        text = f"{around} {KEYS[kind]}{around or ' '}"
        for _ in range(depth):
            text = json.dumps({"said": text})
        assert kind in {secret.kind for secret in Secrets({}).find(text)}


class TestPaths:
    @pytest.mark.parametrize(
        ("kind", "path"),
        [
            ("home-folder", "/home/ada/data"),
            ("home-folder", "/Users/ada"),
            ("home-folder", "/root/x.json"),
            ("home-folder", "~/runs"),
            ("home-folder", "model=/home/élise/m"),
            ("home-folder", "host:/home/ada/x"),
            ("local-path", "/tmp/x"),
            ("local-path", "(/mnt/disk1/images)"),
            ("local-path", "/private/var/folders"),
            ("local-path", "/var/lib/x"),
            ("file-address", "file:///etc/hosts"),
            ("windows-path", "C:\\Users\\Ada\\x"),
            ("windows-path", "d:/Users/ada"),
            ("network-share", "\\\\nas01\\labels"),
        ],
    )
    def test_a_path_in_a_judges_options(self, kind: str, path: str, clean: tuple[Dataset, Path]) -> None:
        dataset, folder = clean
        said = json.loads((folder / "judges.json").read_text())
        said["runs"][0]["spec"]["options"] = {"model": path, "more": json.dumps([path])}
        (folder / "judges.json").write_text(json.dumps(said, indent=2))
        names = found(folder, dataset)
        assert list(names) == [f"paths: judges.json {kind}"]
        message = names[f"paths: judges.json {kind}"]
        assert "judges.json, line" in message and "and in 1 more place;" in message

    @pytest.mark.parametrize(
        "text",
        [
            "The sign shows a path through a home/garden, and/or a tmp/var folder.",
            "https://x.org/home/y, hf://datasets/tmp/x, s3://bucket/home/ada/",
            "Q:\nWhat is it?\nA: a cat",
            "data/home/x, ./tmp/x, ../root/x, user/root/x",
            "1/2 ~ 3/4; 20 km/h; C: the third; D:\\",
            "\\alpha\\beta and \\\\ a new line",
        ],
    )
    def test_what_only_looks_like_one(self, text: str) -> None:
        machine = Machine(homes=frozenset({"/home/ada"}))
        for said in (text, json.dumps({"a": text}), json.dumps(json.dumps({"a": text}))):
            assert list(machine.find(said, "pairs/provenance")) == []

    def test_names_of_the_machine(self) -> None:
        environment = {"HOME": "/srv/people/ada", "USER": "adalove", "HOSTNAME": "bench07.lab.internal"}
        machine = Machine.of(environment)

        def kinds(text: str, column: str = "pairs/provenance") -> set[str]:
            return {each.kind for each in machine.find(text, column)}

        assert kinds("in /srv/people/ada/x") == {"home-folder"}
        assert kinds("by adalove") == {"user-name"}
        assert kinds("on bench07 and bench07.lab.internal") == {"host-name"}
        assert kinds("adalovelace, my-bench07s, xbench07") == set()
        assert kinds("adalove/tiny, /srv/people/ada", "README.md") == {"home-folder"}
        assert kinds("by adalove on bench07", "pairs/caption") == kinds("adalove", "sentences/text") == set()

    @pytest.mark.parametrize("name", ["root", "ubuntu", "mark", "ada", "rose", "runner"])
    def test_names_that_tell_nothing(self, name: str) -> None:
        assert name not in Machine.of({"USER": name, "HOSTNAME": name}).users
        assert name not in Machine.of({"USER": name, "HOSTNAME": name}).hosts

    def test_a_name_that_the_publication_says_is_published_on_purpose(self, clean: tuple[Dataset, Path]) -> None:
        dataset, folder = clean
        (folder / "judges.json").write_text('{"who": "adalove"}')
        (folder / "README.md").write_text(CARD + 'load_dataset("adalove/tiny")')
        environment = {"USER": "adalove"}
        assert list(found(folder, dataset, environment=environment)) == ["paths: judges.json user-name"]
        publication = told(homepage="https://github.com/adalove/tiny")
        assert found(folder, dataset, publication, environment) == {}


class TestAddresses:
    @pytest.mark.parametrize(
        "text", ["mail ada.l@cam.ac.uk!", '{"by":"<ada.l@cam.ac.uk>"}', "ada.l%40cam.ac.uk", "ada.l\\u0040cam.ac.uk"]
    )
    def test_in_any_string(self, text: str, clean: tuple[Dataset, Path]) -> None:
        dataset, folder = clean
        (folder / "errata.csv").write_text(f"a,b\n1,{text}\n")
        names = found(folder, dataset)
        assert list(names) == ["addresses: errata.csv e-mail"]
        assert "ada.l@" not in names["addresses: errata.csv e-mail"]

    @pytest.mark.parametrize(
        "text",
        ["logo@2x.png", "x@example.com", "git@github.com:a/b", "NAME@main", "@article{x", "a @ b.com", "p@1.5", "x@y"],
    )
    def test_what_is_none(self, text: str) -> None:
        assert list(find_addresses(text)) == []

    @pytest.mark.parametrize(
        ("annotator", "is_name"),
        [("Ada Lovelace", True), ("ada.lovelace", True), ("annotator-1", False), ("a17", False), ("dataset", False)],
    )
    def test_annotators_have_pseudonyms(self, annotator: str, is_name: bool, clean: tuple[Dataset, Path]) -> None:
        dataset, folder = clean
        sentence = next(dataset.sentences()).sentence_id
        path = folder / "data" / "labels" / "test-00000-of-00001.parquet"
        path.parent.mkdir()
        pq.write_table(pa.table({"sentence_id": [sentence], "annotator": [annotator]}), path, write_page_index=True)
        names = found(folder, dataset)
        assert ("addresses: labels/annotator annotator-name" in names) == is_name
        assert not any("Lovelace" in message for message in names.values())


class TestLicences:
    @pytest.mark.parametrize(
        ("changes", "name", "why"),
        [
            ({"licence": None}, "dataset", "has no licence"),
            ({"licence": "other"}, "dataset", "'other' is not known"),
            ({"licence": "gemma"}, "dataset", "of a model or a service"),
            (
                {"producers": {**SAID["producers"], "alpha-cap": {}}},
                "producer alpha-cap",
                "no licence of producer alpha-cap is known",
            ),
            (
                {"producers": {**SAID["producers"], "alpha-cap": {"licence": "mine"}}},
                "producer alpha-cap",
                "'mine' of producer",
            ),
            (
                {"producers": {**SAID["producers"], "alpha-cap": {"licence": "CC-BY-NC-4.0"}}},
                "producer alpha-cap",
                "no commercial use",
            ),
            ({"sources": {}}, "source tests", "6 pictures of the source 'tests' have no licence"),
            ({"sources": {"tests": {"licence": "unknown"}}}, "source tests", "'unknown' of 6 pictures"),
            ({"sources": {"tests": {"licence": "CC-BY-NC-2.0"}}}, "source tests", "no commercial use"),
            ({"sources": {"tests": {"licence": "CC-BY-SA-4.0"}}}, "source tests", "under cc-by-sa-4.0 alone"),
            ({"sources": {"tests": {"licence": "CC-BY-ND-4.0"}}}, "source tests", "nothing made from it"),
            ({"sources": {"tests": {"licence": "all rights reserved"}}}, "source tests", "nothing under it"),
            (
                {"licence": "CC0-1.0", "sources": {"tests": {"licence": "CC-BY-4.0"}}},
                "source tests",
                "asks nobody to do so",
            ),
            ({"sources": {"tests": {"licence": "CC-BY-2.0"}}}, "source tests attribution", "wants its author named"),
        ],
    )
    def test_what_cannot_be_published(
        self, changes: dict[str, Any], name: str, why: str, tiny: tuple[Dataset, Path]
    ) -> None:
        names = found(tiny[1], tiny[0], told(**changes))
        assert why in names[f"licences: {name}"]
        assert "publication.yaml" in names[f"licences: {name}"]
        assert {each for each in names if each.startswith("licences")} <= {
            f"licences: {name}",
            f"licences: {name} attribution",
        }

    def test_licences_that_fit(self, clean: tuple[Dataset, Path]) -> None:
        dataset, folder = clean
        publication = told(licence="CC-BY-NC-SA-4.0", sources={"tests": {"licence": "CC-BY-NC-SA-3.0"}})
        (folder / "README.md").write_text("| tests | `CC BY-NC-SA 3.0` |")
        assert found(folder, dataset, publication) == {}

    def test_the_licence_of_each_picture_goes_first(self, tmp_path: Path) -> None:
        dataset = with_image(tmp_path, png(), licence="http://creativecommons.org/licenses/by-nc/2.0/")
        folder = built(dataset, tmp_path / "hub", told())
        names = found(folder, dataset)
        name = "source tests http://creativecommons.org/licenses/by-nc/2.0/"
        assert list(names) == [f"licences: {name}", f"licences: {name} attribution"]

    def test_a_picture_that_a_producer_drew_is_the_producers(self, tmp_path: Path) -> None:
        image = replace(make_image(1), origin=Origin.GENERATED, source="a recipe")
        pair, sentences = make_pair(image, PRODUCERS[0], 1)
        drawn = write(tmp_path / "drawn", image, (replace(pair, direction=Direction.TEXT_TO_IMAGE), sentences))
        assert found(built(drawn, tmp_path / "hub", told()), drawn) == {}
        shown = write(tmp_path / "shown", image, (pair, sentences))
        assert list(found(built(shown, tmp_path / "hub2", told()), shown)) == ["licences: source a recipe"]

    @pytest.mark.parametrize(
        ("model", "names"),
        [
            ("gpt-4o-2024-08-06", ["producer gpt-4o-2024-08-06 terms"]),
            ("llama-4-scout", ["producer llama-4-scout terms"]),
            ("flux.1-dev", ["producer flux.1-dev", "producer flux.1-dev terms"]),
            ("cogvlm", ["producer cogvlm"]),
            ("qwen2-vl-7b", []),
            ("nobodys-model", ["producer nobodys-model"]),
        ],
    )
    def test_models_that_the_table_knows(self, model: str, names: list[str], tmp_path: Path) -> None:
        dataset = with_pair(tmp_path, producer=ModelRef(model, "r1"))
        folder = built(dataset, tmp_path / "hub", told())
        assert list(found(folder, dataset)) == [f"licences: {name}" for name in names]

    def test_what_a_model_asks_to_be_told_is_on_the_card(self, tmp_path: Path) -> None:
        dataset = with_pair(tmp_path, producer=ModelRef("gpt-4o", "2024-08-06"))
        terms = "Not to develop models that *compete*\nwith OpenAI."
        publication = told(producers={**SAID["producers"], "gpt-4o": {"terms": terms}})
        folder = built(dataset, tmp_path / "hub", publication)
        name = "licences: producer gpt-4o terms"
        message = found(folder, dataset, publication)[name]
        assert "compete with OpenAI" in message and "https://openai.com" in message
        (folder / "README.md").write_text(r"- gpt-4o: Not to develop models that \*compete\* with OpenAI.")
        assert found(folder, dataset, publication) == {}

    def test_what_the_publisher_says_does_not_undo_what_is_known(self, tmp_path: Path) -> None:
        dataset = with_pair(tmp_path, producer=ModelRef("black-forest-labs/FLUX.1-dev", "r1"))
        name = "black-forest-labs/FLUX.1-dev"
        publication = told(producers={**SAID["producers"], name: {"licence": "CC0-1.0"}})
        folder = built(dataset, tmp_path / "hub", publication)
        assert f"licences: producer {name}" in found(folder, dataset, publication)

    def test_judges_need_no_licence(self, tiny: tuple[Dataset, Path]) -> None:
        assert found(tiny[1], tiny[0], told(judges={"length": {}})) == {}


class TestRevisions:
    def test_a_producer_without_one(self, tiny: tuple[Dataset, Path]) -> None:
        publication = told(producers={**SAID["producers"], "beta-cap": {"licence": "MIT"}})
        names = found(tiny[1], tiny[0], publication)
        assert list(names) == ["revisions: producer beta-cap"]
        assert "`revision` of 'beta-cap' under `producers`" in names["revisions: producer beta-cap"]

    @pytest.mark.parametrize(
        ("name", "revision", "pinned"),
        [
            ("gpt-4o-2024-08-06", None, True),
            ("claude-sonnet-4-20250514", None, True),
            ("gpt-4o", None, False),
            ("some-model", "main", False),
            ("some-model", "latest", False),
            ("some-model", " ", False),
            ("some-model", "3f2a91bc", True),
        ],
    )
    def test_what_is_pinned(
        self, name: str, revision: str | None, pinned: bool, tmp_path: Path, clean: tuple[Dataset, Path]
    ) -> None:
        dataset = with_pair(tmp_path, producer=ModelRef(name, revision))
        names = found(built(dataset, tmp_path / "hub2", told()), dataset)
        assert (f"revisions: producer {name}" in names) != pinned
        said = json.loads((clean[1] / "judges.json").read_text())
        said["runs"][1]["spec"]["model"] = {"name": name, "revision": revision}
        (clean[1] / "judges.json").write_text(json.dumps(said))
        judge = said["runs"][1]["name"]
        assert list(found(clean[1], clean[0])) == ([] if pinned else [f"revisions: judge {judge}"])


class TestSplits:
    @pytest.fixture
    def halves(self, tiny: tuple[Dataset, Path], tmp_path: Path) -> tuple[Dataset, Path, Publication]:
        publication = told(splits={"a": 0.5, "b": 0.5})
        return tiny[0], built(tiny[0], tmp_path / "hub", publication), publication

    @pytest.mark.parametrize("column", ["cluster_id", "image_sha256", "caption"])
    def test_what_two_splits_share(self, column: str, halves: tuple[Dataset, Path, Publication]) -> None:
        dataset, folder, publication = halves
        theirs = pq.read_table(split_files(folder, "pairs", "a")[0])[column][0].as_py()
        rewritten(split_files(folder, "pairs", "b")[0], set_column(column, lambda _: theirs))
        names = found(folder, dataset, publication)
        assert f"splits: {column}" in names
        assert {name for name in names if name.startswith("splits")} == {f"splits: {column}"}
        assert "1 " in names[f"splits: {column}"] and "a and b" in names[f"splits: {column}"]

    def test_sentences_that_are_not_where_their_pair_is(self, halves: tuple[Dataset, Path, Publication]) -> None:
        dataset, folder, publication = halves
        first, second = (split_files(folder, "sentences", split)[0] for split in "ab")
        rows = pq.read_table(second)
        rewritten(first, lambda table: pa.concat_tables([table, rows.slice(0, 2)]))
        rewritten(second, lambda table: table.slice(2))
        assert "in another split than the pairs" in found(folder, dataset, publication)["splits: sentences"]

    def test_labels_of_another_split_and_of_nothing(self, halves: tuple[Dataset, Path, Publication]) -> None:
        dataset, folder, publication = halves
        sentence = pq.read_table(split_files(folder, "sentences", "a")[0])["sentence_id"][0].as_py()
        path = folder / "data" / "labels" / "b-00000-of-00001.parquet"
        path.parent.mkdir()
        pq.write_table(pa.table({"sentence_id": [sentence, "gone"]}), path, write_page_index=True)
        names = found(folder, dataset, publication)
        assert {name for name in names if name.startswith("splits")} == {"splits: labels", "splits: labels alone"}

    def test_a_judge_that_was_told_labels(
        self, halves: tuple[Dataset, Path, Publication], tiny: tuple[Dataset, Path]
    ) -> None:
        dataset, folder, publication = halves
        shutil.copyfile(tiny[1] / "judges.json", folder / "judges.json")
        assert list(found(folder, dataset, publication)) == ["splits: judge ngram"]


class TestRows:
    def test_large_row_groups_and_no_page_index(self, clean: tuple[Dataset, Path]) -> None:
        dataset, folder = clean
        path = split_files(folder, "pairs", "test")[0]
        rewritten(path, lambda table: pa.concat_tables([table] * 8), write_page_index=False, row_group_size=1000)
        names = found(folder, dataset)
        where = path.relative_to(folder).as_posix()
        assert {name for name in names if name.startswith("rows")} == {f"rows: {where} rows", f"rows: {where} index"}

    def test_images_that_are_only_bytes(self, clean: tuple[Dataset, Path]) -> None:
        dataset, folder = clean
        path = split_files(folder, "pairs", "test")[0]
        rewritten(path, lambda table: table.replace_schema_metadata(None))
        assert list(found(folder, dataset)) == [f"rows: {path.relative_to(folder).as_posix()} image"]

    def test_a_row_group_that_the_viewer_gives_up_on(
        self, clean: tuple[Dataset, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dataset, folder = clean
        monkeypatch.setattr("alignbench.publish.checks.rows.GROUP_LIMIT", 1000)
        monkeypatch.setattr("alignbench.publish.checks.rows.CHUNK_LIMIT", 400)
        where = split_files(folder, "pairs", "test")[0].relative_to(folder).as_posix()
        assert {f"rows: {where} group", f"rows: {where} column"} <= set(found(folder, dataset))

    @pytest.mark.parametrize("config", ["pairs", "sentences", "judgments"])
    @pytest.mark.parametrize("damage", ["cut", "empty", "noise"])
    def test_a_damaged_file_is_one_finding_among_others(
        self, config: str, damage: str, clean: tuple[Dataset, Path]
    ) -> None:
        dataset, folder = clean
        path = split_files(folder, config, "test")[0]
        held = path.read_bytes()
        path.write_bytes(
            {"cut": held[: len(held) // 2], "empty": b"", "noise": random.Random(0).randbytes(999)}[damage]
        )
        (folder / "errata.csv").write_text(OPENAI)
        names = found(folder, dataset)
        assert "secrets: errata.csv openai-key" in names
        assert f"rows: {path.relative_to(folder).as_posix()} unreadable" in names

    def test_a_part_that_is_missing(self, clean: tuple[Dataset, Path]) -> None:
        dataset, folder = clean
        path = split_files(folder, "sentences", "test")[0]
        path.rename(path.with_name("test-00001-of-00002.parquet"))
        assert list(found(folder, dataset)) == ["rows: sentences/test parts"]

    def test_nothing_is_there(self, tiny: tuple[Dataset, Path], tmp_path: Path) -> None:
        assert "rows: pairs missing" in found(tmp_path, tiny[0])


def jpeg(**options: Any) -> bytes:
    buffer = io.BytesIO()
    Pillow.new("RGB", (32, 24), (9, 120, 40)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def png_with(**texts: str) -> bytes:
    held = PngInfo()
    for key, text in texts.items():
        held.add_text(key, text, zip=len(text) > 60)
    buffer = io.BytesIO()
    Pillow.new("RGB", (8, 6)).save(buffer, "PNG", pnginfo=held)
    return buffer.getvalue()


def exif_with(tag: int, value: Any, *, ifd: int | None = None) -> Pillow.Exif:
    exif = Pillow.Exif()
    if ifd is None:
        exif[tag] = value
    else:
        exif.get_ifd(ifd)[tag] = value
    return exif


EMBEDDED: dict[str, tuple[bytes, str]] = {
    "where it was taken": (jpeg(exif=exif_with(2, (51.0, 45.0, 0.0), ifd=0x8825)), "place"),
    "where it was taken, as XMP": (jpeg(xmp=b'<x exif:GPSLatitude="51,45N"/>'), "place"),
    "whose camera": (jpeg(exif=exif_with(0xA430, "Ada", ifd=0x8769)), "owner"),
    "a path in EXIF": (jpeg(exif=exif_with(0x010E, "from /home/ada/photo.raw")), "metadata home-folder"),
    "a comment": (jpeg(comment=b"C:\\Users\\Ada\\x.psd"), "metadata windows-path"),
    "a text of PNG": (png_with(parameters="model: /home/ada/model.safetensors"), "metadata home-folder"),
    "a long text of PNG": (png_with(workflow="x" * 100 + f" {OPENAI} " + "y" * 100), "metadata openai-key"),
    "behind the picture": (png() + b"\0\0 /home/ada/notes.txt", "metadata home-folder"),
    "an address": (jpeg(exif=exif_with(0x8298, "ada@lovelace.org")), "metadata e-mail"),
}


class TestImages:
    @pytest.mark.parametrize("case", EMBEDDED)
    def test_what_a_picture_says_beside_its_pixels(self, case: str, tmp_path: Path) -> None:
        encoded, name = EMBEDDED[case]
        dataset = with_image(tmp_path, encoded)
        names = found(built(dataset, tmp_path / "hub", told()), dataset)
        assert list(names) == [f"images: {name}"]
        assert "exiftool" in names[f"images: {name}"] and OPENAI not in str(names)

    @pytest.mark.parametrize(
        "encoded",
        [
            jpeg(exif=exif_with(0x0131, "Adobe Photoshop 25.0")),
            jpeg(exif=exif_with(0x8298, "(c) Ada Lovelace, CC BY 4.0")),
            jpeg(exif=exif_with(0x0112, 6)),
            png_with(Software="https://x.org/home/y"),
        ],
    )
    def test_harmless_metadata(self, encoded: bytes, tmp_path: Path) -> None:
        dataset = with_image(tmp_path, encoded)
        assert found(built(dataset, tmp_path / "hub", told()), dataset) == {}

    @pytest.mark.parametrize(
        ("damage", "name"),
        [
            (lambda held: held[: len(held) // 2], "unreadable"),
            (lambda held: png((1, 2, 3)), "sha256"),
            (lambda _: None, "missing"),
        ],
    )
    def test_pictures_that_are_not_what_they_should_be(
        self, damage: Callable[[bytes], bytes | None], name: str, clean: tuple[Dataset, Path]
    ) -> None:
        dataset, folder = clean
        path = split_files(folder, "pairs", "test")[0]
        rewritten(path, set_column("image", lambda image: {**image, "bytes": damage(image["bytes"])}))
        names = found(folder, dataset)
        assert f"images: {name}" in names and "6 pictures" in names[f"images: {name}"]

    def test_missing_pictures_can_be_waived(self, tmp_path: Path) -> None:
        dataset = make_dataset(tmp_path / "dataset", missing=[0, 2])
        publication = told(waive=[{"check": "images", "name": "missing", "why": "their publisher keeps them"}])
        folder = built(dataset, tmp_path / "hub", publication)
        findings = find_violations(folder, dataset, publication, environment={})
        assert [finding.name for finding in findings] == ["missing"]
        assert waived(findings, publication) == ([], findings)


class TestDataset:
    def test_rules_that_the_dataset_breaks(self, tmp_path: Path) -> None:
        dataset = make_dataset(tmp_path / "dataset")
        folder = built(dataset, tmp_path / "hub", told())
        header = json.loads((dataset.path / "dataset.json").read_text())
        (dataset.path / "dataset.json").write_text(json.dumps({**header, "digest": "0" * 64}))
        names = found(folder, dataset)
        assert list(names) == ["dataset: dataset digest"]
        assert "alignbench validate" in names["dataset: dataset digest"]


class TestWaivers:
    FINDINGS = (Finding("secrets", "README.md openai-key", "x"), Finding("licences", "producer gpt-4o", "y"))

    def test_by_check_and_exact_name(self) -> None:
        publication = told(waive=[{"check": "licences", "name": "producer gpt-4o", "why": "asked"}])
        assert waived(self.FINDINGS, publication) == ([self.FINDINGS[0]], [self.FINDINGS[1]])

    @pytest.mark.parametrize(
        ("check", "name"),
        [
            ("licences", "producer gpt-4"),
            ("licences", "producer GPT-4o"),
            ("secrets", "producer gpt-4o"),
            ("licences", "*"),
        ],
    )
    def test_a_waiver_of_nothing_blocks(self, check: str, name: str) -> None:
        publication = told(waive=[{"check": check, "name": name, "why": "asked"}])
        blocking, taken = waived(self.FINDINGS, publication)
        assert blocking[:2] == list(self.FINDINGS) and not taken
        assert blocking[2].check == "waivers" and repr(name) in blocking[2].message

    def test_the_line_to_paste_is_yaml(self) -> None:
        finding = Finding("licences", 'producer a: "b" # c', "x")
        said = yaml.safe_load(finding.waiver)
        assert said == [{"check": finding.check, "name": finding.name, "why": "..."}]


class TestStrings:
    def test_every_string_with_its_place(self, tmp_path: Path) -> None:
        folder = tmp_path / "data" / "pairs"
        folder.mkdir(parents=True)
        kind = pa.struct([pa.field("a", pa.string()), pa.field("n", pa.list_(pa.struct([pa.field("b", pa.string())])))])
        rows = [
            {"a": "one", "n": [{"b": "two"}, {"b": None}]},
            None,
            {"a": None, "n": []},
            {"a": "é", "n": [{"b": "three"}]},
        ]
        table = pa.table(
            {
                "deep": pa.array(rows, kind),
                "words": pa.array(["x", "y", None, "x"]).dictionary_encode(),
                "lists": pa.array([["p", "q"], [], None, ["r"]]),
                "count": pa.array([1, 2, 3, 4]),
                "raw": pa.array([b"\xff", b"ok", None, b""], pa.binary()),
            }
        )
        pq.write_table(table, folder / "test-00000-of-00001.parquet", row_group_size=2)
        seen = [
            (strings.name, int(strings.rows[place]), strings.text(place))
            for strings in strings_in(tmp_path)
            for place in range(len(strings.values))
            if strings.values[place].is_valid and strings.column != "file name"
        ]
        assert set(seen) == {
            ("pairs/deep.a", 1, "one"),
            ("pairs/deep.a", 4, "é"),
            ("pairs/deep.n.b", 1, "two"),
            ("pairs/deep.n.b", 4, "three"),
            *(("pairs/words", row, word) for row, word in ((1, "x"), (2, "y"), (4, "x"))),
            *(("pairs/lists", row, word) for row, word in ((1, "p"), (1, "q"), (4, "r"))),
            ("pairs/raw", 1, "\ufffd"),
            ("pairs/raw", 2, "ok"),
            ("pairs/raw", 4, ""),
        }

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-with-mark"])
    def test_texts_of_any_encoding(self, encoding: str, tmp_path: Path) -> None:
        text = f"first\r\nsecond {OPENAI}\rthird"
        held = b"\xfe\xff" + text.encode("utf-16-be") if encoding == "utf-16-be-with-mark" else text.encode(encoding)
        (tmp_path / "README.md").write_bytes(held)
        lines = [strings for strings in strings_in(tmp_path) if not strings.column]
        assert [lines[0].text(place) for place in range(3)] == text.splitlines()

    def test_a_key_across_the_pieces_of_a_long_line(self, tiny: tuple[Dataset, Path], tmp_path: Path) -> None:
        for start in (1_048_560, 2_097_140):
            (tmp_path / "results.json").write_text("é " * (start // 2) + OPENAI + " x" * 500_000)
            assert "secrets: results.json openai-key" in found(tmp_path, tiny[0])

    def test_broken_bytes_hide_nothing(self, tiny: tuple[Dataset, Path], tmp_path: Path) -> None:
        (tmp_path / "README.md").write_bytes(b"\xff\xfe\xfd \x80" + OPENAI.encode())
        (tmp_path / "errata.csv").write_bytes(b"\x80\xff " + OPENAI.encode() + b"\xff")
        assert "secrets: errata.csv openai-key" in found(tmp_path, tiny[0])

    def test_all_data_files_are_read(self, tiny: tuple[Dataset, Path]) -> None:
        read = {strings.file for strings in strings_in(tiny[1])}
        assert {shard.path.relative_to(tiny[1]).as_posix() for shard in shards(tiny[1])} <= read


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    ["\\" * 1_000_000, '"\\' * 400_000, "a@2x.png " * 100_000, "a://b:c" * 100_000, "QUJD" * 200_000, "-" * 1_000_000],
    ids=["backslashes", "open quotes", "no addresses", "no passwords", "base64", "dashes"],
)
def test_hostile_strings_take_no_longer_than_others(text: str, tiny: tuple[Dataset, Path], tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(text + f" {OPENAI}")
    assert "secrets: README.md openai-key" in found(tmp_path, tiny[0])
