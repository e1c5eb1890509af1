"""How far a call to `generate` has come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call has come: `finished` of `total` have a status, and this call made `made` of them.

    While inputs are gathered they are what is counted, `total` is 0 where nobody knows how many there are, and `failed`
    are those that cannot be used. Then rows are counted, those of this call's shard; `failed` came to nothing, in this
    call or before. `model` is at work, in the stage `stage`.
    """

    finished: int
    total: int
    made: int
    failed: int
    model: str
    stage: str = ""
    unit: str = "rows"


Told = Callable[[Progress], None]
