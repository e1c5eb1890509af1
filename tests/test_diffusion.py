"""Diffusion models as an adapter, on random pipelines of the real classes."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import shutil
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
import yaml
from diffusers.pipelines.auto_pipeline import AutoPipelineForText2Image
from PIL import Image as Pillow
from safetensors.torch import load_file, save_file

from alignbench import registry
from alignbench.errors import UnknownNameError, UsageError
from alignbench.store import Dataset
from alignbench.types import ImageTask, ModelRef, Produced, Situated, Status
from generation.diffusion import DiffusersModel
from generation.diffusion.quiet import quiet
from generation.pipeline import generate
from tests.tiny_diffusion import CONTEXT, MAKERS, make_sd, make_sd3

ROOT = Path(__file__).resolve().parent.parent
SMALL = {"steps": 2, "width": 64, "height": 64}
PROMPTS = ("two dogs on the left", "a red cat", "there are two red dogs on the left of a blue cat.", "a blue dog")
LONG = "a red cat " * 40
MOST = 2 / 255

Build = Callable[..., DiffusersModel]


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a class's tiny pipeline, which no test may change."""
    folder = tmp_path_factory.mktemp("pipelines")
    return cache(lambda name: MAKERS[name](folder / f"tiny-{name}"))


@pytest.fixture(scope="module")
def build(folder_of: Callable[[str], Path]) -> Build:
    """A model of a tiny pipeline; one for the same options."""

    @cache
    def built(tiny: str, /, **options: Any) -> DiffusersModel:
        model = registry.build_image_model(f"diffusers:{folder_of(tiny)}", **SMALL | options)
        assert isinstance(model, DiffusersModel)
        return model

    return built


@pytest.fixture
def copied(folder_of: Callable[[str], Path], tmp_path: Path) -> Path:
    """A Stable Diffusion folder of the test's own."""
    return Path(shutil.copytree(folder_of("sd"), tmp_path / "copied"))


