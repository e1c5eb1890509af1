"""The image side of a CLIP model: images to unit vectors, prepared by threads ahead of the model."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from torch import Tensor

from alignbench.backends.clip.load import Clip

_MOST_WORKERS = 8

_Wanted = TypeVar("_Wanted")


class Block(NamedTuple, Generic[_Wanted]):
    """What goes through the model together, its pixels (3, height, width), and what came to none, with the error.

    `seconds` is how long the model had to wait for them.
    """

    ready: list[_Wanted]
    pixels: list[Tensor]
    failed: list[tuple[_Wanted, BaseException]]
    seconds: float


def in_blocks(all_wanted: Iterable[_Wanted], size: int) -> Iterator[list[_Wanted]]:
    """What is wanted, `size` at a time and pulled only then."""
    pulled = iter(all_wanted)
    while block := list(itertools.islice(pulled, size)):
        yield block


def prepared_ahead(
    blocks: Iterable[Iterable[_Wanted]], prepare: Callable[[_Wanted], Tensor], workers: int
) -> Iterator[Block[_Wanted]]:
    """Yield block after block, in order and pulled one block ahead: threads prepare it while the model works.

    Threads, not processes: decoding and resizing let go of the interpreter, so two threads on two cores prepare 1.9
    times as many one-megapixel JPEGs a second as one (8.7 to 4.5 ms an image; two processes need 4.9 ms, after seconds
    of starting up).
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="pixels") as threads:
        waiting: list[tuple[_Wanted, Future[Tensor]]] = []
        try:
            for block in blocks:
                before, waiting = waiting, [(wanted, threads.submit(prepare, wanted)) for wanted in block]
                if before:
                    yield _gathered(before)
            if waiting:
                yield _gathered(waiting)
        finally:
            threads.shutdown(cancel_futures=True)


def workers_by_default() -> int:
    """One thread a core that this process may use, where the system tells, and at most eight."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_MOST_WORKERS, cores)


@torch.inference_mode()
def encode_pixels(clip: Clip, pixels: Sequence[Tensor]) -> NDArray[np.float32]:
    """The unit vectors of some prepared images, (images, d), which go through the model together."""
    dtype = next(clip.model.parameters()).dtype
    placed = torch.stack(list(pixels)).to(clip.device, dtype)
    vectors: NDArray[np.float32] = clip.model.encode_image(placed, normalize=True).float().cpu().numpy()
    return vectors


def encode_images(clip: Clip, pictures: Iterable[Pillow.Image], batch: int = 32) -> NDArray[np.float32]:
    """The unit vectors of pictures, (pictures, d) float32; of no pictures (0, 0).

    Which pictures share a batch may change the last digits of a vector; with a batch of one nothing but the picture
    does. The pictures are pulled at most two batches ahead.

    Raises:
        Exception: whatever the preparing of a picture raises.
    """
    found = []
    for block in prepared_ahead(in_blocks(pictures, batch), clip.prepare, workers_by_default()):
        for _, error in block.failed:
            raise error
        found.append(encode_pixels(clip, block.pixels))
    return np.concatenate(found) if found else np.zeros((0, 0), np.float32)


def _gathered(waiting: Sequence[tuple[_Wanted, Future[Tensor]]]) -> Block[_Wanted]:
    """What became of some images; one that cannot be prepared costs no other its place."""
    started = time.perf_counter()
    errors = [future.exception() for _, future in waiting]
    seconds = time.perf_counter() - started
    pairs = list(zip(waiting, errors, strict=True))
    ready = [(wanted, future.result()) for (wanted, future), error in pairs if error is None]
    failed = [(wanted, error) for (wanted, _), error in pairs if error is not None]
    return Block([wanted for wanted, _ in ready], [pixels for _, pixels in ready], failed, seconds)
