"""The queries of a run as its judge sees them: read as a stream, each image once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from alignbench.controls import blank_png
from alignbench.decode import decode
from alignbench.errors import ImageError
from alignbench.plan import Plan, PlannedQuery
from alignbench.store import Dataset
from alignbench.types import Answer, Image, Query, Status, Verdict


class Shown:
    """The queries `todo` with their images' bytes; verdicts on images that cannot be shown are put by.

    Args:
        dataset: Where the images are.
        plan: All queries of the dataset.
        todo: Those to show, in the order of their numbers; they may lack sentences of the planned ones.
        control: `blank` shows a gray image of the same size instead.
    """

    def __init__(self, dataset: Dataset, plan: Plan, todo: Iterable[PlannedQuery], control: str | None) -> None:
        self._dataset = dataset
        self._plan = plan
        self._todo: dict[str, list[PlannedQuery]] = {}
        for planned in todo:
            self._todo.setdefault(planned.shown_key, []).append(planned)
        self._blank = control == "blank"
        self._unshown: list[Answer] = []

    def __iter__(self) -> Iterator[Query]:
        for image in self._dataset.images(self._todo.keys()):
            try:
                encoded = self._encoded(image)
            except ImageError as error:
                self._put_by(image, Status.IMAGE_UNREADABLE, str(error))
                continue
            if encoded is None:
                self._put_by(image, Status.IMAGE_MISSING, "the dataset does not hold the image's bytes")
                continue
            for planned in self._todo[image.image_key]:
                sentences, context = self._plan.words(planned)
                yield Query(planned.number, encoded, sentences, context)

    def _encoded(self, image: Image) -> bytes | None:
        if image.bytes is None:
            return None
        size = decode(image.bytes).size
        return blank_png(*size) if self._blank else image.bytes

    def _put_by(self, image: Image, status: Status, reason: str) -> None:
        verdict = Verdict.failed(status, reason)
        for planned in self._todo[image.image_key]:
            self._unshown += [Answer(planned.number, place, verdict) for place in range(len(planned.rows))]

    def take_unshown(self) -> list[Answer]:
        """The verdicts that have come together since the last call."""
        taken, self._unshown = self._unshown, []
        return taken
