"""The text side of a CLIP model: sentences to unit vectors, read no further than what can change them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import normalize

from alignbench.backends.clip.load import Clip

_AGREE = {"float32": 1e-6, "float16": 2e-3, "bfloat16": 1e-2}
"""By how much trimming may change a cosine: rounding. What is read behind the end changes it by some hundredths."""
_PROBES = ("a", "a red dog on the left of a blue cat", "two cats and a dog on a chair, and a bird in a tree . " * 2)


class Encoded(NamedTuple):
    """The unit vector of a sentence, (d,) float32, and whether the model saw only its beginning."""

    vector: NDArray[np.float32]
    truncated: bool


class Tokens(NamedTuple):
    """Sentences as the model reads them: `ids` (s, columns); `read`, (s,), is how many of a row count, if not all."""

    ids: Tensor
    read: Tensor
    truncated: list[bool]


class TextTower:
    """Encodes sentences.

    A tower that attends only backwards and answers at the end-of-text token never sees what stands behind it, so its
    batches are cut to their longest sentence. Whether that holds is read off the model and then tried once; a tower
    that looks both ways or answers at a fixed place (SigLIP, CoCa, those of Hugging Face) reads all its columns.

    Args:
        clip: The model.
        batch: How many sentences go through it at a time.
    """

    def __init__(self, clip: Clip, batch: int) -> None:
        self._clip = clip
        self._batch = batch
        self._tower = getattr(clip.model, "text", clip.model)
        self._end = _end_of_text(self._tower)
        if self._end is not None and not self._trimming_holds():
            self._end = None

    @property
    def trims(self) -> bool:
        """Whether batches are cut to their longest sentence."""
        return self._end is not None

    @torch.inference_mode()
    def encode(self, sentences: Sequence[str]) -> list[Encoded]:
        """Encode sentences, the long ones together; in their order."""
        if not sentences:
            return []
        tokens = self.tokenize(sentences)
        found: dict[int, Encoded] = {}
        for rows in torch.argsort(tokens.read, stable=True).split(self._batch):
            columns = int(tokens.read[rows].max())
            vectors = self._vectors(tokens.ids[rows], columns).float().cpu().numpy()
            for row, vector in zip(rows.tolist(), vectors, strict=True):
                # A copy, or each vector would keep its whole batch alive.
                found[row] = Encoded(vector.copy(), tokens.truncated[row])
        return [found[row] for row in range(len(sentences))]

    def tokenize(self, sentences: Sequence[str]) -> Tokens:
        """Sentences as ids, with what the tokenizer or the model drops of each noticed."""
        texts = list(sentences)
        ids = self._clip.tokenizer(texts)
        columns = ids.shape[1]
        read = torch.full((len(texts),), columns)
        truncated = torch.tensor(_too_long(self._clip.tokenizer, texts, ids))
        if self._end is not None:
            read = self._end.place(ids) + 1
            # An end-of-text token that the sentence itself spells hides what follows it.
            behind = torch.arange(columns) >= read[:, None]
            truncated |= (behind & (ids != _padding(self._clip.tokenizer))).any(1)
        return Tokens(ids, read, truncated.tolist())

    def _vectors(self, ids: Tensor, columns: int) -> Tensor:
        """Unit vectors of some rows, (s, d), from their first `columns`."""
        ids = ids[:, :columns].to(self._clip.device)
        vectors: Tensor
        if self._end is None or columns == len(self._tower.attn_mask):
            vectors = self._clip.model.encode_text(ids, normalize=True)
            return vectors
        # The model's own code, with shorter tables: they are sized for a full row.
        swapped = {"attn_mask": self._tower.attn_mask[:columns, :columns]}
        if self._tower is self._clip.model:
            swapped["positional_embedding"] = self._tower.positional_embedding[:columns]
            vectors = functional_call(self._tower, swapped, kwargs={"text": ids})[1]
            return vectors
        said = functional_call(self._tower, swapped, (ids,))
        return normalize(said[0] if isinstance(said, tuple) else said, dim=-1)

    @torch.inference_mode()
    def _trimming_holds(self) -> bool:
        """Whether sentences have the same cosines, with every axis, from their own columns as from all."""
        tokens = self.tokenize(_PROBES)
        whole = self._clip.model.encode_text(tokens.ids.to(self._clip.device), normalize=True)
        rows = range(len(_PROBES))
        alone = torch.cat([self._vectors(tokens.ids[row : row + 1], int(tokens.read[row])) for row in rows])
        return bool((alone - whole).abs().max() <= _AGREE[self._clip.dtype])


class _EndOfText(NamedTuple):
    """A tower answers at the end of the text: at the highest id of a row, or at the first `eos` where that is set."""

    eos: int | None

    def place(self, ids: Tensor) -> Tensor:
        """The column of each row at which the tower answers, (s,)."""
        return ids.argmax(1) if self.eos is None else torch.eq(ids, self.eos).int().argmax(1)


def _end_of_text(tower: Any) -> _EndOfText | None:
    """Where a tower answers, if it is at the end of the text and nothing behind that is seen."""
    of_clip = "text_" if hasattr(tower, "text_pool_type") else ""
    pool, eos = getattr(tower, f"{of_clip}pool_type", None), getattr(tower, f"{of_clip}eos_id", None)
    mask = getattr(tower, "attn_mask", None)
    if pool not in {"argmax", "eos"} or not isinstance(mask, Tensor) or getattr(tower, "cls_emb", None) is not None:
        return None
    if not torch.equal(mask.isneginf(), torch.ones_like(mask, dtype=torch.bool).triu(1)):
        return None
    return _EndOfText(eos if pool == "eos" else None)


def _padding(tokenizer: Any) -> int:
    inner = getattr(tokenizer, "tokenizer", None)
    return 0 if inner is None else int(inner.pad_token_id)


def _too_long(tokenizer: Any, texts: list[str], ids: Tensor) -> list[bool]:
    """Which sentences the tokenizer cut to fit its columns; it keeps the end-of-text token of those."""
    columns = ids.shape[1]
    if isinstance(tokenizer, open_clip.SimpleTokenizer):
        # Its padding is the id of "!", which a sentence may hold, so nothing can be told from the ids.
        return [len(tokenizer.encode(text)) + 2 > columns for text in texts]
    padding = _padding(tokenizer)
    longer = tokenizer(texts, context_length=columns + 1)
    cut: list[bool] = ((longer != padding).sum(1) > (ids != padding).sum(1)).tolist()
    return cut
