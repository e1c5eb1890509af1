"""The browser of sentences: which ones it shows, and what stands on each card."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from alignbench.evaluate import Evaluation
from alignbench.evaluate.judges import Judged
from alignbench.metrics import FloatArray
from alignbench.panel import Panel
from alignbench.report.page.hardness import HALF, hardest, hardness, mean_hardness
from alignbench.report.page.pieces import Excerpt, Mark, Piece, excerpt, pieces
from alignbench.report.page.thumbnails import Thumbnail, thumbnails

_STRONG, _FAINT = 2 / 3, 1 / 3
_ONE_CLASS = "no producer has both correct and incorrect sentences with a score"
_ALL_RIGHT = "no judge puts any sentence on the wrong side of more than half of the other class of its producer"


class Opinion(NamedTuple):
    """What a judge makes of a sentence.

    Attributes:
        name: The judge's.
        score: As it gave it, or why there is none.
        share: The hardness in whole percent, or null.
        is_wrong: Whether the share is over one half.
        marked: The sentence with the words that the judge marks as wrong, `strong` or `faint`; empty where it found
            none, null where it does not mark words.
    """

    name: str
    score: str
    share: int | None
    is_wrong: bool
    marked: Sequence[Piece] | None


@dataclass(frozen=True, slots=True)
class Card:
    """A sentence on show.

    Attributes:
        kind: `accept` for a false accept, `reject` for a false reject.
        thumbnail: Its image.
        excerpt: Its caption, with its spans marked by their error types.
        label: What people say of it.
        error_types: Of an incorrect one.
        has_spans: Whether people marked words of it.
        producer: Its place in `Browser.producers`.
        index: Of the sentence in its caption.
        opinions: One a judge.
        keys: The mean hardness over the judges, then that of each; null where there is none.
    """

    kind: str
    thumbnail: Thumbnail
    excerpt: Excerpt
    label: str
    error_types: Sequence[str]
    has_spans: bool
    producer: int
    index: int
    opinions: Sequence[Opinion]
    keys: Sequence[float | None]


class Browser(NamedTuple):
    """The cards, the false accepts first, each kind by falling mean hardness, and what they can be filtered by.

    Attributes:
        cards: Those on show.
        judges: Names.
        producers: Names.
        error_types: Those that occur on the cards.
        n_accepts: How many false accepts there are, on show or not.
        n_rejects: The same for false rejects.
        reason: Why there is no card, or null.
    """

    cards: Sequence[Card]
    judges: Sequence[str]
    producers: Sequence[str]
    error_types: Sequence[str]
    n_accepts: int
    n_rejects: int
    reason: str | None


def browse(evaluation: Evaluation, limit: int) -> Browser:
    """Choose at most `limit` of the sentences that judges are most wrong about.

    The blind controls have no say, unless there is nobody else.
    """
    panel = evaluation.panel
    judged = [one for one in evaluation.judged if one.run.control is None] or list(evaluation.judged)
    by_judge = np.array([hardness(panel, one.score) for one in judged])
    found = hardest(panel, by_judge, limit)
    rows = np.concatenate([found.accepts, found.rejects])
    cards = _cards(evaluation, judged, by_judge, rows.tolist())
    kinds = sorted({kind for card in cards for kind in card.error_types})
    reason = None if cards else _ONE_CLASS if np.isnan(by_judge).all() else _ALL_RIGHT
    names = [one.run.name for one in judged]
    return Browser(cards, names, panel.producers, kinds, found.n_accepts, found.n_rejects, reason)


def _cards(evaluation: Evaluation, judged: Sequence[Judged], by_judge: FloatArray, rows: Sequence[int]) -> list[Card]:
    panel, dataset = evaluation.panel, evaluation.dataset
    columns = ["index", "start", "end", "label", "error_types", "spans"]
    sentences = dataset.sentences_table(columns).take(pa.array(panel.row[rows])).to_pylist()
    pairs = dataset.pairs_table(["image_key", "caption"]).take(pa.array(panel.pair[rows])).to_pylist()
    pictures = thumbnails(dataset, list(dict.fromkeys(pair["image_key"] for pair in pairs)))
    texts = [
        pair["caption"][sentence["start"] : sentence["end"]] for pair, sentence in zip(pairs, sentences, strict=True)
    ]
    opinions = zip(
        *(_opinions(one, panel, own, rows, texts) for one, own in zip(judged, by_judge, strict=True)), strict=True
    )
    mean = mean_hardness(by_judge)
    return [
        Card(
            kind="reject" if panel.is_correct[row] else "accept",
            thumbnail=pictures[pair["image_key"]],
            excerpt=excerpt(pair["caption"], sentence["start"], sentence["end"], _gold(sentence["spans"])),
            label=sentence["label"],
            error_types=sentence["error_types"],
            has_spans=bool(sentence["spans"]),
            producer=int(panel.producer[row]),
            index=sentence["index"],
            opinions=said,
            keys=[_or_null(key) for key in (mean[row], *by_judge[:, row])],
        )
        for row, sentence, pair, said in zip(rows, sentences, pairs, opinions, strict=True)
    ]


def _opinions(
    judged: Judged, panel: Panel, hard: FloatArray, rows: Sequence[int], texts: Sequence[str]
) -> list[Opinion]:
    judgments = judged.run.judgments.take(pa.array(panel.row[rows]))
    said = (judgments[name].to_pylist() for name in ("score", "status", "marks"))
    return [
        Opinion(
            name=judged.run.name,
            score=status.replace("_", " ") if score is None else f"{score:.3g}",
            share=None if np.isnan(hard[row]) else round(100 * float(hard[row])),
            is_wrong=bool(hard[row] > HALF),
            marked=None if marks is None else pieces(text, _predicted(marks)) if marks else [],
        )
        for row, text, score, status, marks in zip(rows, texts, *said, strict=True)
    ]


def _gold(spans: Iterable[dict[str, Any]]) -> list[Mark]:
    return [Mark(span["start"], span["end"], span["error_type"]) for span in spans]


def _predicted(marks: Sequence[dict[str, Any]]) -> list[Mark]:
    # The scale of a suspicion is the judge's own, so it is read against the others in the sentence; what is near the
    # lowest of them is no mark: some judges suspect every character a little.
    suspicions = [mark["suspicion"] for mark in marks]
    low, high = min(suspicions), max(suspicions)
    shares = [1.0 if high == low else (suspicion - low) / (high - low) for suspicion in suspicions]
    return [
        Mark(mark["start"], mark["end"], "strong" if share > _STRONG else "faint")
        for mark, share in zip(marks, shares, strict=True)
        if share > _FAINT
    ]


def _or_null(key: float) -> float | None:
    return None if np.isnan(key) else float(key)
