"""A CLIP model as a judge: the cosine of image and sentence."""

from __future__ import annotations

import itertools
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import huggingface_hub
import open_clip
import torch

from alignbench.backends.folder import folder_revision
from alignbench.decode import decode
from alignbench.errors import UnknownNameError, UsageError
from alignbench.types import Answer, JudgeSpec, ModelRef, Query, Usage, Verdict

_LOCAL, _HUB = "local-dir:", "hf-hub:"
_WEIGHTS = "open_clip_model.safetensors"
_PRECISION = {"float32": "fp32", "bfloat16": "pure_bf16", "float16": "pure_fp16"}
_REMEMBERED = 65_536


@dataclass(frozen=True)
class Clip:
    """A loaded model with its own preparation of images and its tokenizer."""

    model: Any
    prepare: Any
    tokenizer: Any
    ref: ModelRef
    dtype: str
    device: str


class _Encoded(NamedTuple):
    """The unit vector of a sentence, (d,), and whether the model saw only its beginning."""

    vector: torch.Tensor
    truncated: bool


class ClipJudge:
    """Scores a sentence by the cosine between its vector and the image's.

    Each image is encoded once, and each distinct sentence once as long as it is among the last 65,536.

    Args:
        clip: The model.
        batch: How many images go through the model at a time; changes no score beyond rounding.
        name: The judge's name for people; by default the model's.
    """

    def __init__(self, clip: Clip, batch: int = 32, name: str | None = None) -> None:
        self.spec = JudgeSpec(name or clip.ref.name, "clip", clip.ref, mode="cosine", dtype=clip.dtype)
        self.environment = {
            "device": clip.device,
            "torch": torch.__version__,
            "open_clip": open_clip.__version__,
        }
        self._clip = clip
        self._batch = batch
        self._sentences: OrderedDict[str, _Encoded] = OrderedDict()

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
    ) -> Self:
        """Load `local-dir:PATH`, `ARCHITECTURE/PRETRAINED` or `hf-hub:ORG/NAME`; see `load_clip`."""
        clip = load_clip(model, revision=revision, dtype=dtype, device=device)
        return cls(replace(clip, ref=replace(clip.ref, family=family)), batch, name)

    def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
        """Answer in batches of images; which images share one is a matter of their numbers alone."""
        for _, block in itertools.groupby(queries, key=lambda query: query.number // self._batch):
            yield from self._judge_batch(list(block))

    @torch.inference_mode()
    def _judge_batch(self, queries: Sequence[Query]) -> list[Answer]:
        started = time.perf_counter()
        pixels = torch.stack([self._clip.prepare(decode(query.image)) for query in queries])
        images = self._clip.model.encode_image(self._place(pixels), normalize=True).float()  # (q, d)
        self._encode_new(list(dict.fromkeys(sentence for query in queries for sentence in query.sentences)))
        usage = Usage(seconds=(time.perf_counter() - started) / sum(len(query.sentences) for query in queries))
        answers = []
        for query, image in zip(queries, images, strict=True):
            encoded = [self._sentences[sentence] for sentence in query.sentences]
            cosines = torch.stack([each.vector for each in encoded]) @ image  # (s,)
            for place, (score, each) in enumerate(zip(cosines.tolist(), encoded, strict=True)):
                answers.append(Answer(query.number, place, Verdict(score, usage=usage, truncated=each.truncated)))
        self._forget()
        return answers

    def _encode_new(self, sentences: Sequence[str]) -> None:
        for sentence in sentences:
            if sentence in self._sentences:
                self._sentences.move_to_end(sentence)
        new = [sentence for sentence in sentences if sentence not in self._sentences]
        for start in range(0, len(new), self._batch):
            some = new[start : start + self._batch]
            tokens, truncated = self._tokenize(some)
            vectors = self._clip.model.encode_text(tokens.to(self._clip.device), normalize=True).float()  # (s, d)
            self._sentences.update(zip(some, map(_Encoded, vectors, truncated), strict=True))

    def _tokenize(self, sentences: list[str]) -> tuple[torch.Tensor, list[bool]]:
        """Tokens as long as the model's context, (s, context), and which sentences are longer than that."""
        tokenizer = self._clip.tokenizer
        inner = getattr(tokenizer, "tokenizer", None)
        padding = 0 if inner is None else inner.pad_token_id
        tokens = tokenizer(sentences)
        longer = tokenizer(sentences, context_length=tokens.shape[1] + 1)
        return tokens, ((longer != padding).sum(1) > (tokens != padding).sum(1)).tolist()

    def _forget(self) -> None:
        while len(self._sentences) > _REMEMBERED:
            self._sentences.popitem(last=False)

    def _place(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.to(self._clip.device, next(self._clip.model.parameters()).dtype)


def load_clip(source: str, *, revision: str | None = None, dtype: str = "float32", device: str | None = None) -> Clip:
    """Load a CLIP model with open_clip; weights come from safetensors only.

    Args:
        source: `local-dir:PATH`, `ARCHITECTURE/PRETRAINED` as open_clip lists them, or `hf-hub:ORG/NAME`.
        revision: Of a hub model: a branch, tag or commit.
        dtype: `float32`, `bfloat16` or `float16`; it changes scores.
        device: Where torch runs it; by default `cuda` where there is one, else `cpu`.

    Raises:
        UsageError: No such model, or one without safetensors weights.
    """
    if dtype not in _PRECISION:
        raise UnknownNameError.of("dtype", dtype, _PRECISION, "mend the option dtype")
    if revision is not None and not source.startswith(_HUB):
        raise UsageError(f"{source} has no revisions; leave out @{revision}, or load it from the hub as {_HUB}ORG/NAME")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        architecture, pretrained, ref = _find(source, revision)
        model, prepare = open_clip.create_model_from_pretrained(
            architecture, pretrained, precision=_PRECISION[dtype], device=device
        )
        tokenizer = open_clip.get_tokenizer(architecture)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise UsageError(f"{source} cannot be loaded as a CLIP model: {error}") from error
    return Clip(model.eval(), prepare, tokenizer, ref, dtype, device)


def _find(source: str, revision: str | None) -> tuple[str, str | None, ModelRef]:
    """What open_clip calls the model, its pretrained tag, and what identifies it."""
    if source.startswith(_LOCAL):
        folder = Path(source.removeprefix(_LOCAL))
        _check_folder(folder)
        return source, None, ModelRef(folder.resolve().name, folder_revision(folder))
    if source.startswith(_HUB):
        name = source.removeprefix(_HUB)
        kept = ["*.json", "*.txt", "*.model", _WEIGHTS]
        folder = Path(huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=kept))
        _check_folder(folder)
        return f"{_LOCAL}{folder}", None, ModelRef(name, folder.name)
    return _find_listed(source)


def _check_folder(folder: Path) -> None:
    for name in ("open_clip_config.json", _WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"there is no file {name} in {folder}; pickled weights are not loaded")


def _find_listed(source: str) -> tuple[str, str, ModelRef]:
    architecture, _, tag = source.partition("/")
    known = [f"{name}/{each}" for name, each in open_clip.list_pretrained()]
    if source not in known:
        raise UnknownNameError.of("pretrained CLIP model", source, known, f"or give {_LOCAL}PATH or {_HUB}ORG/NAME")
    weights = Path(open_clip.download_pretrained(open_clip.get_pretrained_cfg(architecture, tag)))
    if weights.suffix != ".safetensors":
        raise ValueError("its weights are published as a pickle only, which is not loaded")
    commit = weights.parent.name if weights.parent.parent.name == "snapshots" else None
    return architecture, tag, ModelRef(source, commit)
