"""What an API judge is asked to be: every choice of the user that can change a score, checked, as one value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from alignbench.backends.api.endpoint import Endpoint
from alignbench.backends.api.options import DETAILS, EFFORTS, check_name, check_number
from alignbench.errors import UnknownNameError, UsageError
from alignbench.types import Context, JudgeSpec, ModelRef, Query
from judges.api.modes import MODES, TOP_LOGPROBS, Mode
from judges.prompt import Prompt, shipped

CONTEXTS = ("sentence", "caption")
CACHES = ("auto", "explicit", "none")
_REASONING_TOKENS = 8192
"""Room for a model that is asked to reason, because its reasoning counts as output."""
_LIST_FRAME_TOKENS = 32


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask about an image in one request, or several times where draws are wanted.

    Attributes:
        text: What follows the image.
        places: The sentences of the query that the answer is for, by their places in it.
        numbers: What the prompt calls them: their numbers in the caption, from 1, for a list; else (0,).
        tokens: Of one answer at most.
    """

    text: str
    places: tuple[int, ...]
    numbers: tuple[int, ...]
    tokens: int


@dataclass(frozen=True, slots=True)
class Settings:
    """What is asked of which model, and how. `Settings.of` makes and checks one from a user's options.

    Attributes:
        model: The model as the endpoint names it.
        name: The judge's name for people.
        endpoint: Where the model is.
        mode: How scores are got.
        fallback: The mode to take where the endpoint cannot do `mode`; its prompt is the shipped one, or `prompt` where
            both ask for the same kind of answer.
        context: `sentence` or `caption`.
        prompt: What follows the image.
        samples: How many answers to draw in the mode `samples`.
        temperature: What the user chose; None for what suits the mode.
        max_tokens: Of an answer; None for what the mode needs.
        detail: The detail of the image that is asked for, for endpoints that know it.
        reasoning_effort: What is asked for; None for the endpoint's default.
        cache: `explicit` to mark the image for the provider's prompt cache, `none` not to; `auto` decides by the model.
        wanted: The mode that was wanted where `mode` is its fallback.
        takes_temperature: Whether the endpoint takes a temperature.
        top_logprobs: How many likely tokens to ask for.
    """

    model: ModelRef
    name: str
    endpoint: Endpoint
    mode: Mode
    fallback: Mode | None
    context: str
    prompt: Prompt
    samples: int
    temperature: float | None
    max_tokens: int | None
    detail: str | None
    reasoning_effort: str | None
    cache: str
    wanted: str | None = None
    takes_temperature: bool = True
    top_logprobs: int = TOP_LOGPROBS

    @classmethod
    def of(  # noqa: PLR0913 - each argument is an option of the judge
        cls,
        model: str,
        *,
        revision: str | None = None,
        name: str | None = None,
        family: str | None = None,
        provider: str | None = None,
        base_url: str | None = None,
        key_env: str = "OPENAI_API_KEY",
        mode: str = "logprob",
        fallback: str | None = None,
        context: str | None = None,
        prompt: str | None = None,
        samples: int = 10,
        temperature: float | None = None,
        detail: str | None = None,
        max_tokens: int | None = None,
        reasoning_effort: str | None = None,
        cache: str = "auto",
    ) -> Self:
        """Check a user's options; see `ApiJudge.from_reference` for what each means.

        Raises:
            UsageError: One of them, or two together, make no sense.
        """
        chosen, instead = _modes(mode, fallback)
        context = _context(chosen, context)
        check_name("detail", detail, DETAILS)
        check_name("reasoning_effort", reasoning_effort, EFFORTS)
        check_name("cache", cache, CACHES)
        check_number("samples", samples, 1, 128, whole=True)
        if temperature is not None:
            check_number("temperature", temperature, 0, 2)
        if max_tokens is not None:
            check_number("max_tokens", max_tokens, 1, whole=True)
        if prompt is not None and instead is not None and instead.answer != chosen.answer:
            raise UsageError(
                f"the prompt {prompt} asks for another kind of answer than the fallback {instead.name} reads; "
                "leave out the option fallback or the option prompt"
            )
        endpoint = Endpoint(base_url, key_env)
        # An API has no revisions of its own; what stands after an @ belongs to the model's name there.
        full_name = model if revision is None else f"{model}@{revision}"
        return cls(
            model=ModelRef(full_name, family=family, provider=provider or endpoint.host),
            name=name or full_name,
            endpoint=endpoint,
            mode=chosen,
            fallback=instead,
            context=context,
            prompt=_prompt(chosen, context, prompt),
            samples=samples,
            temperature=temperature,
            max_tokens=max_tokens,
            detail=detail,
            reasoning_effort=reasoning_effort,
            cache=cache,
        )

    def in_mode(self, mode: Mode) -> Settings:
        """The same with another mode in the place of the wanted one."""
        prompt = self.prompt if mode.answer == self.mode.answer else shipped(mode.answer, self.context)
        return replace(self, mode=mode, prompt=prompt, wanted=self.mode.name)

    @property
    def draws(self) -> int:
        """How many answers to each question make a score."""
        return self.samples if self.mode.name == "samples" else 1

    @property
    def sent_temperature(self) -> float | None:
        """The temperature that requests ask for; None where the endpoint takes none."""
        if not self.takes_temperature:
            return None
        return self.mode.temperature if self.temperature is None else self.temperature

    @property
    def spec(self) -> JudgeSpec:
        """The judge as a value: nothing of keys, ports and how fast it asks."""
        options: dict[str, Any] = {
            "host": self.endpoint.host,
            "temperature": self.sent_temperature,
            "samples": self.draws if self.mode.name == "samples" else None,
            # The first token is all that the mode logprob reads.
            "max_tokens": None if self.mode.name == "logprob" else self.max_tokens,
            "detail": self.detail,
            "reasoning_effort": self.reasoning_effort,
            "top_logprobs": None if self.top_logprobs == TOP_LOGPROBS else self.top_logprobs,
            "wanted": self.wanted,
        }
        return JudgeSpec(
            name=self.name,
            kind="api",
            model=self.model,
            prompt=self.prompt.fingerprint(),
            mode=self.mode.name,
            context=self.context,
            options={name: value for name, value in options.items() if value is not None},
        )

    @property
    def marks_cache(self) -> bool:
        """Whether requests mark the image as what is worth caching."""
        if self.cache == "auto":
            return charges_for_writes(self.endpoint.host, self.model.name)
        return self.cache == "explicit"

    def questions(self, query: Query) -> list[Question]:
        """What to ask about a query's image: a question a sentence, or one for all where the mode is `listwise`.

        Raises:
            ValueError: The query has no context, and the judge's is `caption`.
        """
        if self.mode.answer == "list":
            return [self._list_question(_given(query.context))]
        return [
            Question(self._text(query, place), (place,), (0,), self._tokens()) for place in range(len(query.sentences))
        ]

    def _text(self, query: Query, place: int) -> str:
        if self.context == "sentence":
            return self.prompt.fill(query.sentences[place])
        return self.prompt.fill_in_caption(_given(query.context), place)

    def _list_question(self, context: Context) -> Question:
        places = tuple(range(len(context.places)))
        numbers = tuple(number + 1 for number in context.places)
        return Question(self.prompt.fill_list(context), places, numbers, self._tokens(len(context.ranges)))

    def _tokens(self, answers: int = 1) -> int:
        """The limit of one answer's tokens."""
        if self.max_tokens is not None:
            return self.max_tokens
        frame = _LIST_FRAME_TOKENS if self.mode.answer == "list" else 0
        reasoning = _REASONING_TOKENS if self.reasoning_effort not in {None, "none"} else 0
        return self.mode.tokens * answers + frame + reasoning


