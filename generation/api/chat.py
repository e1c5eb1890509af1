"""What a captioner and a writer of texts behind an API share: one request for one text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from alignbench.backends.api.costs import most_usd
from alignbench.backends.api.failure import RequestFailed
from alignbench.backends.api.greeting import REASONING_TOKENS, Greeter, Manners, is_silent
from alignbench.backends.api.options import DETAILS, EFFORTS, check_name, check_number
from alignbench.backends.api.picture import Picture
from alignbench.backends.api.service import CHAT
from alignbench.errors import UsageError
from alignbench.types import TextTask
from generation.api.access import Access, ApiModel
from generation.api.answers import Outcome, bill_of, text_of

_TOKENS = 1024
"""Room for a caption of a dozen long sentences."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What goes with a prompt; None for what is left to the endpoint.

    Attributes:
        temperature: Of the sampling.
        top_p: The share of the likeliest words to draw from.
        max_tokens: Of an answer; by default 1,024, and 8,192 more for a model that reasons.
        reasoning_effort: For models that reason.
        detail: Of images, for endpoints that know it.

    Raises:
        UsageError: One of them makes no sense.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    reasoning_effort: str | None = None
    detail: str | None = None

    def __post_init__(self) -> None:
        if self.temperature is not None:
            check_number("temperature", self.temperature, 0, 2)
        if self.top_p is not None:
            check_number("top_p", self.top_p, 0.001, 1)
        if self.max_tokens is not None:
            check_number("max_tokens", self.max_tokens, 1, whole=True)
        check_name("reasoning_effort", self.reasoning_effort, EFFORTS)
        check_name("detail", self.detail, DETAILS)


@dataclass(frozen=True, slots=True)
class ChatManners(Manners):
    """What an endpoint honours; `top_p` and `seed`: whether they are taken, `reasons`: whether it thinks first."""

    top_p: bool = True
    seed: bool = True
    reasons: bool = False


class ChatModel(ApiModel):
    """Asks for one text a task. The constructor asks two small questions to find out how the endpoint is asked.

    Args:
        access: The way to the model.
        asking: What goes with each prompt.
        sees: Whether it is to be shown images.

    Raises:
        UsageError: The endpoint does not answer, sees no images, or does not take what was asked for.
    """

    def __init__(self, access: Access, asking: Asking, *, sees: bool) -> None:
        super().__init__(access, CHAT)
        self._asking = asking
        self.manners = self._greet(sees)

    @property
    def environment(self) -> Mapping[str, str]:
        """Where it is, by what it is asked, and what it honours; see `alignbench.types.Situated`."""
        found = json.dumps(asdict(self.manners), sort_keys=True, ensure_ascii=False)
        return {**super().environment, "probe": found}

    async def _text(self, task: TextTask, picture: Picture | None = None) -> Outcome:
        """Ask once; `told` holds where, what with, who answered, and what it took."""
        body = self._body(task, picture)
        sent = {name: value for name, value in body.items() if name != "messages"}
        if picture is not None and self._asking.detail is not None:
            sent["detail"] = self._asking.detail
        asked = {"endpoint": self._access.endpoint.host, "parameters": {"model": self._access.asked, **sent}}
        tokens = body[self.manners.limit]
        expected = most_usd(self._connection.price, task.prompt, tokens, picture, self._asking.detail)
        try:
            reply = await self._connection.complete(body, expected)
        except RequestFailed as failed:
            return Outcome.failed(failed.status, failed.reason, **asked)
        said = text_of(reply.body)
        return Outcome(said.status, text=said.text, told={**asked, **said.told, **bill_of(reply)})

    def _body(self, task: TextTask, picture: Picture | None) -> dict[str, Any]:
        asking = self._asking
        room = REASONING_TOKENS if self.manners.reasons else 0
        wanted = {
            "temperature": asking.temperature,
            "top_p": asking.top_p,
            "seed": task.seed if self.manners.seed else None,
            self.manners.limit: asking.max_tokens or _TOKENS + room,
        }
        return self._turn(task.prompt, picture) | {name: each for name, each in wanted.items() if each is not None}

    def _turn(self, text: str, picture: Picture | None) -> dict[str, Any]:
        """The image first and the text after it; a text alone as it is, because not every server takes parts."""
        content: Any = text
        if picture is not None:
            content = [picture.part(self._asking.detail, marks_cache=False), {"type": "text", "text": text}]
        body: dict[str, Any] = {"messages": [{"role": "user", "content": content}]}
        if self._asking.reasoning_effort is not None:
            body["reasoning_effort"] = self._asking.reasoning_effort
        return body

    def _greet(self, sees: bool) -> ChatManners:
        asking = self._asking
        offered = {"temperature": 0, "seed": 0} | ({} if asking.top_p is None else {"top_p": asking.top_p})
        name = f"the model {self._access.asked!r} at {self._access.endpoint.host}"
        greeter = Greeter(self._connection.ask_once, name, self._turn, ChatManners(), offered=offered, sees=sees)
        unfinished = is_silent(greeter.greet()) or greeter.needed_room
        for option in ("temperature", "top_p"):
            given = getattr(asking, option)
            if given is not None and not getattr(greeter.found, option):
                raise UsageError(f"{name} takes no {option}, but {given} was asked for; leave out the option {option}")
        greeter.note(reasons=unfinished or asking.reasoning_effort not in {None, "none"})
        return greeter.found
