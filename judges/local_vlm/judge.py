"""A vision-language model as a judge: what it says of each sentence of an image, read as a score in [0, 1]."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from alignbench.backends.prefix import SharedPrefix
from alignbench.backends.vlm import Vlm, load_vlm
from alignbench.decode import decode
from alignbench.errors import UnknownNameError, UsageError
from alignbench.types import Answer, JudgeSpec, Query, Status, Verdict
from judges.local_vlm.left_over import LeftOver
from judges.local_vlm.modes import MODES, Asked
from judges.prompt import Prompt, shipped

CONTEXTS = ("sentence", "caption")


class LocalVlmJudge:
    """Asks a local model about each sentence of an image, in one of the modes of `judges.local_vlm.modes`.

    In the context `sentence` the model sees the sentence alone, in the context `caption` the whole caption with its
    sentences numbered.

    Args:
        vlm: The model.
        prompt: The user's turn after the image; by default the one that is shipped for the mode and context.
        mode: `p_yes`, `expected_score`, `verbal_score` or `spans`.
        context: `sentence` or `caption`.
        tokens_at_once: How many tokens of sentences go through the model at a time; changes no score beyond rounding.
        name: The judge's name for people; by default the model's.

    Raises:
        UnknownNameError: There is no such mode or context.
        UsageError: A prompt with other slots than those of the context, a tokenizer that cannot spell the mode's
            answers, or a model that cannot be asked about an image.
    """

    def __init__(
        self,
        vlm: Vlm,
        prompt: Prompt | None = None,
        *,
        mode: str = "p_yes",
        context: str = "sentence",
        tokens_at_once: int = 8192,
        name: str | None = None,
    ) -> None:
        _check(mode, context)
        self._mode = MODES[mode](vlm.tokenizer)
        self._prompt = prompt or shipped(self._mode.answer, context)
        self._prompt.check(context)
        self.spec = JudgeSpec(
            name or vlm.ref.name,
            "local_vlm",
            vlm.ref,
            prompt=self._prompt.fingerprint(),
            mode=mode,
            context=context,
            dtype=vlm.dtype,
            options=_options(vlm, self._mode.options),
        )
        self._control_tokens = vlm.control_tokens()
        self._model = SharedPrefix(vlm, tokens_at_once)
        self.environment = {**vlm.environment, "prompt": self._prompt.text, "prefix": self._model.way}
        self._left_over = LeftOver(self.spec.name, self._mode.advice)

    @classmethod
    def from_reference(  # noqa: PLR0913 - one keyword for each option that users may write
        cls,
        model: str,
        *,
        revision: str | None = None,
        name: str | None = None,
        family: str | None = None,
        dtype: str | None = None,
        device: str | None = None,
        mode: str = "p_yes",
        context: str = "sentence",
        prompt: str | None = None,
        max_pixels: int | None = None,
        tokens_at_once: int = 8192,
    ) -> Self:
        """Load the judge; `prompt` is the path of a text file, the rest go to `load_vlm` and to the class."""
        _check(mode, context)
        asked = Prompt.read(Path(prompt), context) if prompt else None
        vlm = load_vlm(
            model,
            revision=revision,
            family=family,
            dtype=dtype,
            device=device,
            max_pixels=max_pixels,
        )
        return cls(vlm, asked, mode=mode, context=context, tokens_at_once=tokens_at_once, name=name)

    def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
        """Answer query by query, so that the sentences of an image share its cost."""
        for query in queries:
            refused = self._refused(query)
            for place, reason in refused.items():
                yield Answer(query.number, place, Verdict.failed(Status.FAILED, reason))
            places = [place for place in range(len(query.sentences)) if place not in refused]
            verdicts = self._verdicts(query, places) if places else []
            yield from (Answer(query.number, place, verdict) for place, verdict in zip(places, verdicts, strict=True))
            self._left_over.add(verdicts)
        self._left_over.settle()

    def _refused(self, query: Query) -> dict[int, str]:
        """The places that cannot be asked about, with the reason."""
        if self.spec.context == "caption":
            if query.context is None:
                raise UsageError("a judge of context caption needs queries with their caption; call it by run_judge")
            found = self._commands(query.context.caption)
            return dict.fromkeys(range(len(query.sentences)), _refusal("caption", found)) if found else {}
        texts = {place: self._commands(text) for place, text in enumerate(query.sentences)}
        return {place: _refusal("sentence", found) for place, found in texts.items() if found}

    def _commands(self, text: str) -> list[str]:
        return sorted(token for token in self._control_tokens if token in text)

    def _verdicts(self, query: Query, places: Sequence[int]) -> list[Verdict]:
        started = time.perf_counter()
        verdicts = self._mode.ask(self._model, decode(query.image), [self._asked(query, place) for place in places])
        seconds = (time.perf_counter() - started) / len(places)
        return [replace(verdict, usage=replace(verdict.usage, seconds=seconds)) for verdict in verdicts]

    def _asked(self, query: Query, place: int) -> Asked:
        sentence = query.sentences[place]
        if query.context is None or self.spec.context == "sentence":
            return Asked(self._prompt.fill(sentence), sentence)
        return Asked(self._prompt.fill_in_caption(query.context, place), sentence)


def _check(mode: str, context: str) -> None:
    if mode not in MODES:
        raise UnknownNameError.of("mode of a local judge", mode, MODES, "mend the option mode")
    if context not in CONTEXTS:
        raise UnknownNameError.of("context of a judge", context, CONTEXTS, "mend the option context")


def _options(vlm: Vlm, of_mode: Mapping[str, Any]) -> dict[str, Any]:
    """What changes scores beside the model, its dtype, the prompt, the mode and the context."""
    return {**of_mode, **({} if vlm.max_pixels is None else {"max_pixels": vlm.max_pixels})}


def _refusal(what: str, found: Sequence[str]) -> str:
    return f"the {what} holds {', '.join(found)}, which the model would take for a command"
