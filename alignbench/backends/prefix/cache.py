"""Feeds tokens to a model behind a prefix that went through it once: packed into one row, or as a batch."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

from alignbench.backends.prefix.tokens import Row, Tree

_MASKED = ("eager", "sdpa")
"""Ways of attention that take a mask of any shape."""


@dataclass(frozen=True, slots=True)
class Prefilled:
    """A model's cache, each row of which holds `tokens` tokens, and the position of the next token."""

    model: Any
    cache: Any
    tokens: int
    position: int

    @classmethod
    def run(cls, model: Any, prefix: dict[str, torch.Tensor]) -> Self:
        """Send the prefix through the model: a cache of one row."""
        cache = DynamicCache(config=model.config)
        model(**prefix, past_key_values=cache, use_cache=True, logits_to_keep=1)
        tokens = prefix["input_ids"].shape[1]
        return cls(model, cache, tokens, tokens + _forget_shift(model))

    @property
    def can_be_packed(self) -> bool:
        """Whether every layer attends to all keys, so that a mask alone says who sees whom."""
        plain = all(type(layer) is DynamicLayer for layer in self.cache.layers)
        return plain and _attention(self.model) in _MASKED

    def fork(self, rows: Sequence[int] | None = None) -> Any:
        """A cache that grows on its own, with a copy of each of these rows; without `rows`, none is made."""
        cache = copy.copy(self.cache)
        cache.layers = [_fork_layer(layer) for layer in self.cache.layers]
        if rows is not None:
            cache.reorder_cache(torch.tensor(rows, device=self.model.device))
        return cache


def _forget_shift(model: Any) -> int:
    """By how much an image has moved the positions behind it, which Qwen-VL kinds keep on a module until told."""
    for module in model.modules():
        if getattr(module, "rope_deltas", None) is not None:
            shift = int(module.rope_deltas.max())
            module.rope_deltas = None
            return shift
    return 0


def _fork_layer(layer: Any) -> Any:
    """A layer's cache that shares its tensors: those of attention are never written into, only replaced."""
    twin = copy.copy(layer)
    for name, value in vars(layer).items():
        if isinstance(value, dict):
            setattr(twin, name, dict(value))
    return twin


def _attention(model: Any) -> str:
    return str(model.config.get_text_config(decoder=True)._attn_implementation)  # noqa: SLF001 - it is said nowhere else


class Feed(Protocol):
    """Prompts behind one prefix, each of which grows by the tokens that it is fed."""

    def feed(self, rows: Sequence[Row]) -> torch.Tensor:
        """The logits at the reads of each row, row by row, (reads of all rows, vocabulary).

        Args:
            rows: What is fed to each prompt; a prompt that is left out is not fed any more.
        """
        ...


class Batch:
    """Each row has its own copy of what it stands behind; one that is shorter than another is filled up behind.

    Nothing looks at what stands behind it, so no mask is needed, and layers of any kind will do. Rows that are to be
    fed again, or branched off, must be of one length.

    Args:
        prefilled: What was fed before.
        rows: Which row of it each row stands behind.
    """

    def __init__(self, prefilled: Prefilled, rows: Sequence[int]) -> None:
        self._model = prefilled.model
        self._cache = prefilled.fork(rows)
        self._tokens = prefilled.tokens
        self._position = prefilled.position
        self._prompts: list[int] = []

    def feed(self, rows: Sequence[Row]) -> torch.Tensor:
        """As `Feed` says; the reads of a row must increase."""
        self._keep([row.prompt for row in rows])
        longest = max(len(row.tokens) for row in rows)
        kept = torch.zeros(len(rows), longest, dtype=torch.bool)
        for number, row in enumerate(rows):
            kept[number, row.reads] = True
        device = self._model.device
        tokens = [row.tokens + row.tokens[-1:] * (longest - len(row.tokens)) for row in rows]
        positions = torch.arange(self._position, self._position + longest, device=device).expand(len(rows), -1)
        self._tokens += longest
        self._position += longest
        logits: torch.Tensor = self._model(
            input_ids=torch.tensor(tokens, device=device),
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=kept.to(device),
        ).logits
        return logits

    def prefilled(self) -> Prefilled:
        """What has been fed so far, for others to branch off; this batch is not to be fed after that."""
        return Prefilled(self._model, self._cache, self._tokens, self._position)

    def _keep(self, prompts: list[int]) -> None:
        """Drop the copies of prompts that are not fed any more."""
        if self._prompts and prompts != self._prompts:
            places = torch.tensor([self._prompts.index(prompt) for prompt in prompts], device=self._model.device)
            self._cache.reorder_cache(places)
        self._prompts = prompts


class Packed:
    """All rows stand in one sequence behind one prefix, and a mask says who sees whom: nothing is copied or filled up.

    Args:
        prefilled: The prefix, of a model that attends to all keys in every layer.
        tree: What the tokens at the end of each row are, where they are not a sequence but branch.
    """

    def __init__(self, prefilled: Prefilled, tree: Tree | None = None) -> None:
        self._model = prefilled.model
        self._cache = prefilled.fork()
        self._prefix = prefilled.tokens
        self._position = prefilled.position
        self._tree = tree or Tree([], [], [])
        self._owners = torch.empty(0, dtype=torch.long, device=self._model.device)
        self._fed: dict[int, int] = {}

    def feed(self, rows: Sequence[Row]) -> torch.Tensor:
        """As `Feed` says."""
        device = self._model.device
        starts = [0, *itertools.accumulate(len(row.tokens) for row in rows)]
        reads = [start + read for start, row in zip(starts, rows, strict=False) for read in row.reads]
        positions = [place for row in rows for place in self._positions(row)]
        owners = [row.prompt for row in rows for _ in row.tokens]
        mask = self._mask(torch.tensor(owners, device=device), [len(row.tokens) for row in rows])
        logits: torch.Tensor = self._model(
            input_ids=torch.tensor([[token for row in rows for token in row.tokens]], device=device),
            attention_mask=mask[None, None],
            position_ids=torch.tensor([positions], device=device),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=torch.tensor(reads, device=device),
        ).logits
        return logits[0]

    def _positions(self, row: Row) -> list[int]:
        """Where each token of a row stands: all children of a node at the same place."""
        begin = self._position + self._fed.get(row.prompt, 0)
        plain = len(row.tokens) - len(self._tree.tokens)
        self._fed[row.prompt] = self._fed.get(row.prompt, 0) + plain
        behind = [begin + plain - 1 + depth for depth in self._tree.depths()]
        return [*range(begin, begin + plain), *behind]

    def _mask(self, owners: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Who sees whom, (new tokens, prefix and all tokens fed), in the form that the model's attention takes.

        A token sees the prefix, and what stands before it in its own row; a node of the tree only its own branch.
        """
        new, old = len(owners), len(self._owners)
        self._owners = torch.cat([self._owners, owners])
        mask = torch.ones(new, self._prefix + old + new, dtype=torch.bool, device=owners.device)
        mask[:, self._prefix :] = owners[:, None] == self._owners
        mask[:, self._prefix + old :].tril_()
        if nodes := len(self._tree.tokens):
            kinds = [[nodes] * (length - nodes) + list(range(nodes)) for length in lengths]
            kind = torch.tensor(list(itertools.chain(*kinds)), device=owners.device)
            mask[:, self._prefix + old :] &= self._tree.sights().to(owners.device)[kind[:, None], kind]
        if _attention(self._model) == "sdpa":
            return mask
        added = torch.zeros(mask.shape, dtype=self._model.dtype, device=owners.device)
        return added.masked_fill_(~mask, torch.finfo(self._model.dtype).min)