@pytest.fixture(params=list(MAKERS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def tasks(*prompts: str) -> list[ImageTask]:
    return [ImageTask(number, prompt, 7 + number) for number, prompt in enumerate(prompts)]


def draw(model: DiffusersModel, *prompts: str) -> list[Produced]:
    return list(model.produce(tasks(*prompts)))


def pixels(made: Produced) -> np.ndarray:
    assert made.image is not None, made.provenance
    with Pillow.open(io.BytesIO(made.image)) as picture:
        assert (picture.format, picture.mode, picture.info) == ("PNG", "RGB", {})
        return np.asarray(picture).astype(int)


def difference(one: Produced, other: Produced) -> float:
    """The largest difference of a pixel, of 1."""
    return float(np.abs(pixels(one) - pixels(other)).max() / 255)


def set_index(folder: Path, **said: Any) -> None:
    file = folder / "model_index.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **said}))


def change_weights(file: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    weights = load_file(file)
    change(weights)
    save_file(weights, file, metadata={"format": "pt"})


def test_every_task_is_answered_once_and_alone(build: Build, name: str) -> None:
    model, given = build(name), tasks(*PROMPTS)
    made = list(model.produce(given))
    assert [each.number for each in made] == [0, 1, 2, 3]
    assert {each.status for each in made} == {Status.OK}
    assert len({each.image for each in made}) == 4
    assert list(model.produce(given[::-1])) == made[::-1]
    assert list(model.produce(iter(given[2:3]))) == made[2:3]


def test_prompt_and_seed_both_show(build: Build, name: str) -> None:
    model = build(name)
    same, prompt, seed = model.produce(
        [ImageTask(0, PROMPTS[0], 7), ImageTask(1, PROMPTS[1], 7), ImageTask(2, PROMPTS[0], 8)]
    )
    assert difference(same, prompt) > 4 * MOST
    assert difference(same, seed) > 4 * MOST


def test_a_picture_is_what_diffusers_alone_draws(folder_of: Callable[[str], Path], build: Build, name: str) -> None:
    with quiet():
        pipe = AutoPipelineForText2Image.from_pretrained(folder_of(name), dtype=torch.float32)
        pipe.set_progress_bar_config(disable=True)
        noise = torch.Generator().manual_seed(7)
        asked = {"num_inference_steps": 2, "width": 64, "height": 64}
        expected = pipe(PROMPTS[0], generator=noise, **asked).images[0]
    (made,) = draw(build(name), PROMPTS[0])
    assert made.provenance["pipeline"] == type(pipe).__name__
    assert np.array_equal(pixels(made), np.asarray(expected).astype(int))


def test_batched_pictures_are_those_of_exact_within_a_tolerance(build: Build, name: str) -> None:
    exact = draw(build(name), *PROMPTS, LONG)
    batched = draw(build(name, exact=False, batch=3), *PROMPTS, LONG)
    assert [each.number for each in batched] == [0, 1, 2, 3, 4]
    assert max(difference(one, other) for one, other in zip(exact, batched, strict=True)) <= MOST
    for one, other in zip(exact, batched, strict=True):
        assert other.provenance == {**one.provenance, "exact": False, "batch": 3 if other.number < 3 else 2}


def test_it_tells_how_a_row_was_made_so_that_it_can_be_made_again(build: Build, name: str, folder_of: Any) -> None:
    model = build(name)
    (first, *_) = draw(model, PROMPTS[0])
    told = first.provenance
    assert json.loads(json.dumps(told)) == told
    assert told["scheduler"] == json.loads((folder_of(name) / "model_index.json").read_text())["scheduler"][1]
    assert (told["steps"], told["size"], told["dtype"], told["device"]) == (2, [64, 64], "float32", "cpu")
    assert told["threads"] == torch.get_num_threads()
    assert (told["exact"], told["batch"], told["variant"], told["safety_checker"]) == (True, 1, None, "none")
    options = {
        option: told.get(option)
        for option in ("steps", "guidance", "negative_prompt", "scheduler", "dtype", "device", "exact", "variant")
    }
    width, height = told["size"]
    again = registry.build_image_model(f"diffusers:{folder_of(name)}", width=width, height=height, **options)
    assert list(again.produce(tasks(PROMPTS[0]))) == [first]
    assert again.model == model.model


def test_the_producer_is_the_folder_and_its_weights(folder_of: Callable[[str], Path], build: Build) -> None:
    model = build("sd")
    assert model.model == ModelRef("tiny-sd", model.model.revision)
    assert model.model.revision and len(model.model.revision) == 12
    named = build("sd", name="other", family="stable")
    assert named.model == ModelRef("other", model.model.revision, "stable")
    assert build("sd3").model.revision != model.model.revision
    assert isinstance(model, Situated)
    assert model.environment["diffusers"] == diffusers.__version__


def test_drawing_leaves_no_trace_in_the_process(build: Build) -> None:
    model = build("sd")
    torch.manual_seed(3)
    before, filters = torch.get_rng_state(), list(warnings.filters)
    levels = [logging.getLogger(library).level for library in ("diffusers", "transformers")]
    draw(model, LONG)
    assert torch.equal(before, torch.get_rng_state())
    assert warnings.filters == filters
    assert levels == [logging.getLogger(library).level for library in ("diffusers", "transformers")]


@pytest.mark.parametrize("scheduler", sorted(each.__name__ for each in diffusers.PNDMScheduler().compatibles))
def test_no_scheduler_remembers_the_row_before(build: Build, scheduler: str) -> None:
    if scheduler == "DPMSolverSDEScheduler":
        pytest.importorskip("torchsde")
    model = build("sd", scheduler=scheduler, steps=3)
    first, other, again = model.produce(
        [ImageTask(0, PROMPTS[0], 7), ImageTask(1, PROMPTS[1], 8), ImageTask(2, PROMPTS[0], 7)]
    )
    assert first.image == again.image != other.image
    assert first.provenance["scheduler"] == scheduler
    batched = draw(build("sd", scheduler=scheduler, steps=3, exact=False), PROMPTS[0], PROMPTS[1])
    assert difference(first, batched[0]) <= MOST


def test_a_scheduler_that_draws_from_the_global_generator_is_held_to_the_row(tmp_path: Path) -> None:
    folder = make_sd3(tmp_path / "stochastic")
    file = folder / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "stochastic_sampling": True}))
    exact = registry.build_image_model(f"diffusers:{folder}", **SMALL)
    made = list(exact.produce(tasks(*PROMPTS)))
    assert list(exact.produce(tasks(*PROMPTS)[::-1]))[::-1] == made
    batched = registry.build_image_model(f"diffusers:{folder}", **SMALL, exact=False, batch=4)
    assert [each.image for each in batched.produce(tasks(*PROMPTS))] == [each.image for each in made]


