"""Trains the embedded CLIP on scene contrasts and saves it as a folder that open_clip loads as `local-dir:`.

python -m generation.scenes.training.contrastive --out FOLDER
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from open_clip import CLIP
from safetensors.torch import save_file
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

from generation.scenes.contrast import CONTRAST_TYPES, Contrast, draw_contrast
from generation.scenes.training.tokenizer import build_clip_tokenizer
from generation.scenes.training.tower import INPUT_SIDE, MEAN, STD, normalised, pixels, schedule
from generation.scenes.world import CELLS, COLOURS, FILLS, HEADINGS, KINDS, MOST_THINGS, SIZES, TEXTS, Scene

SEED = 3
STREAM = f"clip/{SEED}"
STEPS = 1600
BATCH = 96
CONTEXT_LENGTH = 32
_SHARPNESS = 20.0
_INVENTORY_WEIGHT = 3.0
_READ_SCALE = 10.0


def model_config(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """The `model_cfg` of open_clip_config.json."""
    return {
        "embed_dim": 128,
        "vision_cfg": {"image_size": INPUT_SIDE, "layers": [1, 1, 2, 1], "width": 24, "patch_size": None},
        "text_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": len(tokenizer),
            "hf_tokenizer_name": "scenes-clip",
            "tokenizer_kwargs": {"clean": "whitespace"},
            "width": 128,
            "heads": 4,
            "layers": 3,
        },
    }


class PairLoss(nn.Module):
    """What a contrast asks: each text nearer its own image, each image nearer its own text, one scale for all pairs.

    The last part (a sigmoid loss, arXiv 2303.15343) makes scores of different images comparable, which AUROC needs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(10.0))
        self.bias = nn.Parameter(torch.tensor(-5.0))

    def forward(self, images: Tensor, texts: Tensor) -> Tensor:
        """Mean loss of (b, 2, d) unit image and text vectors of b contrasts."""
        cosine = images @ texts.transpose(1, 2)  # (b, 2, 2), own pairs on the diagonal
        own = torch.arange(2).expand(len(cosine), 2)
        sharp = _SHARPNESS * cosine
        choice = functional.cross_entropy(sharp.flatten(0, 1), own.flatten())
        choice = choice + functional.cross_entropy(sharp.transpose(1, 2).flatten(0, 1), own.flatten())
        truth = torch.eye(2).expand_as(cosine)
        return choice + functional.binary_cross_entropy_with_logits(self.scale * cosine + self.bias, truth)


