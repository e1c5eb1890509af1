"""Judges a dataset with one judge, keeping every answer as soon as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from alignbench.asking import Asking
from alignbench.controls import blank_png, check_control, derange, permutation_digest
from alignbench.decode import decode
from alignbench.errors import ImageError, UsageError
from alignbench.ledger import Ledger, Recorded
from alignbench.plan import Plan, PlannedQuery, plan_queries, still_to_ask
from alignbench.run_folder import begin_or_resume, describe, folder_of, is_merged, merge
from alignbench.store import Dataset
from alignbench.types import (
    Answer,
    Briefed,
    Image,
    Judge,
    JudgeSpec,
    Judgment,
    Pair,
    Query,
    Sentence,
    Situated,
    Status,
    Verdict,
)

_STATUSES = tuple(Status)
_FINAL = [_STATUSES.index(status) for status in (Status.OK, Status.IMAGE_MISSING)]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call has come, in sentences: `finished` of `total` have an answer, `asked` of them were asked now."""

    finished: int
    total: int
    asked: int
    failed: int


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a call to `run_judge` did, and how the whole run stands.

    Attributes:
        folder: The run's folder.
        judge_id: The judge's identity, control included.
        name: The judge's name for people.
        sentences: Sentences of the whole dataset.
        finished: Those with a recorded answer, over all shards and calls.
        asked: Answers that this call recorded.
        statuses: How many finished sentences have each status.
        truncated: Finished sentences of which the judge's model saw only a part.
        seconds: Wall time of this call.
        complete: Whether judgments.parquet holds all sentences; otherwise shards are missing or `limit` cut it short.
    """

    folder: Path
    judge_id: str
    name: str
    sentences: int
    finished: int
    asked: int
    statuses: Mapping[Status, int]
    truncated: int
    seconds: float
    complete: bool


def run_judge(  # noqa: PLR0913 - each argument is an option of `alignbench judge`
    dataset: Dataset,
    judge: Judge,
    out: Path,
    *,
    control: str | None = None,
    shard: tuple[int, int] = (0, 1),
    retry_failed: bool = False,
    limit: int | None = None,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> RunSummary:
    """Judge every sentence of a dataset; a run that was cut short goes on where it stopped.

    The run's folder is `out/<shown digest, 8>-<judge_id>`, with run.json =
    `{"run_version", "judge_id", "spec": {JudgeSpec, model nested}, "dataset": {"name", "version", "digest",
    "shown_digest"}, "briefed", "seed", "shards", "permutation": null | sha256, "environment", "versions", "started"}`.

    Args:
        dataset: What to judge.
        judge: A loaded judge.
        out: Folder of runs; made where missing.
        control: `blank` or `shuffled` to replace the images; becomes part of the judge_id.
        shard: (i, n): this call judges the i-th of n parts, 0-based.
        retry_failed: Ask again for sentences that have an answer but no score.
        limit: Judge only the first `limit` sentences of sentences.parquet; no judgments.parquet comes of it until a
            later call, without a limit, judges the rest.
        seed: Of the order in which an image's sentences are shown, and of `shuffled`.
        progress: Called after each recorded answer.

    Raises:
        UsageError: A control, shard or limit that makes no sense.
        DatasetError: An empty dataset.
        DatasetChangedError: The dataset is not the one the run began with.
        RunError: The run folder is damaged, held by another process, or the judge fails on everything.
        StorageError: The disk refused a write; what was answered before is kept.
    """
    started = time.monotonic()
    _check_request(shard, limit)
    spec = controlled(judge.spec, control)
    asked_of = _permutation(dataset, seed) if control == "shuffled" else {}
    plan = plan_queries(dataset, seed, asked_of)
    folder = folder_of(out, dataset, spec)
    begin_or_resume(
        folder,
        describe(
            dataset,
            spec,
            seed=seed,
            shards=shard[1],
            briefed=isinstance(judge, Briefed),
            permutation=permutation_digest(asked_of) if asked_of else None,
            environment=judge.environment if isinstance(judge, Situated) else {},
        ),
    )
    with Ledger(folder, shard) as ledger:
        recorded = Recorded(folder, plan.sentence_ids)
        part = _Part(judge, spec, dataset, plan, plan.shard(*shard), limit)
        asked = part.judge(ledger, recorded, retry_failed, progress)
    if asked:
        recorded = Recorded(folder, plan.sentence_ids)
    complete = bool((recorded.attempts > 0).all())
    if complete and not is_merged(folder, recorded):
        merge(folder, recorded, dataset)
    return _summary(folder, spec, recorded, asked, complete, time.monotonic() - started)


def controlled(spec: JudgeSpec, control: str | None) -> JudgeSpec:
    """What a judge becomes when `control` replaces its images; itself where `control` is null.

    Raises:
        UsageError: No such control, or a judge that looks at no image anyway.
    """
    if control is None:
        return spec
    check_control(control)
    if spec.control is not None:
        raise UsageError(
            f"the judge {spec.name!r} is a blind control and looks at no image; leave out --control {control}"
        )
    return replace(spec, control=control, name=f"{spec.name} ({control})")


def _check_request(shard: tuple[int, int], limit: int | None) -> None:
    number, count = shard
    if not 0 <= number < count:
        raise UsageError(f"there is no shard {number} of {count}; give --shard i/n with i from 0 to n - 1, such as 0/4")
    if limit is not None and limit < 1:
        raise UsageError(f"a limit of {limit} sentences leaves nothing to judge; give --limit 1 or more")


def _permutation(dataset: Dataset, seed: int) -> dict[str, str]:
    present = {image.image_key: image.sha256 for image in dataset.images() if image.sha256 is not None}
    return derange(present, seed)


class _Part:
    """The part of a run that one call judges."""

    def __init__(
        self,
        judge: Judge,
        spec: JudgeSpec,
        dataset: Dataset,
        plan: Plan,
        queries: Sequence[PlannedQuery],
        limit: int | None,
    ) -> None:
        self._judge = judge
        self._judge_id = spec.judge_id
        self._control = spec.control
        self._dataset = dataset
        self._plan = plan
        self._queries = queries
        self._mine = np.zeros(len(plan.sentence_ids), dtype=np.bool_)
        for query in queries:
            self._mine[list(query.rows)] = True
        if limit is not None:
            self._mine[limit:] = False

    def judge(
        self, ledger: Ledger, recorded: Recorded, retry_failed: bool, progress: Callable[[Progress], None] | None
    ) -> int:
        """Ask what has no answer yet, record every answer as it comes, and return how many came."""
        done = np.isin(recorded.status, _FINAL) if retry_failed else recorded.attempts > 0
        todo = still_to_ask(self._queries, self._mine & ~done)
        if isinstance(self._judge, Briefed):
            self._judge.brief(_briefing(self._dataset, self._plan, todo))
        by_number = {query.number: query for query in todo.values()}
        state = Progress(int((self._mine & done).sum()), int(self._mine.sum()), 0, 0)
        for answer in _answers(self._judge, _Shown(self._dataset, todo, self._plan, self._control)):
            row = by_number[answer.query].rows[answer.sentence]
            sentence_id, attempts = self._plan.sentence_ids[row], int(recorded.attempts[row]) + 1
            ledger.append(Judgment(sentence_id, self._judge_id, answer.verdict, attempts))
            failed = answer.verdict.status is not Status.OK
            state = replace(state, finished=state.finished + 1, asked=state.asked + 1, failed=state.failed + failed)
            if progress is not None:
                progress(state)
        return state.asked


class _Shown:
    """The queries with their images' bytes; `unshown` collects the verdicts on images that cannot be shown."""

    def __init__(self, dataset: Dataset, todo: Mapping[str, PlannedQuery], plan: Plan, control: str | None) -> None:
        self._dataset = dataset
        self._todo = todo
        self._plan = plan
        self._blank = control == "blank"
        self._unshown: list[Answer] = []

    def __iter__(self) -> Iterator[Query]:
        for image in self._dataset.images(self._todo.keys()):
            planned = self._todo[image.image_key]
            try:
                encoded = self._encoded(image)
            except ImageError as error:
                self._put_off(planned, Status.IMAGE_UNREADABLE, str(error))
                continue
            if encoded is None:
                self._put_off(planned, Status.IMAGE_MISSING, "the dataset does not hold the image's bytes")
            else:
                yield Query(planned.number, encoded, tuple(self._plan.texts[row].as_py() for row in planned.rows))

    def _encoded(self, image: Image) -> bytes | None:
        if image.bytes is None:
            return None
        size = decode(image.bytes).size
        return blank_png(*size) if self._blank else image.bytes

    def _put_off(self, planned: PlannedQuery, status: Status, reason: str) -> None:
        verdict = Verdict.failed(status, reason)
        self._unshown += [Answer(planned.number, place, verdict) for place in range(len(planned.rows))]

    def take_unshown(self) -> list[Answer]:
        """The verdicts that have come together since the last call."""
        taken, self._unshown = self._unshown, []
        return taken


