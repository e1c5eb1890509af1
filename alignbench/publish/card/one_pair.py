"""Picks the pair that the card shows: what a row is, before anybody loads one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.compute as pc

from alignbench.store import Dataset
from alignbench.types import Label

_COLUMNS = ["pair_id", "index", "text", "label", "spans"]
_MOST = 8


def shown_pair(dataset: Dataset) -> dict[str, Any] | None:
    """The first pair with a sentence whose wrong words are marked: its sentences, of a long caption the first ones.

    Null where no sentence is marked.
    """
    sentences = dataset.sentences_table(_COLUMNS)
    marked = pc.and_(
        pc.fill_null(pc.equal(sentences["label"], str(Label.INCORRECT)), False),
        pc.greater(pc.list_value_length(sentences["spans"]), 0),
    )
    found = np.flatnonzero(marked.to_numpy())
    if not found.size:
        return None
    pair_id = sentences["pair_id"][int(found[0])]
    rows = sentences.filter(pc.equal(sentences["pair_id"], pair_id)).slice(0, _MOST).to_pylist()
    pairs = dataset.pairs_table(["pair_id", "producer"])
    producer = pairs["producer"][pc.index(pairs["pair_id"], pair_id).as_py()].as_py()
    return {
        "pair_id": pair_id.as_py(),
        "producer": producer["name"],
        "sentences": [
            {
                "index": row["index"],
                "text": row["text"],
                "label": row["label"],
                "spans": [
                    {"words": row["text"][span["start"] : span["end"]], "error_type": span["error_type"]}
                    for span in row["spans"]
                ],
            }
            for row in rows
        ],
    }