def test_a_scheduler_is_chosen_by_name(build: Build) -> None:
    own, chosen = draw(build("sd"), PROMPTS[0])[0], draw(build("sd", scheduler="DDIMScheduler"), PROMPTS[0])[0]
    assert difference(own, chosen) > MOST
    assert own.provenance["scheduler_config"] != chosen.provenance["scheduler_config"]
    with pytest.raises(UnknownNameError, match=r"'EulerDiscrete' \(nearest: EulerDiscreteScheduler"):
        build("sd", scheduler="EulerDiscrete")
    with pytest.raises(UnknownNameError, match="FlowMatchEulerDiscreteScheduler"):
        build("sd3", scheduler="PNDMScheduler")


def test_long_prompts_are_counted(build: Build, name: str) -> None:
    short, long = draw(build(name), "a red cat", LONG)
    tokens, told = short.provenance["prompt_tokens"], long.provenance["prompt_tokens"]
    assert not short.provenance["truncated"] and short.provenance["truncated_by"] == []
    clip = [each for each, said in tokens.items() if said["limit"] == CONTEXT]
    assert len(clip) == {"sd": 1, "sdxl": 2, "pixart": 0, "sd3": 2, "flux": 1}[name]
    assert all(tokens[each]["tokens"] == 5 and told[each]["tokens"] == 122 for each in clip)
    for each in tokens.keys() - set(clip):
        assert (tokens[each]["tokens"], told[each]["tokens"]) == (4, 121)
        assert told[each]["limit"] == {"pixart": 300, "sd3": 256, "flux": 512}[name]
    assert long.provenance["truncated_by"] == clip
    assert long.provenance["truncated"] is bool(clip)


def test_the_limit_of_t5_is_an_option(build: Build) -> None:
    (cut,) = draw(build("pixart", max_sequence_length=20), LONG)
    assert cut.provenance["prompt_tokens"] == {"text_encoder": {"tokens": 121, "limit": 20}}
    assert cut.provenance["truncated_by"] == ["text_encoder"]
    assert cut.provenance["max_sequence_length"] == 20
    at, over = (" ".join(["red"] * words) for words in (19, 20))
    fits, more = draw(build("pixart", max_sequence_length=20), at, over)
    assert (fits.provenance["truncated"], more.provenance["truncated"]) == (False, True)


def test_a_negative_prompt_is_not_counted_and_shows(build: Build) -> None:
    plain, steered = draw(build("sd"), "a dog")[0], draw(build("sd", negative_prompt=LONG), "a dog")[0]
    assert steered.provenance["prompt_tokens"] == plain.provenance["prompt_tokens"]
    assert steered.provenance["negative_prompt"] == LONG
    assert plain.image != steered.image
    batched = draw(build("sd", negative_prompt=LONG, exact=False), "a dog", "a cat")
    assert difference(steered, batched[0]) <= MOST


def test_an_encoder_that_is_not_there_reads_nothing(tmp_path: Path) -> None:
    folder = make_sd3(tmp_path / "without", t5=False)
    set_index(folder, text_encoder_3=[None, None], tokenizer_3=[None, None])
    model = registry.build_image_model(f"diffusers:{folder}", **SMALL)
    (made,) = model.produce(tasks(LONG))
    assert (
        made.provenance["truncated_by"] == list(made.provenance["prompt_tokens"]) == ["text_encoder", "text_encoder_2"]
    )


def test_the_safety_checker_decides_between_a_picture_and_a_status(tmp_path: Path, build: Build) -> None:
    safe, unsafe = (
        registry.build_image_model(f"diffusers:{make_sd(tmp_path / str(bad), unsafe=bad)}", **SMALL)
        for bad in (False, True)
    )
    (fine,) = safe.produce(tasks(PROMPTS[0]))
    assert fine.status is Status.OK and fine.provenance["safety_checker"] == "StableDiffusionSafetyChecker"
    assert fine.image == draw(build("sd"), PROMPTS[0])[0].image
    (refused,) = unsafe.produce(tasks(PROMPTS[0]))
    assert (refused.status, refused.image) == (Status.UNSAFE, None)
    assert "safety checker" in refused.provenance["reason"]
    assert refused.provenance["steps"] == 2


