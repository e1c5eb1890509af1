"""Whether an annotator marks the same place in sentence after sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import special

from alignbench.labelling.agreement.standing_votes import Frame, StandingVotes

TOLERATED = 0.5
"""In half of the sentences an honest annotator may mark the same place; in twice as many as the others do, too."""
_MOST_TOLERATED = 0.95
WHOLE = "the whole sentence"

_Pattern = tuple[tuple[int, int], ...]


def same_marks(frame: Frame, votes: StandingVotes) -> list[dict[str, Any] | None]:
    """For each annotator the place that they mark most often, in the sentences that another one marked too.

    Returns:
        `marks` in words, `sentences` that count, the `share` of them with these marks, the share that the `others` gave
        them in the sentences of the annotator, and `p` for the hypothesis that an honest share is enough; null where no
        sentence counts. Of the two ways to be always alike, the same offsets and the whole sentence, the one that is
        less likely.
    """
    marked = _patterns(votes)
    lengths = _lengths(frame, votes, marked)
    by_sentence: dict[int, list[int]] = {}
    for vote in marked:
        by_sentence.setdefault(int(votes.sentence[vote]), []).append(vote)
    mine: dict[int, list[int]] = {}
    for together in by_sentence.values():
        if len(together) > 1:
            for vote in together:
                mine.setdefault(int(votes.annotator[vote]), []).append(vote)
    whole = {vote for vote, pattern in marked.items() if _is_whole(pattern, lengths[int(votes.sentence[vote])])}
    found: list[dict[str, Any] | None] = []
    for place in range(len(votes.annotators)):
        chosen = mine.get(place, [])
        peers = [[other for other in by_sentence[int(votes.sentence[vote])] if other != vote] for vote in chosen]
        found.append(_likeliest(chosen, peers, marked, whole) if chosen else None)
    return found


def _likeliest(
    chosen: Sequence[int], peers: Sequence[Sequence[int]], marked: dict[int, _Pattern], whole: set[int]
) -> dict[str, Any]:
    pattern, number = Counter(marked[vote] for vote in chosen).most_common(1)[0]
    alike = sum(float(np.mean([marked[other] == pattern for other in others])) for others in peers)
    all_of = sum(vote in whole for vote in chosen)
    all_of_others = sum(float(np.mean([other in whole for other in others])) for others in peers)
    places = ", ".join(f"{start}-{end}" for start, end in pattern)
    said = [
        _said(f"the characters {places}", number, alike, len(chosen)),
        _said(WHOLE, all_of, all_of_others, len(chosen)),
    ]
    least = min(said, key=lambda each: float(each["p"]))
    return least | {"p": min(1.0, 2 * float(least["p"]))}


def _said(marks: str, number: int, others: float, sentences: int) -> dict[str, Any]:
    tolerated = min(max(TOLERATED, 2 * others / sentences), _MOST_TOLERATED)
    p = float(special.bdtrc(number - 1, sentences, tolerated)) if number else 1.0
    return {
        "marks": marks,
        "sentences": sentences,
        "share": number / sentences,
        "others": others / sentences,
        "p": p,
    }


def _patterns(votes: StandingVotes) -> dict[int, _Pattern]:
    # The ranges of each vote that marks any, whatever their types.
    found: dict[int, set[tuple[int, int]]] = {}
    for vote, start, end in zip(
        votes.mark_vote.tolist(), votes.mark_start.tolist(), votes.mark_end.tolist(), strict=True
    ):
        found.setdefault(vote, set()).add((start, end))
    return {vote: tuple(sorted(ranges)) for vote, ranges in found.items()}


def _lengths(frame: Frame, votes: StandingVotes, marked: dict[int, _Pattern]) -> dict[int, int]:
    places = sorted({int(votes.sentence[vote]) for vote in marked})
    return {
        place: len(text)
        for place, text in zip(places, frame.text.take(pa.array(places, pa.int64())).to_pylist(), strict=True)
    }


def _is_whole(pattern: _Pattern, length: int) -> bool:
    # The full stop may be left out.
    return len(pattern) == 1 and pattern[0][0] == 0 and pattern[0][1] >= length - 1
