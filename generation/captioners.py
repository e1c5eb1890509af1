"""A local vision-language model as a captioner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Self

from alignbench.backends.captioning import Caption, CaptionRequest, CaptionWriter, Decoding
from alignbench.backends.vlm import Vlm, load_vlm
from alignbench.decode import decode
from alignbench.errors import ImageError
from alignbench.types import CaptionTask, ModelRef, Produced, Status


class LocalVlmCaptioner:
    """Asks a model for one caption at a time, so that neither neighbours nor order can change a bit of it.

    A caption that the model did not end is a failure with the status `run_on`; its text is kept in the provenance.

    Args:
        vlm: The model.
        decoding: How words are chosen.

    Raises:
        UsageError: The model has no token that ends a text.
    """

    def __init__(self, vlm: Vlm, decoding: Decoding) -> None:
        self._vlm, self._decoding = vlm, decoding
        self._writer = CaptionWriter(vlm, decoding, batch=1)

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
        """Load the captioner; the arguments are those of `load_vlm` and of `Decoding`."""
        decoding = Decoding(max_new_tokens, temperature, top_p)
        return cls(load_vlm(model, revision=revision, name=name, family=family, dtype=dtype, device=device), decoding)

    @property
    def model(self) -> ModelRef:
        """The model as a producer."""
        return self._vlm.ref

    def produce(self, tasks: Iterable[CaptionTask]) -> Iterator[Produced]:
        """Write a caption for each task, in order; the same task gives the same caption on the same kind of device."""
        for task in tasks:
            try:
                picture = decode(task.image.bytes or b"")
            except ImageError as error:
                yield Produced(task.number, status=Status.IMAGE_UNREADABLE, provenance={"reason": str(error)})
                continue
            (caption,) = self._writer.write([CaptionRequest(picture, task.prompt, task.seed)])
            yield self._produced(task.number, caption)

    def _produced(self, number: int, caption: Caption) -> Produced:
        told = {
            "decoding": asdict(self._decoding),
            "dtype": self._vlm.dtype,
            "device": self._vlm.device,
            "tokens": caption.tokens,
        }
        if caption.finished:
            return Produced(number, caption=caption.text, provenance=told)
        reason = f"no end after {caption.tokens} tokens"
        return Produced(number, status=Status.RUN_ON, provenance={**told, "reason": reason, "text": caption.text})
