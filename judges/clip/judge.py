"""A CLIP model as a judge: the cosine of image and sentence."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Self

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray

from alignbench.backends.clip.images import encode_pixels
from alignbench.backends.clip.load import Clip, load_clip
from alignbench.backends.clip.text import Encoded, TextTower
from alignbench.errors import UsageError
from alignbench.types import Answer, JudgeSpec, Query, Status, Usage, Verdict
from judges.clip.images import Block, Preparing
from judges.clip.remembered import Remembered

_REMEMBERED = 16 << 20


class ClipJudge:
    """Scores a sentence by the cosine between its vector and the image's.

    Each image is encoded once, and each distinct sentence once while it is among the newest 16 MiB of vectors: 6,500
    sentences of 512 numbers.

    Args:
        clip: The model.
        batch: How many images, or sentences, go through the model at a time; changes no score beyond rounding.
        workers: How many threads prepare images; by default one a core, at most eight.
        name: The judge's name for people; by default the model's.
    """

    def __init__(self, clip: Clip, batch: int = 32, workers: int | None = None, name: str | None = None) -> None:
        if batch < 1 or (workers is not None and workers < 1):
            raise UsageError(f"batch is {batch} and workers is {workers}, but both must be 1 or more")
        self._clip = clip
        self._preparing = Preparing(clip.prepare, batch, workers)
        self._text = TextTower(clip, batch)
        self._remembered = Remembered(_REMEMBERED)
        self.spec = JudgeSpec(name or clip.ref.name, "clip", clip.ref, mode="cosine", dtype=clip.dtype)
        self.environment = {
            "device": clip.device,
            "torch": torch.__version__,
            "open_clip": open_clip.__version__,
            "pixels": clip.pixels,
            "text": "each batch cut to its longest sentence" if self._text.trims else "all columns of every sentence",
            "workers": str(self._preparing.workers),
        }

    @classmethod
    def from_reference(
        cls,
        model: str,
        *,
        revision: str | None = None,
        name: str | None = None,
        family: str | None = None,
        dtype: str = "float32",
        device: str | None = None,
        batch: int = 32,
        workers: int | None = None,
    ) -> Self:
        """Load a model; what it can be is said in `load_clip`, what the rest means above."""
        clip = load_clip(model, revision=revision, dtype=dtype, device=device)
        return cls(replace(clip, ref=replace(clip.ref, family=family)), batch, workers, name)

    def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
        """Answer in batches of images; which images share one is a matter of their numbers alone."""
        for block in self._preparing.blocks(queries):
            yield from self._answer(block)

    def _answer(self, block: Block) -> list[Answer]:
        answers = [
            Answer(query.number, place, verdict)
            for query, verdict in block.failed
            for place in range(len(query.sentences))
        ]
        if not block.queries:
            return answers
        started = time.perf_counter()
        images = encode_pixels(self._clip, block.pixels)
        encoded = self._encode_sentences(block.queries)
        asked = sum(len(query.sentences) for query in block.queries)
        usage = Usage(seconds=(block.seconds + time.perf_counter() - started) / max(1, asked))
        for query, image in zip(block.queries, images, strict=True):
            for place, sentence in enumerate(query.sentences):
                answers.append(Answer(query.number, place, _verdict(image, encoded[sentence], usage)))
        return answers

    def _encode_sentences(self, queries: Iterable[Query]) -> dict[str, Encoded]:
        distinct = dict.fromkeys(sentence for query in queries for sentence in query.sentences)
        known = {sentence: self._remembered.find(sentence) for sentence in distinct}
        new = [sentence for sentence, encoded in known.items() if encoded is None]
        fresh = dict(zip(new, self._text.encode(new), strict=True))
        for sentence, encoded in fresh.items():
            self._remembered.keep(sentence, encoded)
        return fresh | {sentence: encoded for sentence, encoded in known.items() if encoded is not None}


def _verdict(image: NDArray[np.float32], sentence: Encoded, usage: Usage) -> Verdict:
    score = float(image @ sentence.vector)
    if math.isfinite(score):
        return Verdict(score, usage=usage, truncated=sentence.truncated)
    raw = {"reason": f"the cosine is {score}"}
    return Verdict(None, Status.NOT_FINITE, raw, usage, sentence.truncated)