def charges_for_writes(host: str, model: str) -> bool:
    """Whether a provider charges for what it writes to its prompt cache: OpenAI does from GPT-5.6 on.

    There the cache works by marks: without one on the image, every sentence is written anew, and none is ever read.
    """
    words = model.removeprefix("gpt-").partition("-")[0].split(".")
    if host != "api.openai.com" or not model.startswith("gpt-") or not all(word.isdigit() for word in words):
        return False
    return tuple(map(int, words)) >= (5, 6)


def _given(context: Context | None) -> Context:
    if context is None:
        raise ValueError("a judge that reads captions was asked without one")
    return context


def _modes(mode: str, fallback: str | None) -> tuple[Mode, Mode | None]:
    if mode not in MODES:
        raise UnknownNameError.of("mode", str(mode), MODES, "mend the option mode")
    if fallback is None:
        return MODES[mode], None
    # A list is judged otherwise than sentences one by one, so it never stands in for them.
    known = [name for name in MODES if name not in {mode, "listwise"}]
    if fallback not in known:
        raise UnknownNameError.of(f"fallback for the mode {mode}", str(fallback), known, "mend the option fallback")
    return MODES[mode], MODES[fallback]


def _context(mode: Mode, context: str | None) -> str:
    if mode.answer == "list":
        if context not in {None, "caption"}:
            raise UsageError(f"the mode listwise reads whole captions; leave out the context {context!r}")
        return "caption"
    if context is None:
        return "sentence"
    if context not in CONTEXTS:
        raise UnknownNameError.of("context", str(context), CONTEXTS, "mend the option context")
    return context


def _prompt(mode: Mode, context: str, path: str | None) -> Prompt:
    if path is None:
        return shipped(mode.answer, context)
    return Prompt.read(Path(path), "list" if mode.answer == "list" else context)
