"""A local language model as a writer of texts: prompts, changed captions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
import transformers

from alignbench.backends.decoding import Continuation, Continuing, Decoding
from alignbench.backends.loading import DTYPES, check_source, device_of, dtype_of, loading, reference_of, told_of
from alignbench.types import ModelRef, Status, TextTask, Written
from generation.continuations import judged


@dataclass(frozen=True)
class LanguageModel:
    """A loaded model; `dtype` is a key of `DTYPES`."""

    model: Any
    tokenizer: Any
    ref: ModelRef
    dtype: str
    device: str

    @property
    def has_template(self) -> bool:
        """Whether its tokenizer knows what a chat looks like; otherwise it writes on from the bare prompt."""
        return bool(self.tokenizer.chat_template)

    def encode(self, prompt: str) -> dict[str, torch.Tensor]:
        """The model's inputs for one user turn, (1, tokens), up to where the answer begins."""
        if self.has_template:
            turn = [{"role": "user", "content": prompt}]
            encoded = self.tokenizer.apply_chat_template(
                turn, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
            )
        else:
            encoded = self.tokenizer(prompt, return_tensors="pt")
        return {name: encoded[name].to(self.device) for name in ("input_ids", "attention_mask")}


def load_language_model(
    source: str,
    *,
    revision: str | None = None,
    name: str | None = None,
    family: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
) -> LanguageModel:
    """Load a model from a folder or the hub: safetensors only, and no code of the model's author.

    The arguments are those of `alignbench.backends.vlm.load_vlm`.

    Raises:
        UsageError: No such model, one of another kind, or one without safetensors weights.
    """
    check_source(source, revision)
    device = device_of(device)
    with loading(source, "language model"):
        find: Any = transformers
        config = find.AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=False)
        dtype = dtype_of(dtype, config)
        tokenizer = find.AutoTokenizer.from_pretrained(source, revision=revision, trust_remote_code=False)
        model = find.AutoModelForCausalLM.from_pretrained(
            source, revision=revision, trust_remote_code=False, use_safetensors=True, dtype=DTYPES[dtype]
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    ref = reference_of(source, revision, model.config, name=name, family=family)
    return LanguageModel(model.eval().to(device), tokenizer, ref, dtype, device)


class LocalTextModel:
    """Asks a model for one text at a time, so that neither neighbours nor order can change a bit of it.

    A text that the model did not end, an empty one and a refusal are failures with a status of their own.

    Args:
        model: The model.
        decoding: How words are chosen.

    Raises:
        UsageError: The model has no token that ends a text.
    """

    def __init__(self, model: LanguageModel, decoding: Decoding) -> None:
        self._model = model
        self._continuing = Continuing(model.model, model.tokenizer, decoding, model.ref.name)
        self._told = {
            "decoding": asdict(decoding),
            "dtype": model.dtype,
            **told_of(model.device),
            "chat_template": model.has_template,
            "exact": True,
            "batch": 1,
        }

    @classmethod
    def from_reference(  # noqa: PLR0913 - each argument is an option of a recipe
        cls,
        model: str,
        *,
        revision: str | None = None,
        name: str | None = None,
        family: str | None = None,
        dtype: str | None = None,
        device: str | None = None,
        temperature: float = 0.0,
        top_p: float = 1.0,
        max_new_tokens: int = 256,
    ) -> Self:
        """Load the model; the arguments are those of `load_language_model` and of `Decoding`."""
        decoding = Decoding(max_new_tokens, temperature, top_p)
        return cls(
            load_language_model(model, revision=revision, name=name, family=family, dtype=dtype, device=device),
            decoding,
        )

    @property
    def model(self) -> ModelRef:
        """Who writes."""
        return self._model.ref

    @property
    def environment(self) -> Mapping[str, str]:
        """Where the model runs."""
        versions = {"torch": torch.__version__, "transformers": transformers.__version__}
        return {"device": self._model.device, **versions}

    def write(self, tasks: Iterable[TextTask]) -> Iterator[Written]:
        """Write a text for each task, in order; the same task gives the same text on the same kind of device."""
        for task in tasks:
            try:
                (made,) = self._continuing.write(self._model.encode(task.prompt), [task.seed])
            except torch.OutOfMemoryError as error:
                reason = "the device has no room for the row: " + str(error).splitlines()[0]
                yield Written(task.number, status=Status.FAILED, provenance={"reason": reason})
            else:
                yield self._written(task.number, made)

    def _written(self, number: int, made: Continuation) -> Written:
        status, reason = judged(made)
        told = {**self._told, "tokens": made.tokens, **reason}
        return Written(number, text=made.text if status is Status.OK else None, status=status, provenance=told)
