"""What a local vision-language model is asked to answer, and how its answer becomes a score in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from PIL import Image as Pillow

from alignbench.backends.prefix import Generated, SharedPrefix
from alignbench.types import Mark, Status, Usage, Verdict
from judges.local_vlm.evidence import Evidence
from judges.local_vlm.quotes import read_quotes
from judges.local_vlm.tokens import NumberTokens, family_of
from judges.reading import read_score

_MAX_NEW_TOKENS = 16
_MAX_NEW_TOKENS_OF_SPANS = 256


class Asked(NamedTuple):
    """A sentence and the prompt that asks about it."""

    prompt: str
    sentence: str


class Mode(Protocol):
    """A way to get scores out of a model.

    Attributes:
        answer: The answer that its prompt asks for, as `judges.prompt.shipped` names it.
        options: What else of the mode changes scores, for the judge's spec.
        advice: Where left-over probability goes, and what to do when that is much.
    """

    answer: ClassVar[str]
    options: ClassVar[Mapping[str, Any]]
    advice: ClassVar[str]

    def ask(self, model: SharedPrefix, image: Pillow.Image, asked: Sequence[Asked]) -> list[Verdict]:
        """A verdict for each sentence, with its tokens counted."""
        ...


class PYes:
    """The probability of yes, given that the answer is yes or no.

    P(yes) is the sum over the tokens that spell that word, at the first place of the answer; so is P(no). The score is
    P(yes) / (P(yes) + P(no)); `raw` holds both, and the probability left over for other tokens.
    """

    answer: ClassVar = "yes_no"
    options: ClassVar[Mapping[str, Any]] = {}
    advice: ClassVar = (
        "other words than yes and no: ask for one of them in other words (option prompt), or choose another mode"
    )

    def __init__(self, tokenizer: Any) -> None:
        vocabulary = tokenizer.get_vocab()
        yes, no = (family_of(word, vocabulary) for word in ("yes", "no"))
        self._wanted, self._yes = [*yes, *no], len(yes)

    def ask(self, model: SharedPrefix, image: Pillow.Image, asked: Sequence[Asked]) -> list[Verdict]:
        """See `Mode`."""
        said = model.distributions(image, _prompts(asked), self._wanted)
        first = said.log_probabilities[:, 0].double()  # (prompts, wanted)
        yes = torch.logsumexp(first[:, : self._yes], 1).tolist()
        no = torch.logsumexp(first[:, self._yes :], 1).tolist()
        return list(map(yes_no_verdict, yes, no, said.lengths))


def yes_no_verdict(yes: float, no: float, tokens: int) -> Verdict:
    """The verdict from the natural logs of P(yes) and P(no), and the tokens of the prompt."""
    p_yes, p_no = math.exp(yes), math.exp(no)
    raw = {"p_yes": p_yes, "p_no": p_no, "left_over": max(0.0, 1 - p_yes - p_no)}
    # 1 / (1 + p_no / p_yes), also where both underflow.
    return Verdict(0.5 * (1 + math.tanh(0.5 * (yes - no))), raw=raw, usage=Usage(tokens, 1))


class ExpectedScore:
    """The expected number from 0 to 100, given that the answer is one of them, divided by 100.

    See `NumberTokens`. `raw` holds the expected number, the probability of all numbers, and what is left over.
    """

    answer: ClassVar = "score"
    options: ClassVar[Mapping[str, Any]] = {}
    advice: ClassVar = (
        "other answers than a number: ask for a number in other words (option prompt), or choose another mode"
    )

    def __init__(self, tokenizer: Any) -> None:
        self._numbers = NumberTokens(tokenizer)

    def ask(self, model: SharedPrefix, image: Pillow.Image, asked: Sequence[Asked]) -> list[Verdict]:
        """See `Mode`."""
        said = model.distributions(image, _prompts(asked), self._numbers.wanted, self._numbers.inner)
        read = self._numbers.read(said.log_probabilities)
        return [
            Verdict(
                expectation / 100,
                raw={"expectation": expectation, "p_number": mass, "left_over": max(0.0, 1 - mass)},
                usage=Usage(tokens, self._numbers.steps),
            )
            for expectation, mass, tokens in zip(
                read.expectation.tolist(), read.mass.tolist(), said.lengths, strict=True
            )
        ]


class VerbalScore:
    """The number from 0 to 100 that the model writes, greedily, divided by 100; `raw` holds its text.

    A text that is not exactly such a number is no score; see `judges.reading.read_score`.
    """

    answer: ClassVar = "score"
    options: ClassVar[Mapping[str, Any]] = {"max_new_tokens": _MAX_NEW_TOKENS}
    advice: ClassVar = ""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def ask(self, model: SharedPrefix, image: Pillow.Image, asked: Sequence[Asked]) -> list[Verdict]:
        """See `Mode`."""
        return list(map(verbal_verdict, model.generate(image, _prompts(asked), _MAX_NEW_TOKENS)))


def verbal_verdict(written: Generated) -> Verdict:
    """The verdict from what the model wrote."""
    usage, score = Usage(written.prompt_tokens, written.tokens), read_score(written.text)
    if not written.finished:
        return _unparsable(written, _cut(written))
    if score is None:
        return _unparsable(written, "the answer is not a number from 0 to 100 and nothing else")
    return Verdict(score / 100, raw={"text": written.text}, usage=usage)


class Spans:
    """The words that the model quotes, greedily, as wrong; see `judges.local_vlm.quotes.read_quotes`.

    The suspicion of a mark is the geometric mean of the probabilities of the tokens that spell the quote, each given
    what the model wrote before it; words quoted twice have the higher. The score is half of 1 minus the highest
    suspicion, so at most 0.5; where nothing is quoted, half of 1 plus the same mean of the tokens that spell the empty
    list, so at least 0.5. Sentences in which a judge finds nothing would all be tied otherwise. `raw` holds the text.
    """

    answer: ClassVar = "spans"
    options: ClassVar[Mapping[str, Any]] = {"max_new_tokens": _MAX_NEW_TOKENS_OF_SPANS}
    advice: ClassVar = ""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def ask(self, model: SharedPrefix, image: Pillow.Image, asked: Sequence[Asked]) -> list[Verdict]:
        """See `Mode`."""
        written = model.generate(image, _prompts(asked), _MAX_NEW_TOKENS_OF_SPANS)
        return [
            spans_verdict(answer, each.sentence, self._tokenizer) for answer, each in zip(written, asked, strict=True)
        ]


def spans_verdict(written: Generated, sentence: str, tokenizer: Any) -> Verdict:
    """The verdict on a sentence from what the model wrote."""
    if not written.finished:
        return _unparsable(written, _cut(written))
    try:
        said = read_quotes(written.text, sentence)
    except ValueError as error:
        return _unparsable(written, str(error))
    evidence = Evidence(written, tokenizer)
    suspicion: dict[tuple[int, int], float] = {}
    for quote in said.quotes:
        place = (quote.start, quote.end)
        suspicion[place] = max(suspicion.get(place, 0.0), evidence.of(*quote.spelt))
    score = 0.5 - 0.5 * max(suspicion.values()) if suspicion else 0.5 + 0.5 * evidence.of(*said.listed)
    marks = tuple(Mark(*place, suspicion[place]) for place in sorted(suspicion))
    return Verdict(score, raw={"text": written.text}, usage=Usage(written.prompt_tokens, written.tokens), marks=marks)


def _prompts(asked: Sequence[Asked]) -> list[str]:
    return [each.prompt for each in asked]


def _cut(written: Generated) -> str:
    return f"the answer was cut after {written.tokens} tokens"


def _unparsable(written: Generated, reason: str) -> Verdict:
    usage = Usage(written.prompt_tokens, written.tokens)
    return Verdict(None, Status.UNPARSABLE, {"text": written.text, "reason": reason}, usage)


MODES: Mapping[str, Callable[[Any], Mode]] = {
    "p_yes": PYes,
    "expected_score": ExpectedScore,
    "verbal_score": VerbalScore,
    "spans": Spans,
}
