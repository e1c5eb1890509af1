"""Counts the tokens of prompts as a pipeline's text encoders are given them, and what they do not read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import transformers

# A tokenizer that knows of no limit says a number beyond this one.
_UNBOUNDED = 1_000_000


class Reading(NamedTuple):
    """How many tokens a prompt has for one text encoder, and how many it reads; null where nothing tells."""

    tokens: int
    limit: int | None

    @property
    def cut(self) -> bool | None:
        """Whether the encoder missed the end of the prompt; null where nothing tells."""
        return None if self.limit is None else self.tokens > self.limit


class _Asked(NamedTuple):
    texts: list[str]
    limit: int | None
    special: bool


class TokenMeter:
    """Listens to what a pipeline asks its tokenizers while it draws, so that no limit has to be known beforehand.

    Encoders are told apart by their names: `text_encoder` for `tokenizer`, `text_encoder_2` for `tokenizer_2`.
    """

    def __init__(self, pipe: Any) -> None:
        self._tokenizers: dict[str, tuple[Any, type[Any]]] = {}
        self._asked: dict[str, _Asked] | None = None
        for name, part in pipe.components.items():
            tokenizer = (
                part if isinstance(part, transformers.PreTrainedTokenizerBase) else getattr(part, "tokenizer", None)
            )
            if isinstance(tokenizer, transformers.PreTrainedTokenizerBase):
                self._listen(name.replace("tokenizer", "text_encoder"), tokenizer)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note what is asked in here."""
        self._asked = {}
        yield

    def readings(self, rows: int) -> list[dict[str, Reading]]:
        """For each of so many prompts what the encoders that were asked read of it, by their names."""
        found: list[dict[str, Reading]] = [{} for _ in range(rows)]
        for name, asked in (self._asked or {}).items():
            if len(asked.texts) == rows:
                for row, tokens in zip(found, self._count(name, asked), strict=True):
                    row[name] = Reading(tokens, asked.limit)
        return found

    def _listen(self, name: str, tokenizer: Any) -> None:
        kind = type(tokenizer)
        meter = self

        def call(this: Any, text: Any = None, *args: Any, **options: Any) -> Any:
            meter._note(name, text, options, this.model_max_length)
            return kind.__call__(this, text, *args, **options)

        self._tokenizers[name] = (tokenizer, kind)
        tokenizer.__class__ = type(kind.__name__, (kind,), {"__call__": call, "__module__": kind.__module__})

    def _note(self, name: str, text: Any, options: dict[str, Any], most: int) -> None:
        """Keep what the prompts were cut to; what comes later are negative prompts, and prompts to warn of."""
        texts = [text] if isinstance(text, str) else text
        if self._asked is None or not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
            return
        limit = (options.get("max_length") or most) if options.get("truncation") else None
        before = self._asked.get(name)
        if before is None or (before.limit is None and limit is not None and before.texts == texts):
            known = limit if limit is not None and limit < _UNBOUNDED else None
            self._asked[name] = _Asked(texts, known, bool(options.get("add_special_tokens", True)))

    def _count(self, name: str, asked: _Asked) -> list[int]:
        tokenizer, kind = self._tokenizers[name]
        ids = kind.__call__(tokenizer, asked.texts, add_special_tokens=asked.special, verbose=False)["input_ids"]
        return [len(row) for row in ids]
