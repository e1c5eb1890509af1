"""The four modes: what each asks an endpoint for, and the verdict it reads from what comes back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Any

from alignbench.types import Status, Verdict
from judges.api.completion import Choice
from judges.api.first_token import read_first_token
from judges.reading import read_yes_no

TOP_LOGPROBS = 20
"""The longest list of tokens that the protocol allows to ask for."""


@dataclass(frozen=True, slots=True)
class Mode:
    """A way to get a score from an endpoint.

    Attributes:
        name: What a spec says.
        answer: What the prompt asks for: `yes_no`, `score` or `list`.
        needs: What the endpoint must honour: `logprobs`, `structured output`, or nothing.
        temperature: By default. 1 leaves the model's distribution as it is, where that is what the score is read from.
        tokens: Of an answer at most, by default; those of a list for each of its sentences.
        read_one: From the choices of the answer to the verdict on one sentence; None for a list.
    """

    name: str
    answer: str
    needs: str | None
    temperature: float
    tokens: int
    read_one: Callable[[Sequence[Choice]], Verdict] | None = None

    def read(self, choices: Sequence[Choice], numbers: Sequence[int]) -> list[Verdict]:
        """The verdicts, one for each number of a sentence that was asked about."""
        return read_list(choices[0], numbers) if self.read_one is None else [self.read_one(choices)]

    def parameters(self, top_logprobs: int = TOP_LOGPROBS) -> dict[str, Any]:
        """What belongs into the request's body for this mode alone."""
        if self.needs == "logprobs":
            return {"logprobs": True, "top_logprobs": top_logprobs}
        if self.needs == "structured output":
            return {"response_format": _LIST_FORMAT if self.answer == "list" else _SCORE_FORMAT}
        return {}


