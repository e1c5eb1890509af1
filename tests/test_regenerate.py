"""One row again: the same bytes from provenance alone, and for every row that is not the same a reason."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

import alignbench
from alignbench.cli import run
from alignbench.errors import UnknownNameError, UsageError
from alignbench.store import Dataset, image_of
from alignbench.types import Direction, Image, ModelRef, Origin, Pair, Sentence
from generation.assemble import sentences_of
from generation.pipeline import generate
from generation.regenerate import Progress, regenerate
from generation.regeneration.choice import drawn
from generation.regeneration.difference import caption_difference, image_difference
from generation.regeneration.models import Permitted
from generation.regeneration.outcome import Again, Outcome
from tests.datasets import make_image, png, tree, write

EMBEDDED = Path(alignbench.__file__).with_name("embedded")
PRODUCERS = ("scenes-a", "scenes-b", "scenes-painter-a", "scenes-painter-b", "scenes-template")
RECIPE = """\
name: small
seed: 8
images: {source: scenes, count: 4}
captioners: [{model: scenes-a, options: {temperature: 0.9}}, {model: scenes-b, options: {temperature: 0.9}},
  scenes-template]
prompts: {writer: scenes, count: 4}
image_models: [scenes-painter-a, scenes-painter-b]
loop: {count: 2, image_models: [scenes-painter-b], captioners: [scenes-template]}
labeller: scenes
"""
# A distribution of somebody else, whose captioners do what their names say.
ADAPTER = """
import json
from pathlib import Path
from alignbench.types import ModelRef, Produced, Status

CALLS = Path(__file__).with_name("calls.jsonl")

class Words:
    def __init__(self, name, options):
        self.name, self.model = name, ModelRef(name, options.get("revision") or "1")
        with CALLS.open("a") as file:
            file.write(json.dumps([name, options]) + "\\n")
        if name == "heavy":
            raise RuntimeError("no room for the weights")
    @classmethod
    def from_reference(cls, model, *, revision=None, device=None, loud=False):
        return cls(model, {"revision": revision, "device": device, "loud": loud})
    def produce(self, tasks):
        for task in tasks:
            if self.name == "broken":
                raise OverflowError("the model fell")
            if self.name == "shy":
                yield Produced(task.number, status=Status.REFUSED, provenance={"reason": "rather not"})
            elif self.name == "lost":
                yield Produced(task.number + 7, caption="What?")
            elif self.name != "silent":
                told = {"device": "cpu", "dtype": "float32", "tokens": 9}
                yield Produced(task.number, caption=f"The seed is {task.seed}.", provenance=told)

class Paid(Words):
    spent_usd = 0.0
    def limit_cost(self, usd):
        pass
