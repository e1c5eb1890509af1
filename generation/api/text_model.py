"""A language model behind an API as a writer of texts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Self

from alignbench.types import TextTask, Written
from generation.api.access import Access
from generation.api.chat import Asking, ChatModel


class ApiTextModel(ChatModel):
    """Asks for one text a task, many at a time; the arguments of the constructor are those of `ChatModel`."""

    def __init__(self, access: Access, asking: Asking) -> None:
        super().__init__(access, asking, sees=False)

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
        in_flight: int = 32,
        timeout: float = 120.0,
        retries: int = 8,
        prices: str | None = None,
    ) -> Self:
        """Connect to a writer of texts; the arguments and errors are those of `ApiCaptioner.from_reference`."""
        asking = Asking(temperature, top_p, max_tokens, reasoning_effort)
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

    def write(self, tasks: Iterable[TextTask]) -> Iterator[Written]:
        """Write a text for each task, in the order in which the answers come."""
        return self._fan_out.run(tasks, self._written)

    async def _written(self, task: TextTask) -> AsyncIterator[Written]:
        made = await self._text(task)
        yield Written(task.number, text=made.text, status=made.status, provenance=made.told)
