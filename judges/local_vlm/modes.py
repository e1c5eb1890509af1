"""What a local vision-language model is asked to answer, and how its answer becomes a score in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import torch
from PIL import Image as Pillow

from alignbench.backends.prefix import Generated, SharedPrefix
from alignbench.types import Status, Usage, Verdict
from judges.local_vlm.tokens import NumberTokens, family_of
from judges.reading import read_score

_MAX_NEW_TOKENS = 16


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

    def ask(self, model: SharedPrefix, image: Pillow.Image, prompts: Sequence[str]) -> list[Verdict]:
        """A verdict for each prompt, with its tokens counted."""
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

    def ask(self, model: SharedPrefix, image: Pillow.Image, prompts: Sequence[str]) -> list[Verdict]:
        """See `Mode`."""
        said = model.distributions(image, prompts, self._wanted)
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

    def ask(self, model: SharedPrefix, image: Pillow.Image, prompts: Sequence[str]) -> list[Verdict]:
        """See `Mode`."""
        said = model.distributions(image, prompts, self._numbers.wanted, self._numbers.inner)
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

    def ask(self, model: SharedPrefix, image: Pillow.Image, prompts: Sequence[str]) -> list[Verdict]:
        """See `Mode`."""
        return list(map(verbal_verdict, model.generate(image, prompts, _MAX_NEW_TOKENS)))


def verbal_verdict(written: Generated) -> Verdict:
    """The verdict from what the model wrote."""
    usage, score = Usage(written.prompt_tokens, written.tokens), read_score(written.text)
    if not written.finished:
        reason = f"the answer was cut after {written.tokens} tokens"
    elif score is None:
        reason = "the answer is not a number from 0 to 100 and nothing else"
    else:
        return Verdict(score / 100, raw={"text": written.text}, usage=usage)
    return Verdict(None, Status.UNPARSABLE, {"text": written.text, "reason": reason}, usage)


MODES: Mapping[str, Callable[[Any], Mode]] = {
    "p_yes": PYes,
    "expected_score": ExpectedScore,
    "verbal_score": VerbalScore,
}
