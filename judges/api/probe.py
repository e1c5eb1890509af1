"""Finds out with a few small requests what an endpoint honours, because it may ignore what it does not know."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from alignbench.backends.api.completion import NoCompletionError
from alignbench.backends.api.connection import Reply
from alignbench.backends.api.failure import RequestFailed
from alignbench.backends.api.greeting import (
    REASONING_TOKENS,
    TOKENS,
    Ask,
    Greeter,
    are_silent,
    is_silent,
    wants_more_tokens,
)
from alignbench.errors import UsageError
from alignbench.types import Context, Query
from judges.api.completion import Choice, choices_of
from judges.api.findings import HONOURED, Probe
from judges.api.first_token import read_first_token
from judges.api.modes import MODES, Mode
from judges.api.requests import request, turn
from judges.api.settings import Settings

_SENTENCE = "The left half of the picture is red."
_SHORT_LIST = 5
_ABOUT_LIMIT = re.compile(r"max_(?:completion_|output_)?tokens|minimum|at least", re.IGNORECASE)


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


class _Prober(Greeter[Probe]):
    """A conversation about modes, after the greeting."""

    def __init__(self, ask: Ask, settings: Settings) -> None:
        name = f"the model {settings.model.name!r} at {settings.endpoint.host}"
        super().__init__(ask, name, lambda text, picture: turn(settings, text, picture), Probe())

    def honours(self, settings: Settings) -> bool:
        """Whether an endpoint honours what the mode of these settings needs; noted under the mode's name."""
        verdict = self._try(settings)
        self.note(modes={**self.found.modes, settings.mode.name: verdict})
        return verdict == HONOURED

    def adapted(self, settings: Settings) -> Settings:
        """The settings as far as this endpoint goes along with them."""
        if settings.mode.needs != "logprobs":
            return settings
        return replace(settings, top_logprobs=self.found.top_logprobs)

    def _try(self, settings: Settings) -> str:
        """Ask as the judge would, for less where that is refused; `honoured`, or why the mode cannot work."""
        while self._gives_way(settings, reply := self.send(self._trial(settings))):
            pass
        if isinstance(reply, RequestFailed):
            return f"refused: {reply.reason}"
        try:
            choices = choices_of(reply.body)
        except NoCompletionError as error:
            return f"no answer: {error}"
        if settings.mode.name == "samples":
            self.note(several=len(choices) == settings.draws)
        return _lack(settings.mode, choices) or HONOURED

    def _gives_way(self, settings: Settings, reply: Reply | RequestFailed) -> bool:
        """Whether there is something else to ask for after such a reply; noted, and never the same twice."""
        reason = reply.reason if isinstance(reply, RequestFailed) else ""
        logprob, found = settings.mode.name == "logprob", self.found
        unfinished = wants_more_tokens(reason) if reason else is_silent(reply)
        if unfinished and not logprob and settings.max_tokens is None and found.least_tokens < REASONING_TOKENS:
            self.note(least_tokens=REASONING_TOKENS)
        elif not reason:
            return False
        elif settings.draws > 1 and found.several is None:
            self.note(several=False)
        elif logprob and "top_logprobs" in reason and found.top_logprobs > _SHORT_LIST:
            self.note(top_logprobs=_SHORT_LIST)
        elif logprob and _ABOUT_LIMIT.search(reason) and found.least_tokens < TOKENS:
            self.note(least_tokens=TOKENS)
        else:
            return False
        return True

    def _trial(self, settings: Settings) -> dict[str, Any]:
        context = Context(_SENTENCE, ((0, len(_SENTENCE)),), (0,)) if settings.context == "caption" else None
        (question,) = settings.questions(Query(0, b"", (_SENTENCE,), context))
        return request(self.adapted(settings), self.found.dialect, question, self.picture)


def _lack(mode: Mode, choices: list[Choice]) -> str | None:
    """What an answer lacks that the mode needs; None where it lacks nothing."""
    first = choices[0]
    if are_silent(choices) and mode.needs != "logprobs":
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
