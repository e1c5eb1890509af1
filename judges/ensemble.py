"""Several judges as one: their stored judgments combined; no model runs again."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alignbench.analysis.cross_fitting import Known
from alignbench.analysis.ensemble import Rule, digest_of, mean_logit, mean_rank, stacking
from alignbench.errors import UnknownNameError, UsageError
from alignbench.evaluate.runs import Found, Run, find_runs
from alignbench.metrics import FloatArray
from alignbench.store import Dataset
from alignbench.types import Answer, JudgeSpec, Label, ModelRef, Pair, Query, Sentence, Status, Usage, Verdict

KIND = "ensemble"
_USAGE = tuple(each.name for each in fields(Usage))
_SHORTEST_ID = 6


class EnsembleJudge:
    """Scores a sentence by what its members scored it; what an answer costs is what its members cost together.

    Args:
        rule: How scores are combined.
        members: Finished runs over one dataset, at least two; no blind control and no ensemble among them.
        sentence_ids: (N,) of the dataset, in the order of the runs' judgments.
        known: The labels and clusters of the N sentences; only stacking looks at them.
        name: The judge's name for people; by default made from the members' names.

    Raises:
        UsageError: Members or scores that the rule cannot combine.
    """

    def __init__(
        self, rule: Rule, members: Sequence[Run], sentence_ids: pa.Array, known: Known, name: str | None = None
    ) -> None:
        _check_members(members)
        # In the order of their ids, so that the order in which a user names them changes nothing.
        ordered = sorted(members, key=lambda run: run.judge_id)
        scores = np.stack([run.scores() for run in ordered])  # (members, N)
        families = {run.family for run in members}
        self.spec = JudgeSpec(
            name or _name_of(rule, members),
            KIND,
            # The revision stands for the algorithm: raise it when a score would change.
            ModelRef(rule, revision="1", family=families.pop() if len(families) == 1 else None),
            options={
                "rule": str(rule),
                "members": [run.judge_id for run in ordered],
                "scores": [digest_of(each) for each in scores],
            },
        )
        self.environment = {"members": ", ".join(run.name for run in members), "numpy": np.__version__}
        self._members = ordered
        self._scores = scores
        self._combined = _combine(rule, scores, [run.name for run in ordered], known)
        self._usage = _usage_of(ordered)
        self._truncated = np.any([run.judgments["truncated"].to_numpy() for run in ordered], axis=0)
        self._row_of = {sentence_id: row for row, sentence_id in enumerate(sentence_ids.to_pylist())}
        self._rows: Mapping[tuple[int, int], int] = {}

    @classmethod
    def from_reference(
        cls, model: str, *, dataset: str, runs: str, members: Sequence[str], name: str | None = None
    ) -> Self:
        """Combine runs by the rule `model`.

        Args:
            model: `mean-rank`, `mean-logit` or `stacking`.
            dataset: The dataset's folder.
            runs: The folder that holds the members' runs.
            members: Each the name or the id of a judge with a finished run, as `alignbench evaluate` shows them.
            name: The judge's name for people.

        Raises:
            UnknownNameError: There is no such rule or member.
            UsageError: Members or scores that the rule cannot combine.
        """
        if model not in set(Rule):
            raise UnknownNameError.of("rule", model, list(Rule), "run `alignbench ensemble --help`")
        opened = Dataset.open(Path(dataset))
        sentence_ids, known = _known(opened)
        found = find_runs(Path(runs), opened, sentence_ids)
        return cls(Rule(model), [_find(each, found) for each in members], sentence_ids, known, name)

    def brief(self, rows: Mapping[tuple[int, int], tuple[Pair, Sentence]]) -> None:
        """Find out which sentence each place of a query holds; see `alignbench.types.Briefed`."""
        unknown = [each.sentence_id for _, each in rows.values() if each.sentence_id not in self._row_of]
        if unknown:
            raise UsageError(
                f"the ensemble {self.spec.name!r} has no score for {unknown[0]!r}: its members judged another dataset; "
                "run `alignbench ensemble` on this one"
            )
        self._rows = {place: self._row_of[sentence.sentence_id] for place, (_, sentence) in rows.items()}

    def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
        """Hand out the scores."""
        for query in queries:
            for place in range(len(query.sentences)):
                yield Answer(query.number, place, self._verdict(self._rows[query.number, place]))

    def _verdict(self, row: int) -> Verdict:
        for member, score in zip(self._members, self._scores[:, row], strict=True):
            if np.isnan(score):
                status = Status(member.judgments["status"][row].as_py())
                kept = status if status is Status.IMAGE_MISSING else Status.FAILED
                return Verdict.failed(kept, f"the member {member.name!r} gave no score: {status}")
        said = dict(zip(self.spec.options["members"], self._scores[:, row].tolist(), strict=True))
        usage = Usage(**{name: amounts[row] for name, amounts in self._usage.items()})
        return Verdict(
            float(self._combined[row]), raw={"members": said}, usage=usage, truncated=bool(self._truncated[row])
        )


def _combine(rule: Rule, scores: FloatArray, names: Sequence[str], known: Known) -> FloatArray:
    if np.isnan(scores).any(axis=0).all():
        raise UsageError(f"no sentence has a score of every member ({', '.join(names)}); leave one of them out")
    if rule is Rule.MEAN_RANK:
        return mean_rank(scores)
    return mean_logit(scores, names) if rule is Rule.MEAN_LOGIT else stacking(scores, known)


def _check_members(members: Sequence[Run]) -> None:
    ids = [run.judge_id for run in members]
    if len(ids) < 2:
        raise UsageError("an ensemble needs at least two members; give --member twice or more often")
    for run in members:
        if ids.count(run.judge_id) > 1:
            raise UsageError(f"{run.name!r} is given twice; give each member once")
        if run.control is not None:
            raise UsageError(f"{run.name!r} is a blind control, which no judge may lean on; leave it out")
        if run.spec.kind == KIND:
            raise UsageError(f"{run.name!r} is an ensemble itself; give its members instead")


def _name_of(rule: Rule, members: Sequence[Run]) -> str:
    names = [run.name for run in members]
    said = " + ".join(names) if len(names) <= 3 else f"{names[0]} + {len(names) - 1} others"
    return f"{said} ({rule.replace('-', ' ')})"


def _usage_of(members: Sequence[Run]) -> dict[str, list[Any]]:
    """The members' usage of each of N sentences summed, by column; null where one of them did not measure it."""
    known = [name for name in _USAGE if all(name in run.judgments.column_names for run in members)]
    return {name: functools.reduce(pc.add, [run.judgments[name] for run in members]).to_pylist() for name in known}


