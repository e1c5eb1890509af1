"""Answers written token by token, the likeliest at each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import transformers
from PIL import Image as Pillow

from alignbench.backends.prefix.cache import Feed
from alignbench.backends.prefix.tokens import Row
from alignbench.backends.vlm import Vlm


class Generated(NamedTuple):
    """The text, how many tokens it took, and whether the model ended it rather than `max_new_tokens`.

    `prompt_tokens` are the tokens of the prompt, those of the image included.
    """

    text: str
    tokens: int
    finished: bool
    prompt_tokens: int


class Said(NamedTuple):
    """The token ids of an answer, an end token included, and how many the prompt has."""

    ids: list[int]
    prompt_tokens: int


def greedy(feed: Feed, rows: Sequence[Row], ends: frozenset[int], max_new_tokens: int) -> dict[int, list[int]]:
    """The token ids that each prompt is answered with, by prompt, an end token included.

    Args:
        feed: The prefix, behind which nothing was fed yet.
        rows: Each prompt's tokens, read at the last.
        ends: Tokens that end an answer.
        max_new_tokens: How many tokens an answer has at most, at least 1.
    """
    said: dict[int, list[int]] = {row.prompt: [] for row in rows}
    while rows:
        likeliest = feed.feed(rows).argmax(-1).tolist()
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
        ids = vlm.model.generate(**inputs)
    finally:
        vlm.model.generation_config = theirs
    tokens = inputs["input_ids"].shape[1]
    return Said(ids[0, tokens:].tolist(), tokens)


def of_one_length(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows in groups that need not be filled up."""
    groups: dict[int, list[Row]] = {}
    for row in rows:
        groups.setdefault(len(row.tokens), []).append(row)
    return list(groups.values())


def as_generated(vlm: Vlm, said: Said, ends: frozenset[int]) -> Generated:
    """The answer that token ids stand for."""
    text = vlm.tokenizer.decode(said.ids, skip_special_tokens=True).strip()
    return Generated(text, len(said.ids), said.ids[-1] in ends, said.prompt_tokens)
