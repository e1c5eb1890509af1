"""Blind controls: what a score is worth that comes without a look at the image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from alignbench.errors import UnknownNameError, UsageError
from alignbench.types import Answer, JudgeSpec, Label, ModelRef, Pair, Query, Sentence, Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_Rows = Mapping[tuple[int, int], tuple[Pair, Sentence]]
_FOLDS = 5


class BlindJudge:
    """A control that scores sentences by their text: `score_of` gives a higher number to what it takes for correct."""

    def __init__(self, control: str, score_of: Callable[[str], float], name: str | None = None) -> None:
        # The revision stands for the algorithm: raise it when a score would change.
        self.spec = JudgeSpec(name or control, "blind", ModelRef(control, revision="1"), control=control)
        self._score_of = score_of

    @classmethod
    def from_reference(cls, model: str, *, name: str | None = None) -> BlindJudge | BriefedControl:
        """Build the control `constant`, `length`, `index` or `ngram`.

        Raises:
            UnknownNameError: There is no such control.
        """
        if model in _BY_TEXT:
            return cls(model, _BY_TEXT[model], name)
        if model in _BY_ROWS:
            return BriefedControl(model, _BY_ROWS[model], name)
        raise UnknownNameError.of("blind control", model, [*_BY_TEXT, *_BY_ROWS], "run `alignbench list judges`")

    def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
        """Score every sentence by its text alone."""
        for query in queries:
            for place, sentence in enumerate(query.sentences):
                yield Answer(query.number, place, Verdict(self._score_of(sentence)))


class BriefedControl:
    """A control that needs more than a judge may see: `scores_of` gives the score of every row of the dataset."""

    def __init__(
        self, control: str, scores_of: Callable[[_Rows], Mapping[tuple[int, int], float]], name: str | None = None
    ) -> None:
        self.spec = JudgeSpec(name or control, "blind", ModelRef(control, revision="1"), control=control)
        self._scores_of = scores_of
        self._scores: Mapping[tuple[int, int], float] = {}

    def brief(self, rows: _Rows) -> None:
        """Score all rows at once; see `alignbench.types.Briefed`."""
        self._scores = self._scores_of(rows)

    def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
        """Hand out the scores."""
        for query in queries:
            for place in range(len(query.sentences)):
                yield Answer(query.number, place, Verdict(self._scores[query.number, place]))


def _by_index(rows: _Rows) -> dict[tuple[int, int], float]:
    """Earlier sentences score higher, because captioners err less in them."""
    return {place: -float(sentence.index) for place, (_, sentence) in rows.items()}


def _by_ngrams(rows: _Rows) -> dict[tuple[int, int], float]:
    """The probability of `correct` from words and word pairs, learnt on the other clusters; five folds."""
    ordered = sorted(rows.items(), key=lambda row: row[1][1].sentence_id)
    texts = [sentence.text for _, (_, sentence) in ordered]
    clusters = [pair.cluster_id for _, (pair, _) in ordered]
    labels = [sentence.label for _, (_, sentence) in ordered]
    scores = _cross_fitted(texts, clusters, labels)
    return {place: float(score) for (place, _), score in zip(ordered, scores, strict=True)}


def _cross_fitted(texts: list[str], clusters: list[str], labels: list[Label | None]) -> NDArray[np.float64]:
    """The probability of `correct` for every text, (texts,), by a model that saw no sentence of its cluster."""
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    correct = np.array([label is Label.CORRECT for label in labels])
    labelled = correct | np.array([label is Label.INCORRECT for label in labels])
    if min(correct.sum(), (labelled & ~correct).sum(), len(set(clusters))) < _FOLDS:
        raise _too_few()
    features = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", sublinear_tf=True).fit_transform(texts)
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0)
    scores = np.full(len(texts), np.nan)
    for train, test in folds.split(features, correct, clusters):
        known = train[labelled[train]]
        if len(set(correct[known])) < 2:
            raise _too_few()
        # Balanced, because folds differ in their base rate and a pooled AUROC would see that.
        model = LogisticRegression(class_weight="balanced", max_iter=1000)
        model.fit(features[known], correct[known])
        scores[test] = model.predict_proba(features[test])[:, 1]
    return scores


def _too_few() -> UsageError:
    return UsageError(
        f"the control ngram learns from labels, in {_FOLDS} folds: it needs at least {_FOLDS} correct sentences, "
        "as many incorrect ones, and as many clusters; leave it out, or label more of the dataset first"
    )


_BY_TEXT: Mapping[str, Callable[[str], float]] = {
    "constant": lambda _: 0.5,
    "length": lambda text: -float(len(text)),
}
_BY_ROWS: Mapping[str, Callable[[_Rows], Mapping[tuple[int, int], float]]] = {"index": _by_index, "ngram": _by_ngrams}
