"""How likely the tokens are that spell a part of an answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from alignbench.backends.prefix import Generated


class Evidence:
    """The tokens of an answer, laid over its text.

    Args:
        written: The answer.
        tokenizer: That of the model that wrote it.
    """

    def __init__(self, written: Generated, tokenizer: Any) -> None:
        self._chances = [token.log_probability for token in written.said]
        self._ends = _ends(written, tokenizer)

    def of(self, start: int, end: int) -> float:
        """The geometric mean of the probabilities of the tokens that spell `text[start:end]`, each after all before it.

        1 where the answer has come without its tokens. A token that spells more than this part counts in full.
        """
        begins = [0, *self._ends][: len(self._ends)]
        # A token may spell a part of a character: it stands where that character begins.
        over = [
            chance
            for first, last, chance in zip(begins, self._ends, self._chances, strict=True)
            if first < end and max(last, first + 1) > start
        ]
        return math.exp(sum(over) / len(over)) if over else 1.0


def _ends(written: Generated, tokenizer: Any) -> Sequence[int]:
    """How much of the answer's text stands fast after each token."""
    ids = list(map(int, written.said))
    whole = tokenizer.decode(ids, skip_special_tokens=True)
    before = len(whole) - len(whole.lstrip())
    ends, settled = [], 0
    for count in range(1, len(ids) + 1):
        part = tokenizer.decode(ids[:count], skip_special_tokens=True)
        while settled < min(len(part), len(whole)) and part[settled] == whole[settled]:
            settled += 1
        ends.append(max(0, settled - before))
    return ends
