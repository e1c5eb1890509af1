"""An image model behind an API."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Self

from alignbench.backends.api.costs import most_tokens
from alignbench.backends.api.failure import RequestFailed
from alignbench.backends.api.image_output import output_tokens
from alignbench.backends.api.options import check_name
from alignbench.backends.api.service import IMAGES
from alignbench.errors import UsageError
from alignbench.types import ImageTask, Produced
from generation.api.access import Access, ApiModel
from generation.api.answers import Outcome, bill_of
from generation.api.image_answer import gives_addresses, image_of

QUALITIES = ("auto", "low", "medium", "high", "xhigh", "max", "standard", "hd")
BACKGROUNDS = ("auto", "opaque", "transparent")
FORMATS = ("png", "jpeg", "webp")
MODERATIONS = ("auto", "low")
_SIZE = re.compile(r"auto|[1-9]\d{1,4}x[1-9]\d{1,4}")
_WORDS = 1024
"""Tokens of words that a model may write beside an image, as some do; no parameter limits them."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """What goes with a prompt; None for what is left to the endpoint.

    Attributes:
        size: `WIDTHxHEIGHT` in pixels, or `auto`.
        quality: One of `QUALITIES`.
        background: One of `BACKGROUNDS`.
        output_format: One of `FORMATS`.
        moderation: One of `MODERATIONS`.
        response_format: `b64_json` for endpoints that give addresses unless they are told; others refuse it.
        sends_seed: Whether to send the seed of the row, for servers that take one; OpenAI refuses it.

    Raises:
        UsageError: One of them makes no sense.
    """

    size: str | None = "1024x1024"
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    moderation: str | None = None
    response_format: str | None = None
    sends_seed: bool = False

    def __post_init__(self) -> None:
        if self.size is not None and not _SIZE.fullmatch(str(self.size)):
            raise UsageError(f"size is {self.size!r}, but must be auto or such as 1536x1024; mend the option size")
        check_name("quality", self.quality, QUALITIES)
        check_name("background", self.background, BACKGROUNDS)
        check_name("output_format", self.output_format, FORMATS)
        check_name("moderation", self.moderation, MODERATIONS)
        check_name("response_format", self.response_format, ("b64_json",))

    def parameters(self, seed: int) -> dict[str, Any]:
        """What a request holds beside model and prompt."""
        said = {name: value for name, value in asdict(self).items() if value is not None and name != "sends_seed"}
        return said | ({"seed": seed} if self.sends_seed else {})


class ApiImageModel(ApiModel):
    """Asks for one image a task, many at a time, and keeps the bytes that come.

    A prompt that the provider declines is `refused`; an image that it drew and withheld is `unsafe`.

    Args:
        access: The way to the model.
        drawing: What goes with each prompt.
    """

    def __init__(self, access: Access, drawing: Drawing) -> None:
        super().__init__(access, IMAGES)
        self._drawing = drawing

    @classmethod
    def from_reference(  # noqa: PLR0913 - each argument is an option of a recipe
        cls,
        model: str,
        *,
        revision: str | None = None,
        name: str | None = None,
        family: str | None = None,
        provider: str | None = None,
        base_url: str | None = None,
        key_env: str = "OPENAI_API_KEY",
        size: str | None = "1024x1024",
        quality: str | None = None,
        background: str | None = None,
        output_format: str | None = None,
        moderation: str | None = None,
        response_format: str | None = None,
        sends_seed: bool = False,
        in_flight: int = 8,
        timeout: float = 300.0,
        retries: int = 8,
        prices: str | None = None,
    ) -> Self:
        """Connect to an image model; nothing is asked yet.

        Args:
            model: The model as the endpoint names it.
            revision: What the user wrote after an @; an API has no revisions, so it is a part of the model's name.
            name: What people call it; by default the model.
            family: The lineage that the model belongs to.
            provider: Who runs it; by default the endpoint's host.
            base_url: Where it is, such as `http://localhost:8000/v1`; by default OpenAI.
            key_env: The environment variable that holds the key.
            size: `WIDTHxHEIGHT` in pixels, or `auto`; null to leave it to the endpoint.
            quality: `low`, `medium`, `high`, ..., or `auto`; by default the endpoint's own.
            background: `opaque`, `transparent` or `auto`.
            output_format: `png`, `jpeg` or `webp`.
            moderation: `auto` or `low`.
            response_format: `b64_json` for endpoints that give addresses unless they are told.
            sends_seed: Whether to send the seed of the row, for servers that take one.
            in_flight: The most requests on their way at one moment.
            timeout: Seconds for one request.
            retries: How often a request is sent again at most.
            prices: The path of a price file, over the shipped one.

        Raises:
            UsageError: Options that make no sense.
        """
        drawing = Drawing(size, quality, background, output_format, moderation, response_format, sends_seed)
        access = Access.of(
            model,
            revision=revision,
            name=name,
            family=family,
            provider=provider,
            base_url=base_url,
            key_env=key_env,
            in_flight=in_flight,
            timeout=timeout,
            retries=retries,
            prices=prices,
        )
        return cls(access, drawing)

    def limit_cost(self, usd: float) -> None:
        """Ask nothing that could bring `spent_usd` above `usd`; see `alignbench.types.Billed`.

        Raises:
            UsageError: What an image costs is not known.
        """
        super().limit_cost(usd)
        if self._most_usd("") is None:
            raise UsageError(
                f"how many tokens an image of {self._access.asked!r} takes in the size {self._drawing.size} and the "
                f"quality {self._drawing.quality} is not known, so its cost cannot be limited; write what an image "
                "costs as per_image, with an input and an output of 0, into a price file and give that as the option "
                "prices"
            )

    def produce(self, tasks: Iterable[ImageTask]) -> Iterator[Produced]:
        """Draw an image for each task, in the order in which the answers come.

        Raises:
            UsageError: The endpoint gives addresses instead of images; what is in flight has been yielded.
        """
        return self._fan_out.run(tasks, self._produced)

    async def _produced(self, task: ImageTask) -> AsyncIterator[Produced]:
        sent = self._drawing.parameters(task.seed)
        asked = {"endpoint": self._access.endpoint.host, "parameters": {"model": self._access.asked, **sent}}
        try:
            reply = await self._connection.complete({"prompt": task.prompt, **sent}, self._most_usd(task.prompt))
        except RequestFailed as failed:
            made = Outcome.failed(failed.status, failed.reason)
            yield Produced(task.number, status=made.status, provenance={**asked, **made.told})
            return
        made = image_of(reply.body)
        told = {**asked, **made.told, **bill_of(reply)}
        yield Produced(task.number, image=made.image, status=made.status, provenance=told)
        if gives_addresses(reply.body):
            raise UsageError(f"{made.told['reason']}; then run the same command again with --retry-failed")

    def _most_usd(self, prompt: str) -> float | None:
        """An upper bound on the dollars of one request; None where that is not known."""
        price = self._connection.price
        if price is None:
            return None
        tokens = output_tokens(self._access.asked, self._drawing.size, self._drawing.quality)
        if tokens is None:
            # By the image, or for nothing: then nobody need know how many tokens it takes.
            tokens = 0 if price.per_image is not None or price.output == 0 else None
        elif price.text_output is not None:
            tokens += _WORDS
        if tokens is None:
            return None
        return price.cost(input_tokens=most_tokens(prompt), output_tokens=tokens, images=1)
