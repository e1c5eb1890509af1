"""Trains one of the embedded VLMs from its seed and saves it as a folder that AutoModelForImageTextToText loads.

python -m generation.scenes.training.vlm scenes-a --out FOLDER
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import CLIPImageProcessor, FastVlmForConditionalGeneration, LlavaProcessor

from alignbench.types import ErrorType
from generation.scenes.training.held_out import HeldOut
from generation.scenes.training.language import (
    Course,
    LanguageShape,
    build_vlm,
    tower_features,
    train_language,
)
from generation.scenes.training.tokenizer import (
    build_tokenizer,
)
from generation.scenes.training.tower import (
    GRID,
    INPUT_SIDE,
    MEAN,
    STD,
    TowerShape,
    normalised,
    pixels,
    train_tower,
    training_scenes,
)
from generation.scenes.world import Scene


@dataclass(frozen=True, slots=True)
class VlmPlan:
    """What makes one embedded VLM: shapes, seed, the tower's training and the courses of the language model."""

    tower: TowerShape
    language: LanguageShape
    seed: int
    tower_steps: int
    tower_images: int
    language_images: int
    courses: tuple[Course, ...]


# The second courses ask most about what the first left near chance: reading a judgment of letters or relations off the
# image is learnt late, and not while the learning rate is already falling.
PLANS = {
    "scenes-a": VlmPlan(
        TowerShape((32, 64, 128, 160)),
        LanguageShape(160, 4, 5),
        seed=1,
        tower_steps=2500,
        tower_images=50_000,
        language_images=40_000,
        courses=(
            Course("1", 2250, 4000, easy_steps=400),
            Course(
                "1-second",
                1400,
                1400,
                peak=1.2e-3,
                wishes={
                    ErrorType.TEXT: 7.0,
                    ErrorType.RELATION: 3.0,
                    ErrorType.ATTRIBUTE: 2.0,
                    ErrorType.NUMBER: 1.5,
                    ErrorType.LOCATION: 1.5,
                    ErrorType.OBJECT: 0.5,
                    ErrorType.ILLUSION: 0.3,
                },
            ),
        ),
    ),
    "scenes-b": VlmPlan(
        TowerShape((24, 48, 96, 128)),
        LanguageShape(128, 3, 4),
        seed=2,
        tower_steps=2000,
        tower_images=50_000,
        language_images=30_000,
        courses=(
            Course("2", 1000, 3000, easy_steps=300),
            Course(
                "2-second",
                1200,
                1200,
                peak=1.2e-3,
                wishes={
                    ErrorType.ATTRIBUTE: 4.0,
                    ErrorType.TEXT: 3.0,
                    ErrorType.RELATION: 2.0,
                    ErrorType.OBJECT: 0.7,
                    ErrorType.ILLUSION: 0.4,
                },
            ),
        ),
    ),
}
_EASY_SHARE = 4


def train_vlm(plan: VlmPlan, out: Path, log: Callable[[str], None], begun: Path | None = None, course: int = 0) -> None:
    """Train a planned VLM, logging losses and held-out AUROC per error type; it is saved to `out` after each check.

    Args:
        plan: What to train, a value of `PLANS`.
        out: The folder to write.
        log: Takes each line.
        begun: The folder of a VLM that an earlier call left, to go on from.
        course: The place of the first course to take, 0 unless one goes on.
    """
    model = _begin(plan, log) if begun is None else FastVlmForConditionalGeneration.from_pretrained(begun).float()
    scenes, easy = scenes_of(plan)
    features = torch.cat(
        [
            tower_features(model, normalised(pixels(scenes[i : i + 1000]))).bfloat16()
            for i in range(0, len(scenes), 1000)
        ]
    )
    check = HeldOut(model, plan.seed)

    for number, taken in enumerate(plan.courses[course:], course):

        def every(step: int, number: int = number, last: int = taken.steps - 1) -> None:
            if (step + 1) % 250 == 0 or step == last:
                log(f"course {number} step {step + 1} held-out AUROC {check.summary(model)}")
                save_vlm(model, out)

        train_language(model, scenes, features, taken, easy, log, every)


def scenes_of(plan: VlmPlan) -> tuple[list[Scene], int]:
    """The scenes a plan's language model trains on, the easy ones first, and how many those are."""
    easy = plan.language_images // _EASY_SHARE
    others = training_scenes(plan.seed, plan.language_images - easy)
    return training_scenes(plan.seed, easy, 1, 2) + others, easy


def _begin(plan: VlmPlan, log: Callable[[str], None]) -> FastVlmForConditionalGeneration:
    tower = train_tower(plan.tower, plan.seed, plan.tower_steps, images=plan.tower_images, log=log)
    torch.manual_seed(plan.seed)
    model = build_vlm(plan.tower, plan.language)
    model.model.vision_tower.timm_model.load_state_dict(tower.state_dict())
    return model


def save_vlm(model: FastVlmForConditionalGeneration, folder: Path) -> None:
    """Write the weights as half-precision safetensors, and the processor with tokenizer and chat template."""
    state = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    model.save_pretrained(folder, state_dict=state)
    side = {"height": INPUT_SIDE, "width": INPUT_SIDE}
    images = CLIPImageProcessor(
        size=side, resample=2, do_center_crop=False, image_mean=[MEAN] * 3, image_std=[STD] * 3, do_convert_rgb=True
    )
    tokenizer = build_tokenizer()
    processor = LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=INPUT_SIDE // GRID,
        vision_feature_select_strategy="full",
        chat_template=tokenizer.chat_template,
    )
    processor.save_pretrained(folder)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(PLANS))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--begun", type=Path, metavar="FOLDER", help="go on from what an earlier call left here")
    parser.add_argument("--course", type=int, default=0, help="the first course to take (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    began = time.monotonic()
    train_vlm(PLANS[given.name], given.out, lambda line: print(line, flush=True), given.begun, given.course)
    print(f"done in {time.monotonic() - began:.0f} seconds", flush=True)


if __name__ == "__main__":
    main()
