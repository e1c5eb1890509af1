"""Images from a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from alignbench.decode import MAX_PIXELS
from alignbench.errors import UsageError
from alignbench.types import Image, Status
from generation.protocols import Site, Unusable
from generation.sources import options
from generation.sources.draw import rank
from generation.sources.enclosure import ClosedError, Enclosure, Listed
from generation.sources.intake import MAX_BYTES, Arrival, Intake, up_to
from generation.sources.names import shown


@dataclass(frozen=True, slots=True)
class FolderSource:
    """Every file below a folder whose content is an image, whatever its name; hidden files are passed over.

    No link is followed and only regular files are opened, so that nothing outside the folder is read. `name` is what
    the images say as their source.
    """

    path: Path
    name: str
    licence: str | None
    recursive: bool
    max_bytes: int
    max_pixels: int

    @classmethod
    def from_options(
        cls,
        site: Site,
        *,
        path: str,
        name: str | None = None,
        licence: str | None = None,
        recursive: bool = True,
        max_bytes: int = MAX_BYTES,
        max_pixels: int = MAX_PIXELS,
    ) -> Self:
        """The source; UsageError where there is no such folder."""
        folder = options.place(site, "path", path)
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder}; give under `path` a folder with images in it")
        return cls(
            folder,
            options.text_or_null("name", name) or shown(folder.resolve().name) or "folder",
            options.text_or_null("licence", licence),
            options.flag("recursive", recursive),
            options.whole("max_bytes", max_bytes, least=1),
            options.whole("max_pixels", max_pixels, least=1, most=MAX_PIXELS),
        )

    def images(self, count: int | None, seed: int) -> Iterator[Image | Unusable]:
        """Yield all images in the order of their names, or `count` of them in an order of the seed."""
        intake = Intake(self.name, self.licence, self.max_bytes, self.max_pixels)
        with self._opened() as inside:
            listed = sorted(inside.names(recursive=self.recursive), key=_in_order(count, seed))
            yield from up_to(count, (_outcome(inside, each, intake) for each in listed))

    def _opened(self) -> Enclosure:
        try:
            return Enclosure(self.path)
        except OSError as error:
            raise UsageError(f"{self.path} cannot be opened: {error.strerror}; mend that, then run it again") from error


def _in_order(count: int | None, seed: int) -> Any:
    if count is None:
        return lambda listed: listed.parts
    # The name itself decides between two that a file system might have spelled alike.
    return lambda listed: (rank(seed, _name(listed)), listed.parts)


def _outcome(inside: Enclosure, listed: Listed, intake: Intake) -> Image | Unusable:
    name = _name(listed)
    if listed.obstacle is not None:
        return Unusable(name, Status.IMAGE_UNREADABLE, listed.obstacle)
    try:
        encoded = inside.read(listed.parts, intake.max_bytes)
    except ClosedError as error:
        return Unusable(name, Status.IMAGE_UNREADABLE, str(error))
    return intake.take(Arrival(name, encoded, provenance={"file": name}))


def _name(listed: Listed) -> str:
    return shown("/".join(listed.parts)) or "."
