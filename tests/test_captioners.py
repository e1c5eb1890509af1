"""The local captioner as an adapter, on random models of three real classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from alignbench import registry
from alignbench.backends.decoding import Decoding
from alignbench.backends.vlm import load_vlm
from alignbench.errors import UnknownNameError, UsageError
from alignbench.store import Dataset, image_of
from alignbench.types import Captioner, CaptionTask, ModelRef, Origin, Produced, Situated, Status
from generation.captioners import LocalVlmCaptioner, changed
from generation.pipeline import generate
from tests.tiny_models import make_idefics, make_llava, make_qwen, noise, png

DRAWING = {"temperature": 1.0, "max_new_tokens": 12}
SIZES = ((48, 64), (64, 40), (20, 60))


@pytest.fixture(scope="module", params=[make_llava, make_qwen, make_idefics], ids=lambda make: make.__name__)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    make: Callable[[Path], Path] = request.param
    return make(tmp_path_factory.mktemp("models") / "tiny-vlm")


@pytest.fixture(scope="module")
def drawing(folder: Path) -> Captioner:
    return registry.build_captioner(f"local_vlm:{folder}", family="tiny", **DRAWING)


def tasks(count: int, sizes: Sequence[tuple[int, int]] = ((48, 64),)) -> list[CaptionTask]:
    pictures = [noise(seed, sizes[seed % len(sizes)]) for seed in range(count)]
    images = [image_of(png(picture), source="noise", origin=Origin.GENERATED) for picture in pictures]
    return [CaptionTask(number, image, "Describe the image.", 7 + number) for number, image in enumerate(images)]


def text_of(made: Produced) -> str:
    return made.caption if made.caption is not None else made.provenance["text"]


def test_every_caption_is_finished_or_a_status_and_tells_how_it_was_made(drawing: Captioner) -> None:
    made = list(drawing.produce(tasks(40)))
    assert [each.number for each in made] == list(range(40))
    assert {each.status for each in made} == {Status.OK, Status.RUN_ON}
    for each in made:
        assert each.provenance["decoding"] == {**DRAWING, "top_p": 1.0}
        assert (each.provenance["dtype"], each.provenance["device"]) == ("float32", "cpu")
        assert (each.caption is None) == (each.status is Status.RUN_ON)
    cut = next(each for each in made if each.status is Status.RUN_ON)
    assert cut.provenance["reason"] == "no end after 12 tokens"
    assert cut.provenance["text"]


def test_a_result_depends_on_its_task_alone(drawing: Captioner, folder: Path) -> None:
    given = tasks(4)
    together = list(drawing.produce(given))
    assert len({text_of(each) for each in together}) > 1
    assert list(drawing.produce(given[::-1])) == together[::-1]
    fresh = registry.build_captioner(f"local_vlm:{folder}", **DRAWING)
    assert [next(fresh.produce([task])) for task in given] == together


def test_batches_write_what_single_rows_do_but_for_rounding(drawing: Captioner, folder: Path) -> None:
    given = [replace(task, prompt=task.prompt + " blue dog" * (task.number % 3)) for task in tasks(24, SIZES)]
    exact = list(drawing.produce(given))
    batching = registry.build_captioner(f"local_vlm:{folder}", exact=False, batch=5, **DRAWING)
    batched = list(batching.produce(given))
    assert [each.number for each in batched] == list(range(24))
    assert len(changed(exact, batched)) <= 1
    assert [each.provenance["batch"] for each in batched] == [5] * 20 + [4] * 4
    assert {(each.provenance["exact"], each.provenance["batch"]) for each in exact} == {(True, 1)}
    assert {each.provenance["exact"] for each in batched} == {False}
    still_one = registry.build_captioner(f"local_vlm:{folder}", exact=True, batch=5, **DRAWING)
    assert list(still_one.produce(given)) == exact


def test_a_batch_is_pulled_when_it_is_needed(folder: Path) -> None:
    pulled: list[int] = []

    def given() -> Iterator[CaptionTask]:
        for task in tasks(9):
            pulled.append(task.number)
            yield task

    results = registry.build_captioner(f"local_vlm:{folder}", exact=False, batch=4, max_new_tokens=2).produce(given())
    next(results)
    assert pulled == [0, 1, 2, 3]
    assert len(list(results)) == 8


def test_a_batch_that_finds_no_room_is_halved(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    captioner = LocalVlmCaptioner(load_vlm(str(folder), device="cpu"), Decoding(12, 1.0), exact=False, batch=8)
    model, sizes = captioner._vlm.model, []
    generate_, room = model.generate, 3

    def generate(**inputs: Any) -> Any:
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > room:
            raise torch.OutOfMemoryError("tried to allocate 99 GiB\nand more")
        return generate_(**inputs)

    monkeypatch.setattr(model, "generate", generate)
    given = tasks(13)
    made = list(captioner.produce(given))
    assert sizes == [8, 4, 2, 2, 4, 2, 2, 2, 2, 1]
    assert [each.number for each in made] == list(range(13))
    assert {each.provenance["out_of_memory_at"] for each in made} == {4}
    assert [each.provenance["batch"] for each in made] == [2] * 12 + [1]
    unhindered = registry.build_captioner(f"local_vlm:{folder}", **DRAWING).produce(given)
    assert len(changed(unhindered, made)) <= 1
    room = 0
    lost = list(captioner.produce(given[:3]))
    assert {each.status for each in lost} == {Status.FAILED}
    assert "no room for the row: tried to allocate 99 GiB; set the option max_pixels" in lost[0].provenance["reason"]
    assert "and more" not in lost[0].provenance["reason"]


def test_an_image_that_the_front_end_refuses_takes_no_other_with_it(tmp_path: Path) -> None:
    folder = make_qwen(tmp_path / "tiny-vlm")
    given = tasks(6)
    strip = image_of(png(noise(9, (1, 300))), source="noise", origin=Origin.GENERATED)
    given[2] = replace(given[2], image=strip)
    for options in ({"exact": True}, {"exact": False, "batch": 6}):
        captioner = registry.build_captioner(f"local_vlm:{folder}", max_new_tokens=3, **options)
        made = {each.number: each for each in captioner.produce(given)}
        assert made.keys() == set(range(6))
        assert made[2].status is Status.FAILED
        assert "front end refuses the image: absolute aspect ratio" in made[2].provenance["reason"]
        assert all(made[number].status is not Status.FAILED for number in (0, 1, 3, 4, 5))
        assert all("out_of_memory_at" not in each.provenance for each in made.values())


def test_no_more_pixels_than_allowed(folder: Path) -> None:
    bounded = registry.build_captioner(f"local_vlm:{folder}", max_pixels=1024, max_new_tokens=3)
    (made,) = bounded.produce(tasks(1))
    assert made.provenance["max_pixels"] == 1024
    assert isinstance(bounded, Situated) and bounded.environment["max_pixels"] == "1024"
    (free,) = registry.build_captioner(f"local_vlm:{folder}", max_new_tokens=3).produce(tasks(1))
    assert free.provenance["max_pixels"] is None


def test_changed_counts_texts_statuses_and_absences() -> None:
    one = [
        Produced(0, caption="a"),
        Produced(1, caption="b"),
        Produced(2, status=Status.RUN_ON, provenance={"text": "c", "batch": 1}),
        Produced(3, status=Status.RUN_ON, provenance={"text": "d"}),
        Produced(4, caption="e"),
        Produced(5, caption="f"),
    ]
    other = [
        Produced(4, status=Status.RUN_ON, provenance={"text": "e"}),
        Produced(2, status=Status.RUN_ON, provenance={"text": "c", "batch": 4}),
        Produced(1, caption="B"),
        Produced(0, caption="a", provenance={"tokens": 1}),
        Produced(3, status=Status.RUN_ON, provenance={"text": "D"}),
        Produced(6, caption="g"),
    ]
    assert changed(one, other) == [1, 3, 4, 5, 6]
    assert changed(one, one) == []


def test_the_producer_is_the_folder_and_its_weights(drawing: Captioner, folder: Path) -> None:
    assert drawing.model == ModelRef("tiny-vlm", drawing.model.revision, "tiny")
    assert drawing.model.revision
    named = registry.build_captioner(f"local_vlm:{folder}", name="other")
    assert named.model == ModelRef("other", drawing.model.revision)


def test_an_image_that_cannot_be_read_is_a_status(drawing: Captioner) -> None:
    first, second = tasks(2)
    torn = replace(first, image=replace(first.image, bytes=b"\x89PNG and then nothing"))
    made = list(drawing.produce([torn, second]))
    assert made[0].status is Status.IMAGE_UNREADABLE
    assert "21 bytes" in made[0].provenance["reason"]
    assert made[1].number == 1


def test_a_wrong_option_is_told_before_anything_is_loaded() -> None:
    with pytest.raises(UsageError, match="temperature=-1"):
        registry.build_captioner("local_vlm:/nowhere", temperature=-1)
    for options in ({"batch": 0}, {"batch": 2.0}, {"batch": True}, {"exact": "no"}):
        with pytest.raises(UsageError, match=r"batch is (0|2\.0|True);|exact is 'no';"):
            registry.build_captioner("local_vlm:/nowhere", **options)
    with pytest.raises(UnknownNameError, match="temperature"):
        registry.build_captioner("local_vlm:/nowhere", temprature=1)


def test_a_recipe_with_it_gives_the_same_bytes_twice(tmp_path: Path) -> None:
    folder = make_llava(tmp_path / "tiny-vlm", seed=1)
    recipe = {
        "name": "tiny",
        "images": {"source": "scenes", "count": 6},
        "captioners": [{"model": f"local_vlm:{folder}", "options": DRAWING | {"max_new_tokens": 40}}],
        "labeller": "scenes",
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    first, second = (generate(tmp_path / "recipe.yaml", tmp_path / name) for name in "ab")
    assert first.digest == second.digest
    assert first.counts["pairs"] + sum(first.failures.get("tiny-vlm", {}).values()) == 6
    pair = next(Dataset.open(tmp_path / "a").pairs())
    assert pair.producer.name == "tiny-vlm"
    assert pair.provenance["made"]["decoding"]["temperature"] == 1.0
    assert {"torch", "transformers"} <= pair.provenance["versions"].keys()
    for file in sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*")):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