def _answers(judge: Judge, shown: _Shown) -> Iterator[Answer]:
    for answer in Asking(judge, shown).answers():
        yield from shown.take_unshown()
        yield answer
    yield from shown.take_unshown()


def _briefing(
    dataset: Dataset, plan: Plan, todo: Mapping[str, PlannedQuery]
) -> dict[tuple[int, int], tuple[Pair, Sentence]]:
    """All rows of the dataset: first those that a query will ask, at their places in it, then the rest of its image."""
    pairs = {pair.pair_id: pair for pair in dataset.pairs()}
    sentences = list(dataset.sentences())
    rows: dict[tuple[int, int], tuple[Pair, Sentence]] = {}
    for query in plan.queries:
        asked = todo[query.shown_key].rows if query.shown_key in todo else ()
        for place, row in enumerate(dict.fromkeys([*asked, *query.rows])):
            rows[query.number, place] = pairs[sentences[row].pair_id], sentences[row]
    return rows


def _summary(
    folder: Path, spec: JudgeSpec, recorded: Recorded, asked: int, complete: bool, seconds: float
) -> RunSummary:
    counts = {status: int((recorded.status == code).sum()) for code, status in enumerate(_STATUSES)}
    return RunSummary(
        folder=folder,
        judge_id=spec.judge_id,
        name=spec.name,
        sentences=len(recorded.status),
        finished=int((recorded.attempts > 0).sum()),
        asked=asked,
        statuses={status: count for status, count in counts.items() if count},
        truncated=int(recorded.truncated.sum()),
        seconds=seconds,
        complete=complete,
    )
