"""The local captioner as an adapter, on random models of three real classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from alignbench import registry
from alignbench.errors import UnknownNameError, UsageError
from alignbench.store import Dataset, image_of
from alignbench.types import Captioner, CaptionTask, ModelRef, Origin, Produced, Status
from generation.pipeline import generate
from tests.tiny_models import make_idefics, make_llava, make_qwen, noise, png

DRAWING = {"temperature": 1.0, "max_new_tokens": 12}


@pytest.fixture(scope="module", params=[make_llava, make_qwen, make_idefics], ids=lambda make: make.__name__)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    make: Callable[[Path], Path] = request.param
    return make(tmp_path_factory.mktemp("models") / "tiny-vlm")


@pytest.fixture(scope="module")
def drawing(folder: Path) -> Captioner:
    return registry.build_captioner(f"local_vlm:{folder}", family="tiny", **DRAWING)


def tasks(count: int) -> list[CaptionTask]:
    images = [image_of(png(noise(seed)), source="noise", origin=Origin.GENERATED) for seed in range(count)]
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
