"""Columns of names as numbers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alignbench.metrics import IntArray
from alignbench.types import ModelRef

_SEPARATOR = "\x1f"


def codes_of(values: pa.Array) -> tuple[IntArray, list[str]]:
    """(n,) the number of each value, and the values that occur in the order of their numbers: as they first come up."""
    encoded = values.dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()


def producer_codes(models: pa.ChunkedArray) -> tuple[IntArray, tuple[str, ...], tuple[ModelRef, ...]]:
    """(n,) the number of each pair's producer; the names of all and what they are, in the order of their names.

    A name that two producers share has the revision behind it. They are told apart by name and revision alone.

    Args:
        models: (n,) the column `producer` of the pairs.
    """
    whole = models.combine_chunks()
    revision = pc.fill_null(pc.struct_field(whole, "revision"), "")
    code, identities = codes_of(pc.binary_join_element_wise(pc.struct_field(whole, "name"), revision, _SEPARATOR))
    known = [tuple(identity.split(_SEPARATOR)) for identity in identities]
    names = [name for name, _ in known]
    said = [f"{name}@{revision}" if revision and names.count(name) > 1 else name for name, revision in known]
    order = np.argsort(np.array(said, object))
    firsts = np.unique(code, return_index=True)[1]
    refs = [ModelRef(**whole[int(firsts[place])].as_py()) for place in order]
    return np.argsort(order)[code], tuple(said[place] for place in order), tuple(refs)
