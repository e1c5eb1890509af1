"""Pre-trains a small ResNet on what stands in each cell of a scene; its 8 x 8 grid of features feeds the VLMs."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from generation.scenes.render import render_image
from generation.scenes.world import (
    BACKGROUNDS,
    CELLS,
    COLOURS,
    FILLS,
    HEADINGS,
    KINDS,
    SIZES,
    TEXTS,
    Scene,
    random_scene,
)

INPUT_SIDE = 64
GRID = 8
MEAN, STD = 0.5, 0.25
_ABSENT = -100
_PROPERTIES = {"colour": COLOURS, "size": SIZES, "fill": FILLS, "heading": HEADINGS, "text": TEXTS}


@dataclass(frozen=True, slots=True)
class TowerShape:
    """Channels of the four stages; the last is the width of a feature."""

    channels: tuple[int, int, int, int]
    layers: tuple[int, int, int, int] = (1, 1, 2, 1)

    @property
    def timm_arguments(self) -> dict[str, Any]:
        """What `timm.create_model("resnet18", ...)` takes, as JSON values for a model's config."""
        return {"layers": list(self.layers), "channels": list(self.channels), "output_stride": 8}


def build_tower(shape: TowerShape) -> Any:
    """The tower with random weights: (n, 3, 64, 64) pixels to (n, c, 8, 8) features by `forward_features`."""
    return timm.create_model("resnet18", num_classes=0, **shape.timm_arguments)


def pixels(scenes: list[Scene]) -> np.ndarray:
    """The scenes as the VLMs' image processor hands them on, before normalisation: (n, 64, 64, 3) uint8."""
    size = (INPUT_SIDE, INPUT_SIDE)
    return np.stack([np.asarray(render_image(s).resize(size, Image.Resampling.BILINEAR)) for s in scenes])


def normalised(images: np.ndarray) -> Tensor:
    """(n, 64, 64, 3) uint8 to (n, 3, 64, 64) float."""
    return (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


def cell_labels(scenes: list[Scene]) -> dict[str, np.ndarray]:
    """For each property (n, 9) indices, -100 where the cell has none; `kind` counts empty as the last class."""
    labels = {name: np.full((len(scenes), CELLS), _ABSENT) for name in _PROPERTIES}
    labels["kind"] = np.full((len(scenes), CELLS), len(KINDS))
    for i, scene in enumerate(scenes):
        for thing in scene.things:
            labels["kind"][i, thing.cell] = KINDS.index(thing.kind)
            for name, values in _PROPERTIES.items():
                value = getattr(thing, name)
                if value is not None:
                    labels[name][i, thing.cell] = values.index(value)
    labels["background"] = np.array([[BACKGROUNDS.index(s.background)] * CELLS for s in scenes])
    return labels


class CellHeads(nn.Module):
    """Linear read-outs of a feature grid: what is in each cell, and from each feature alone where it lies."""

    def __init__(self, width: int) -> None:
        super().__init__()
        sizes = {name: len(values) for name, values in _PROPERTIES.items()}
        sizes |= {"kind": len(KINDS) + 1, "background": len(BACKGROUNDS)}
        self.cells = nn.ModuleDict({name: nn.Linear(width, size) for name, size in sizes.items()})
        self.place = nn.Linear(width, GRID * GRID)

    def loss(self, features: Tensor, labels: dict[str, Tensor]) -> Tensor:
        """Sum of cross-entropies over (n, c, 8, 8) features and (n, 9) labels."""
        pooled = functional.adaptive_avg_pool2d(features, 3).flatten(2).transpose(1, 2)  # (n, 9, c)
        total = features.new_zeros(())
        for name, head in self.cells.items():
            total = total + functional.cross_entropy(head(pooled).flatten(0, 1), labels[name].flatten())
        tokens = features.flatten(2).transpose(1, 2)  # (n, 64, c)
        own = torch.arange(GRID * GRID).expand(len(tokens), -1)
        return total + 0.3 * functional.cross_entropy(self.place(tokens).flatten(0, 1), own.flatten())

    @torch.no_grad()
    def accuracy(self, features: Tensor, labels: dict[str, Tensor]) -> dict[str, float]:
        """Share of right answers where there is one, per property."""
        pooled = functional.adaptive_avg_pool2d(features, 3).flatten(2).transpose(1, 2)
        right = {}
        for name, head in self.cells.items():
            there = labels[name] != _ABSENT
            right[name] = (head(pooled).argmax(-1) == labels[name])[there].float().mean().item()
        return right


def training_scenes(seed: int, count: int, fewest: int = 1, most: int = 4) -> list[Scene]:
    """Scenes of the training stream of a seed; the probe draws from a stream of another name."""
    return [random_scene(random.Random(f"train/{seed}/{fewest}-{most}/{i}"), fewest, most) for i in range(count)]


def schedule(step: int, steps: int, peak: float, warm_up: int = 150) -> float:
    """Linear warm-up, then a cosine down to zero."""
    if step < warm_up:
        return peak * (step + 1) / warm_up
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


def train_tower(
    shape: TowerShape, seed: int, steps: int, batch: int = 128, images: int = 40_000, log: Callable[[str], None] = print
) -> Any:
    """A tower trained for `steps` batches; logs loss and, at the end, accuracy on scenes it has not seen."""
    torch.manual_seed(seed)
    tower, heads = build_tower(shape).to(memory_format=torch.channels_last), CellHeads(shape.channels[-1])
    optimiser = torch.optim.AdamW([*tower.parameters(), *heads.parameters()], lr=3e-3, weight_decay=0.02)
    scenes = training_scenes(seed, images)
    rendered, labels = pixels(scenes), cell_labels(scenes)
    began = time.monotonic()
    for step, rows in enumerate(_batches(images, batch, steps, seed)):
        for group in optimiser.param_groups:
            group["lr"] = schedule(step, steps, 3e-3)
        with torch.autocast("cpu", torch.bfloat16):
            features = tower.forward_features(normalised(rendered[rows]).to(memory_format=torch.channels_last))
        loss = heads.loss(features.float(), {k: torch.from_numpy(v[rows]) for k, v in labels.items()})
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 50 == 0:
            log(f"tower step {step} loss {loss.item():.3f} seconds {time.monotonic() - began:.0f}")
    tower.eval()
    held_out = [random_scene(random.Random(f"tower-check/{seed}/{i}")) for i in range(1000)]
    with torch.no_grad():
        features = tower.forward_features(normalised(pixels(held_out)))
    seen = heads.accuracy(features, {k: torch.from_numpy(v) for k, v in cell_labels(held_out).items()})
    log("tower held out: " + ", ".join(f"{name} {share:.3f}" for name, share in seen.items()))
    return tower


def _batches(count: int, batch: int, steps: int, seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    order = np.empty(0, dtype=np.int64)
    for _ in range(steps):
        if len(order) < batch:
            order = rng.permutation(count)
        yield order[:batch]
        order = order[batch:]
