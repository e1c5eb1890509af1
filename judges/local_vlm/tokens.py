"""How a tokenizer spells the answers of a judge: the words yes and no, and the numbers from 0 to 100."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import torch

from alignbench.errors import UsageError
from judges.words import word_of

_MARKS = str.maketrans({"\u0120": " ", "\u2581": " ", "\u010a": "\n", "\u0109": "\t"})
"""What byte-level and SentencePiece vocabularies write for space, newline and tab."""
_DIGITS = frozenset("0123456789")
_NUMBERS = range(101)


def text_of(token: str) -> str:
    """What a token of a vocabulary stands for, with the space before it; exact for ASCII, which is all we look for."""
    return token.translate(_MARKS)


def family_of(word: str, vocabulary: Mapping[str, int]) -> list[int]:
    """The ids of the tokens that spell `yes` or `no`; see `judges.words.spellings`.

    Raises:
        UsageError: There are none.
    """
    family = sorted(number for token, number in vocabulary.items() if word_of(text_of(token)) == word)
    if not family:
        raise UsageError(
            f"the model's tokenizer has no single token for {word!r}, so the mode p_yes cannot read its answer; "
            "choose the mode verbal_score, or use another model"
        )
    return family


class Numbers(NamedTuple):
    """What is to be read of answers, each (answers,): the expected number, and the probability of any number."""

    expectation: torch.Tensor
    mass: torch.Tensor


class NumberTokens:
    """The numbers from 0 to 100 as a trie over a tokenizer's own token paths, with and without a space before.

    A number whose path goes on to a longer number (8 on the way to 87, where every digit is a token) is only meant if
    no token that starts with a digit follows.

    Attributes:
        inner: The trie's inner nodes: the paths after which a distribution is needed.
        wanted: The tokens whose probabilities are needed there.
        steps: How many tokens the longest path has.

    Raises:
        UsageError: The tokenizer cannot spell one of the numbers.
    """

    def __init__(self, tokenizer: Any) -> None:
        spelt = {number: _paths(str(number), tokenizer) for number in _NUMBERS}
        for number, found in spelt.items():
            if not found:
                raise UsageError(
                    f"the model's tokenizer cannot spell {number}, so the mode expected_score cannot read its answer; "
                    "choose the mode p_yes, or use another model"
                )
        paths = [(path, number) for number, found in spelt.items() for path in sorted(found)]
        self.inner = sorted({path[:end] for path, _ in paths for end in range(len(path))})
        self.steps = max(len(path) for path, _ in paths)
        branching = [place for place, (path, _) in enumerate(paths) if path in set(self.inner)]
        going_on = _starting_with_digit(tokenizer.get_vocab()) if branching else []
        self.wanted = sorted({*itertools.chain.from_iterable(path for path, _ in paths), *going_on})

        node = {path: place for place, path in enumerate(self.inner)}
        column = {token: place for place, token in enumerate(self.wanted)}
        self._number = torch.tensor([number for _, number in paths])
        # Step s of path p reads column c after node n; a row of (p, n, c) for each.
        self._steps = torch.tensor(
            [
                (place, node[path[:at]], column[token])
                for place, (path, _) in enumerate(paths)
                for at, token in enumerate(path)
            ]
        ).T
        self._branching = torch.tensor(branching, dtype=torch.long)
        self._nodes = torch.tensor([node[paths[place][0]] for place in branching], dtype=torch.long)
        self._going_on = torch.tensor([column[token] for token in going_on], dtype=torch.long)

    def read(self, log_probabilities: torch.Tensor) -> Numbers:
        """The numbers that answers amount to, from natural logs (answers, inner, wanted); NaN where none can be."""
        said = log_probabilities.double().cpu()
        answers, (path, node, column) = len(said), self._steps
        of_paths = torch.zeros(answers, len(self._number), dtype=torch.double).index_add_(
            1, path, said[:, node, column]
        )
        of_paths = of_paths.exp()
        goes_on = said[:, self._nodes][:, :, self._going_on].exp().sum(2)  # (answers, branching)
        of_paths[:, self._branching] *= (1 - goes_on).clamp(min=0)
        of_numbers = torch.zeros(answers, len(_NUMBERS), dtype=torch.double).index_add_(1, self._number, of_paths)
        mass = of_numbers.sum(1)
        return Numbers((of_numbers @ torch.arange(len(_NUMBERS), dtype=torch.double)) / mass, mass)


def _paths(number: str, tokenizer: Any) -> set[tuple[int, ...]]:
    """The token paths that spell a number at the beginning of an answer, at most one space before it."""
    paths: set[tuple[int, ...]] = set()
    # Behind a newline, because some tokenizers write a space before a text of their own accord.
    for before, space in itertools.product(("", "\n"), ("", " ")):
        opening, ids = (_encode(tokenizer, text) for text in (before, f"{before}{space}{number}"))
        if ids[: len(opening)] == opening:
            paths.update(_forms(ids[len(opening) :], number, tokenizer))
    return paths


def _encode(tokenizer: Any, text: str) -> tuple[int, ...]:
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) if text else ()


def _forms(ids: tuple[int, ...], number: str, tokenizer: Any) -> Iterator[tuple[int, ...]]:
    """The path and what it is without the lone spaces at its beginning, as far as it spells the number."""
    texts = [text_of(token.removeprefix("##")) for token in tokenizer.convert_ids_to_tokens(list(ids))]
    for start in range(len(ids)):
        if "".join(texts[start:]) in {number, f" {number}"}:
            yield ids[start:]


def _starting_with_digit(vocabulary: Mapping[str, int]) -> Collection[int]:
    """The tokens that lengthen a number that stands before them."""
    return sorted({at for token, at in vocabulary.items() if token.removeprefix("##")[:1] in _DIGITS})
