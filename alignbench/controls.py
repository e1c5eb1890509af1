"""Replaces the images of a run, to show what a judge scores without seeing the right one."""

from __future__ import annotations

import functools
import hashlib
import io
import itertools
import random
from collections.abc import Mapping

from PIL import Image as Pillow

from alignbench.errors import UnknownNameError, UsageError

CONTROLS = ("blank", "shuffled")
_GRAY = (128, 128, 128)


def check_control(name: str) -> None:
    """Raise UnknownNameError unless `name` is an image control."""
    if name not in CONTROLS:
        raise UnknownNameError.of("image control", name, CONTROLS, "give --control blank or --control shuffled")


@functools.lru_cache(maxsize=64)
def blank_png(width: int, height: int) -> bytes:
    """A uniformly gray image of that size, as PNG bytes."""
    encoded = io.BytesIO()
    Pillow.new("RGB", (width, height), _GRAY).save(encoded, "PNG")
    return encoded.getvalue()


def derange(fingerprints: Mapping[str, str], seed: int) -> dict[str, str]:
    """Give every image another one: a seeded permutation in which no image keeps its own bytes.

    Args:
        fingerprints: The sha256 of each image's bytes by its key.
        seed: The permutation is a function of it and of `fingerprints`.

    Returns:
        The key whose sentences are asked about, by the key of the image that is shown.

    Raises:
        UsageError: More than half of the images have the same bytes, so that no such permutation exists.
    """
    keys = sorted(fingerprints)
    random.Random(seed).shuffle(keys)
    # Equal images side by side: a shift by the largest such block leads out of every block, also around the end.
    first = {fingerprints[key]: place for place, key in reversed(list(enumerate(keys)))}
    keys.sort(key=lambda key: first[fingerprints[key]])
    shift = max((len(list(block)) for _, block in itertools.groupby(keys, key=fingerprints.__getitem__)), default=0)
    if 2 * shift > len(keys):
        raise UsageError(
            f"--control shuffled gives every image another one, but {shift} of the {len(keys)} images are the same; "
            "give --control blank, or a dataset with more images"
        )
    return dict(zip(keys[shift:] + keys[:shift], keys, strict=True))


def permutation_digest(asked_of: Mapping[str, str]) -> str:
    """The sha256 of a permutation of image keys, for run.json."""
    digest = hashlib.sha256()
    for shown, asked in sorted(asked_of.items()):
        digest.update(f"{shown}\t{asked}\n".encode())
    return digest.hexdigest()