@pytest.mark.parametrize("checked", [None, False])
def test_a_picture_that_is_no_numbers_is_a_status(tmp_path: Path, checked: bool | None) -> None:
    folder = make_sd(tmp_path / "nan", unsafe=checked)

    def spoil(weights: dict[str, torch.Tensor]) -> None:
        weights["conv_out.bias"] = torch.full_like(weights["conv_out.bias"], float("nan"))

    change_weights(folder / "unet" / "diffusion_pytorch_model.safetensors", spoil)
    model = registry.build_image_model(f"diffusers:{folder}", **SMALL)
    (made,) = model.produce(tasks("a dog"))
    assert (made.status, made.image) == (Status.NOT_FINITE, None)
    assert "12288 of the picture's 12288 values" in made.provenance["reason"]


@pytest.mark.parametrize("exact", [True, False])
def test_a_prompt_that_cannot_be_drawn_does_not_keep_others_from_it(build: Build, exact: bool) -> None:
    model = build("sd", exact=exact)
    made = {each.number: each for each in draw(model, "a dog", "\ud800", " \n", "a cat", "a red cat")}
    statuses = [made[number].status for number in range(5)]
    assert statuses == [Status.OK, Status.FAILED, Status.EMPTY, Status.OK, Status.OK]
    assert made[1].provenance["reason"] and made[2].provenance["reason"] == "the prompt has no words"
    assert all(made[number].image is None for number in (1, 2))