"""
ENTRY_POINTS = "[alignbench.captioners]\nwords = wordsmith:Words\npaid = wordsmith:Paid\n"


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedded")
    (folder / "recipe.yaml").write_text(RECIPE)
    generate(folder / "recipe.yaml", folder / "out")
    return folder / "out"


@pytest.fixture
def wordsmith(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    (folder / "wordsmith-1.0.dist-info").mkdir(parents=True)
    (folder / "wordsmith.py").write_text(ADAPTER)
    metadata = "Metadata-Version: 2.1\nName: wordsmith\nVersion: 1.0\n"
    (folder / "wordsmith-1.0.dist-info" / "METADATA").write_text(metadata)
    (folder / "wordsmith-1.0.dist-info" / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(__import__("sys").modules, "wordsmith", raising=False)
    return folder


def calls(wordsmith: Path) -> list[Any]:
    path = wordsmith / "calls.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


Row = tuple[Pair, list[Sentence]]


def told_by(model: str, /, **other: Any) -> dict[str, Any]:
    """A provenance that is enough."""
    return {"recipe": {}, "model": {"model": model, "options": {}}, "prompt": "Say.", "seed": 5, **other}


def captioned(image: Image, name: str, provenance: Mapping[str, Any], text: str = "The seed is 5.", **ref: Any) -> Row:
    producer = ModelRef(name, **{"revision": "1", **ref})
    pair_id = f"{name} {image.image_key} {len(provenance)}"
    direction = Direction.IMAGE_TO_TEXT
    pair = Pair(pair_id, image.image_key, text, producer, direction, None, image.image_key, provenance)
    return pair, sentences_of(pair)


def one(folder: Path, *parts: Image | Row, **permitted: Any) -> Outcome:
    """The outcome of the only row."""
    write(folder, *parts)
    (outcome,) = regenerate(folder, each=9, permitted=Permitted(**permitted)).outcomes
    return outcome


# --- the same


def test_every_row_of_every_embedded_producer_comes_out_the_same(embedded: Path) -> None:
    before, seen = tree(embedded), list[Progress]()
    found = regenerate(embedded, each=2, progress=seen.append)
    assert found.by_producer == {name: {"same": 2} for name in PRODUCERS}
    assert found.all_same and found.loads == len(PRODUCERS) and found.spent_usd is None
    assert all(outcome.changed == {} and outcome.difference is None for outcome in found.outcomes)
    assert seen[-1] == Progress(10, 10, 0) and len(seen) == 10
    assert tree(embedded) == before


def test_rows_of_the_loop_are_made_again_from_their_own_provenance(embedded: Path) -> None:
    looped = [pair.pair_id for pair in Dataset.open(embedded).pairs() if "parent" in pair.provenance]
    assert len(looped) > 4
    assert regenerate(embedded, looped).all_same


def test_rows_are_drawn_by_the_seed_and_named_rows_come_in_the_order_of_the_dataset(embedded: Path) -> None:
    pairs = list(Dataset.open(embedded).pairs())
    few, again, other = (drawn(pairs[::order], 1, seed) for order, seed in ((1, 0), (-1, 0), (1, 3)))
    assert sorted(p.pair_id for p in few) == sorted(p.pair_id for p in again) and few != other
    assert {pair.producer.name for pair in few} == set(PRODUCERS)
    ids = [pair.pair_id for pair in pairs if pair.producer.name == "scenes-template"][:3]
    assert [outcome.pair_id for outcome in regenerate(embedded, ids[::-1]).outcomes] == ids


# --- what differs


def changed_copy(embedded: Path, out: Path, producer: str, **provenance: Any) -> Outcome:
    """The outcome of one row of a producer whose provenance was tampered with."""
    dataset = Dataset.open(embedded)
    pair = next(pair for pair in dataset.pairs() if pair.producer.name == producer and "parent" not in pair.provenance)
    (image,) = dataset.images([pair.image_key])
    pair = replace(pair, provenance={**pair.provenance, **provenance})
    return one(out, image, (pair, sentences_of(pair)))


def test_another_seed_or_prompt_differs_and_says_how_far(embedded: Path, tmp_path: Path) -> None:
    caption = changed_copy(embedded, tmp_path / "a", "scenes-template", seed=1)
    assert caption.again is Again.DIFFERS and caption.difference is not None
    assert 0 < caption.difference["similarity"] < 1 and caption.difference["then"] != caption.difference["now"]
    picture = changed_copy(embedded, tmp_path / "b", "scenes-painter-a", prompt="There is a red star in the center.")
    assert picture.again is Again.DIFFERS and picture.difference is not None
    assert picture.difference["perceptual_distance"] > 0 and picture.difference["largest"] > 100
    assert 0 < picture.difference["mean"] < 255
    assert picture.difference["sha256"]["then"] != picture.difference["sha256"]["now"]
    words = changed_copy(embedded, tmp_path / "c", "scenes-a", seed=2)
    assert words.again is Again.DIFFERS


def test_differences_of_captions_and_images_are_exact() -> None:
    apart = caption_difference("A red cat sits.", "A red dog sits.")
    assert (apart["first_character"], apart["then"], apart["now"]) == (6, "cat sits.", "dog sits.")
    assert apart["similarity"] == 0.75
    assert caption_difference("Tail", "Tail and more")["first_character"] == 4
    assert caption_difference("a " * 50_000, "b " * 50_000)["similarity"] == 0
    apart = image_difference(png((10, 20, 30)), png((10, 22, 29)))
    assert (apart["largest"], apart["mean"], apart["perceptual_distance"]) == (2, 1.0, 0)
    assert image_difference(png(), png(size=(4, 4)))["largest"] is None
    other = io.BytesIO()
    Pillow.new("RGB", (8, 6), (200, 30, 30)).save(other, "BMP")
    assert image_difference(png(), other.getvalue())["mean"] == 0


def test_versions_and_devices_that_changed_are_told(wordsmith: Path, tmp_path: Path) -> None:
    image = make_image(0)
    versions = {"alignbench": "0.0.0", "pillow": __import__("PIL").__version__, "gone-library": "1"}
    made = {"device": "cuda:1", "dtype": "float32", "tokens": 3}
    told = told_by("words:plain", versions=versions, made=made)
    outcome = one(tmp_path / "d", image, captioned(image, "plain", told))
    assert outcome.again is Again.SAME
    assert set(outcome.changed) == {"version of alignbench", "version of gone-library", "device"}
    assert outcome.changed["device"] == {"then": "cuda", "now": "cpu"}
    assert outcome.changed["version of gone-library"] == {"then": "1", "now": None}


# --- statuses


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"model": None}, "`model.model` is missing"),
        ({"model": {"options": {}}}, "`model.model` is missing"),
        ({"model": {"model": "words:plain", "options": [1]}}, "`model.options` is [1], which is no mapping"),
        ({"model": {"model": 3}}, "`model.model` is 3, which is no text"),
        ({"prompt": None}, "`prompt` is missing"),
        ({"seed": "5"}, "`seed` is '5', which is no whole number"),
        ({"seed": -1}, "`seed` is -1"),
        ({"seed": True}, "`seed` is True"),
        ({"seed": None, "prompt": 2}, "`prompt` is 2, which is no text; `seed` is missing"),
    ],
)
def test_what_is_missing_in_the_provenance_is_named(tmp_path: Path, other: dict[str, Any], said: str) -> None:
    image = make_image(0)
    outcome = one(tmp_path / "d", image, captioned(image, "plain", told_by("words:plain", **other)))
    assert outcome.again is Again.PROVENANCE_INCOMPLETE and said in str(outcome.reason)


def test_rows_that_no_model_made_are_told(tiny: Path, tmp_path: Path) -> None:
    image = make_image(0)
    imported = one(tmp_path / "a", image, captioned(image, "m", {"format": "halcap", "model": "gpt"}))
    bare = one(tmp_path / "b", image, captioned(image, "m", {}))
    assert imported.again is bare.again is Again.NOT_GENERATED
    incomplete = regenerate(tiny, each=1).outcomes
    assert {outcome.again for outcome in incomplete} == {Again.PROVENANCE_INCOMPLETE}
    assert all("`model` is missing; `prompt` is missing" in str(outcome.reason) for outcome in incomplete)


def test_another_model_is_told_and_not_compared(wordsmith: Path, tmp_path: Path) -> None:
    image, told = make_image(0), told_by("words:plain")
    revised = one(tmp_path / "a", image, captioned(image, "plain", told, revision="0"))
    assert revised.again is Again.MODEL_CHANGED and "'0'" in str(revised.reason) and "'1'" in str(revised.reason)
    renamed = one(tmp_path / "b", image, captioned(image, "other", told))
    assert renamed.again is Again.MODEL_CHANGED


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("words:heavy", "no room for the weights"),
        ("sentences:plain", "there is no captioner 'sentences'"),
        ("plain", "'plain' is not KIND:MODEL"),
        ("missing.yaml", "missing.yaml"),
        ("local_vlm:/no/such/folder", "there is no model folder /no/such/folder"),
        ("scenes:painter-a", "the scenes writer has one model"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_told(wordsmith: Path, tmp_path: Path, model: str, said: str) -> None:
    image = make_image(0)
    outcome = one(tmp_path / "d", image, captioned(image, "plain", told_by(model)))
    assert outcome.again is Again.MODEL_UNAVAILABLE and said in str(outcome.reason), outcome
    assert "give --model plain=KIND:PATH_OR_ID" in str(outcome.reason)


def test_an_option_that_no_adapter_takes_is_told(wordsmith: Path, tmp_path: Path) -> None:
    image = make_image(0)
    told = told_by("words:plain") | {"model": {"model": "words:plain", "options": {"lound": 1}}}
    outcome = one(tmp_path / "d", image, captioned(image, "plain", told))
    assert outcome.again is Again.MODEL_UNAVAILABLE and "nearest: loud" in str(outcome.reason)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("broken", "the model fell over: the model fell"),
        ("silent", "the model gave no answer"),
        ("shy", "refused: rather not"),
        ("lost", "the model fell over: 7"),
    ],
)
def test_a_model_that_makes_nothing_is_told(wordsmith: Path, tmp_path: Path, name: str, said: str) -> None:
    image = make_image(0)
    outcome = one(tmp_path / "d", image, captioned(image, name, told_by(f"words:{name}")))
    assert (outcome.again, outcome.reason) == (Again.NOT_MADE, said)


def test_a_missing_image_is_told(wordsmith: Path, tmp_path: Path) -> None:
    image = make_image(0, missing=True)
    outcome = one(tmp_path / "d", image, captioned(image, "plain", told_by("words:plain")))
    assert outcome.again is Again.IMAGE_MISSING


def test_what_costs_money_is_asked_on_request_alone(wordsmith: Path, tmp_path: Path) -> None:
    image = make_image(0)
    row = captioned(image, "plain", told_by("paid:plain"))
    refused = one(tmp_path / "a", image, row)
    assert refused.again is Again.API_NOT_ASKED and "--ask-apis" in str(refused.reason) and calls(wordsmith) == []
    assert one(tmp_path / "b", image, row, ask_apis=True, max_cost=1.0).again is Again.SAME
    api = one(tmp_path / "c", image, captioned(image, "m", told_by("api:m")))
    assert api.again is Again.API_NOT_ASKED
    # Whoever wrote the provenance does not say where a key is sent.
    told = told_by("api:m") | {"model": {"model": "api:m", "options": {"base_url": "http://evil.test/v1"}}}
    elsewhere = one(tmp_path / "d", image, captioned(image, "m", told), ask_apis=True)
    assert elsewhere.again is Again.API_NOT_ASKED and "--base-url http://evil.test/v1" in str(elsewhere.reason)


# --- which model


def test_a_model_of_a_hub_is_asked_for_at_the_stored_revision(wordsmith: Path, tmp_path: Path) -> None:
    image = make_image(0)
    row = captioned(image, "org/plain", told_by("words:org/plain"), revision="abc")
    assert one(tmp_path / "a", image, row).again is Again.SAME
    pinned = told_by("words:org/plain") | {"model": {"model": "words:org/plain", "options": {"revision": "main"}}}
    assert one(tmp_path / "b", image, captioned(image, "org/plain", pinned, revision="main")).again is Again.SAME
    named = captioned(image, "org/plain", told_by("words:org/plain@v2"), revision="v2")
    assert one(tmp_path / "c", image, named).again is Again.SAME
    assert one(tmp_path / "d", image, captioned(image, "plain", told_by("words:plain"))).again is Again.SAME
    assert [options["revision"] for _, options in calls(wordsmith)] == ["abc", "main", "v2", None]


def test_the_device_can_be_another(wordsmith: Path, tmp_path: Path) -> None:
    image = make_image(0)
    told = told_by("words:plain") | {"model": {"model": "words:plain", "options": {"device": "cuda:3"}}}
    assert one(tmp_path / "a", image, captioned(image, "plain", told), device="cpu").again is Again.SAME
    assert [options["device"] for _, options in calls(wordsmith)] == ["cpu"]


def test_a_folder_that_moved_is_found_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shutil.copytree(EMBEDDED / "scenes-b", tmp_path / "there" / "tiny")
    recipe = {
        "name": "moved",
        "images": {"source": "scenes", "count": 2},
        "captioners": [{"model": f"local_vlm:{folder}", "options": {"temperature": 0.9}}],
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    out = tmp_path / "out"
    generate(tmp_path / "recipe.yaml", out)
    command = ["regenerate", str(out), "--each", "5"]
    assert run(command) == 0
    shutil.move(tmp_path / "there", tmp_path / "here")
    assert run(command) == 1
    assert "give --model tiny=KIND:PATH_OR_ID" in capsys.readouterr().out
    assert run([*command, "--model", f"tiny=local_vlm:{tmp_path}/here/tiny"]) == 0
    assert run([*command, "--model", f"tiny=local_vlm:{EMBEDDED / 'scenes-a'}", "--json"]) == 1
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {row["again"] for row in told["rows"]} == {"model_changed"}


def test_the_number_of_threads_is_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from tests.tiny_diffusion import make_sd

    make_sd(tmp_path / "sd")
    monkeypatch.chdir(tmp_path)
    recipe = {
        "name": "threads",
        "prompts": {"writer": "scenes", "count": 4},
        "image_models": [{"model": "diffusers:sd", "options": {"steps": 8, "width": 96, "height": 96}}],
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        generate(tmp_path / "recipe.yaml", tmp_path / "out")
        torch.set_num_threads(1)
        found = regenerate(tmp_path / "out", each=4)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    assert found.all_same
    assert {pair.provenance["made"]["threads"] for pair in Dataset.open(tmp_path / "out").pairs()} == {2}


# --- the command


def test_the_command_tells_people_and_machines(
    embedded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = next(pair for pair in Dataset.open(embedded).pairs() if pair.producer.name == "scenes-painter-b")
    assert run(["regenerate", str(embedded), pair.pair_id]) == 0
    assert "1 of 1 rows came out as they are stored, 1 models loaded" in capsys.readouterr().out
    changed_copy(embedded, tmp_path / "d", "scenes-painter-a", seed=1)
    assert run(["regenerate", str(tmp_path / "d"), "--each", "1"]) == 1
    said = capsys.readouterr().out
    assert "differs: perceptual distance" in said and "0 of 1 rows came out" in said
    assert run(["regenerate", str(tmp_path / "d"), "--each", "1", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["all_same"] is False and told["by_producer"] == {"scenes-painter-a": {"differs": 1}}
    size = told["rows"][0]["difference"]["size"]
    assert size["then"] == size["now"] and size["then"][0] > 100


def test_wrong_use_is_told(embedded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="say which rows"):
        regenerate(embedded)
    pair = next(iter(Dataset.open(embedded).pairs()))
    with pytest.raises(UsageError, match="say which rows"):
        regenerate(embedded, [pair.pair_id], each=1)
    with pytest.raises(UnknownNameError, match=f"nearest: {pair.pair_id}"):
        regenerate(embedded, [pair.pair_id[:-1] + "x"])
    assert run(["regenerate", str(embedded), "?"]) == 2
    assert "they look like" in capsys.readouterr().err
    assert run(["regenerate", str(embedded), "--each", "1", "--model", "tiny"]) == 2
    assert "'tiny' is not PRODUCER=KIND:PATH_OR_ID" in capsys.readouterr().err
    assert run(["regenerate", str(embedded / "none"), "--each", "1"]) == 2


def test_a_stored_image_that_is_none_is_told(embedded: Path, tmp_path: Path) -> None:
    pair = next(pair for pair in Dataset.open(embedded).pairs() if pair.producer.name == "scenes-painter-a")
    torn = replace(image_of(png(), source="t", origin=Origin.GENERATED), bytes=b"moth")
    torn = replace(torn, sha256=__import__("hashlib").sha256(b"moth").hexdigest())
    pair = replace(pair, image_key=torn.image_key)
    outcome = one(tmp_path / "d", torn, (pair, sentences_of(pair)))
    assert outcome.again is Again.NOT_MADE and "4 bytes are not a whole image" in str(outcome.reason)
