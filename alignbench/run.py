"""Judges a dataset with one judge, keeping every answer as soon as it comes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alignbench.asking import Asking
from alignbench.controls import check_control, derange, permutation_digest
from alignbench.errors import BudgetError, UsageError
from alignbench.interrupts import first_interrupt_stops
from alignbench.ledger import Ledger, Recorded
from alignbench.plan import Plan, PlannedQuery, plan_queries, still_to_ask
from alignbench.run_folder import begin_or_resume, describe, folder_of, house_of, is_merged, merge
from alignbench.shown import Shown
from alignbench.shuffling import rearranged
from alignbench.store import Dataset
from alignbench.types import (
    Answer,
    Billed,
    Briefed,
    Housed,
    Judge,
    JudgeSpec,
    Judgment,
    Pair,
    Sentence,
    Situated,
    Status,
    Verdict,
)

_STATUSES = tuple(Status)


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
        cost_usd: What the answers of this call cost; null where not measured.
        spent_usd: What the judge spent since it was built, on what came to no answer too; null where it costs nothing.
        complete: Whether judgments.parquet holds all sentences; otherwise shards are missing, or `limit` or `max_cost`
            cut it short.
        stopped: Why this call ended before all was asked; null where it did not.
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
    cost_usd: float | None
    spent_usd: float | None
    complete: bool
    stopped: str | None


def run_judge(  # noqa: PLR0913 - each argument is an option of `alignbench judge`
    dataset: Dataset,
    judge: Judge,
    out: Path,
    *,
    control: str | None = None,
    shuffle: int | None = None,
    shard: tuple[int, int] = (0, 1),
    retry_failed: bool = False,
    limit: int | None = None,
    max_cost: float | None = None,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> RunSummary:
    """Judge every sentence of a dataset; a run that was cut short goes on where it stopped.

    The run's folder is `out/<shown digest, 8>-<judge_id>`, with run.json =
    `{"run_version", "judge_id", "spec": {JudgeSpec, model nested}, "dataset": {"name", "version", "digest",
    "shown_digest"}, "briefed", "seed", "shards", "permutation": null | sha256, "environment", "versions", "started"}`.

    Ctrl-C while a `Stoppable` judge has answers in flight waits for them and keeps them; the second does not wait.

    Args:
        dataset: What to judge.
        judge: A loaded judge.
        out: Folder of runs; made where missing.
        control: `blank` or `shuffled` to replace the images; becomes part of the judge_id.
        shuffle: From 0: show captions in that other order, to a judge whose spec says `context="caption"`; see
            `alignbench.shuffling`. The run is one of its own: its spec says `context="shuffled-caption"` and, among its
            options, which shuffle it is. The judge does not know.
        shard: (i, n): this call judges the i-th of n parts, 0-based.
        retry_failed: Ask again for sentences that have an answer but no score.
        limit: Judge only the first `limit` sentences of sentences.parquet; no judgments.parquet comes of it until a
            later call, without a limit, judges the rest.
        max_cost: What the judge may spend, in US dollars, what it has spent already included; the call stops before. Of
            no account where a judge costs nothing.
        seed: Of the order in which an image's sentences are shown, and of `shuffled`.
        progress: Called after each recorded answer.

    Raises:
        UsageError: A control, shuffle, shard, limit or cost that makes no sense, or a cost limit where no price is
            known.
        DatasetError: An empty dataset.
        DatasetChangedError: The dataset is not the one the run began with.
        RunError: The run folder is damaged, held by another process, or the judge fails on everything.
        StorageError: The disk refused a write; what was answered before is kept.
    """
    started = time.monotonic()
    check_request(shard, limit, max_cost)
    spec = controlled(rearranged(judge.spec, shuffle), control)
    if max_cost is not None and isinstance(judge, Billed):
        judge.limit_cost(max_cost)
    plan, asked_of = plan_run(dataset, judge.spec.context, spec.control, seed, shuffle)
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
    with Ledger(folder, shard, sync_each=isinstance(judge, Billed)) as ledger:
        recorded = Recorded(folder, plan.sentence_ids)
        mine, done = plan.part(shard, limit), recorded.answered(retry_failed=retry_failed)
        if isinstance(judge, Housed):
            judge.move_in(house_of(folder, shard))
        call = _Call(judge, spec, dataset, plan)
        with first_interrupt_stops(judge):
            call.ask(mine, done, _record_in(ledger, spec.judge_id, plan, recorded), progress)
    if call.asked:
        recorded = Recorded(folder, plan.sentence_ids)
    complete = bool(recorded.answered().all())
    if complete and not is_merged(folder, recorded):
        merge(folder, recorded, dataset)
    return call.summary(folder, recorded, time.monotonic() - started)


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


def plan_run(
    dataset: Dataset, context: str, control: str | None, seed: int, shuffle: int | None = None
) -> tuple[Plan, Mapping[str, str]]:
    """The plan of a run, and the image asked about by the key of the one shown, empty where each is shown its own.

    Raises:
        UnknownNameError: There is no such context.
        UsageError: A control that the dataset does not allow.
        DatasetError: The dataset breaks a rule.
    """
    asked_of: Mapping[str, str] = {}
    if control == "shuffled":
        present = {image.image_key: image.sha256 for image in dataset.images() if image.sha256 is not None}
        asked_of = derange(present, seed)
    return plan_queries(dataset, seed, asked_of, context, shuffle), asked_of


def check_request(shard: tuple[int, int], limit: int | None, max_cost: float | None = None) -> None:
    """Raise UsageError for a shard, limit or cost that makes no sense."""
    number, count = shard
    if not 0 <= number < count:
        raise UsageError(f"there is no shard {number} of {count}; give --shard i/n with i from 0 to n - 1, such as 0/4")
    if limit is not None and limit < 1:
        raise UsageError(f"a limit of {limit} sentences leaves nothing to judge; give --limit 1 or more")
    if max_cost is not None and not max_cost >= 0:
        raise UsageError(f"a run cannot be told to cost {max_cost} dollars at most; give --max-cost 0 or more")


class _Call:
    """One call of `run_judge`, which counts what it asks.

    Attributes:
        asked: Answers recorded by now.
    """

    def __init__(self, judge: Judge, spec: JudgeSpec, dataset: Dataset, plan: Plan) -> None:
        self._judge = judge
        self._spec = spec
        self._dataset = dataset
        self._plan = plan
        self._cost_usd: float | None = None
        self._stopped: str | None = None
        self.asked = 0

    def ask(
        self,
        mine: NDArray[np.bool_],
        done: NDArray[np.bool_],
        record: Callable[[int, Verdict], None],
        progress: Callable[[Progress], None] | None,
    ) -> None:
        """Ask what is `mine` and not `done`, both (sentences,), as far as the money goes, and record every answer."""
        todo = {query.number: query for query in still_to_ask(self._plan, mine & ~done)}
        if isinstance(self._judge, Briefed):
            self._judge.brief(_briefing(self._dataset, self._plan, todo))
        shown = Shown(self._dataset, self._plan, todo.values(), self._spec.control)
        finished, total, failed = int((mine & done).sum()), int(mine.sum()), 0
        try:
            with contextlib.closing(_answers(self._judge, shown)) as answers:
                for number, place, verdict in answers:
                    record(todo[number].rows[place], verdict)
                    self._count(verdict)
                    failed += verdict.status is not Status.OK
                    if progress is not None:
                        progress(Progress(finished + self.asked, total, self.asked, failed))
        except BudgetError as error:
            self._stopped = str(error)

    def _count(self, verdict: Verdict) -> None:
        self.asked += 1
        if verdict.usage.cost_usd is not None:
            self._cost_usd = (self._cost_usd or 0.0) + verdict.usage.cost_usd

    def summary(self, folder: Path, recorded: Recorded, seconds: float) -> RunSummary:
        """What this call did, and how the run stands according to `recorded`."""
        counts = {status: int((recorded.status == code).sum()) for code, status in enumerate(_STATUSES)}
        return RunSummary(
            folder=folder,
            judge_id=self._spec.judge_id,
            name=self._spec.name,
            sentences=len(recorded.status),
            finished=int(recorded.answered().sum()),
            asked=self.asked,
            statuses={status: count for status, count in counts.items() if count},
            truncated=int(recorded.truncated.sum()),
            seconds=seconds,
            cost_usd=self._cost_usd,
            spent_usd=self._judge.spent_usd if isinstance(self._judge, Billed) else None,
            complete=bool(recorded.answered().all()),
            stopped=self._stopped,
        )


def _record_in(ledger: Ledger, judge_id: str, plan: Plan, recorded: Recorded) -> Callable[[int, Verdict], None]:
    """What keeps the verdict on the sentence in a row."""

    def record(row: int, verdict: Verdict) -> None:
        ledger.append(Judgment(plan.sentence_ids[row], judge_id, verdict, int(recorded.attempts[row]) + 1))

    return record


def _answers(judge: Judge, shown: Shown) -> Generator[Answer, None, None]:
    with contextlib.closing(Asking(judge, shown).answers()) as answers:
        for answer in answers:
            yield from shown.take_unshown()
            yield answer
    yield from shown.take_unshown()


def _briefing(
    dataset: Dataset, plan: Plan, todo: Mapping[int, PlannedQuery]
) -> dict[tuple[int, int], tuple[Pair, Sentence]]:
    """All rows of the dataset: first those that a query will ask, at their places in it, then the rest of the query."""
    pairs = {pair.pair_id: pair for pair in dataset.pairs()}
    sentences = list(dataset.sentences())
    rows: dict[tuple[int, int], tuple[Pair, Sentence]] = {}
    for query in plan.queries:
        asked = todo[query.number].rows if query.number in todo else ()
        for place, row in enumerate(dict.fromkeys([*asked, *query.rows])):
            rows[query.number, place] = pairs[sentences[row].pair_id], sentences[row]
    return rows
