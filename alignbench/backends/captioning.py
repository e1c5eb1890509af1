"""Captions by a vision-language model, each a function of its own image, prompt and seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from PIL import Image as Pillow

from alignbench.backends.decoding import Continuation, Continuing, Decoding
from alignbench.backends.vlm import Vlm


class CaptionRequest(NamedTuple):
    """One caption to write."""

    image: Pillow.Image
    prompt: str
    seed: int


class CaptionWriter:
    """Writes captions with one model, in one of two ways.

    Exactly: requests whose inputs have the same shape go through the model together. A short batch is filled up with
    copies and nothing is ever padded, so the arithmetic of a row is the same whatever its neighbours are, and a caption
    depends on its request alone. Padded: any requests go together, the shorter ones padded on the left. What a row is
    drawn by is its own still, but numbers are rounded otherwise than alone, which can change a caption.

    Args:
        vlm: The model; its own defaults for decoding are set aside.
        decoding: How words are chosen.
        batch: How many captions are written at a time.
        padded: Which of the two ways.

    Raises:
        UsageError: The model has no token that ends a text.
    """

    def __init__(self, vlm: Vlm, decoding: Decoding, batch: int = 16, *, padded: bool = False) -> None:
        self._vlm, self._batch, self._padded = vlm, batch, padded
        self._continuing = Continuing(vlm.model, vlm.tokenizer, decoding, vlm.ref.name)

    def write(self, requests: Sequence[CaptionRequest]) -> list[Continuation]:
        """A caption for each request, in their order.

        Raises:
            ValueError: The model's front end refuses an image, or cannot pad these to go together.
            torch.OutOfMemoryError: The device has no room for as many at a time.
        """
        if not self._padded:
            return self._write_alike(requests)
        starts = range(0, len(requests), self._batch)
        return [caption for start in starts for caption in self._write_padded(requests[start : start + self._batch])]

    def _write_padded(self, requests: Sequence[CaptionRequest]) -> list[Continuation]:
        inputs = self._vlm.encode([each.image for each in requests], [each.prompt for each in requests])
        return self._continuing.write(inputs, [each.seed for each in requests])

    def _write_alike(self, requests: Sequence[CaptionRequest]) -> list[Continuation]:
        inputs = [self._vlm.encode([request.image], [request.prompt]) for request in requests]
        captions: dict[int, Continuation] = {}
        for rows in _alike(inputs, self._batch):
            filled = [*rows, *[rows[-1]] * (self._batch - len(rows))]
            stacked = {name: torch.cat([inputs[row][name] for row in filled]) for name in inputs[rows[0]]}
            written = self._continuing.write(stacked, [requests[row].seed for row in filled])
            captions.update(zip(rows, written, strict=False))
        return [captions[row] for row in range(len(requests))]


def _alike(inputs: Sequence[dict[str, torch.Tensor]], batch: int) -> Iterator[list[int]]:
    """Batches of rows whose inputs have the same shapes."""
    groups: dict[Any, list[int]] = {}
    for row, each in enumerate(inputs):
        groups.setdefault(tuple((name, tuple(value.shape)) for name, value in each.items()), []).append(row)
    for rows in groups.values():
        yield from (rows[start : start + batch] for start in range(0, len(rows), batch))
