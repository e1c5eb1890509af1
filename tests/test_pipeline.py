"""The pipeline on small stand-ins: what comes out, what is kept, what a failure becomes, what is refused."""

from __future__ import annotations

import datetime as dt
import errno
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from alignbench import registry
from alignbench.errors import RecipeError, RunError, StorageError, UnknownNameError, UsageError
from alignbench.labelling.events import make_event
from alignbench.labelling.record import record_events
from alignbench.store import Dataset
from alignbench.types import Direction, Label, ModelRef, Status
from alignbench.validate import validate
from generation.pipeline import GenerateSummary, generate
from generation.plan import Stage
from generation.progress import Progress
from generation.versions import versions, versions_for
from tests.standins import BOTH, CAPTIONS, PICTURES, Write, calls, files_of, install, writer_in


@pytest.fixture
def adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return install(tmp_path / "site", monkeypatch)


@pytest.fixture
def recipe(adapters: Path, tmp_path: Path) -> Write:
    return writer_in(tmp_path)


def test_both_directions_make_a_valid_dataset(recipe: Write, tmp_path: Path) -> None:
    summary = generate(recipe(BOTH), tmp_path / "out")
    dataset = Dataset.open(tmp_path / "out")
    assert list(validate(tmp_path / "out")) == []
    assert summary == GenerateSummary(tmp_path / "out", dataset.digest, dataset.counts, 6, {}, rows=6, finished=6)
    assert (dataset.counts["images"], dataset.counts["pairs"], dataset.counts["sentences"]) == (6, 6, 12)
    assert (dataset.counts["incorrect"], dataset.counts["correct"]) == (6, 6)
    assert not (tmp_path / "out.partial").exists()
    pairs = list(dataset.pairs())
    assert [pair.direction for pair in pairs] == [Direction.IMAGE_TO_TEXT] * 3 + [Direction.TEXT_TO_IMAGE] * 3
    assert [pair.domain for pair in pairs] == ["squares"] * 3 + [None] * 3
    assert all(pair.cluster_id == pair.image_key for pair in pairs[:3])
    assert len({pair.cluster_id for pair in pairs}) == 6
    assert [pair.caption for pair in pairs[3:]] == [f"One colour. Number {number}." for number in range(3)]


def test_provenance_is_enough_to_make_the_row_again(recipe: Write, adapters: Path, tmp_path: Path) -> None:
    generate(recipe(BOTH), tmp_path / "out")
    described, drawn = list(Dataset.open(tmp_path / "out").pairs())[1::3]
    for pair in (described, drawn):
        assert pair.provenance["recipe"]["name"] == "small"
        assert len(pair.provenance["recipe"]["digest"]) == 64
        assert {"alignbench", "pillow"} <= pair.provenance["versions"].keys()
        assert pair.provenance["labels"]["corrections"] == {"0": "It is square."}
    assert described.producer == ModelRef("plain", "1")
    assert described.provenance["prompt"] == "Describe the image."
    assert described.provenance["model"] == {"model": "words:plain", "options": {}}
    assert ["plain", 1, described.provenance["seed"]] in calls(adapters)
    assert drawn.provenance["written"]["number"] == 1
    assert drawn.provenance["made"]["colour"][0] == drawn.provenance["seed"] % 256


def test_ids_do_not_tell_the_producer(recipe: Write, tmp_path: Path) -> None:
    generate(recipe(BOTH), tmp_path / "out")
    dataset = Dataset.open(tmp_path / "out")
    for identity in [pair.pair_id for pair in dataset.pairs()] + dataset.image_keys():
        assert set(identity) <= set("0123456789abcdef")


def test_the_seed_changes_every_id(recipe: Write, tmp_path: Path) -> None:
    generate(recipe(BOTH), tmp_path / "a")
    generate(recipe(BOTH), tmp_path / "b", seed=6)
    ids = [{pair.pair_id for pair in Dataset.open(tmp_path / name).pairs()} for name in "ab"]
    assert ids[0].isdisjoint(ids[1])