class Inventory(nn.Module):
    """Reads off an image vector what the scene holds: a supervised task beside the contrasts.

    Without it shapes, which contrasts alone hardly reward before they can be seen at all, are not learnt in this time.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.read = nn.Linear(width, len(_FACTS))

    def forward(self, images: Tensor, scenes: list[Scene]) -> Tensor:
        """Mean cross-entropy of (n, d) vectors against the facts true of n scenes."""
        truth = torch.tensor([[float(fact <= held) for fact in _FACTS] for held in map(_held, scenes)])
        weight = torch.full((len(_FACTS),), 4.0)  # most facts are false of most scenes
        return functional.binary_cross_entropy_with_logits(self.read(images), truth, pos_weight=weight)


def _held(scene: Scene) -> set[str]:
    held = {f"{len(scene.things)} things"}
    for thing in scene.things:
        held |= {f"{thing.kind} {value}" for value in (thing.colour, thing.size, thing.fill, thing.heading, thing.text)}
        held.add(f"{thing.kind} in {thing.cell}")
        held.add(f"{sum(t.kind == thing.kind for t in scene.things)} {thing.kind}")
    return held


_FACTS = tuple(
    frozenset({fact})
    for kind in KINDS
    for fact in (
        *(f"{kind} {value}" for value in (*COLOURS, *SIZES, *FILLS)),
        *(f"{kind} in {cell}" for cell in range(CELLS)),
        *(f"{count} {kind}" for count in (1, 2, 3)),
    )
) + tuple(
    frozenset({fact})
    for fact in (
        *(f"arrow {heading}" for heading in HEADINGS),
        *(f"sign {text}" for text in TEXTS),
        *(f"{count} things" for count in range(1, MOST_THINGS + 1)),
    )
)


def encode(model: CLIP, tokenizer: PreTrainedTokenizerFast, contrasts: list[Contrast]) -> tuple[Tensor, Tensor]:
    """Unit vectors (b, 2, d) of the images and of the texts of b contrasts."""
    images = normalised(pixels([s for c in contrasts for s in (c.first, c.second)]))
    texts = [t for c in contrasts for t in (c.first_text, c.second_text)]
    ids = tokenizer(texts, padding="max_length", max_length=CONTEXT_LENGTH, return_tensors="pt").input_ids
    with torch.autocast("cpu", torch.bfloat16):
        encoded = model.encode_image(images).float(), model.encode_text(ids).float()
    made = [functional.normalize(e, dim=-1).unflatten(0, (len(contrasts), 2)) for e in encoded]
    return made[0], made[1]


def train_clip(steps: int, log: Callable[[str], None], save: Callable[[CLIP], None]) -> None:
    """Train for `steps` batches, logging the loss and now and then held-out AUROC; it is saved after each check."""
    torch.manual_seed(SEED)
    rng = random.Random(STREAM)
    tokenizer = build_clip_tokenizer()
    config = model_config(tokenizer)
    config["text_cfg"].pop("tokenizer_kwargs")
    model, pairs, inventory = CLIP(**config), PairLoss(), Inventory(config["embed_dim"])
    trained = [p for module in (model, pairs, inventory) for p in module.parameters()]
    optimiser = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0.05)
    began = time.monotonic()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = schedule(step, steps, 1e-3)
        contrasts = training_contrasts(rng, easy=step < steps // 6)
        images, texts = encode(model, tokenizer, contrasts)
        scenes = [s for c in contrasts for s in (c.first, c.second)]
        loss = pairs(images, texts) + _INVENTORY_WEIGHT * inventory(_READ_SCALE * images.flatten(0, 1), scenes)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if step % 20 == 0:
            log(f"step {step} loss {loss.item():.3f} seconds {time.monotonic() - began:.0f}")
        if (step + 1) % 200 == 0 or step + 1 == steps:
            log(f"step {step + 1} held-out AUROC {check(model, tokenizer)}")
            save(model)


def training_contrasts(rng: random.Random, *, easy: bool) -> list[Contrast]:
    """A batch of contrasts; easy ones are of two things."""
    fewest, most = (2, 2) if easy else (1, MOST_THINGS)
    return [draw_contrast(rng.choice(CONTRAST_TYPES), rng, fewest, most) for _ in range(BATCH)]


@torch.no_grad()
def check(model: CLIP, tokenizer: PreTrainedTokenizerFast, contrasts: int = 100) -> str:
    """AUROC of the cosine per type on a small held-out set; the published scores come from the probe."""
    model.eval()
    rng = random.Random(f"clip-check/{SEED}")
    scores = {}
    for error_type in CONTRAST_TYPES:
        images, texts = encode(model, tokenizer, [draw_contrast(error_type, rng) for _ in range(contrasts)])
        cosine = (images @ texts.transpose(1, 2)).flatten().numpy()
        scores[error_type.value] = float(roc_auc_score(np.tile([1, 0, 0, 1], contrasts), cosine))
    model.train()
    mean = sum(scores.values()) / len(scores)
    return f"mean {mean:.3f} " + " ".join(f"{t} {v:.3f}" for t, v in scores.items())


def save_clip(model: CLIP, folder: Path) -> None:
    """Write config, half-precision safetensors and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = build_clip_tokenizer()
    preprocess = {
        "mean": [MEAN] * 3,
        "std": [STD] * 3,
        "interpolation": "bilinear",
        "resize_mode": "squash",
    }
    config = {"model_cfg": model_config(tokenizer), "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    state = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    save_file({k: v.contiguous() for k, v in state.items()}, folder / "open_clip_model.safetensors")
    tokenizer.save_pretrained(folder)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    train_clip(given.steps, lambda line: print(line, flush=True), lambda model: save_clip(model, given.out))


if __name__ == "__main__":
    main()
