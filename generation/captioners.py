"""A local vision-language model as a captioner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any, NamedTuple, Self

import torch

from alignbench.backends.captioning import CaptionRequest, CaptionWriter
from alignbench.backends.decoding import Continuation, Decoding
from alignbench.backends.loading import told_of
from alignbench.backends.vlm import Vlm, load_vlm
from alignbench.decode import decode
from alignbench.errors import ImageError, UsageError
from alignbench.types import CaptionTask, ModelRef, Produced, Status
from generation.continuations import judged


class _Due(NamedTuple):
    number: int
    request: CaptionRequest


class LocalVlmCaptioner:
    """Asks a model for one caption at a time, so that neither neighbours nor order can change a bit of it.

    With `exact` false captions are written in padded batches: what a row is drawn by stays its own, but a caption may
    change where numbers are rounded otherwise than alone; `changed` counts how many did. Where the device has no room
    for a batch, it is halved from there on, and the rows say so.

    A caption that the model did not end, an empty one and a refusal are failures with a status of their own; their text
    is kept in the provenance. So is a row for which the model's front end refuses the image or the device has no room.

    Args:
        vlm: The model.
        decoding: How words are chosen.
        exact: Whether rows go through the model one by one.
        batch: How many go together where `exact` is false.

    Raises:
        UsageError: The model has no token that ends a text, or the batch is below 1.
    """

    def __init__(self, vlm: Vlm, decoding: Decoding, *, exact: bool = True, batch: int = 8) -> None:
        check_grouping(exact, batch)
        self._vlm, self._exact = vlm, exact
        self._batch = 1 if exact else batch
        self._too_large: int | None = None
        self._writer = CaptionWriter(vlm, decoding, self._batch, padded=not exact)
        bound = vlm.max_pixels
        self._told = {"decoding": asdict(decoding), "dtype": vlm.dtype, **told_of(vlm.device), "max_pixels": bound}

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
        max_pixels: int | None = None,
        temperature: float = 0.0,
        top_p: float = 1.0,
        max_new_tokens: int = 256,
        exact: bool = True,
        batch: int = 8,
    ) -> Self:
        """Load the captioner; the arguments are those of `load_vlm`, of `Decoding` and of the class."""
        decoding = Decoding(max_new_tokens, temperature, top_p)
        check_grouping(exact, batch)
        vlm = load_vlm(
            model, revision=revision, name=name, family=family, dtype=dtype, device=device, max_pixels=max_pixels
        )
        return cls(vlm, decoding, exact=exact, batch=batch)

    @property
    def model(self) -> ModelRef:
        """The model as a producer."""
        return self._vlm.ref

    @property
    def environment(self) -> Mapping[str, str]:
        """Where the model runs."""
        return self._vlm.environment

    def produce(self, tasks: Iterable[CaptionTask]) -> Iterator[Produced]:
        """Write a caption for each task, at most a batch of which is pulled ahead.

        With `exact` the same task gives the same caption on the same kind of device.
        """
        rest = iter(tasks)
        while group := list(islice(rest, self._batch)):
            due = []
            for task in group:
                try:
                    picture = decode(task.image.bytes or b"")
                except ImageError as error:
                    yield _failed(task.number, Status.IMAGE_UNREADABLE, str(error))
                else:
                    due.append(_Due(task.number, CaptionRequest(picture, task.prompt, task.seed)))
            if due:
                yield from self._write(due)

    def _write(self, due: Sequence[_Due]) -> Iterator[Produced]:
        """Write captions together; what cannot go together is tried in halves, down to single rows."""
        try:
            captions = self._writer.write([each.request for each in due])
        except torch.OutOfMemoryError as error:
            full, refused = str(error).partition("\n")[0], None
        except ValueError as error:
            full, refused = None, str(error)
        else:
            for each, caption in zip(due, captions, strict=True):
                yield self._produced(each.number, caption, len(due))
            return
        if full is not None:
            self._make_room(len(due))
        if len(due) > 1:
            half = (len(due) + 1) // 2
            yield from self._write(due[:half])
            yield from self._write(due[half:])
        elif full is not None:
            advice = "set the option max_pixels, or a smaller max_new_tokens or dtype"
            yield _failed(due[0].number, Status.FAILED, f"the device has no room for the row: {full}; {advice}")
        else:
            yield _failed(due[0].number, Status.FAILED, f"the model's front end refuses the image: {refused}")

    def _make_room(self, rows: int) -> None:
        """Give back the memory of a batch that was too large, and take smaller ones from here on."""
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if rows > 1:
            self._too_large = rows
            self._batch = min(self._batch, (rows + 1) // 2)

    def _produced(self, number: int, caption: Continuation, batch: int) -> Produced:
        status, reason = judged(caption)
        told: dict[str, Any] = {**self._told, "exact": self._exact, "batch": batch, "tokens": caption.tokens, **reason}
        if self._too_large is not None:
            told["out_of_memory_at"] = self._too_large
        return Produced(number, caption=caption.text if status is Status.OK else None, status=status, provenance=told)


def check_grouping(exact: object, batch: object) -> None:
    """Raise UsageError where these do not say how many rows go together."""
    if not isinstance(exact, bool):
        raise UsageError(f"exact is {exact!r}; it is true for rows one by one, or false for batches")
    if type(batch) is not int or batch < 1:
        raise UsageError(f"batch is {batch!r}; it is the number of rows that go together, at least 1")


def changed(exact: Iterable[Produced], batched: Iterable[Produced]) -> list[int]:
    """The numbers of the tasks whose text or status is not the same in both, or that only one has, in their order."""
    first, second = ({made.number: (made.status, _text(made)) for made in each} for each in (exact, batched))
    return sorted(number for number in first.keys() | second.keys() if first.get(number) != second.get(number))


def _text(made: Produced) -> str | None:
    return made.caption if made.caption is not None else made.provenance.get("text")


def _failed(number: int, status: Status, reason: str) -> Produced:
    return Produced(number, status=status, provenance={"reason": reason})