def test_without_a_labeller_nothing_is_labelled(recipe: Write, tmp_path: Path) -> None:
    summary = generate(recipe(BOTH.replace("labeller: standin\n", "")), tmp_path / "out")
    assert summary.counts["unlabelled"] == summary.counts["sentences"] == 12


def test_twice_is_byte_identical_whatever_the_order_of_answers(recipe: Write, tmp_path: Path) -> None:
    generate(recipe(BOTH), tmp_path / "a")
    generate(recipe(BOTH), tmp_path / "b")
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    generate(recipe(BOTH.replace("plain", "backwards")), tmp_path / "c")
    made = [[pair.caption for pair in Dataset.open(tmp_path / name).pairs()][3:] for name in "ac"]
    assert made[0] == made[1]


def test_the_same_command_again_does_nothing(recipe: Write, adapters: Path, tmp_path: Path) -> None:
    first = generate(recipe(BOTH), tmp_path / "out")
    asked, written = calls(adapters), files_of(tmp_path / "out")
    assert generate(recipe(BOTH), tmp_path / "out", retry_failed=True) == replace(first, made=0)
    assert calls(adapters) == asked
    assert files_of(tmp_path / "out") == written


def test_a_model_that_falls_over_loses_nothing(
    recipe: Write, adapters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = CAPTIONS.format("broken")
    with pytest.raises(OverflowError):
        generate(recipe(text), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    before = calls(adapters)
    resumed = generate(recipe(text), tmp_path / "out")
    assert (resumed.made, resumed.counts["pairs"]) == (1, 3)
    assert [seed for _, _, seed in calls(adapters)[len(before) :]] == [before[2][2]]


def test_labels_of_people_are_not_made_away_with(recipe: Write, adapters: Path, tmp_path: Path) -> None:
    path, out = recipe(CAPTIONS.format("shy")), tmp_path / "out"
    generate(path, out)
    sentence = next(Dataset.open(out).sentences())
    event = make_event(
        sentence_id=sentence.sentence_id,
        text=sentence.text,
        annotator="p1",
        time=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        label=Label.UNKNOWN,
    )
    record_events(out, [event])
    before = files_of(out)
    generate(path, out)
    (adapters / "bold").touch()
    with pytest.raises(RunError, match="label events"):
        generate(path, out, retry_failed=True)
    assert files_of(out) == before


def test_a_failed_row_is_counted_and_retried_only_on_request(recipe: Write, adapters: Path, tmp_path: Path) -> None:
    path, out = recipe(CAPTIONS.format("shy")), tmp_path / "out"
    first = generate(path, out)
    assert first.failures == {"shy": {Status.REFUSED: 2}}
    assert first.counts["pairs"] == 1
    told = [json.loads(line) for line in (out / "failed_rows.jsonl").read_text().split("\n")[:-1]]
    assert [(row["status"], row["reason"]) for row in told] == [("refused", "I would\u2028rather not.")] * 2
    assert generate(path, out) == replace(first, made=0)
    (adapters / "bold").touch()
    again = generate(path, out, retry_failed=True)
    assert (again.made, again.failures, again.counts["pairs"]) == (2, {}, 3)
    assert len(calls(adapters)) == 5
    assert not (out / "failed_rows.jsonl").exists()
    assert not (tmp_path / "out.partial").exists()
    generate(path, tmp_path / "fresh")
    assert files_of(out) == files_of(tmp_path / "fresh")


def test_a_kill_while_a_dataset_is_replaced_loses_nothing(recipe: Write, adapters: Path, tmp_path: Path) -> None:
    path, out = recipe(CAPTIONS.format("shy")), tmp_path / "out"
    first, written = generate(path, out), files_of(out)
    out.rename(tmp_path / ".out.old")
    assert generate(path, out) == replace(first, made=0)
    assert files_of(out) == written
    assert not (tmp_path / ".out.old").exists()


@pytest.mark.parametrize(
    ("text", "failures"),
    [
        (CAPTIONS.format("wordless"), {"wordless": {Status.EMPTY: 1}}),
        (CAPTIONS.format("silent"), {"silent": {Status.FAILED: 1}}),
        (PICTURES.format("torn"), {"torn": {Status.IMAGE_UNREADABLE: 2}}),
    ],
)
def test_what_is_no_use_is_a_status(
    recipe: Write, tmp_path: Path, text: str, failures: dict[str, dict[str, int]]
) -> None:
    summary = generate(recipe(text), tmp_path / "out")
    assert summary.failures == failures
    assert list(validate(tmp_path / "out")) == []


def test_an_answer_to_no_task_is_refused(recipe: Write, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="'words:doubling' answers task 0, which it was not given or had answered"):
        generate(recipe(CAPTIONS.format("doubling")), tmp_path / "out")


def test_tasks_are_pulled_as_they_are_answered(recipe: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    generate(recipe(CAPTIONS.format("lazy")), tmp_path / "out", progress=noting(seen))
    assert seen == [0, 1, 2, 3]


def noting(seen: list[int]) -> Callable[[Progress], None]:
    return lambda stand: seen.append(stand.finished) if stand.unit == "rows" else None


def test_progress_counts_rows_of_earlier_sessions(recipe: Write, tmp_path: Path) -> None:
    with pytest.raises(OverflowError):
        generate(recipe(CAPTIONS.format("broken")), tmp_path / "out")
    told: list[Progress] = []
    generate(recipe(CAPTIONS.format("broken")), tmp_path / "out", progress=told.append)
    counts = [(p.finished, p.total, p.made, p.failed, p.model, p.stage) for p in told if p.unit == "rows"]
    assert counts == [(2, 3, 0, 0, "words:broken", "captions"), (3, 3, 1, 0, "words:broken", "captions")]


def test_nothing_made_at_all_is_an_error_that_can_be_mended(recipe: Write, adapters: Path, tmp_path: Path) -> None:
    path = recipe(CAPTIONS.format("shy").replace("count: 3", "count: 1"))
    with pytest.raises(RunError, match=r"none of the 1 rows could be made; .* refused: I would\u2028rather not"):
        generate(path, tmp_path / "out")
    (adapters / "bold").touch()
    assert generate(path, tmp_path / "out", retry_failed=True).counts["pairs"] == 1


def test_a_source_with_too_little_is_refused(recipe: Write, tmp_path: Path) -> None:
    with pytest.raises(
        RecipeError, match=r"'standin' has 9 different images .* asks for 10; set images.count to at most 9"
    ):
        generate(recipe(BOTH.replace("{source: standin, count: 3}", "{source: standin, count: 10}")), tmp_path / "out")


def test_a_changed_recipe_does_not_continue_other_work(recipe: Write, tmp_path: Path) -> None:
    with pytest.raises(OverflowError):
        generate(recipe(CAPTIONS.format("broken")), tmp_path / "out")
    with pytest.raises(
        RecipeError, match=r"not the one that .*out\.partial was begun with \('seed: 6' was 'seed: 5'\)"
    ):
        generate(recipe(CAPTIONS.format("broken")), tmp_path / "out", seed=6)


def test_a_changed_model_does_not_continue_other_rows(recipe: Write, adapters: Path, tmp_path: Path) -> None:
    with pytest.raises(OverflowError):
        generate(recipe(CAPTIONS.format("broken")), tmp_path / "out")
    source = (adapters / "adapters.py").read_text()
    (adapters / "adapters.py").write_text(source.replace('revision="1"', 'revision="2"'))
    del sys.modules["adapters"]
    with pytest.raises(RunError, match=r"revision='2'.*earlier rows were made by .*revision='1'"):
        generate(recipe(CAPTIONS.format("broken")), tmp_path / "out")


@pytest.mark.parametrize("name", ["out", "out.partial"])
def test_folders_of_others_are_left_alone(recipe: Write, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match=name):
        generate(recipe(BOTH), tmp_path / "out")
    assert files_of(tmp_path / name) == {"thesis.txt": b"years of work"}


def test_a_dataset_of_another_recipe_is_left_alone(recipe: Write, tmp_path: Path) -> None:
    generate(recipe(BOTH), tmp_path / "out")
    before = files_of(tmp_path / "out")
    with pytest.raises(UsageError, match="exists already, and not from this recipe with this seed"):
        generate(recipe(BOTH), tmp_path / "out", seed=6)
    assert files_of(tmp_path / "out") == before


def test_a_model_that_is_not_registered_is_told_before_anything_is_written(recipe: Write, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"line 5: captioners\.0: there is no captioner 'wordz' \(nearest: words\)"):
        generate(recipe(CAPTIONS.format("x").replace("words:", "wordz:")), tmp_path / "out")
    assert not (tmp_path / "out.partial").exists()


def test_an_option_that_a_later_model_does_not_take_is_told_before_an_earlier_one_works(
    recipe: Write, adapters: Path, tmp_path: Path
) -> None:
    text = CAPTIONS.format("plain") + PICTURES.format("bright").replace(
        "'colours:bright'", "{model: 'colours:bright', options: {size: 9}}"
    )
    with pytest.raises(UnknownNameError, match="there is no option of colours 'size'"):
        generate(recipe(text), tmp_path / "out")
    assert calls(adapters) == []


def test_a_row_says_which_versions_made_it_and_no_others(recipe: Write, tmp_path: Path) -> None:
    text = "images: {source: scenes, count: 1}\ncaptioners: [scenes-template, 'words:plain']\n"
    generate(recipe(text), tmp_path / "out")
    ours, theirs = (pair.provenance["versions"] for pair in Dataset.open(tmp_path / "out").pairs())
    assert ours.keys() == {"alignbench", "pillow"}
    assert theirs["adapters"] == "1.0"
    assert {"torch", "transformers", "diffusers", "openai", "open_clip_torch"} <= theirs.keys()
    assert versions_for(Stage.CAPTIONS, "scenes-a").keys() == {
        "accelerate",
        "alignbench",
        "pillow",
        "tokenizers",
        "torch",
        "transformers",
    }
    assert "openai" in versions_for(Stage.IMAGES, "api:m") and "torch" not in versions_for(Stage.IMAGES, "api:m")
    assert versions().items() >= {**ours, **theirs}.items()


def test_a_mended_recipe_begins_anew_where_nothing_was_made(recipe: Write, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"set images\.count to at most 9"):
        generate(recipe(BOTH.replace("{source: standin, count: 3}", "{source: standin, count: 10}")), tmp_path / "out")
    assert generate(recipe(BOTH), tmp_path / "out").complete


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_refuses_loses_nothing(
    recipe: Write, adapters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    write, lines = os.write, []

    def refuse(descriptor: int, line: bytes) -> int:
        lines.append(bytes(line))
        if len(lines) == 3:
            write(descriptor, bytes(line)[:10])
            raise OSError(code, os.strerror(code))
        return write(descriptor, line)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", refuse)
        with pytest.raises(StorageError, match=os.strerror(code)):
            generate(recipe(BOTH), tmp_path / "out")
    assert (tmp_path / "out.partial" / "journal-0-of-1.jsonl").read_bytes() == b"".join(lines[:2])
    assert generate(recipe(BOTH), tmp_path / "out").made == 4


def test_a_damaged_image_of_the_work_folder_is_told(recipe: Write, tmp_path: Path) -> None:
    with pytest.raises(OverflowError):
        generate(recipe(CAPTIONS.format("broken")), tmp_path / "out")
    for image in (tmp_path / "out.partial" / "images").rglob("*"):
        if image.is_file():
            image.write_bytes(b"moth")
    with pytest.raises(RunError, match=r"is damaged; remove .*out\.partial to begin again"):
        generate(recipe(CAPTIONS.format("broken")), tmp_path / "out")


def test_the_embedded_adapters_are_registered() -> None:
    named = {listed.name for role in ("captioners", "image-models") for listed in registry.names(role)}
    assert {"scenes-a", "scenes-b", "scenes-template", "scenes-painter-a", "scenes-painter-b"} <= named
