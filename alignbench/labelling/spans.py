"""From the marks of several annotators to the error types and spans of a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from typing import Protocol

from alignbench.types import ErrorType, Span

_RANK = {kind: place for place, kind in enumerate(ErrorType)}


class Marked(Protocol):
    """Error types and spans; an event, or a sentence."""

    @property
    def error_types(self) -> tuple[ErrorType, ...]:
        """What is wrong."""
        ...

    @property
    def spans(self) -> tuple[Span, ...]:
        """Where."""
        ...


def common_marks(said: Sequence[Marked]) -> tuple[tuple[ErrorType, ...], tuple[Span, ...]]:
    """The error types and spans of a sentence that all of `said` hold to be incorrect.

    A character is wrong where at least half of them marked it; its type is the most frequent one among them, ties by
    the order of `ErrorType`. Maximal runs of one type are spans. The error types are those of the spans and those that
    at least half of them chose; where there are none, the most frequent ones, all of them. The order of `said` does not
    count.

    Args:
        said: What each annotator said whose standing vote is incorrect.
    """
    spans = tuple(_runs(said))
    chosen = Counter(kind for each in said for kind in set(each.error_types))
    types = {span.error_type for span in spans} | {kind for kind, count in chosen.items() if 2 * count >= len(said)}
    if not types and chosen:
        most = max(chosen.values())
        types = {kind for kind, count in chosen.items() if count == most}
    return tuple(sorted(types, key=_RANK.__getitem__)), spans


def _runs(said: Sequence[Marked]) -> Iterable[Span]:
    if 2 * sum(bool(each.spans) for each in said) < len(said) or not said:
        return
    edges = sorted({edge for each in said for span in each.spans for edge in (span.start, span.end)})
    pieces = [(start, end, _type_at(said, start)) for start, end in pairwise(edges)]
    for kind, run in groupby(pieces, key=lambda piece: piece[2]):
        if kind is not None:
            parts = list(run)
            yield Span(parts[0][0], parts[-1][1], kind)


def _type_at(said: Sequence[Marked], place: int) -> ErrorType | None:
    """The type of the character at `place`, null where it is not wrong."""
    marks = [{span.error_type for span in each.spans if span.start <= place < span.end} for each in said]
    if 2 * sum(map(bool, marks)) < len(said):
        return None
    counts = Counter(kind for kinds in marks for kind in kinds)
    return min(counts, key=lambda kind: (-counts[kind], _RANK[kind]))
