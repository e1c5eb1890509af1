"""From the replies to a question to its verdicts: read by the mode, with the cost shared out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from alignbench.backends.api.completion import NoCompletionError, origin_of
from alignbench.backends.api.connection import Reply
from alignbench.backends.api.failure import RequestFailed
from alignbench.types import Status, Usage, Verdict
from judges.api.completion import choices_of
from judges.api.settings import Question, Settings


def verdicts_of(settings: Settings, question: Question, replies: Sequence[Reply | RequestFailed]) -> list[Verdict]:
    """One verdict for each of the question's places.

    A question of which one request failed has failed: a mean over fewer draws than were asked for would be another
    measurement. What its other requests cost is counted.
    """
    came = [reply for reply in replies if isinstance(reply, Reply)]
    usages = _shared(came, len(question.places))
    broken = next((reply for reply in replies if isinstance(reply, RequestFailed)), None)
    if broken is not None:
        read = [Verdict.failed(broken.status, broken.reason)] * len(question.places)
    else:
        read = _read(settings, question, came)
    return [replace(verdict, usage=usage) for verdict, usage in zip(read, usages, strict=True)]


def _read(settings: Settings, question: Question, replies: Sequence[Reply]) -> list[Verdict]:
    try:
        choices = [choice for reply in replies for choice in choices_of(reply.body)]
    except NoCompletionError as error:
        reason = f"what the endpoint answered is no chat completion: {error}"
        return [Verdict.failed(Status.FAILED, settings.endpoint.redact(reason))] * len(question.places)
    if len(choices) < settings.draws:
        reason = f"the endpoint gave {len(choices)} of {settings.draws} draws"
        return [Verdict.failed(Status.FAILED, reason)] * len(question.places)
    origin = origin_of(replies[-1].body)
    verdicts = settings.mode.read(choices, question.numbers)
    return [replace(verdict, raw={**verdict.raw, **origin}) for verdict in verdicts]


def _shared(replies: Sequence[Reply], count: int) -> list[Usage]:
    """What all replies cost together, in `count` parts that add up to it."""
    used = [reply.usage for reply in replies]

    def whole(values: Sequence[int | None]) -> list[int | None]:
        known = [value for value in values if value is not None]
        if not known:
            return [None] * count
        share, rest = divmod(sum(known), count)
        return [share + (place < rest) for place in range(count)]

    def part(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) / count if known else None

    inputs = whole([each.input_tokens for each in used])
    outputs = whole([each.output_tokens for each in used])
    cached = whole([each.cached_tokens for each in used])
    seconds, cost = part([each.seconds for each in used]), part([each.cost_usd for each in used])
    return [Usage(inputs[place], outputs[place], seconds, cost, cached[place]) for place in range(count)]
