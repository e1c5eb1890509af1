"""Says what a run would ask and cost, without loading a model or asking anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignbench.controls import check_control
from alignbench.ledger import Recorded
from alignbench.plan import SHUFFLED_CAPTION, still_to_ask
from alignbench.registry import build_estimator, option_of
from alignbench.run import check_request, controlled, plan_run
from alignbench.run_folder import folder_of
from alignbench.shown import Shown
from alignbench.shuffling import rearranged
from alignbench.store import Dataset
from alignbench.types import Estimate


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a call to `run_judge` would do.

    Attributes:
        judge: What the user wrote to name the judge.
        context: Whether a query holds the sentences of an image (`sentence`) or of a caption (`caption`, or
            `shuffled-caption` in another order).
        shuffle: Which other order; null where it is none.
        sentences: How many sentences the call is about.
        answered: Those of them that an earlier call has answered; null where the run's folder is known only when the
            judge is loaded, and then the other numbers are those of a new run.
        queries: How many images or captions hold the rest.
        estimate: What asking the rest would take; null where the judge's adapter cannot say.
    """

    judge: str
    context: str
    shuffle: int | None
    sentences: int
    answered: int | None
    queries: int
    estimate: Estimate | None


def forecast(  # noqa: PLR0913 - as run_judge
    dataset: Dataset,
    reference: str,
    out: Path,
    *,
    options: Mapping[str, Any],
    control: str | None = None,
    shuffle: int | None = None,
    shard: tuple[int, int] = (0, 1),
    retry_failed: bool = False,
    limit: int | None = None,
    seed: int = 0,
) -> Forecast:
    """Say what `run_judge` would do with these arguments.

    Args:
        dataset: What would be judged.
        reference: The judge as in `build_judge`.
        out: Folder of runs.
        options: Of the judge's adapter, over those of its name or spec file.
        control: As in `run_judge`, as is all that follows.
        shuffle: Which other order captions are shown in.
        shard: A part of the run.
        retry_failed: Whether failed sentences are asked again.
        limit: The first sentences alone.
        seed: Of the order of sentences.

    Raises:
        UsageError: An argument that makes no sense.
        DatasetError: The dataset breaks a rule.
        RunError: The run folder is damaged.
        MissingDependencyError: The judge needs an extra that is not installed.
    """
    check_request(shard, limit)
    if control is not None:
        check_control(control)
    estimator = build_estimator(reference, **options)
    spec = controlled(rearranged(estimator.spec, shuffle), control) if estimator else None
    context = estimator.spec.context if estimator else option_of(reference, "context", options) or "sentence"
    plan, _ = plan_run(dataset, context, control, seed, shuffle)
    asked = mine = plan.part(shard, limit)
    if spec:
        recorded = Recorded(folder_of(out, dataset, spec), plan.sentence_ids)
        asked = mine & ~recorded.answered(retry_failed=retry_failed)
    todo = list(still_to_ask(plan, asked))
    return Forecast(
        judge=reference,
        context=context if shuffle is None else SHUFFLED_CAPTION,
        shuffle=shuffle,
        sentences=int(mine.sum()),
        answered=int((mine & ~asked).sum()) if spec else None,
        queries=len(todo),
        estimate=estimator.estimate(Shown(dataset, plan, todo, control)) if estimator else None,
    )
