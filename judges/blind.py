"""Blind controls: what a score is worth that comes without a look at the image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from alignbench.errors import UnknownNameError, UsageError
from alignbench.types import Answer, JudgeSpec, Label, ModelRef, Pair, Query, Sentence, Verdict

_Rows = Mapping[tuple[int, int], tuple[Pair, Sentence]]


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
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    from alignbench.analysis.cross_fitting import Known, TooFewError, cross_fitted

    ordered = sorted(rows.items(), key=lambda row: row[1][1].sentence_id)
    texts = [sentence.text for _, (_, sentence) in ordered]
    is_correct, is_incorrect = (
        np.array([sentence.label is label for _, (_, sentence) in ordered])
        for label in (Label.CORRECT, Label.INCORRECT)
    )
    _, cluster = np.unique([pair.cluster_id for _, (pair, _) in ordered], return_inverse=True)
    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", sublinear_tf=True).fit_transform(texts)
    try:
        scores = cross_fitted(words, Known(is_correct, is_correct | is_incorrect, cluster))
    except TooFewError as error:
        raise UsageError(
            "the control ngram learns from labels, in five folds: it needs at least five correct sentences, as many "
            "incorrect ones, and as many clusters; leave it out, or label more of the dataset first"
        ) from error
    return {place: float(score) for (place, _), score in zip(ordered, scores, strict=True)}


_BY_TEXT: Mapping[str, Callable[[str], float]] = {
    "constant": lambda _: 0.5,
    "length": lambda text: -float(len(text)),
}
_BY_ROWS: Mapping[str, Callable[[_Rows], Mapping[tuple[int, int], float]]] = {"index": _by_index, "ngram": _by_ngrams}
