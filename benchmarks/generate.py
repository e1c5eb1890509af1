"""Time of a bare loop over the models against the pipeline's for the same rows; ends with one JSON line.

A recipe of one diffusion model and one captioner, random models of the real classes that take half a second and more a
picture and a caption on one thread. The loop calls diffusers and transformers alone: `pipe(...)` and save, `generate`
and decode, with the same noise, so that what comes out has to be the same. Both ways take turns in one process. Loading
the models is left out on both sides; what is left in the pipeline beside the models is planning, the journal and its
syncs, PNG files, the checks of what came out, giving back the memory of a model, splitting and storing.

It also tells how far batched pictures are from those drawn alone, and how many captions change in batches. The builders
of the models are those of the tests, so it runs in an installed checkout only.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any, NamedTuple

import diffusers
import numpy as np
import torch
import transformers as hf
import yaml
from PIL import Image as Pillow

from alignbench import registry
from alignbench.backends.decoding import _SeededNoise
from alignbench.decode import decode
from alignbench.store import Dataset, image_of
from alignbench.types import CaptionTask, Direction, ImageTask, Origin, Pair
from generation.captioners import changed
from generation.diffusion.quiet import no_progress_bars, quiet
from generation.pipeline import generate
from tests.tiny_diffusion import MAKERS, make_sd
from tests.tiny_models import noise, png
from tests.tiny_vlms import make_llava, make_qwen2_5, make_smolvlm

GOAL = 0.95
MOST = 2
UNET = {"block_out_channels": (64, 128), "layers_per_block": 2, "norm_num_groups": 8}
STEPS = 8
TEXT = {
    "hidden_size": 384,
    "num_hidden_layers": 18,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "intermediate_size": 1536,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [8, 12, 12]},
}
WORDS = 400
PROMPTS = ("two dogs on the left", "a red cat", "there are two red dogs on the left of a blue cat.", "a blue dog")


class Spent(NamedTuple):
    """Seconds of the clock and of the processor."""

    wall: float
    cpu: float


class Stopwatch:
    """Adds up what it measures."""

    def __init__(self) -> None:
        self.spent = Spent(0.0, 0.0)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure what is done in here."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.spent = Spent(self.spent.wall + time.perf_counter() - wall, self.spent.cpu + time.process_time() - cpu)


class Bare(NamedTuple):
    """The same models as diffusers and transformers load them."""

    pipe: Any
    front: Any
    vlm: Any

    @classmethod
    def load(cls, image_model: Path, captioner: Path) -> Bare:
        """Load both."""
        with quiet():
            pipe = diffusers.AutoPipelineForText2Image.from_pretrained(image_model, dtype=torch.float32)
        pipe.set_progress_bar_config(disable=True)
        front = hf.AutoProcessor.from_pretrained(captioner)
        return cls(pipe, front, hf.AutoModelForImageTextToText.from_pretrained(captioner).eval())

    def draw(self, prompt: str, seed: int, file: Path) -> None:
        """What a script for one picture does."""
        with quiet():
            made = self.pipe(prompt, generator=torch.Generator().manual_seed(seed), num_inference_steps=STEPS)
        made.images[0].save(file)

    @torch.inference_mode()
    def caption(self, file: Path, prompt: str, seed: int) -> str:
        """What a script for one caption does."""
        with Pillow.open(file) as picture:
            shown = [{"type": "image", "image": picture.convert("RGB")}, {"type": "text", "text": prompt}]
        inputs = self.front.apply_chat_template(
            [{"role": "user", "content": shown}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        drawing = hf.LogitsProcessorList([_SeededNoise([seed])])
        ids = self.vlm.generate(**inputs, do_sample=False, max_new_tokens=WORDS, logits_processor=drawing)
        said = ids[0, inputs["input_ids"].shape[1] :]
        return str(self.front.tokenizer.decode(said, skip_special_tokens=True).strip())


class Row(NamedTuple):
    """A row of the dataset, with its image as a file."""

    pair: Pair
    file: Path


def make_models(folder: Path) -> tuple[Path, Path]:
    """An image model and a captioner, both slow enough."""
    vision = {"hidden_size": 64, "num_heads": 2, "intermediate_size": 128, "out_hidden_size": TEXT["hidden_size"]}
    return make_sd(folder / "sd", unet=UNET), make_qwen2_5(folder / "vlm", text=TEXT, vision=vision)


def write_recipe(folder: Path, image_model: Path, captioner: Path, rows: int) -> Path:
    """A recipe of so many captions and so many pictures; no path of the machine is in it, nor so in the seeds."""
    said = {
        "name": "benchmark",
        "images": {"source": "scenes", "count": rows},
        "captioners": [
            {"model": f"local_vlm:{captioner.name}", "options": {"temperature": 1.0, "max_new_tokens": WORDS}}
        ],
        "prompts": {"writer": "scenes", "count": rows},
        "image_models": [{"model": f"diffusers:{image_model.name}", "options": {"steps": STEPS}}],
    }
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump(said))
    return file


def whole_seed(recipe: Path, folder: Path) -> int:
    """The first seed for which no row fails: random weights write an empty caption now and then.

    Of a row that fails the dataset does not tell what the loop would have to do. The dataset stays in the folder.
    """
    return next(seed for seed in itertools.count() if not generate(recipe, folder / f"rows-{seed}", seed=seed).failures)


def rows_of(folder: Path, inputs: Path) -> list[Row]:
    """The rows of a dataset, each with its image in a file."""
    dataset = Dataset.open(folder)
    images = {image.image_key: image.bytes or b"" for image in dataset.images()}
    rows = []
    for pair in dataset.pairs():
        file = inputs / f"{pair.pair_id}.png"
        file.write_bytes(images[pair.image_key])
        rows.append(Row(pair, file))
    return rows


@contextmanager
def measured(stopwatch: Stopwatch, *places: tuple[Any, str]) -> Iterator[None]:
    """Measure what is spent in some functions, each an attribute of a module or class."""
    before = [getattr(owner, name) for owner, name in places]

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            with stopwatch.running():
                return function(*args, **options)

        return call

    for (owner, name), function in zip(places, before, strict=True):
        setattr(owner, name, timed(function))
    try:
        yield
    finally:
        for (owner, name), function in zip(places, before, strict=True):
            setattr(owner, name, function)


def by_pipeline(recipe: Path, out: Path, seed: int) -> tuple[Spent, Spent, Spent]:
    """What the pipeline spends without loading, what of it within the models, and what on loading."""
    whole, models, loading = Stopwatch(), Stopwatch(), Stopwatch()
    loads = [(registry, "build_captioner"), (registry, "build_image_model")]
    calls = [(diffusers.StableDiffusionPipeline, "__call__"), (hf.Qwen2_5_VLForConditionalGeneration, "generate")]
    with measured(loading, *loads), measured(models, *calls), whole.running():
        generate(recipe, out, seed=seed)
    rest = Spent(*(a - b for a, b in zip(whole.spent, loading.spent, strict=True)))
    return rest, models.spent, loading.spent


def by_loop(bare: Bare, rows: list[Row], out: Path) -> tuple[dict[Direction, Spent], dict[str, str]]:
    """What the bare loop spends on either sort of rows, and what it made."""
    watches = {direction: Stopwatch() for direction in Direction}
    made = {}
    for pair, file in rows:
        seed, prompt = pair.provenance["seed"], pair.provenance["prompt"]
        with watches[pair.direction].running():
            if pair.direction is Direction.TEXT_TO_IMAGE:
                bare.draw(prompt, seed, out / file.name)
            else:
                made[pair.pair_id] = bare.caption(file, prompt, seed)
    return {direction: watch.spent for direction, watch in watches.items()}, made


def differences(rows: list[Row], captions: dict[str, str], out: Path) -> tuple[int, int]:
    """The largest difference of a pixel, of 255, and how many captions are not the same."""
    worst = 0
    for pair, file in rows:
        if pair.direction is Direction.TEXT_TO_IMAGE:
            here, there = (np.asarray(decode(each.read_bytes()), int) for each in (file, out / file.name))
            worst = max(worst, int(np.abs(here - there).max()))
    return worst, sum(row.pair.caption != captions[row.pair.pair_id] for row in rows if row.pair.pair_id in captions)


def batched_pictures(folder: Path) -> dict[str, int]:
    """For each class of pipelines the largest difference of a pixel, of 255, that a batch makes."""
    tasks = [ImageTask(number, prompt, number) for number, prompt in enumerate(PROMPTS)]
    worst = {}
    for name, make in MAKERS.items():
        reference, options = f"diffusers:{make(folder / name)}", {"steps": 4, "width": 64, "height": 64}
        alone, together = (
            [
                np.asarray(decode(made.image or b""), int)
                for made in registry.build_image_model(reference, **more).produce(tasks)
            ]
            for more in (options, {**options, "exact": False, "batch": len(tasks)})
        )
        worst[name] = max(int(np.abs(a - b).max()) for a, b in zip(alone, together, strict=True))
    return worst


def changed_captions(folder: Path, count: int) -> dict[str, int]:
    """For each class of captioners how many of so many captions change in batches, of images of many sizes."""
    sizes = [(32 + 8 * (seed % 5), 64 - 8 * (seed % 3)) for seed in range(count)]
    pictures = [png(noise(seed, size)) for seed, size in enumerate(sizes)]
    images = [image_of(encoded, source="noise", origin=Origin.GENERATED) for encoded in pictures]
    tasks = [CaptionTask(number, image, "Describe the image.", number) for number, image in enumerate(images)]
    found = {}
    for make in (make_llava, make_qwen2_5, make_smolvlm):
        reference = f"local_vlm:{make(folder / make.__name__)}"
        alone, together = (
            list(registry.build_captioner(reference, temperature=1.0, max_new_tokens=40, **more).produce(tasks))
            for more in ({}, {"exact": False, "batch": 8})
        )
        found[make.__name__.removeprefix("make_")] = len(changed(alone, together))
    return found


def ratio(rounds: list[tuple[Spent, Spent]], sort: str) -> float:
    """The median over the rounds of the first way's time over the second's."""
    return round(statistics.median(getattr(a, sort) / getattr(b, sort) for a, b in rounds), 4)


def race(folder: Path, rows: int, rounds: int) -> dict[str, Any]:
    """Both ways, taking turns; the first call of the pipeline only makes the rows."""
    image_model, captioner = make_models(folder)
    recipe = write_recipe(folder, image_model, captioner, rows)
    for name in ("inputs", "loop"):
        (folder / name).mkdir()
    seed = whole_seed(recipe, folder)
    there, bare = rows_of(folder / f"rows-{seed}", folder / "inputs"), Bare.load(image_model, captioner)
    times, within, loading, sorts = [], [], [], []
    worst, others = 0, 0
    for number in range(rounds):
        ways: list[Callable[[], Any]] = [
            partial(by_pipeline, recipe, folder / f"made-{number}", seed),
            partial(by_loop, bare, there, folder / "loop"),
        ]
        done = {way: ways[way]() for way in ((0, 1) if number % 2 else (1, 0))}
        (pipeline, models, load), (loop, captions) = done[0], done[1]
        worst, others = (
            max(a, b) for a, b in zip((worst, others), differences(there, captions, folder / "loop"), strict=True)
        )
        times.append((Spent(*(sum(each) for each in zip(*loop.values(), strict=True))), pipeline))
        within.append((models, pipeline))
        loading.append(load)
        sorts.append(loop)
    counts = {direction: sum(row.pair.direction is direction for row in there) for direction in Direction}
    each = {
        direction.value: round(statistics.median(loop[direction].cpu for loop in sorts) / counts[direction], 3)
        for direction in Direction
    }
    return {
        "ratio": ratio(times, "wall"),
        "cpu_ratio": ratio(times, "cpu"),
        "share_within_models": ratio(within, "cpu"),
        "rounds": [[round(value, 3) for value in (*a, *b)] for a, b in times],
        "model_cpu_seconds_a_row": each,
        "rows": {direction.value: count for direction, count in counts.items()},
        "loading_cpu_seconds_left_out": round(statistics.median(load.cpu for load in loading), 3),
        "max_abs_diff": worst,
        "other_captions": others,
    }


def main() -> int:
    """Print the ratios and the JSON line; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about a minute: fewer rows and rounds")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    no_progress_bars()
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        raced = race(Path(folder), *((3, 2) if quick else (12, 5)))
        pictures = batched_pictures(Path(folder) / "batched")
        count = 8 if quick else 64
        captions = changed_captions(Path(folder) / "captioners", count)
    slow = min(raced["model_cpu_seconds_a_row"].values())
    print(
        f"the bare loop takes {raced['ratio']} of the pipeline's time, goal {GOAL}; "
        f"{raced['cpu_ratio']} of its processor time, of which {raced['share_within_models']} is within the models"
    )
    print(f"a row takes the models at least {slow} s; pictures differ by {raced['max_abs_diff']} of 255")
    print(f"batched pictures differ by at most {max(pictures.values())} of 255 from those drawn alone: {pictures}")
    print(f"batches of 8 change these captions of {count}: {captions}")
    detail = {
        **{key: value for key, value in raced.items() if key not in {"ratio", "max_abs_diff"}},
        "batched_pictures": pictures,
        "changed_captions": {"of": count, **captions},
    }
    summary = {"benchmark": "generate", "ratio": raced["ratio"], "goal": GOAL, "max_abs_diff": raced["max_abs_diff"]}
    print(json.dumps({**summary, "detail": detail}))
    same = raced["max_abs_diff"] == 0 and raced["other_captions"] == 0
    return int(raced["ratio"] < GOAL or slow < 0.5 or not same or max(pictures.values()) > MOST)


if __name__ == "__main__":
    raise SystemExit(main())
