"""The pipeline on small stand-ins: what comes out, what is kept, what a failure becomes, what is refused."""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
from PIL import Image as Pillow

from alignbench import registry
from alignbench.errors import RecipeError, RunError, StorageError, UsageError
from alignbench.store import Dataset, image_of
from alignbench.types import Direction, Image, Label, ModelRef, Origin, Pair, Sentence, Status
from alignbench.validate import validate
from generation import parts
from generation.journal import Entry, Journal
from generation.pipeline import GenerateSummary, generate
from generation.produce import Progress
from generation.protocols import Labelled, Prompt

# A distribution of somebody else: its models are found by their entry points alone.
ADAPTERS = '''
import io, json
from pathlib import Path
from PIL import Image
from alignbench.types import ModelRef, Produced, Status

CALLS = Path(__file__).with_name("calls.jsonl")

def note(model, tasks):
    tasks = list(tasks)
    with CALLS.open("a") as file:
        file.writelines(json.dumps([model, task.number, task.seed]) + "\\n" for task in tasks)
    return tasks

class Words:
    """Captions of two sentences; what goes wrong is in the model's name."""
    def __init__(self, name, revision):
        self.name, self.model = name, ModelRef(name, revision)
    @classmethod
    def from_reference(cls, model, *, revision="1"):
        return cls(model, revision)
    def produce(self, tasks):
        for task in tasks if self.name == "lazy" else note(self.name, tasks)[:: -1 if self.name == "backwards" else 1]:
            yield from self.answer(task)
    def answer(self, task):
        if self.name == "silent" and task.number == 1:
            return
        if self.name == "doubling":
            yield Produced(task.number, caption="Once.")
        if self.name == "wordless" and task.number == 1:
            yield Produced(task.number, caption=" \\n")
        elif self.name == "broken" and task.number == 2:
            raise OverflowError("the model fell over")
        elif self.name == "shy" and not CALLS.with_name("bold").exists() and task.number % 2 == 0:
            yield Produced(task.number, status=Status.REFUSED, provenance={"reason": "I would\u2028rather not."})
        else:
            told = f"It is wide. The seed is {task.seed}."
            yield Produced(task.number, caption=told, provenance={"bytes": len(task.image.bytes)})

class Colours:
    """Pictures of one colour, a colour a row; what goes wrong is in the model's name."""
    def __init__(self, name):
        self.name, self.model = name, ModelRef(name)
    @classmethod
    def from_reference(cls, model):
        return cls(model)
    def produce(self, tasks):
        for task in note(self.name, tasks):
            out = io.BytesIO()
            colour = (9, 9, 9) if self.name == "grey" else (task.seed % 256, task.seed // 256 % 256, task.number)
            Image.new("RGB", (8, 8), colour).save(out, format="PNG")
            encoded = out.getvalue()[: 40 if self.name == "torn" and task.number else None]
            yield Produced(task.number, image=encoded, provenance={"colour": colour})
'''
ENTRY_POINTS = """
[alignbench.captioners]
words = adapters:Words
[alignbench.image_models]
colours = adapters:Colours
"""


class Squares:
    def images(self, count: int, seed: int) -> Iterator[Image]:
        for number in range(min(count, 9)):
            out = io.BytesIO()
            Pillow.new("RGB", (4, 4), (seed % 256, number, 0)).save(out, format="PNG")
            told = {"number": number, "domain": "squares"}
            yield image_of(out.getvalue(), source="squares", origin=Origin.GENERATED, provenance=told)


class Lines:
    def prompts(self, count: int, seed: int) -> Iterator[Prompt]:
        for number in range(min(count, 9)):
            # Characters that end a line in Python's eyes, but not in a file of JSON lines.
            yield Prompt(f"One colour. Number {number}.", {"number": number, "ends": "\u2028\x85\r\x1c\n"})


class FirstIsWrong:
    def label(self, image: Image, pair: Pair, sentences: Sequence[Sentence]) -> Labelled:
        labels = [Label.INCORRECT] + [Label.CORRECT] * (len(sentences) - 1)
        told = {"corrections": {"0": "It is square."}, "size": len(image.bytes or b"")}
        return Labelled([replace(s, label=label) for s, label in zip(sentences, labels, strict=True)], told)


Write = Callable[[str], Path]


