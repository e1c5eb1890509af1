"""What a run left behind, and judges that break off, for tests of running."""

from __future__ import annotations

import pyarrow.parquet as pq

from alignbench.run import RunSummary
from alignbench.schema import judgments_from_table
from alignbench.store import Dataset
from alignbench.types import Image, Judgment, Query, Status
from tests.fake_judges import FakeJudge, score_of


def judgments(summary: RunSummary) -> list[Judgment]:
    return judgments_from_table(pq.read_table(summary.folder / "judgments.parquet"))


def expected(dataset: Dataset) -> list[tuple[str, float]]:
    """The slow way: sentence by sentence, with the bytes of its own image."""
    images = {image.image_key: image.bytes or b"" for image in dataset.images()}
    image_of = {pair.pair_id: images[pair.image_key] for pair in dataset.pairs()}
    return [(each.sentence_id, score_of(image_of[each.pair_id], each.text)) for each in dataset.sentences()]


def scores(summary: RunSummary) -> list[tuple[str, float | None]]:
    return [(each.sentence_id, each.verdict.score) for each in judgments(summary)]


def statuses(summary: RunSummary) -> list[Status]:
    return [each.verdict.status for each in judgments(summary)]


def stop_after(count: int, error: BaseException) -> FakeJudge:
    """A judge that is interrupted after some answers."""
    given = iter(range(count))

    def meddle(query: Query, place: int) -> None:
        if next(given, None) is None:
            raise error

    return FakeJudge(meddle)


def fail_on(image: Image, error: Exception, ahead: int = 1, place: int = 0) -> FakeJudge:
    def meddle(query: Query, at: int) -> None:
        if query.image == image.bytes and at == place:
            raise error

    return FakeJudge(meddle, ahead)
