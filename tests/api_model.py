"""A vision-language model behind a scripted endpoint: it honours what it is told to honour, and knows its scores."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.api_server import Act, Request, fails

EVERYTHING = frozenset({"image", "logprobs", "response_format", "n", "temperature", "max_completion_tokens"})
_IMAGE_TOKENS = 85
_LAST_SENTENCE = re.compile(r"Sentence(?: \[\d+\])?: (.*)\Z", re.DOTALL)


def share_of_yes(uri: str, sentence: str) -> float:
    """P(yes) of the model: a number in (0, 1) that depends on the image and the sentence alone."""
    digest = hashlib.sha256(f"{uri}|{sentence}".encode()).digest()
    return 0.02 + 0.96 * int.from_bytes(digest[:6]) / 2**48


def percent(uri: str, sentence: str) -> int:
    """The same as a whole number from 0 to 100."""
    return round(100 * share_of_yes(uri, sentence))


@dataclass
class ApiModel:
    """A script for `ApiServer`.

    Attributes:
        honours: Which parameters work; `max_tokens` works always, also where it is the only limit.
        refuses: Which parameters are answered with HTTP 400; the others that it does not honour are ignored.
        faults: What to do instead of answering about a sentence, by turns; after the last of them it answers.
        usage: Whether answers say how many tokens they took.
        seen: The image and the sentence of each request, in order.
    """

    honours: Collection[str] = EVERYTHING
    refuses: Collection[str] = ()
    faults: Mapping[str, Sequence[Act]] = field(default_factory=dict)
    usage: bool = True
    seconds: float = 0.0
    seen: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, request: Request) -> Act:
        body = request.body
        uri, text = _shown(body)
        found = _LAST_SENTENCE.search(text)
        sentence = found[1] if found else ""
        self.seen.append((uri, sentence))
        turn = sum(each == (uri, sentence) for each in self.seen) - 1
        faults = self.faults.get(sentence, ())
        if turn < len(faults):
            return faults[turn]
        for name in self.refuses:
            if name in body or (name == "image" and uri):
                said = (
                    "This model does not support image inputs" if name == "image" else f"Unsupported parameter: {name}"
                )
                return fails(400, said, code="unsupported_parameter")
        return Act(body=self._completion(body, uri if "image" in self.honours else "", text, sentence)).after(
            self.seconds
        )

    def _completion(self, body: Mapping[str, Any], uri: str, text: str, sentence: str) -> dict[str, Any]:
        said = [self._says(body, uri, text, sentence, draw) for draw in range(self._given(body, "n") or 1)]
        words = [each.split() for each in said]
        limit = self._given(body, "max_completion_tokens") or body.get("max_tokens") or 1000
        temperature = self._given(body, "temperature")
        choices = [
            {
                "index": number,
                "finish_reason": "length" if len(each) > limit else "stop",
                "message": {"role": "assistant", "content": " ".join(each[:limit]), "refusal": None},
                "logprobs": self._logprobs(uri, sentence) if self._given(body, "logprobs") else None,
            }
            for number, each in enumerate(words)
        ]
        usage = {
            "prompt_tokens": len(text.split()) + (_IMAGE_TOKENS if uri else 0),
            "completion_tokens": sum(len(each[:limit]) for each in words),
        }
        assert temperature is None or 0 <= temperature <= 2
        answer = {
            "object": "chat.completion",
            "model": "scripted-2026",
            "system_fingerprint": "fp_1",
            "choices": choices,
        }
        return {**answer, "usage": usage} if self.usage else answer

    def _given(self, body: Mapping[str, Any], name: str) -> Any:
        return body.get(name) if name in self.honours else None

    def _says(self, body: Mapping[str, Any], uri: str, text: str, sentence: str, draw: int) -> str:
        if "in three sentences" in text:
            return "I see a picture with colours. " * 5 if uri else "I see no picture here at all. " * 5
        if self._given(body, "response_format"):
            if "sentence_scores" in json.dumps(body["response_format"]):
                numbers = [int(each) for each in re.findall(r"\[(\d+)\] ", text.rpartition("Caption: ")[2])]
                return _compact({"scores": [{"sentence": each, "score": percent(uri, str(each))} for each in numbers]})
            return _compact({"score": percent(uri, sentence)})
        if "Yes or No" in text:
            return "Yes." if (draw + 0.5) / 10 < share_of_yes(uri, sentence) else "No."
        return str(percent(uri, sentence))

    def _logprobs(self, uri: str, sentence: str) -> dict[str, Any]:
        yes = share_of_yes(uri, sentence)
        masses = {"Yes": 0.75 * yes, " yes": 0.15 * yes, "No": 0.9 * (1 - yes), "It": 0.06, "The": 0.03}
        listed = [{"token": token, "logprob": math.log(mass), "bytes": None} for token, mass in masses.items()]
        return {"content": [{**listed[0], "top_logprobs": listed}], "refusal": None}


def _compact(value: Any) -> str:
    """Without spaces, so that it counts as one word."""
    return json.dumps(value, separators=(",", ":"))


def _shown(body: Mapping[str, Any]) -> tuple[str, str]:
    """The image's address, empty without one, and the text after it."""
    (message,) = body["messages"]
    *images, text = message["content"]
    return (images[0]["image_url"]["url"] if images else ""), text["text"]