@pytest.fixture
def adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    (folder / "adapters-1.0.dist-info").mkdir(parents=True)
    (folder / "adapters.py").write_text(ADAPTERS)
    (folder / "adapters-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: adapters\nVersion: 1.0\n")
    (folder / "adapters-1.0.dist-info" / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(__import__("sys").modules, "adapters", raising=False)
    monkeypatch.setattr(parts, "_build", lambda cls: cls())
    for table, standin in (
        (parts.IMAGE_SOURCES, Squares),
        (parts.PROMPT_WRITERS, Lines),
        (parts.LABELLERS, FirstIsWrong),
    ):
        monkeypatch.setitem(table, "standin", standin)
    return folder


@pytest.fixture
def recipe(adapters: Path, tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "recipe.yaml"
        path.write_text(f"name: small\nseed: 5\n{dedent(text)}")
        return path

    return write


CAPTIONS = "images: {{source: standin, count: 3}}\nlabeller: standin\ncaptioners: ['words:{}']\n"
PICTURES = "prompts: {{writer: standin, count: 3}}\nimage_models: ['colours:{}']\n"
BOTH = CAPTIONS.format("plain") + PICTURES.format("bright")


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def calls(adapters: Path) -> list[list[object]]:
    path = adapters / "calls.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_both_directions_make_a_valid_dataset(recipe: Write, tmp_path: Path) -> None:
    summary = generate(recipe(BOTH), tmp_path / "out")
    dataset = Dataset.open(tmp_path / "out")
    assert list(validate(tmp_path / "out")) == []
    assert summary == GenerateSummary(tmp_path / "out", dataset.digest, dataset.counts, 6, {})
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
    assert drawn.provenance["made"]["colour"][2] == 1


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
        (PICTURES.format("grey"), {"grey": {Status.FAILED: 2}}),
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
    generate(recipe(CAPTIONS.format("lazy")), tmp_path / "out", progress=lambda stand: seen.append(stand.finished))
    assert seen == [1, 2, 3]


def test_progress_counts_rows_of_earlier_sessions(recipe: Write, tmp_path: Path) -> None:
    with pytest.raises(OverflowError):
        generate(recipe(CAPTIONS.format("broken")), tmp_path / "out")
    told: list[Progress] = []
    generate(recipe(CAPTIONS.format("broken")), tmp_path / "out", progress=told.append)
    assert [(p.finished, p.total, p.made, p.failed, p.model) for p in told] == [(3, 3, 1, 0, "words:broken")]


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
    del __import__("sys").modules["adapters"]
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
    assert (tmp_path / "out.partial" / "journal.jsonl").read_bytes() == b"".join(lines[:2])
    assert generate(recipe(BOTH), tmp_path / "out").made == 4


def an_entry(pair_id: str, status: Status = Status.OK) -> Entry:
    return Entry(pair_id, status, ModelRef("m"), caption="Ä \u2028 line\nbreak" if status is Status.OK else None)


def test_a_journal_gives_back_what_it_took_and_the_last_entry_counts(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:
        for entry in (an_entry("a", Status.FAILED), an_entry("b"), an_entry("a")):
            journal.append(entry)
            assert journal.entry(entry.pair_id) == entry
    with Journal(tmp_path / "j") as journal:
        assert [journal.status(pair_id) for pair_id in "abc"] == [Status.OK, Status.OK, None]
        assert journal.entry("a") == an_entry("a")


def test_a_journal_cut_at_any_byte_keeps_every_whole_line(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:
        for pair_id in "abc":
            journal.append(an_entry(pair_id))
    whole = (tmp_path / "j").read_bytes()
    length = len(whole) // 3
    for cut in (*range(0, len(whole), 17), length - 1, length, length + 1, len(whole) - 1):
        (tmp_path / "j").write_bytes(whole[:cut])
        with Journal(tmp_path / "j") as journal:
            kept = [pair_id for pair_id in "abc" if journal.status(pair_id)]
            assert kept == list("abc"[: cut // length])
            journal.append(an_entry("d"))
        with Journal(tmp_path / "j") as journal:
            assert journal.entry("d") == an_entry("d")


def test_a_journal_is_open_to_one_process_only(tmp_path: Path) -> None:
    with Journal(tmp_path / "j"), pytest.raises(RunError, match="another process is at work in"):
        Journal(tmp_path / "j")


def test_a_damaged_journal_is_told(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b'{"pair_id": "a"}\n')
    with pytest.raises(RunError, match="is damaged at byte 0"):
        Journal(tmp_path / "j")


def test_what_json_cannot_say_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:
        for entry in (replace(an_entry("a"), provenance={"made": object()}), replace(an_entry("a"), caption="\ud800")):
            with pytest.raises(RunError, match="what 'm' made cannot be kept"):
                journal.append(entry)


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
