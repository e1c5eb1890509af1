"""The votes that call a sentence incorrect, with their marks laid over the characters of the sentences."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from alignbench.analysis.characters import Ranges, Text
from alignbench.analysis.span_agreement import MarkedVotes
from alignbench.labelling.agreement.standing_votes import LABELS, Frame, StandingVotes
from alignbench.metrics import BoolArray, IntArray
from alignbench.types import Label

_INCORRECT = LABELS.index(str(Label.INCORRECT))
_LAST_SPACE = 0x3000
_SPACES = np.array([point for point in range(_LAST_SPACE + 1) if chr(point).isspace()], np.uint32)


class Wrong(NamedTuple):
    """Votes of `incorrect` on sentences that have two of them.

    Attributes:
        votes: With their marks.
        place: (s,) the place in the frame of each sentence of `votes.text`.
        vote: (v,) the place among all standing votes of each of `votes`.
    """

    votes: MarkedVotes
    place: IntArray
    vote: IntArray


def wrong_votes(frame: Frame, votes: StandingVotes) -> Wrong:
    """The votes of `incorrect` that can be compared with another one of the same sentence."""
    incorrect = np.flatnonzero(votes.label == _INCORRECT)
    number = np.bincount(votes.sentence[incorrect], minlength=frame.cluster.size)
    chosen = incorrect[number[votes.sentence[incorrect]] > 1]
    place, sentence = np.unique(votes.sentence[chosen], return_inverse=True)
    text = _text(frame.text.take(pa.array(place)).to_pylist())
    row = np.full(votes.sentence.size, -1)
    row[chosen] = np.arange(chosen.size)
    vote = row[votes.mark_vote]
    order = np.flatnonzero(vote >= 0)
    order = order[np.argsort(sentence[vote[order]], kind="stable")]
    vote = vote[order]
    begin = text.first[sentence[vote]]
    length = text.first[sentence[vote] + 1] - begin
    # What lies outside its sentence marks nothing there.
    start, end = (np.clip(edge[order], 0, length) for edge in (votes.mark_start, votes.mark_end))
    ranges = Ranges(sentence[vote], begin + start, begin + np.maximum(start, end))
    return Wrong(MarkedVotes(text, sentence, ranges, vote, votes.mark_kind[order]), place, chosen)


def _text(texts: list[str]) -> Text:
    first = np.concatenate([[0], np.cumsum([len(text) for text in texts], dtype=np.int64)])
    return Text(first, _is_space("".join(texts)))


def _is_space(text: str) -> BoolArray:
    return np.isin(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32), _SPACES)
