"""Draws rows with a pipeline, each from noise of its own and with nothing left over from the rows before."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from alignbench.types import ImageTask
from generation.diffusion.drawing import Drawing
from generation.diffusion.load import Loaded
from generation.diffusion.quiet import quiet
from generation.diffusion.tokens import Reading, TokenMeter


class Drawn(NamedTuple):
    """A picture of 0 to 1, what a safety checker said, what the encoders read, and how many were drawn at once."""

    pixels: npt.NDArray[np.float32]  # (height, width, channels)
    unsafe: bool
    readings: Mapping[str, Reading]
    batch: int


class Painter:
    """Calls a pipeline.

    Noise comes from a generator a row, seeded by its task, on the processor whatever the device, so that all devices
    begin at the same noise. The scheduler is a fresh copy for every call, because some remember earlier ones. Whoever
    draws from torch's global generator finds it seeded by the first task; rows that were drawn so together are drawn
    again one by one.
    """

    def __init__(self, loaded: Loaded, drawing: Drawing) -> None:
        self._pipe, self._drawing = loaded.pipe, drawing
        self._scheduler = copy.deepcopy(loaded.pipe.scheduler)
        self._meter = TokenMeter(loaded.pipe)
        self._devices = [torch.device(loaded.device)] if torch.device(loaded.device).type == "cuda" else []

    def draw(self, tasks: Sequence[ImageTask]) -> list[Drawn]:
        """A picture for each task, in their order.

        Raises:
            ValueError, TypeError, IndexError: The pipeline refuses one of the prompts.
            torch.OutOfMemoryError: The device has too little memory for so many.
        """
        with _seeded(tasks[0].seed, self._devices) as touched:
            drawn = self._call(tasks)
        if touched and len(tasks) > 1:
            return [each for task in tasks for each in self.draw([task])]
        return drawn

    def _call(self, tasks: Sequence[ImageTask]) -> list[Drawn]:
        self._pipe.scheduler = copy.deepcopy(self._scheduler)
        with quiet(), torch.inference_mode(), self._meter.listening():
            made = self._pipe(
                prompt=[task.prompt for task in tasks],
                generator=[torch.Generator("cpu").manual_seed(task.seed) for task in tasks],
                output_type="np",
                **self._drawing.arguments(type(self._pipe), len(tasks)),
            )
        unsafe = getattr(made, "nsfw_content_detected", None) or [False] * len(tasks)
        readings = self._meter.readings(len(tasks))
        return [
            Drawn(np.asarray(pixels), bool(flag), reading, len(tasks))
            for pixels, flag, reading in zip(made.images, unsafe, readings, strict=True)
        ]


@contextmanager
def _seeded(seed: int, devices: Sequence[torch.device]) -> Iterator[list[bool]]:
    """Seed torch's global generators, and put them back; the list is not empty if they were drawn from."""
    touched: list[bool] = []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        for device in devices:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        before = _states(devices)
        yield touched
        if any(not torch.equal(a, b) for a, b in zip(before, _states(devices), strict=True)):
            touched.append(True)


def _states(devices: Sequence[torch.device]) -> list[torch.Tensor]:
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state(each) for each in devices)]
