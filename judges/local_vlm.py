"""A vision-language model as a judge: the probability that it says yes rather than no."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch

from alignbench.backends.next_token import NextToken
from alignbench.backends.vlm import Vlm, load_vlm
from alignbench.decode import decode
from alignbench.errors import UsageError
from alignbench.types import Answer, JudgeSpec, Query, Status, Usage, Verdict

_PROMPT = Path(__file__).parent / "prompts" / "yes_no.txt"
_SLOT = "{sentence}"
_SPACES = "\u0120\u2581 "
"""What tokenizers write for the space before a word: byte-level ones, SentencePiece, and the space itself."""


class LocalVlmJudge:
    """Asks a local model about each sentence of an image and reads the answer from the next-token distribution.

    The score is P(yes) / (P(yes) + P(no)), where each is the sum over the spellings of that word which are one token
    (yes, Yes, YES, with and without a space before). `raw` holds both, and the mass left over for other tokens.

    Args:
        vlm: The model.
        prompt: The user's turn after the image, with `{sentence}` where the sentence goes.
        batch: How many sentences go through the model at a time; changes no score beyond rounding.
        name: The judge's name for people; by default the model's.

    Raises:
        UsageError: A prompt without its slot, or a tokenizer without a token for yes or for no.
    """

    def __init__(self, vlm: Vlm, prompt: str, batch: int = 32, name: str | None = None) -> None:
        if prompt.count(_SLOT) != 1:
            raise UsageError(f"the judging prompt has {prompt.count(_SLOT)} places for a sentence; write {_SLOT} once")
        fingerprint = hashlib.sha256(prompt.encode()).hexdigest()[:16]
        self.spec = JudgeSpec(
            name or vlm.ref.name, "local_vlm", vlm.ref, prompt=f"sha256:{fingerprint}", mode="p_yes", dtype=vlm.dtype
        )
        self.environment = {**vlm.environment, "prompt": prompt}
        self._prompt = prompt
        self._families = [family_of(word, vlm.tokenizer.get_vocab()) for word in ("yes", "no")]
        self._control_tokens = vlm.control_tokens()
        self._next_token = NextToken(vlm, batch)

    @classmethod
    def from_reference(
        cls,
        model: str,
        *,
        revision: str | None = None,
        name: str | None = None,
        family: str | None = None,
        dtype: str | None = None,
        device: str | None = None,
        prompt: str | None = None,
        batch: int = 32,
    ) -> Self:
        """Load the judge; `prompt` is the path of a text file, the other arguments are those of `load_vlm`."""
        return cls(
            load_vlm(model, revision=revision, family=family, dtype=dtype, device=device),
            read_prompt(Path(prompt) if prompt else _PROMPT),
            batch,
            name,
        )

    def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
        """Answer query by query, so that the sentences of an image share its cost."""
        for query in queries:
            safe = [place for place, text in enumerate(query.sentences) if not self._commands(text)]
            for place in sorted(set(range(len(query.sentences))) - set(safe)):
                found = ", ".join(self._commands(query.sentences[place]))
                reason = f"the sentence holds {found}, which the model would take for a command"
                yield Answer(query.number, place, Verdict.failed(Status.FAILED, reason))
            if safe:
                verdicts = self._verdicts(query.image, [query.sentences[place] for place in safe])
                yield from (Answer(query.number, place, verdict) for place, verdict in zip(safe, verdicts, strict=True))

    def _commands(self, sentence: str) -> list[str]:
        return sorted(token for token in self._control_tokens if token in sentence)

    def _verdicts(self, image: bytes, sentences: Sequence[str]) -> list[Verdict]:
        started = time.perf_counter()
        prompts = [self._prompt.replace(_SLOT, sentence) for sentence in sentences]
        said = self._next_token.ask(decode(image), prompts)
        yes, no = (torch.logsumexp(said.log_probabilities[:, ids].double(), dim=1).tolist() for ids in self._families)
        seconds = (time.perf_counter() - started) / len(sentences)
        usages = [Usage(input_tokens=length, output_tokens=1, seconds=seconds) for length in said.lengths]
        return list(map(_verdict, yes, no, usages))


def _verdict(yes: float, no: float, usage: Usage) -> Verdict:
    """The verdict from the logarithms of P(yes) and P(no)."""
    p_yes, p_no = math.exp(yes), math.exp(no)
    raw: Mapping[str, Any] = {"p_yes": p_yes, "p_no": p_no, "left_over": max(0.0, 1 - p_yes - p_no)}
    # 1 / (1 + p_no / p_yes), also where both underflow.
    return Verdict(0.5 * (1 + math.tanh(0.5 * (yes - no))), raw=raw, usage=usage)


def family_of(word: str, vocabulary: Mapping[str, int]) -> list[int]:
    """The ids of the tokens that spell a word: lower case, capitalised or upper case, after a space or not.

    Raises:
        UsageError: There are none.
    """
    spellings = {word, word.capitalize(), word.upper()}
    family = sorted(number for token, number in vocabulary.items() if token.lstrip(_SPACES) in spellings)
    if not family:
        raise UsageError(
            f"the model's tokenizer has no single token for {word!r}, so its answer cannot be read; use another model"
        )
    return family


def read_prompt(path: Path) -> str:
    """The prompt in a text file, without the newline at its end.

    Raises:
        UsageError: The file cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the judging prompt {path} cannot be read: {error}; give a UTF-8 text file") from error
