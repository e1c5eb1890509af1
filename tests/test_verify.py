"""Verifying a published folder: what was published passes, and whatever was changed is named."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants

from alignbench import __version__
from alignbench.cli import run
from alignbench.errors import PublishError
from alignbench.publish.folder.seal import seal_folder
from alignbench.publish.verification.discrepancy import Discrepancy
from alignbench.publish.verification.tokens import token_changes
from alignbench.publish.verification.verify import verification_of, verify
from alignbench.publish.verification.verify_source import verify_source
from tests.datasets import make_dataset, png, tree
from tests.described_folders import describe_all, tamper
from tests.hub_commits import TOKEN, HubCommits


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return describe_all(tmp_path_factory.mktemp("published"))


@pytest.fixture
def folder(published: Path, tmp_path: Path) -> Path:
    return shutil.copytree(published, tmp_path / "hub")


def said_of(found: list[Discrepancy], file: str) -> dict[str, tuple[Any, Any]]:
    return {each.what: (each.said, each.found) for each in found if each.file == file}


def edit(path: Path, change: Callable[[str], str]) -> None:
    before = path.read_text(encoding="utf-8")
    after = change(before)
    assert after != before
    path.write_text(after, encoding="utf-8")


def test_what_was_published_is_verified_and_left_as_it_is(folder: Path) -> None:
    before = tree(folder)
    found = verification_of(folder)
    assert found.discrepancies == [] and found.notes == []
    assert found.compared["facts.json"] > 300 and found.compared["results.json"] > 500
    assert tree(folder) == before


def test_a_dataset_without_labels_events_or_runs_is_verified(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "dataset", labelled=False, missing=[1])
    folder = describe_all(tmp_path, "title: Bare\n", runs=False, dataset=dataset)
    assert verify(folder) == []
    facts = json.loads((folder / "facts.json").read_text())
    assert facts["evaluation"] is None and facts["agreement"] is None and facts["shown"] is None
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "license: unknown" in card and "Nobody has labelled it yet." in card and "1 of 4 images are not" in card


def test_every_digit_of_the_card_is_verified(folder: Path) -> None:
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8")
    lines = text.split("\n")
    places = [at.start() for at in re.finditer(r"\d", text)]
    assert len(places) > 500
    from alignbench.publish.card.render import card_of
    from alignbench.publish.folder.front_matter import front_matter
    from tests.described_folders import facts_in, publication_in

    wanted = card_of(facts_in(folder), publication_in(folder), front_matter(folder))
    assert wanted == text
    for place in places:
        other = text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :]
        (change,) = token_changes(other, wanted)
        assert change.line == text.count("\n", 0, place) + 1
        assert lines[change.line - 1] != other.split("\n")[change.line - 1]


def test_a_digit_in_a_table_of_the_card_is_named_by_row_and_column(folder: Path) -> None:
    facts = json.loads((folder / "facts.json").read_text())
    count = facts["producers"]["beta-cap"]["incorrect"]
    edit(
        folder / "README.md",
        lambda text: re.sub(r"(\| beta-cap (?:\| \d+ ){4}\| )\d+", rf"\g<1>{count + 1}", text, count=1),
    )
    seal_folder(folder)
    (found,) = verify(folder)
    assert found.file == "README.md" and "Producers, row 'beta-cap', column 'incorrect'" in found.what
    assert (found.said, found.found) == (str(count + 1), str(count))


def test_a_digit_in_a_sentence_of_the_card_is_named_by_its_heading(folder: Path) -> None:
    edit(folder / "README.md", lambda text: text.replace("resample 5 clusters", "resample 9 clusters"))
    (sealed, found) = verify(folder)
    assert sealed.what == "sha256" and sealed.file == "README.md"
    assert found.what.endswith(", Scores") and (found.said, found.found) == ("9", "5")


def test_lines_that_were_added_or_lost_are_named(folder: Path) -> None:
    edit(folder / "README.md", lambda text: text.replace("\n## Limits\n", "\nWe are the best.\n\n## Limits\n"))
    assert [each.said for each in verify(folder)[1:]] == ["We are the best."]
    edit(folder / "README.md", lambda text: text.replace("\nIt is small.\n", "\n"))
    assert [each.found for each in verify(folder)[1:] if each.said is None] == ["It is small."]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("counts", "incorrect"), 99),
        (("producers", "alpha-cap", "words_per_sentence"), 1.25),
        (("producers", "alpha-cap", "incorrect_by_index", "0", "incorrect"), 7),
        (("labels", "events"), 3),
        (("evaluation", "seed"), 4),
        (("evaluation", "replicates"), 51),
        (("dataset", "digest"), "0" * 64),
    ],
)
def test_a_number_of_facts_json_is_named_by_its_path(folder: Path, path: tuple[str, ...], value: Any) -> None:
    said = json.loads((folder / "facts.json").read_text())
    inner = said
    for key in path[:-1]:
        inner = inner[key]
    before, inner[path[-1]] = inner[path[-1]], value
    (folder / "facts.json").write_text(json.dumps(said))
    seal_folder(folder)
    assert verify(folder) == [Discrepancy("facts.json", ".".join(path), value, before)]


def test_every_number_of_results_json_is_verified(folder: Path) -> None:
    path = folder / "results.json"
    said = json.loads(path.read_text())
    keen = next(judge for judge in said["judges"] if judge["name"] == "keen")
    figure = keen["by_producer"]["beta-cap"]
    before, figure["value"] = figure["value"], figure["value"] - 1e-8
    path.write_text(json.dumps(said))
    seal_folder(folder)
    (found,) = verify(folder)
    assert found.what == "judges[keen].by_producer.beta-cap.value" and found.found == before


def test_the_last_digits_of_another_processor_are_no_difference(folder: Path) -> None:
    path = folder / "results.json"
    said = json.loads(path.read_text())
    keen = next(judge for judge in said["judges"] if judge["name"] == "keen")
    keen["by_producer"]["beta-cap"]["value"] += 1e-13
    path.write_text(json.dumps(said))
    seal_folder(folder)
    assert verify(folder) == []


@pytest.mark.parametrize("name", ["seed", "replicates"])
def test_a_changed_setting_of_the_evaluation_is_the_only_thing_named(folder: Path, name: str) -> None:
    path = folder / "results.json"
    said = json.loads(path.read_text())
    before, said[name] = said[name], said[name] + 1
    path.write_text(json.dumps(said))
    seal_folder(folder)
    assert verify(folder) == [Discrepancy("results.json", name, before + 1, before)]


def test_a_changed_label_is_named_by_what_rests_on_it(folder: Path) -> None:
    def change(row: dict[str, Any]) -> bool:
        if row["label"] != "correct":
            return False
        row["label"] = "unknown"
        return True

    sentence = tamper(folder, "sentences", change)
    found = verify(folder)
    producer = sentence.split("/")[0]
    assert "digest" in said_of(found, "dataset.json")
    counts = said_of(found, "dataset.json")
    assert counts["counts.correct"][0] == counts["counts.correct"][1] + 1
    facts = said_of(found, "facts.json")
    assert facts[f"producers.{producer}.unknown"][0] == facts[f"producers.{producer}.unknown"][1] - 1
    assert any(producer in what and "'correct'" in what for what in said_of(found, "README.md"))
    assert any(what.startswith("judges[keen].auroc") for what in said_of(found, "results.json"))
    assert said_of(found, "data/sentences").keys() == {sentence}  # its events say otherwise
    assert not any("cannot" in str(each.problem) for each in found)


def test_a_changed_label_event_is_named(folder: Path) -> None:
    def change(row: dict[str, Any]) -> bool:
        row["tool"] = "another"
        return True

    tamper(folder, "labels", change)
    assert "labels.digest" in said_of(verify(folder), "dataset.json")


def test_a_changed_score_is_named_even_where_no_rank_changes(folder: Path) -> None:
    def change(row: dict[str, Any]) -> bool:
        if row["score"] is None:
            return False
        row["score"] += 1e-7
        return True

    tamper(folder, "judgments", change)
    assert any(what.startswith("runs[") and what.endswith(".digest") for what in said_of(verify(folder), "facts.json"))


def test_a_score_that_is_no_number_is_told_and_the_rest_is_computed(folder: Path) -> None:
    def change(row: dict[str, Any]) -> bool:
        row["score"] = float("inf")
        return True

    tamper(folder, "judgments", change)
    found = verification_of(folder)
    told = {each.file: str(each.problem) for each in found.discrepancies}
    assert "no finite score" in told["results.json"] and "no finite score" in told["facts.json"]
    assert found.compared["dataset.json"]


def test_a_changed_image_is_named(folder: Path) -> None:
    def change(row: dict[str, Any]) -> bool:
        row["image"] = {**row["image"], "bytes": png((1, 2, 3))}
        return True

    pair = tamper(folder, "pairs", change)
    verification = verification_of(folder)
    rest, found = verification.discrepancies
    assert found.file == "data/pairs" and found.what == f"image_sha256 of {pair}" and found.said != found.found
    assert rest.file == "data" and "are not those of its image_sha256" in str(rest.problem)
    assert "nothing that rests on them was computed" in verification.notes[0]


@pytest.mark.parametrize(
    ("config", "column", "value"), [("sentences", "producer", "gamma"), ("sentences", "cluster_id", "tests:9")]
)
def test_a_changed_column_that_spares_a_join_is_named(folder: Path, config: str, column: str, value: str) -> None:
    before: list[str] = []

    def change(row: dict[str, Any]) -> bool:
        before.append(row[column])
        row[column] = value
        return True

    row = tamper(folder, config, change)
    assert Discrepancy(f"data/{config}", f"{column} of the sentence {row}", value, before[0]) in verify(folder)


def test_a_judgment_under_another_name_is_named(folder: Path) -> None:
    def change(row: dict[str, Any]) -> bool:
        row["judge"] = "dull" if row["judge"] == "keen" else "keen"
        return True

    tamper(folder, "judgments", change)
    found = said_of(verify(folder), "data/judgments")
    assert [what.startswith("judge of 1 judgments of ") for what in found] == [True]


def test_what_the_publisher_said_is_verified(folder: Path) -> None:
    edit(folder / "publication.yaml", lambda text: text.replace("licence: MIT, revision", "licence: ISC, revision"))
    seal_folder(folder)
    found = verify(folder)
    assert said_of(found, "facts.json") == {"producers.beta-cap.licence": ("MIT", "ISC")}
    assert any("column 'licence'" in what for what in said_of(found, "README.md"))


def test_other_shares_of_the_splits_are_named(folder: Path) -> None:
    edit(
        folder / "publication.yaml",
        lambda text: text.replace("validation: 0.4, test: 0.6", "validation: 0.5, test: 0.5"),
    )
    seal_folder(folder)
    assert "publication.splits" in said_of(verify(folder), "dataset.json")


def test_a_file_more_and_a_file_less_are_named(folder: Path) -> None:
    (folder / "notes.txt").write_text("x")
    (folder / "CHANGELOG.md").unlink()
    found = {each.file: each.problem for each in verify(folder)}
    assert found == {"notes.txt": "the file is not in checksums.sha256", "CHANGELOG.md": "the file is missing"}


@pytest.mark.parametrize("name", ["facts.json", "results.json", "README.md", "publication.yaml", "checksums.sha256"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe[", b"[1]", None])
def test_a_file_that_cannot_be_read_is_named(folder: Path, name: str, content: bytes | None) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    if name != "checksums.sha256":
        seal_folder(folder)
    found = verify(folder)
    assert found
    # An empty list of checksums is one that lists no file.
    assert name in {each.file for each in found} or (name, content) == ("checksums.sha256", b"")


@pytest.mark.parametrize("change", ["cut", "lost", "broken header"])
def test_data_that_are_damaged_are_named(folder: Path, change: str) -> None:
    path = next((folder / "data" / "sentences").glob("*.parquet"))
    if change == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    elif change == "lost":
        path.unlink()
    else:
        (folder / "dataset.json").write_text("{")
    assert verify(folder)
    assert run(["verify", str(folder)]) == 1


def test_a_folder_that_is_none_of_ours_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PublishError, match=r"dataset\.json"):
        verify(tmp_path)
    assert run(["verify", str(tmp_path)]) == 2
    assert run(["verify", str(tmp_path / "nowhere" / "at" / "all")]) == 2
    assert "give a folder" in capsys.readouterr().err


def test_the_command_says_what_differs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", str(folder)]) == 0
    assert "all as published" in capsys.readouterr().out
    edit(folder / "facts.json", lambda text: text.replace('"pairs": 10', '"pairs": 11', 1))
    assert run(["verify", str(folder)]) == 1
    out = capsys.readouterr().out
    assert "facts.json: counts.pairs: says 11, the data say 10" in out and "2 differ" in out
    assert run(["verify", str(folder), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["verified"] is False and said["discrepancies"][1] == {
        "file": "facts.json",
        "what": "counts.pairs",
        "said": 11,
        "found": 10,
    }


def test_a_dataset_of_the_hub_is_fetched_and_verified(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with HubCommits() as server:
        repository = server.create("org/tiny", tree(folder))
        found, commit = verify_source("org/tiny", endpoint=server.url)
        assert found.discrepancies == [] and commit == repository.head.oid
        edit(folder / "facts.json", lambda text: text.replace('"pairs": 10', '"pairs": 11', 1))
        server.write("org/tiny", tree(folder))
        found, _ = verify_source("org/tiny", endpoint=server.url)
        assert [each.what for each in found.discrepancies] == ["sha256", "counts.pairs"]
        assert verify_source("org/tiny", revision=commit, endpoint=server.url)[0].discrepancies == []
    huggingface_hub.close_session()
    assert not any((tmp_path / "cache").rglob("*.parquet"))


def test_another_version_of_alignbench_is_told_and_is_no_difference(folder: Path) -> None:
    for name in ("facts.json", "results.json", "README.md"):
        edit(folder / name, lambda text: text.replace(__version__ + ";", "0.0.9;"))
    edit(folder / "facts.json", lambda text: text.replace(f'"alignbench": "{__version__}"', '"alignbench": "0.0.9"'))
    edit(folder / "README.md", lambda text: text.replace(f"alignbench {__version__} |", "alignbench 0.0.9 |"))
    seal_folder(folder)
    found = verification_of(folder)
    assert found.discrepancies == []
    assert "published with alignbench 0.0.9" in found.notes[0]
