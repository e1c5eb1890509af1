"""Finds out with a few small requests what an endpoint honours, because it may ignore what it does not know."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from PIL import Image as Pillow

from alignbench.backends.api.connection import Reply
from alignbench.backends.api.failure import RequestFailed
from alignbench.errors import UsageError
from alignbench.types import Context, Query
from judges.api.completion import Choice, NoCompletionError, choices_of
from judges.api.findings import HONOURED, LIMITS, Probe
from judges.api.first_token import read_first_token
from judges.api.modes import MODES, Mode
from judges.api.picture import Picture
from judges.api.requests import request, turn
from judges.api.settings import Settings

Ask = Callable[[Mapping[str, Any]], Reply | RequestFailed]

_TEXT = "Describe what you see in three sentences."
_SENTENCE = "The left half of the picture is red."
_TOKENS = 16
"""The least limit of tokens that every known endpoint takes."""
_REASONING_TOKENS = 8192
"""For models that reason whatever they are asked, and are refused an answer when they do not come to its end."""
_SHORT_LIST = 5
_ABOUT_LIMIT = re.compile(r"max_(?:completion_|output_)?tokens|minimum|at least", re.IGNORECASE)
_ABOUT_END = re.compile(r"(?:output|token) limit was reached|higher max_", re.IGNORECASE)
_ABOUT_IMAGE = re.compile(r"image|vision|multi-?modal", re.IGNORECASE)


def probe(ask: Ask, settings: Settings) -> tuple[Settings, Probe]:
    """Find out what an endpoint honours, and settle on a mode.

    Returns:
        The settings, in the fallback mode where the wanted one cannot work, and what was found.

    Raises:
        UsageError: The endpoint does not answer, sees no images, or can do neither the mode nor its fallback; says what
            would work there.
    """
    prober = _Prober(ask, settings)
    prober.greet()
    settings = replace(settings, takes_temperature=prober.found.temperature)
    if settings.temperature is not None and not prober.found.temperature:
        raise UsageError(
            f"{prober.name} takes no temperature, but {settings.temperature} was asked for; "
            "leave out the option temperature"
        )
    for mode in (settings.mode, settings.fallback):
        if mode is not None:
            chosen = settings if mode is settings.mode else settings.in_mode(mode)
            if prober.honours(chosen):
                return prober.adapted(chosen), prober.found
    raise _nothing_works(prober, settings)


def _nothing_works(prober: _Prober, settings: Settings) -> UsageError:
    """The advice for an endpoint that can do neither the wanted mode nor its fallback."""
    tried = dict(prober.found.modes)
    others = [mode for mode in MODES.values() if mode.name not in tried and mode.name != "listwise"]
    working = [mode.name for mode in others if prober.honours(settings.in_mode(mode))]
    reasons = "; ".join(f"{name}: {reason}" for name, reason in tried.items())
    if working:
        advice = (
            f"what works there: {' and '.join(working)}; "
            f"write `mode: {working[0]}` or `fallback: {working[0]}` under `options` of the judge's .yaml file"
        )
    else:
        advice = "no other mode works there either; choose another model"
    if "logprob" in tried and settings.reasoning_effort is None:
        advice += ", or `reasoning_effort: none` if the model reasons before it answers"
    return UsageError(f"{prober.name} cannot be asked as wanted ({reasons}); {advice}")


class _Prober:
    """One conversation with an endpoint; `found` grows as it goes."""

    def __init__(self, ask: Ask, settings: Settings) -> None:
        self._ask = ask
        self._settings = settings
        self._picture = Picture.of(_drawn())
        self._tokens = _TOKENS
        self.found = Probe()
        self.name = f"the model {settings.model.name!r} at {settings.endpoint.host}"

    def greet(self) -> None:
        """Find out which parameters are taken, and whether an image is seen."""
        reply = self._first_reply()
        spoken = reply.usage.output_tokens
        if spoken is not None and spoken > self._tokens and self.found.limit == LIMITS[0]:
            # It was ignored; what older endpoints know is the other one.
            self._note(limit=LIMITS[1])
            again = self._send(self._greeting(self._picture))
            reply = reply if isinstance(again, RequestFailed) else again
            spoken = reply.usage.output_tokens
        model = reply.body.get("model")
        self._note(
            limit_honoured=None if spoken is None else spoken <= self._tokens,
            model=model if isinstance(model, str) else None,
        )
        self._note(vision=self._vision(reply))

    def honours(self, settings: Settings) -> bool:
        """Whether an endpoint honours what the mode of these settings needs; noted under the mode's name."""
        verdict = self._try(settings)
        self._note(modes={**self.found.modes, settings.mode.name: verdict})
        return verdict == HONOURED

    def adapted(self, settings: Settings) -> Settings:
        """The settings as far as this endpoint goes along with them."""
        if settings.mode.needs != "logprobs":
            return settings
        return replace(settings, top_logprobs=self.found.top_logprobs)

    def _first_reply(self) -> Reply:
        """The first answer, after dropping one after the other what the endpoint refuses."""
        droppable = ["limit", "temperature"]
        while isinstance(reply := self._send(self._greeting(self._picture)), RequestFailed):
            if " answered " not in reply.reason:
                raise UsageError(f"{self.name} cannot be reached: {reply.reason}; check the option base_url")
            if self._tokens == _TOKENS and _ABOUT_END.search(reply.reason):
                self._tokens = _REASONING_TOKENS
                continue
            dropped = _blamed(reply.reason, droppable)
            if dropped is None:
                raise self._refused(reply)
            droppable.remove(dropped)
            self._note(**({"limit": LIMITS[1]} if dropped == "limit" else {"temperature": False}))
        return reply

    def _refused(self, failed: RequestFailed) -> UsageError:
        """The error for an endpoint that refuses every request with an image."""
        for limit in LIMITS:
            self._note(limit=limit)
            if not isinstance(self._send(self._greeting(None)), RequestFailed):
                return UsageError(
                    f"{self.name} takes no images: {failed.reason}; choose a model that does, "
                    "or start the server with its vision part"
                )
        return UsageError(f"{self.name} refuses the simplest request: {failed.reason}; check the option base_url")

    def _vision(self, reply: Reply) -> str:
        """Compare with the same request without an image.

        Raises:
            UsageError: The image changes nothing.
        """
        blind = self._send(self._greeting(None))
        if isinstance(blind, RequestFailed):
            return "unclear"
        tokens = [each.usage.input_tokens for each in (reply, blind)]
        if None not in tokens and tokens[0] != tokens[1]:
            return "seen"
        texts = [_text(each) for each in (reply, blind)]
        if texts[0] != texts[1]:
            # Drawn at random, answers differ by themselves.
            return "seen" if self.found.temperature else "unclear"
        if None in tokens:
            return "unclear"
        raise UsageError(
            f"{self.name} does not see images: with and without one it counts {tokens[0]} tokens in the prompt and "
            f"answers {texts[0]!r}; choose a model that does, or start the server with its vision part"
        )

    def _try(self, settings: Settings) -> str:
        """Ask as the judge would, for less where that is refused; `honoured`, or why the mode cannot work."""
        while self._gives_way(settings, reply := self._send(self._trial(settings))):
            pass
        if isinstance(reply, RequestFailed):
            return f"refused: {reply.reason}"
        try:
            choices = choices_of(reply.body)
        except NoCompletionError as error:
            return f"no answer: {error}"
        if settings.mode.name == "samples":
            self._note(several=len(choices) == settings.draws)
        return _lack(settings.mode, choices) or HONOURED

    def _gives_way(self, settings: Settings, reply: Reply | RequestFailed) -> bool:
        """Whether there is something else to ask for after such a reply; noted, and never the same twice."""
        reason = reply.reason if isinstance(reply, RequestFailed) else ""
        logprob, found = settings.mode.name == "logprob", self.found
        unfinished = bool(_ABOUT_END.search(reason)) if reason else _is_silent(reply)
        if unfinished and not logprob and settings.max_tokens is None and found.least_tokens < _REASONING_TOKENS:
            self._note(least_tokens=_REASONING_TOKENS)
        elif not reason:
            return False
        elif settings.draws > 1 and found.several is None:
            self._note(several=False)
        elif logprob and "top_logprobs" in reason and found.top_logprobs > _SHORT_LIST:
            self._note(top_logprobs=_SHORT_LIST)
        elif logprob and _ABOUT_LIMIT.search(reason) and found.least_tokens < _TOKENS:
            self._note(least_tokens=_TOKENS)
        else:
            return False
        return True

    def _trial(self, settings: Settings) -> dict[str, Any]:
        context = Context(_SENTENCE, ((0, len(_SENTENCE)),), (0,)) if settings.context == "caption" else None
        (question,) = settings.questions(Query(0, b"", (_SENTENCE,), context))
        return request(self.adapted(settings), self.found.dialect, question, self._picture)

    def _greeting(self, picture: Picture | None) -> dict[str, Any]:
        body = turn(self._settings, _TEXT, picture)
        body[self.found.limit] = self._tokens
        return {**body, "temperature": 0} if self.found.temperature else body

    def _send(self, body: Mapping[str, Any]) -> Reply | RequestFailed:
        self._note(requests=self.found.requests + 1)
        return self._ask(body)

    def _note(self, **found: Any) -> None:
        self.found = replace(self.found, **found)


