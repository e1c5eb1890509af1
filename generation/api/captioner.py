"""A vision-language model behind an API as a captioner."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Self

from alignbench.backends.api.picture import Picture
from alignbench.errors import ImageError
from alignbench.types import CaptionTask, Produced, Status, TextTask
from generation.api.access import Access
from generation.api.chat import Asking, ChatModel


class ApiCaptioner(ChatModel):
    """Asks for one caption a task, many at a time; the arguments of the constructor are those of `ChatModel`."""

    def __init__(self, access: Access, asking: Asking) -> None:
        super().__init__(access, asking, sees=True)

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
        temperature: float | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        reasoning_effort: str | None = None,
        detail: str | None = None,
        in_flight: int = 32,
        timeout: float = 120.0,
        retries: int = 8,
        prices: str | None = None,
    ) -> Self:
        """Connect to a captioner.

        Args:
            model: The model as the endpoint names it.
            revision: What the user wrote after an @; an API has no revisions, so it is a part of the model's name.
            name: What people call it; by default the model.
            family: The lineage that the model belongs to.
            provider: Who runs it; by default the endpoint's host.
            base_url: Where it is, such as `http://localhost:8000/v1`; by default OpenAI.
            key_env: The environment variable that holds the key.
            temperature: Of the sampling; by default the endpoint's own.
            top_p: The share of the likeliest words to draw from; by default the endpoint's own.
            max_tokens: Of a caption; by default 1,024, and 8,192 more for a model that reasons.
            reasoning_effort: For models that reason.
            detail: Of images, `low`, `high`, `original` or `auto`, for endpoints that know it.
            in_flight: The most requests on their way at one moment.
            timeout: Seconds for one request.
            retries: How often a request is sent again at most.
            prices: The path of a price file, over the shipped one.

        Raises:
            UsageError: Options that make no sense, or an endpoint that cannot do what they ask for.
        """
        asking = Asking(temperature, top_p, max_tokens, reasoning_effort, detail)
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
        return cls(access, asking)

    def produce(self, tasks: Iterable[CaptionTask]) -> Iterator[Produced]:
        """Write a caption for each task, in the order in which the answers come."""
        return self._fan_out.run(tasks, self._produced)

    async def _produced(self, task: CaptionTask) -> AsyncIterator[Produced]:
        try:
            picture = Picture.of(task.image.bytes or b"")
        except ImageError as error:
            yield Produced(task.number, status=Status.IMAGE_UNREADABLE, provenance={"reason": str(error)})
            return
        made = await self._text(TextTask(task.number, task.prompt, task.seed), picture)
        yield Produced(task.number, caption=made.text, status=made.status, provenance=made.told)