def _format(name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    schema = {"name": name, "strict": True, "schema": _object(properties)}
    return {"type": "json_schema", "json_schema": schema}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


# The range stands in words, because not every endpoint takes bounds in a schema; it is checked on reading.
_SCORE = {"type": "integer", "description": "From 0, certainly wrong, to 100, certainly right."}
_NUMBER = {"type": "integer", "description": "The number of the sentence in the caption."}
_SCORE_FORMAT = _format("sentence_score", {"score": _SCORE})
_LIST_FORMAT = _format(
    "sentence_scores", {"scores": {"type": "array", "items": _object({"sentence": _NUMBER, "score": _SCORE})}}
)


def read_logprob(choices: Sequence[Choice]) -> Verdict:
    """P(yes) / (P(yes) + P(no)) from the list of the first token; the midpoint of its bounds where one is not listed.

    `raw` holds both masses, what they leave over of 1, the list itself, and where a word was absent which one, with the
    interval that the score lies in.
    """
    choice = choices[0]
    if choice.refused:
        return _refused(choice)
    raw: dict[str, Any] = {"text": choice.text, "finish_reason": choice.finish_reason}
    if choice.listed is None:
        return _unparsable("the answer came without the log-probabilities of its first token", raw)
    raw["top_logprobs"] = [list(token) for token in choice.listed]
    if choice.drawn is not None:
        raw["drawn"] = list(choice.drawn)
    found = read_first_token(choice.listed, choice.drawn)
    if found is None:
        return _unparsable("neither yes nor no is among the likely first tokens", raw)
    raw |= {"p_yes": found.yes, "p_no": found.no, "left_over": found.left_over}
    if found.absent is not None:
        raw |= {"absent": found.absent, "interval": [found.low, found.high]}
    return Verdict(found.score, raw=raw)


def read_score(choices: Sequence[Choice]) -> Verdict:
    """The whole number from 0 to 100 in `{"score": N}`, divided by 100."""
    choice = choices[0]
    if choice.refused:
        return _refused(choice)
    raw = {"text": choice.text, "finish_reason": choice.finish_reason}
    said = _parse(choice.text)
    score = _whole(said["score"], 100) if isinstance(said, dict) and set(said) == {"score"} else None
    if score is not None:
        return Verdict(score / 100, raw=raw)
    return _unread(choice, 'the answer is not {"score": N} with a whole number from 0 to 100', raw)


def read_samples(choices: Sequence[Choice]) -> Verdict:
    """The share of yes among the draws that are a yes or a no; unparsable where fewer than half are.

    `raw` holds the draws, how many could not be read, and the standard deviation of those that could.
    """
    said = [None if choice.refused else read_yes_no(choice.text) for choice in choices]
    read = [float(each) for each in said if each is not None]
    raw: dict[str, Any] = {"draws": [choice.text for choice in choices], "unparsable": len(said) - len(read)}
    refused = [choice for choice in choices if choice.refused]
    if refused:
        raw["refused"] = len(refused)
    if 2 * len(read) >= len(said):
        return Verdict(fmean(read), raw={**raw, "spread": pstdev(read)})
    if 2 * len(refused) > len(said):
        return _refused(refused[0], raw)
    cut_off = sum(choice.cut_off for choice in choices)
    reason = f"{len(read)} of {len(said)} draws are a yes or a no, which is fewer than half"
    return _unparsable(f"{reason}; {cut_off} were cut off at max_tokens" if cut_off else reason, raw)


def read_list(choice: Choice, numbers: Sequence[int]) -> list[Verdict]:
    """The scores in `{"scores": [{"sentence": N, "score": N}, ...]}` of the wanted numbers, divided by 100."""
    if choice.refused:
        return [_refused(choice)] * len(numbers)
    raw = {"text": choice.text, "finish_reason": choice.finish_reason}
    said = _parse(choice.text)
    entries = said.get("scores") if isinstance(said, dict) and set(said) == {"scores"} else None
    if not isinstance(entries, list) or not all(_is_entry(entry) for entry in entries):
        reason = 'the answer is not {"scores": [{"sentence": N, "score": N}, ...]}'
        return [_unread(choice, reason, raw) for _ in numbers]
    found: dict[int, list[int]] = {}
    for entry in entries:
        found.setdefault(entry["sentence"], []).append(entry["score"])
    return [_listed(number, found.get(number, []), raw) for number in numbers]


def _listed(number: int, scores: Sequence[int], raw: Mapping[str, Any]) -> Verdict:
    raw = {**raw, "sentence": number}
    if len(scores) != 1:
        times = "twice" if len(scores) == 2 else f"{len(scores)} times"
        return _unparsable(f"sentence {number} {f'is {times}' if scores else 'is not'} in the list", raw)
    score = _whole(scores[0], 100)
    if score is None:
        return _unparsable(f"the score of sentence {number} is not from 0 to 100", raw)
    return Verdict(score / 100, raw=raw)


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or set(entry) != {"sentence", "score"}:
        return False
    return all(_whole(value) is not None for value in entry.values())


def _whole(value: Any, most: int | None = None) -> int | None:
    """A whole number, and not a truth value; from 0 to `most` where that is given."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if most is None or 0 <= value <= most else None


def _parse(text: str) -> Any:
    """The JSON value that the text is, and nothing around it; None where it is none, or says a name twice."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name comes twice")
    return dict(pairs)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _unread(choice: Choice, reason: str, raw: Mapping[str, Any]) -> Verdict:
    """The verdict on an answer that cannot be read, which may be because it was cut short."""
    if choice.cut_off:
        reason = "the answer was cut off at max_tokens before it could be read; raise max_tokens"
    return _unparsable(reason, raw)


def _unparsable(reason: str, raw: Mapping[str, Any]) -> Verdict:
    return Verdict(None, Status.UNPARSABLE, {**raw, "reason": reason})


def _refused(choice: Choice, raw: Mapping[str, Any] | None = None) -> Verdict:
    said = choice.refusal or choice.text
    reason = f"the model refused: {said}" if choice.refusal else "the provider's filter withheld the answer"
    kept = {"text": choice.text, "finish_reason": choice.finish_reason} if raw is None else raw
    return Verdict(None, Status.REFUSED, {**kept, "reason": reason})


MODES: Mapping[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("logprob", "yes_no", "logprobs", temperature=1.0, tokens=1, read_one=read_logprob),
        Mode("score", "score", "structured output", temperature=0.0, tokens=32, read_one=read_score),
        Mode("samples", "yes_no", None, temperature=1.0, tokens=8, read_one=read_samples),
        Mode("listwise", "list", "structured output", temperature=0.0, tokens=32),
    )
}
"""By name; `listwise` asks about all sentences of a caption in one request, which is cheap and another judge."""
