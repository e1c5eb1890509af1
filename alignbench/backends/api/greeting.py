"""Finds out with two or three small requests how an endpoint wants to be asked: it may ignore what it does not know."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from PIL import Image as Pillow

from alignbench.backends.api.completion import Choice, NoCompletionError, choices_of
from alignbench.backends.api.connection import Reply
from alignbench.backends.api.failure import RequestFailed
from alignbench.backends.api.picture import Picture
from alignbench.errors import UsageError

LIMITS = ("max_completion_tokens", "max_tokens")
"""The parameters that limit an answer's tokens, the newer one first."""
TOKENS = 16
"""The least limit of tokens that every known endpoint takes."""
REASONING_TOKENS = 8192
"""For models that reason whatever they are asked, and are refused an answer when they do not come to its end."""

Ask = Callable[[Mapping[str, Any]], Reply | RequestFailed]
Turn = Callable[[str, Picture | None], dict[str, Any]]

_TEXT = "Describe what you see in three sentences."
_ABOUT_END = re.compile(r"(?:output|token) limit was reached|higher max_", re.IGNORECASE)
_ABOUT_IMAGE = re.compile(r"image|vision|multi-?modal", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Manners:
    """What an endpoint honours for one model; None for what was not asked.

    Attributes:
        limit: The parameter that limits an answer's tokens: `max_completion_tokens` or `max_tokens`.
        limit_honoured: Whether answers kept to it.
        temperature: Whether a temperature is taken.
        vision: `seen`: an image adds tokens to the prompt, or changes the answer; `unclear`: nobody can tell.
        model: What the endpoint calls the model that answered.
        requests: How many were made.
    """

    limit: str = LIMITS[0]
    limit_honoured: bool | None = None
    temperature: bool = True
    vision: str = "unclear"
    model: str | None = None
    requests: int = 0


F = TypeVar("F", bound=Manners)


class Greeter(Generic[F]):
    """One conversation with an endpoint; `found` grows as it goes.

    Args:
        ask: Sends a request once.
        name: The model and where it is, for people.
        turn: Makes the body that shows a text with a picture, or the text alone.
        found: What is taken for granted before the first answer.
        offered: Parameters to send with a greeting, and to leave out where they are refused; `found` has a field of
            each one's name.
        sees: Whether the model is to be shown a picture.
    """

    def __init__(
        self, ask: Ask, name: str, turn: Turn, found: F, *, offered: Mapping[str, Any] | None = None, sees: bool = True
    ) -> None:
        self.found = found
        self.name = name
        self.picture = Picture.of(_drawn())
        self._ask = ask
        self._turn = turn
        self._offered = {"temperature": 0} if offered is None else dict(offered)
        self._sees = sees
        self._tokens = TOKENS

    def greet(self) -> Reply:
        """Find out which parameters are taken, and whether an image is seen; returns the first answer.

        Raises:
            UsageError: The endpoint does not answer, refuses everything, or sees no image where one is shown.
        """
        reply = self._first_reply()
        spoken = reply.usage.output_tokens
        if spoken is not None and spoken > self._tokens and self.found.limit == LIMITS[0]:
            # It was ignored; what older endpoints know is the other one.
            self.note(limit=LIMITS[1])
            again = self.send(self._greeting(self._shown))
            reply = reply if isinstance(again, RequestFailed) else again
            spoken = reply.usage.output_tokens
        model = reply.body.get("model")
        self.note(
            limit_honoured=None if spoken is None else spoken <= self._tokens,
            model=model if isinstance(model, str) else None,
        )
        if self._sees:
            self.note(vision=self._vision(reply))
        return reply

    @property
    def needed_room(self) -> bool:
        """Whether the endpoint refused to answer within a small limit of tokens."""
        return self._tokens > TOKENS

    def send(self, body: Mapping[str, Any]) -> Reply | RequestFailed:
        """Send a request and count it."""
        self.note(requests=self.found.requests + 1)
        return self._ask(body)

    def note(self, **found: Any) -> None:
        """Keep what was found."""
        self.found = replace(self.found, **found)

    @property
    def _shown(self) -> Picture | None:
        return self.picture if self._sees else None

    def _first_reply(self) -> Reply:
        """The first answer, after dropping one after the other what the endpoint refuses."""
        droppable = ["limit", *self._offered]
        while isinstance(reply := self.send(self._greeting(self._shown)), RequestFailed):
            if " answered " not in reply.reason:
                raise UsageError(f"{self.name} cannot be reached: {reply.reason}; check the option base_url")
            if self._tokens == TOKENS and wants_more_tokens(reply.reason):
                self._tokens = REASONING_TOKENS
                continue
            dropped = _blamed(reply.reason, droppable)
            if dropped is None:
                raise self._refused(reply)
            droppable.remove(dropped)
            self.note(**({"limit": LIMITS[1]} if dropped == "limit" else {dropped: False}))
        return reply

    def _refused(self, failed: RequestFailed) -> UsageError:
        """The error for an endpoint that refuses every greeting."""
        for limit in LIMITS if self._sees else ():
            self.note(limit=limit)
            if not isinstance(self.send(self._greeting(None)), RequestFailed):
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
        blind = self.send(self._greeting(None))
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

    def _greeting(self, picture: Picture | None) -> dict[str, Any]:
        body = self._turn(_TEXT, picture)
        body[self.found.limit] = self._tokens
        return body | {name: value for name, value in self._offered.items() if getattr(self.found, name)}


def wants_more_tokens(reason: str) -> bool:
    """Whether a refusal says that the model did not come to the end of its reasoning."""
    return bool(_ABOUT_END.search(reason))


def is_silent(reply: Reply | RequestFailed) -> bool:
    """Whether a reply ended before it began, as that of a model that reasons does."""
    try:
        return isinstance(reply, Reply) and are_silent(choices_of(reply.body))
    except NoCompletionError:
        return False


def are_silent(choices: Sequence[Choice]) -> bool:
    """Whether all answers of a completion did."""
    return all(choice.cut_off and not choice.text.strip() for choice in choices)


def _blamed(reason: str, droppable: Sequence[str]) -> str | None:
    """What to drop after a refusal: what its reason names, else the next in the order; None to drop nothing more."""
    for name in droppable:
        if (LIMITS[0] if name == "limit" else name) in reason:
            return name
    return None if _ABOUT_IMAGE.search(reason) else next(iter(droppable), None)


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
