"""How alike two pictures look, as the distance of their perceptual hashes."""

from __future__ import annotations

from PIL import Image as Pillow

from alignbench.errors import MissingDependencyError


def fingerprint(picture: Pillow.Image) -> int:
    """The perceptual hash of a picture, 64 bits: those of its 64 lowest frequencies that are above their median.

    It is the `phash` of the imagehash library, and hardly changes with size, encoding or brightness. Of a picture of
    one colour it says nothing.

    Raises:
        MissingDependencyError: imagehash is not installed.
    """
    try:
        import imagehash
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of(error.name or "imagehash", "generate") from error
    return int(str(imagehash.phash(picture)), 16)


def distance(first: int, second: int) -> int:
    """In how many of 64 bits two fingerprints differ: 0 for pictures that look the same, about 32 for unlike ones."""
    return (first ^ second).bit_count()
