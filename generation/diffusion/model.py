"""A text-to-image pipeline of diffusers as an image model."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Self

import diffusers
import numpy as np
import numpy.typing as npt
import torch
import transformers
from diffusers.image_processor import VaeImageProcessor

from alignbench.backends.loading import told_of
from alignbench.types import ImageTask, ModelRef, Produced, Status
from generation.captioners import check_grouping
from generation.diffusion.draw import Drawn, Painter
from generation.diffusion.drawing import Drawing
from generation.diffusion.load import Loaded, load_pipeline
from generation.diffusion.schedulers import digest

# What pipelines and tokenizers raise for a prompt that they do not take.
_REFUSED = (ValueError, TypeError, IndexError)


class DiffusersModel:
    """Draws one picture at a time, so that no neighbour can change a bit of it, or `batch` where that is no matter.

    A picture that the model's safety checker finds unsafe has the status `unsafe`, one that is no numbers
    `not_finite`; a prompt without a word is `empty`, and not drawn.

    Args:
        loaded: The pipeline.
        drawing: What it is asked for beside the prompt.
        exact: One row a call. Else rows of a batch differ in the last bits from what they would be alone: by at most
            2 of 255 in float32 on a processor.
        batch: How many rows a call where `exact` is false; fewer where memory is short.

    Raises:
        UsageError: `exact` and `batch` do not say how many rows go together.
    """

    def __init__(self, loaded: Loaded, drawing: Drawing, *, exact: bool = True, batch: int = 4) -> None:
        check_grouping(exact, batch)
        self._loaded = loaded
        self._batch = 1 if exact else batch
        self._asked = (drawing.width, drawing.height)
        self._told = {**_told(loaded, drawing), "exact": exact}
        self._painter = Painter(loaded, drawing)

    @classmethod
    def from_reference(  # noqa: PLR0913 - each argument is an option of a recipe
        cls,
        model: str,
        *,
        revision: str | None = None,
        name: str | None = None,
        family: str | None = None,
        dtype: str | None = None,
        device: str | None = None,
        variant: str | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        true_guidance: float | None = None,
        negative_prompt: str | None = None,
        width: int | None = None,
        height: int | None = None,
        scheduler: str | None = None,
        max_sequence_length: int | None = None,
        exact: bool = True,
        batch: int = 4,
        offload: bool = False,
    ) -> Self:
        """Load the model; the arguments are those of `load_pipeline`, of `Drawing`, and of the class."""
        check_grouping(exact, batch)
        drawing = Drawing(steps, guidance, true_guidance, negative_prompt, width, height, max_sequence_length)
        loaded = load_pipeline(
            model,
            drawing,
            revision=revision,
            name=name,
            family=family,
            dtype=dtype,
            device=device,
            variant=variant,
            scheduler=scheduler,
            offload=offload,
        )
        return cls(loaded, drawing, exact=exact, batch=batch)

    @property
    def model(self) -> ModelRef:
        """The model as a producer."""
        return self._loaded.ref

    @property
    def environment(self) -> Mapping[str, str]:
        """The device and the versions of the libraries."""
        return {
            "device": self._loaded.device,
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
            "transformers": transformers.__version__,
        }

    def produce(self, tasks: Iterable[ImageTask]) -> Iterator[Produced]:
        """Draw a picture for each task; the same task gives the same bytes on the same kind of device."""
        waiting = iter(tasks)
        while batch := list(islice(waiting, self._batch)):
            wordless = [task for task in batch if not task.prompt.strip()]
            yield from (self._failed(task, Status.EMPTY, "the prompt has no words") for task in wordless)
            yield from self._drawn([task for task in batch if task.prompt.strip()])

    def _drawn(self, tasks: Sequence[ImageTask]) -> Iterator[Produced]:
        """The results of some tasks; where they cannot be drawn together, those of either half."""
        drawn = self._try(tasks) if len(tasks) <= self._batch else None
        if isinstance(drawn, str) and len(tasks) == 1:
            yield self._failed(tasks[0], Status.FAILED, drawn)
        elif drawn is None or isinstance(drawn, str):
            half = len(tasks) // 2
            yield from self._drawn(tasks[:half])
            yield from self._drawn(tasks[half:])
        else:
            yield from (self._produced(task, each) for task, each in zip(tasks, drawn, strict=True))

    def _try(self, tasks: Sequence[ImageTask]) -> list[Drawn] | str:
        """The pictures of some tasks, or the reason why there are none."""
        try:
            return self._painter.draw(tasks) if tasks else []
        except torch.OutOfMemoryError:
            self._batch = max(1, len(tasks) // 2)
            return f"the memory of the device ({self._loaded.device}) does not hold one picture"
        except _REFUSED as error:
            return f"{type(error).__name__}: {error}"

    def _produced(self, task: ImageTask, drawn: Drawn) -> Produced:
        height, width = drawn.pixels.shape[:2]
        told = {"batch": drawn.batch, "size": [width, height], **_tokens(drawn)}
        if drawn.unsafe:
            return self._failed(task, Status.UNSAFE, "the model's safety checker finds the picture unsafe", told)
        strange = int(np.count_nonzero(~np.isfinite(drawn.pixels)))
        if strange:
            reason = f"{strange} of the picture's {drawn.pixels.size} values are no numbers"
            return self._failed(task, Status.NOT_FINITE, reason, told)
        if self._asked not in {(None, None), (width, height)}:
            reason = "the model drew {} x {} where {} x {} was asked for".format(width, height, *self._asked)
            return self._failed(task, Status.FAILED, reason, told)
        return Produced(task.number, image=_png(drawn.pixels), provenance={**self._told, **told})

    def _failed(self, task: ImageTask, status: Status, reason: str, told: Mapping[str, Any] | None = None) -> Produced:
        return Produced(task.number, status=status, provenance={**self._told, **(told or {}), "reason": reason})


def _told(loaded: Loaded, drawing: Drawing) -> dict[str, Any]:
    """What holds for every row."""
    checker = getattr(loaded.pipe, "safety_checker", None)
    return {
        "pipeline": type(loaded.pipe).__name__,
        "scheduler": type(loaded.pipe.scheduler).__name__,
        "scheduler_config": digest(loaded.pipe.scheduler),
        **drawing.told(type(loaded.pipe)),
        "dtype": loaded.dtype,
        **told_of(loaded.device),
        **_threads(loaded.device),
        "variant": loaded.variant,
        "safety_checker": "none" if checker is None else type(checker).__name__,
    }


def _threads(device: str) -> dict[str, int]:
    """How many threads a processor draws with: sums are split among them, which shows in the last bits."""
    return {"threads": torch.get_num_threads()} if torch.device(device).type == "cpu" else {}


def _tokens(drawn: Drawn) -> dict[str, Any]:
    cuts = {name: reading.cut for name, reading in drawn.readings.items()}
    known = [cut for cut in cuts.values() if cut is not None]
    return {
        "prompt_tokens": {name: {"tokens": each.tokens, "limit": each.limit} for name, each in drawn.readings.items()},
        "truncated": any(known) if known else None,
        "truncated_by": [name for name, cut in cuts.items() if cut],
    }


def _png(pixels: npt.NDArray[np.float32]) -> bytes:
    """A PNG file of the picture as diffusers itself would round it."""
    (picture,) = VaeImageProcessor.numpy_to_pil(pixels)
    encoded = io.BytesIO()
    picture.save(encoded, "PNG", compress_level=6)
    return encoded.getvalue()
