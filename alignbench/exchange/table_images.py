"""Stores the images that a table names, each of them once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from alignbench.errors import ImageError
from alignbench.exchange.notes import Notes, Problems
from alignbench.exchange.table_rows import Frame
from alignbench.store import DatasetWriter, image_of
from alignbench.types import Direction, Image, Origin


@dataclass(slots=True)
class TableImages:
    """Reads images from `folder` into `writer`, which gets none once there are problems."""

    writer: DatasetWriter
    folder: Path
    source: str
    problems: Problems
    notes: Notes
    _keys: dict[str, str | None] = field(default_factory=dict)
    _first: dict[str, tuple[int, Frame]] = field(default_factory=dict)

    def key_of(self, frame: Frame, line: int) -> str | None:
        """The image_key (the sha256) of the image of a row; None, with a problem, where it cannot be read.

        Paths to the same bytes are the same image.
        """
        if frame.image not in self._keys:
            self._keys[frame.image] = self._read(frame, line)
        key = self._keys[frame.image]
        if key is not None:
            self._compare(key, frame, line)
        return key

    def _read(self, frame: Frame, line: int) -> str | None:
        path = self.folder / frame.image
        if not path.is_file():
            self.problems.absent(line, frame.image)
            return None
        try:
            image = self._image(path.read_bytes(), frame)
        except (ImageError, OSError) as error:
            self.problems.add(line, f"the image {frame.image} cannot be read: {error}")
            return None
        if not self.problems:
            self.writer.add_image(image)
        self._first.setdefault(image.image_key, (line, frame))
        return image.image_key

    def _image(self, encoded: bytes, frame: Frame) -> Image:
        return image_of(
            encoded,
            source=frame.source or self.source,
            origin=_origin(frame),
            licence=frame.licence,
            provenance={"format": "table", "path": frame.image},
        )

    def _compare(self, key: str, frame: Frame, line: int) -> None:
        first_line, first = self._first[key]
        unit = self.problems.unit
        if _origin(frame) is Origin.GENERATED and _origin(first) is Origin.REAL:
            self.problems.add(
                line,
                f"a model drew the image {frame.image}, but on {unit} {first_line} it is the source of a caption; put "
                "the text_to_image rows of an image before its image_to_text rows",
            )
        for column in ("licence", "source"):
            said, known = getattr(frame, column), getattr(first, column)
            if said is not None and said != known:
                case = f"{frame.image}: {said!r} on {unit} {line}, {known!r} on {unit} {first_line}"
                self.notes.add(f"images with another {column} on a later {unit}, the first one is kept", case)


def _origin(frame: Frame) -> Origin:
    return Origin.GENERATED if frame.direction is Direction.TEXT_TO_IMAGE else Origin.REAL
