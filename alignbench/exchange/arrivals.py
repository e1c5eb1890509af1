"""Gives missing images their bytes from a folder."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path

from alignbench.errors import ImageError
from alignbench.exchange.notes import Notes
from alignbench.exchange.pictures import Pictures, Wanted, resolve, safe_path
from alignbench.store import image_of, write_atomically
from alignbench.types import Image

MISSING_IMAGES = "missing_images.csv"
UNREADABLE = "files that are no image we decode, their images stay missing"


def expected_path(image: Image) -> str | None:
    """Where below a folder of images the file of `image` is expected; null where nothing says it."""
    path = image.provenance.get("expected_path")
    return path if isinstance(path, str) and path else None


def find_images(images: Iterable[Image], folder: Path) -> dict[str, Path]:
    """The files in `folder` of those `images` that are missing, by image_key.

    Args:
        images: All images of a dataset, without their bytes if you like.
        folder: Where to look.

    Raises:
        UsageError: There is no such folder.
        ImportFileError: It is not clear which file is which image.
    """
    wanted: dict[str, Wanted] = {}
    needed = set()
    for image in images:
        path = expected_path(image)
        if path is not None:
            wanted[image.image_key] = Wanted(path, *_name_and_source(image))
        if image.sha256 is None:
            needed.add(image.image_key)
    return resolve(Pictures(folder), wanted, needed)


def _name_and_source(image: Image) -> tuple[str | None, str | None]:
    """By what else a file may be found; a path in the repository is enough, and names repeat across its folders."""
    name, source = (image.provenance.get(column) for column in ("image_name", "image_source"))
    if "path_in_repo" in image.provenance or not isinstance(name, str):
        return None, None
    return safe_path(name), source if isinstance(source, str) else None


def filled(image: Image, files: Mapping[str, Path], notes: Notes) -> Image:
    """A missing image with the bytes of its file; as it was where there is none, or (noted) no image."""
    file = files.get(image.image_key)
    if file is None or image.sha256 is not None:
        return image
    try:
        found = image_of(file.read_bytes(), source=image.source, origin=image.origin, key=image.image_key)
    except (ImageError, OSError) as error:
        notes.add(UNREADABLE, f"{expected_path(image)} ({error})")
        return image
    return dataclasses.replace(image, sha256=found.sha256, bytes=found.bytes, width=found.width, height=found.height)


def write_missing(folder: Path, missing: Iterable[Image]) -> None:
    """List missing images in `missing_images.csv` of `folder`: image_key, url, expected_path; no file for none."""
    rows = [(image.image_key, image.url or "", expected_path(image) or "") for image in missing]
    target = folder / MISSING_IMAGES
    if not rows:
        target.unlink(missing_ok=True)
        return

    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as text:
            csv.writer(text, lineterminator="\n").writerows([("image_key", "url", "expected_path"), *rows])

    write_atomically(target, write)
