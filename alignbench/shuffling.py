"""Shows the sentences of a caption in other orders, so that the effect of their place can be told from what they say.

Shuffles come in twos: an odd one is the reverse of the even one before it. Over both, every sentence stands once as far
from the start as the other time from the end: all but one in the middle are shown at two places, those of long captions
far apart, so the slope on the place, which compares a sentence with itself alone, is well determined.

An order is a function of the pair's id, the number of sentences and the shuffle's number, for good: it rests on
`random.Random.random` seeded with a string, which Python promises not to change.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignbench.errors import UsageError
from alignbench.metrics import IntArray
from alignbench.store import Dataset
from alignbench.types import JudgeSpec

SHUFFLED_CAPTION = "shuffled-caption"
"""The context of a run in which a judge of the context `caption` is shown captions in another order."""


def rearranged(spec: JudgeSpec, shuffle: int | None) -> JudgeSpec:
    """What a judge becomes when its captions are shown in another order; itself where `shuffle` is null.

    Raises:
        UsageError: There is no such shuffle, or a judge that is shown no caption.
    """
    if shuffle is None:
        return spec
    if shuffle < 0:
        raise UsageError(f"there is no shuffle {shuffle}; they are numbered from 0")
    if spec.context != "caption":
        raise UsageError(
            f"the judge {spec.name!r} is shown no caption whose sentences could be shuffled; "
            f"build it with the option context=caption, as --context {SHUFFLED_CAPTION} does"
        )
    options = {**spec.options, "shuffle": shuffle}
    return replace(spec, context=SHUFFLED_CAPTION, options=options, name=f"{spec.name} (shuffle {shuffle})")


def arrangement(pair_id: str, length: int, shuffle: int) -> list[int]:
    """The places in the caption of its sentences, in the order in which a shuffle shows them.

    Args:
        pair_id: Of the caption.
        length: How many sentences it has.
        shuffle: The number of the shuffle, from 0.
    """
    draw = random.Random(f"shuffle:{shuffle - shuffle % 2}:{pair_id}")
    keys = [draw.random() for _ in range(length)]
    places = sorted(range(length), key=keys.__getitem__)
    return places[::-1] if shuffle % 2 else places


def in_order(pair: IntArray, start: NDArray[np.integer[Any]], end: NDArray[np.integer[Any]]) -> IntArray:
    """The sentences' rows with those of a pair together, in the order of the caption, (n,).

    Args:
        pair: (n,) the row of each sentence's pair.
        start: (n,) where each begins in its caption.
        end: (n,) where each ends.
    """
    return np.lexsort((end, start, pair))


def shuffled(order: IntArray, pair: IntArray, pair_ids: Sequence[str], shuffle: int) -> IntArray:
    """The same rows with those of each pair in the order in which a shuffle shows them.

    Args:
        order: (n,) what `in_order` says.
        pair: (n,) as there.
        pair_ids: Of all pairs, by row.
        shuffle: The number of the shuffle, from 0.
    """
    moved = order.copy()
    of_row = pair[order]
    first = np.flatnonzero(np.diff(of_row, prepend=-1))
    length = np.diff(first, append=order.size)
    for begin, size in zip(first.tolist(), length.tolist(), strict=True):
        places = arrangement(pair_ids[int(of_row[begin])], size, shuffle)
        moved[begin : begin + size] = order[begin : begin + size][places]
    return moved


def displayed_index(dataset: Dataset, shuffle: int) -> IntArray:
    """The place from 0 at which a shuffle shows each sentence of a dataset, (N,) in file order; 0 where it is alone."""
    table = dataset.sentences_table(["pair_id", "start", "end"])
    pair_ids = table["pair_id"].to_pylist()
    row_of = {pair_id: row for row, pair_id in enumerate(dict.fromkeys(pair_ids))}
    pair = np.array([row_of[pair_id] for pair_id in pair_ids], np.int64)
    # Not by `to_numpy`, which imports pandas where that is installed: a second for nothing.
    start, end = (np.array(table[name].to_pylist(), np.int64) for name in ("start", "end"))
    rows = shuffled(in_order(pair, start, end), pair, list(row_of), shuffle)
    first = np.flatnonzero(np.diff(pair[rows], prepend=-1))
    shown = np.empty(rows.size, np.int64)
    shown[rows] = np.arange(rows.size) - np.repeat(first, np.diff(first, append=rows.size))
    return shown