def _known(dataset: Dataset) -> tuple[pa.Array, Known]:
    """The ids of a dataset's sentences, (N,), with what stacking learns from."""
    sentences = dataset.sentences_table(["sentence_id", "pair_id", "label"])
    pairs = dataset.pairs_table(["pair_id", "cluster_id"])
    cluster_of = dict(zip(pairs["pair_id"].to_pylist(), pairs["cluster_id"].to_pylist(), strict=True))
    label = np.array(sentences["label"].to_pylist(), object)
    clusters = [cluster_of[pair_id] for pair_id in sentences["pair_id"].to_pylist()]
    is_correct = label == str(Label.CORRECT)
    cluster = np.unique(np.array(clusters, str), return_inverse=True)[1]
    known = Known(is_correct, is_correct | (label == str(Label.INCORRECT)), cluster)
    return sentences["sentence_id"].combine_chunks(), known


def _find(wanted: str, found: Found) -> Run:
    """The run of that name, that id, or an id that begins so.

    Raises:
        UsageError: There is none that is finished and current.
    """
    for run in found.runs:
        if wanted in {run.name, run.judge_id} or (len(wanted) >= _SHORTEST_ID and run.judge_id.startswith(wanted)):
            return run
    for reason in found.refused.values():
        if reason.startswith(f"{wanted}:"):
            raise UsageError(f"the member {reason}")
    names = [run.name for run in found.runs]
    raise UnknownNameError.of("finished run of", wanted, names, "judge with it first, by `alignbench judge`")