def test_a_batch_that_memory_does_not_hold_is_halved(folder_of: Callable[[str], Path]) -> None:
    model = DiffusersModel.from_reference(str(folder_of("sd")), **SMALL, exact=False, batch=8, guidance=0)
    calls: list[int] = []
    most = 2

    def shrink(module: Any, given: Any, named: dict[str, Any]) -> None:
        rows = len(given[0])
        calls.append(rows)
        if rows > most:
            raise torch.OutOfMemoryError("CUDA out of memory")

    unet = model._loaded.pipe.unet
    unet.register_forward_pre_hook(shrink, with_kwargs=True)
    made = draw(model, *PROMPTS, *PROMPTS)
    assert [each.number for each in made] == list(range(8)) and {each.status for each in made} == {Status.OK}
    assert calls[:2] == [8, 4] and set(calls[2:]) == {2}
    calls.clear()
    draw(model, *PROMPTS)
    assert max(calls) == 2
    most = 0
    (failed,) = draw(model, PROMPTS[0])
    assert failed.status is Status.FAILED and "memory" in failed.provenance["reason"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"steps": "20"}, "steps is '20'"),
        ({"guidance": float("nan")}, "guidance is nan"),
        ({"negative_prompt": 5}, "negative_prompt is 5"),
        ({"width": 64, "height": None}, "both width and height"),
        ({"width": 63}, "draws multiples of 2"),
        ({"batch": 0, "exact": False}, "batch is 0"),
        ({"exact": "no"}, "exact is 'no'"),
        ({"dtype": "float"}, "nearest: float32"),
        ({"device": "abacus"}, "abacus"),
        ({"variant": "fp16"}, "variant 'fp16'"),
        ({"max_sequence_length": 77}, r"StableDiffusionPipeline 'max_sequence_length' \(.*guidance"),
        ({"true_guidance": 2.0}, "nearest: guidance"),
        ({"negative_prompt": "blur", "guidance": 1.0}, "only where guidance is above 1"),
        ({"revision": "main"}, "has no revisions"),
        ({"gudance": 3}, "nearest: guidance"),
    ],
)
def test_a_wrong_option_is_refused(folder_of: Callable[[str], Path], options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        registry.build_image_model(f"diffusers:{folder_of('sd')}", **SMALL | options)


def test_flux_needs_its_true_guidance_for_a_negative_prompt(build: Build) -> None:
    with pytest.raises(UsageError, match=r"only where true_guidance is above 1, and it is 1\.0"):
        build("flux", negative_prompt="blur")
    plain, steered = (
        draw(build("flux", **more), "a dog")[0] for more in ({}, {"true_guidance": 3.0, "negative_prompt": "a cat"})
    )
    assert plain.image != steered.image


def test_a_size_that_the_pipeline_rounds_is_a_failure(build: Build) -> None:
    (made,) = draw(build("flux", width=66, height=66), "a dog")
    assert made.status is Status.FAILED
    assert made.provenance["reason"] == "the model drew 64 x 64 where 66 x 66 was asked for"


def test_without_a_size_it_is_the_model_s_own(folder_of: Callable[[str], Path]) -> None:
    model = registry.build_image_model(f"diffusers:{folder_of('sd3')}", steps=2)
    (made,) = model.produce(tasks("a dog"))
    assert made.provenance["size"] == [64, 64] == list(pixels(made).shape[1::-1])


@pytest.mark.parametrize(
    "said",
    [
        {"unet": ["own", "Unet"]},
        {"unet": ["os", "PathLike"]},
        {"unet": ["pipeline_utils", "DiffusionPipeline"]},
        {"unet": ["diffusers", "DiffusionPipeline"]},
        {"unet": ["diffusers", "OnnxRuntimeModel"]},
        {"unet": [None, "Unet"]},
        {"unet": ["own"]},
        {"../unet": ["diffusers", "UNet2DConditionModel"]},
        {"_class_name": ["own", "Pipe"]},
        {"_class_name": None},
        {"_class_name": "Own"},
        {"_class_name": "UNet2DConditionModel"},
        {"_class_name": "StableDiffusionImg2ImgPipeline"},
        {"_class_name": "StableDiffusionControlNetPipeline"},
        {"_class_name": "TextToVideoSDPipeline"},
        {"_class_name": "WanPipeline"},
        {"_class_name": "KandinskyV22CombinedPipeline"},
    ],
    ids=str,
)
def test_code_of_the_model_s_own_is_never_run(copied: Path, tmp_path: Path, said: dict[str, Any]) -> None:
    for place in (copied, copied / "unet"):
        (place / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    set_index(copied, **said)
    with pytest.raises(UsageError, match=r"copied"):
        registry.build_image_model(f"diffusers:{copied}", **SMALL)
    assert not (tmp_path / "ran").exists()


def test_the_old_name_of_a_class_is_understood(tmp_path: Path) -> None:
    folder = make_sd(tmp_path / "old", unsafe=False)
    set_index(folder, feature_extractor=["transformers", "CLIPFeatureExtractor"])
    (made,) = registry.build_image_model(f"diffusers:{folder}", **SMALL).produce(tasks("a dog"))
    assert made.status is Status.OK


def test_code_beside_a_part_is_refused_though_the_part_has_a_known_class(copied: Path) -> None:
    (copied / "unet" / "diffusers.py").write_text("raise SystemExit")
    with pytest.raises(UsageError, match="never run here"):
        registry.build_image_model(f"diffusers:{copied}", **SMALL)


@pytest.mark.parametrize(
    ("part", "safe", "pickled"),
    [
        ("unet", "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"),
        ("vae", "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"),
        ("text_encoder", "model.safetensors", "pytorch_model.bin"),
    ],
)
def test_pickled_weights_are_refused(copied: Path, part: str, safe: str, pickled: str) -> None:
    torch.save(load_file(copied / part / safe), copied / part / pickled)
    (copied / part / safe).unlink()
    with pytest.raises(UsageError, match="safetensors"):
        registry.build_image_model(f"diffusers:{copied}", **SMALL)


@pytest.mark.parametrize(
    ("file", "weight"),
    [
        ("unet/diffusion_pytorch_model.safetensors", "conv_in.weight"),
        ("text_encoder/model.safetensors", "encoder.layers.0.mlp.fc1.weight"),
    ],
)
def test_a_part_that_lacks_weights_is_refused(copied: Path, file: str, weight: str) -> None:
    change_weights(copied / file, lambda weights: weights.pop(weight))
    with pytest.raises(UsageError, match=f"lacks 1 of the weights of .*{weight}"):
        registry.build_image_model(f"diffusers:{copied}", **SMALL)


@pytest.mark.parametrize("damage", ["{", "[]", '"text"', "{}"])
def test_a_damaged_index_is_refused(copied: Path, damage: str) -> None:
    (copied / "model_index.json").write_text(damage)
    with pytest.raises(UsageError, match="copied"):
        registry.build_image_model(f"diffusers:{copied}", **SMALL)


def test_torn_weights_are_refused(copied: Path) -> None:
    file = copied / "vae" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(UsageError, match="cannot be loaded as a text-to-image model"):
        registry.build_image_model(f"diffusers:{copied}", **SMALL)


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no model folder"):
        registry.build_image_model(f"diffusers:{tmp_path / 'nowhere'}")
    with pytest.raises(UsageError, match=r"model_index\.json"):
        registry.build_image_model(f"diffusers:{tmp_path}")


def test_a_variant_is_loaded_by_name(copied: Path, build: Build) -> None:
    with quiet():
        pipe = diffusers.StableDiffusionPipeline.from_pretrained(copied, dtype=torch.float32)
        pipe.to(torch.float16).save_pretrained(copied, variant="fp16")
    half = registry.build_image_model(f"diffusers:{copied}", **SMALL, variant="fp16")
    (made,) = half.produce(tasks(PROMPTS[0]))
    assert (made.provenance["variant"], made.provenance["dtype"]) == ("fp16", "float32")
    (whole,) = draw(build("sd"), PROMPTS[0])
    assert made.image != whole.image and difference(made, whole) < 0.2


def test_the_dtype_is_that_of_the_weights_unless_told(copied: Path) -> None:
    with quiet():
        diffusers.StableDiffusionPipeline.from_pretrained(copied, dtype=torch.bfloat16).save_pretrained(copied)
    stored = registry.build_image_model(f"diffusers:{copied}", **SMALL)
    (made,) = stored.produce(tasks(PROMPTS[0]))
    assert (made.status, made.provenance["dtype"]) == (Status.OK, "bfloat16")
    told = registry.build_image_model(f"diffusers:{copied}", **SMALL, dtype="float32")
    assert next(told.produce(tasks(PROMPTS[0]))).provenance["dtype"] == "float32"


@pytest.fixture
def cached(folder_of: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A commit of `tiny/sd` in the cache of the hub."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "hub" / "models--tiny--sd"
    shutil.copytree(folder_of("sd"), repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return commit


def test_a_model_of_the_hub_is_known_by_its_commit(cached: str, build: Build) -> None:
    for reference in ("tiny/sd", f"tiny/sd@{cached}"):
        model = registry.build_image_model(f"diffusers:{reference}", **SMALL)
        assert model.model == ModelRef("tiny/sd", cached)
    assert list(model.produce(tasks(PROMPTS[0]))) == draw(build("sd"), PROMPTS[0])
    with pytest.raises(UsageError, match="tiny/other cannot be loaded"):
        registry.build_image_model("diffusers:tiny/other")


def test_a_recipe_with_it_gives_the_same_bytes_twice(tmp_path: Path) -> None:
    folder, unsafe = make_sd(tmp_path / "tiny-sd"), make_sd(tmp_path / "unsafe-sd", unsafe=True)
    recipe = {
        "name": "tiny",
        "prompts": {"writer": "scenes", "count": 3},
        "image_models": [{"model": f"diffusers:{each}", "options": {"steps": 2}} for each in (folder, unsafe)],
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    first, second = (generate(tmp_path / "recipe.yaml", tmp_path / made) for made in "ab")
    assert first.digest == second.digest
    assert first.counts["pairs"] == 3
    assert first.failures == {"unsafe-sd": {"unsafe": 3}}
    pairs = list(Dataset.open(tmp_path / "a").pairs())
    for pair in pairs:
        made, model = pair.provenance["made"], pair.provenance["model"]
        assert made["prompt_tokens"]["text_encoder"]["tokens"] > 5
        again = registry.build_image_model(model["model"], **model["options"])
        (row,) = again.produce([ImageTask(0, pair.provenance["prompt"], pair.provenance["seed"])])
        assert hashlib.sha256(row.image or b"").hexdigest() == pair.image_key
