"""Answers written token by token, the likeliest at each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple, Self

import torch
import transformers
from PIL import Image as Pillow

from alignbench.backends.prefix.cache import Feed
from alignbench.backends.prefix.tokens import Row
from alignbench.backends.vlm import Vlm


class Token(int):
    """The id of a token that was said, and the natural log of its probability after all that stood before it."""

    log_probability: float

    def __new__(cls, number: int, log_probability: float) -> Self:
        """A token id that is an int in all else."""
        token = super().__new__(cls, number)
        token.log_probability = log_probability
        return token


@dataclass(frozen=True, slots=True)
class Generated:
    """The text, how many tokens it took, and whether the model ended it rather than `max_new_tokens`.

    `prompt_tokens` are the tokens of the prompt, those of the image included. `said` are the tokens of the answer, an
    end token included; their probabilities are known up to rounding, so they have no part in equality.
    """

    text: str
    tokens: int
    finished: bool
    prompt_tokens: int
    said: tuple[Token, ...] = field(default=(), compare=False)


class Said(NamedTuple):
    """The tokens of an answer, an end token included, and how many the prompt has."""

    ids: list[Token]
    prompt_tokens: int


def greedy(feed: Feed, rows: Sequence[Row], ends: frozenset[int], max_new_tokens: int) -> dict[int, list[Token]]:
    """The tokens that each prompt is answered with, by prompt, an end token included.

    Args:
        feed: The prefix, behind which nothing was fed yet.
        rows: Each prompt's tokens, read at the last.
        ends: Tokens that end an answer.
        max_new_tokens: How many tokens an answer has at most, at least 1.
    """
    said: dict[int, list[Token]] = {row.prompt: [] for row in rows}
    while rows:
        likeliest = _likeliest(feed.feed(rows))
        for row, token in zip(rows, likeliest, strict=True):
            said[row.prompt].append(token)
        rows = [
            Row(row.prompt, [token], [0], [0])
            for row, token in zip(rows, likeliest, strict=True)
            if token not in ends and len(said[row.prompt]) < max_new_tokens
        ]
    return said


def greedy_plain(vlm: Vlm, image: Pillow.Image, prompt: str, ends: frozenset[int], max_new_tokens: int) -> Said:
    """One answer by transformers' own loop, without what the model's author would add to it."""
    inputs = vlm.encode([image], [prompt])
    theirs = vlm.model.generation_config
    # What a call leaves open is taken from the model's own configuration: penalties, forced and suppressed tokens.
    vlm.model.generation_config = transformers.GenerationConfig(
        do_sample=False,
        max_new_tokens=max_new_tokens,
        eos_token_id=sorted(ends) or None,
        pad_token_id=vlm.tokenizer.pad_token_id,
    )
    try:
        answer = vlm.model.generate(**inputs, return_dict_in_generate=True, output_logits=True)
    finally:
        vlm.model.generation_config = theirs
    # Every step's logits are those of one prompt; the likeliest of them is what the loop chose.
    return Said(_likeliest(torch.cat(answer.logits)), inputs["input_ids"].shape[1])


def _likeliest(logits: torch.Tensor) -> list[Token]:
    """The likeliest token of each row of logits, (rows, vocabulary)."""
    ids = logits.argmax(-1)
    chances = [
        (some.gather(-1, chosen[:, None])[:, 0].float() - some.float().logsumexp(-1)).tolist()
        for some, chosen in zip(logits.split(64), ids.split(64), strict=True)
    ]
    return [Token(*each) for each in zip(ids.tolist(), chain.from_iterable(chances), strict=True)]


def of_one_length(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows in groups that need not be filled up."""
    groups: dict[int, list[Row]] = {}
    for row in rows:
        groups.setdefault(len(row.tokens), []).append(row)
    return list(groups.values())


def as_generated(vlm: Vlm, said: Said, ends: frozenset[int]) -> Generated:
    """The answer that token ids stand for."""
    text = vlm.tokenizer.decode(said.ids, skip_special_tokens=True).strip()
    return Generated(text, len(said.ids), said.ids[-1] in ends, said.prompt_tokens, tuple(said.ids))