def _blamed(reason: str, droppable: list[str]) -> str | None:
    """What to drop after a refusal: what its reason names, else the next in the order; None to drop nothing more."""
    for name in droppable:
        if (LIMITS[0] if name == "limit" else name) in reason:
            return name
    return None if _ABOUT_IMAGE.search(reason) else next(iter(droppable), None)


def _lack(mode: Mode, choices: list[Choice]) -> str | None:
    """What an answer lacks that the mode needs; None where it lacks nothing."""
    first = choices[0]
    if _are_silent(choices) and mode.needs != "logprobs":
        return "its answers are cut off at max_tokens before they begin; raise max_tokens"
    if mode.needs == "logprobs":
        if first.listed is None:
            return "ignored: the answer came without log-probabilities"
        if read_first_token(first.listed, first.drawn) is None:
            likely = ", ".join(repr(token) for token, _ in first.listed[:3])
            return f"its answers do not begin with yes or no, but with {likely}"
    if mode.needs == "structured output":
        (verdict,) = mode.read(choices, (1,))
        if verdict.score is None:
            return f"ignored: {verdict.raw['reason']}: {first.text[:80]!r}"
    return None


def _is_silent(reply: Reply | RequestFailed) -> bool:
    """Whether a reply ended before it began, as that of a model that reasons does."""
    try:
        return isinstance(reply, Reply) and _are_silent(choices_of(reply.body))
    except NoCompletionError:
        return False


def _are_silent(choices: list[Choice]) -> bool:
    return all(choice.cut_off and not choice.text.strip() for choice in choices)


def _text(reply: Reply) -> str | None:
    try:
        return choices_of(reply.body)[0].text
    except NoCompletionError:
        return None


def _drawn() -> bytes:
    """A picture to ask about: red on the left, blue on the right, large enough for any model."""
    picture = Pillow.new("RGB", (224, 224), (200, 30, 30))
    picture.paste((30, 30, 200), (112, 0, 224, 224))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
