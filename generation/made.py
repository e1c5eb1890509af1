"""An image that a producer made, as an image of the dataset."""

from __future__ import annotations

from alignbench.store import image_of
from alignbench.types import Image, Origin
from generation.journal import Entry
from generation.plan import Row
from generation.recipe import Recipe
from generation.work import Work


def image_made(recipe: Recipe, row: Row, entry: Entry, work: Work) -> Image:
    """The image of a row with its bytes; its provenance is what its producer says of it, and the parent of its row.

    Raises:
        RunError: the bytes are gone or are not what they were.
    """
    told = {**entry.provenance["made"], **({"parent": row.parent} if row.parent else {})}
    return image_of(work.read(entry.image or ""), source=recipe.name, origin=Origin.GENERATED, provenance=told)
