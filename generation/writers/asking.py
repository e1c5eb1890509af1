"""What a language model is asked for one prompt, and what is read from its answer."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from alignbench.errors import UsageError
from alignbench.rows import canonical_json
from alignbench.types import Status
from generation.refusals import is_refusal
from generation.writers.aspects import ASPECTS
from generation.writers.words import vocabulary, with_article

_MOST_ASPECTS = 3
_PLACE = re.compile(r"\{(theme|aspects|sentences)\}")
_THOUGHTS = re.compile(r"\A.*</think>", re.DOTALL)
_FENCE = re.compile(r"\A```\w*\n(.*?)\n?```\Z", re.DOTALL)
_LABEL = re.compile(
    r"\A[*_#\s]*(?:(?:image |scene )?(?:prompt|description|scene)|answer)(?: \d+)?[*_]*:[*_]*\s*", re.IGNORECASE
)
_ITEM = re.compile(r"\A(?:\d{1,2}[.)]|[-*\u2022])\s+")
_LINE_ITEM = re.compile(r"^(?:\d{1,2}[.)]|[-*\u2022#])\s", re.MULTILINE)
_QUOTES = {'"': '"', "\u201c": "\u201d", "'": "'", "\u2018": "\u2019"}


@dataclass(frozen=True, slots=True)
class Ask:
    """One question: `text` is what the model is shown, made of the other fields and an instruction."""

    number: int
    seed: int
    theme: str
    domain: str
    aspects: tuple[str, ...]
    text: str

    def key(self, asked_of: object) -> str:
        """The same for the same question to the same model with the same options, and only then."""
        return hashlib.sha256(canonical_json([asked_of, self.text, self.seed]).encode()).hexdigest()


def check_instruction(instruction: str) -> str:
    """The instruction, which has a place for the theme.

    Raises:
        UsageError: It has none, so that every question would be the same.
    """
    if "{theme}" not in instruction:
        raise UsageError(
            "the instruction has no {theme} in it, so that every question would be the same; write {theme} where the "
            "setting belongs, and {aspects} and {sentences} where you want those"
        )
    return instruction


def questions(
    instruction: str,
    themes: Sequence[str] | None,
    stress: Sequence[str] | None,
    sentences: tuple[int, int],
    seed: int,
) -> Iterator[Ask]:
    """Questions without end, the same for the same seed; the themes take turns, and so do the aspects within each.

    Args:
        instruction: What the model is to do, with `{theme}`, and `{aspects}` and `{sentences}` where it has them.
        themes: The settings; null for those of the template writer.
        stress: The aspects of every question; null for a few, drawn for each.
        sentences: The fewest and the most sentences that are asked for.
        seed: Of everything that is drawn.
    """
    rng = random.Random(f"text_model/{seed}")
    number = 0
    while True:
        for domain, theme in _round(rng, themes):
            aspects = tuple(stress or rng.sample(list(ASPECTS), rng.randint(2, _MOST_ASPECTS)))
            said = "; ".join(f"{aspect} ({ASPECTS[aspect]})" for aspect in aspects)
            told = {"theme": theme, "aspects": said, "sentences": str(rng.randint(*sentences))}
            text = _PLACE.sub(lambda place, told=told: told[place[1]], instruction)  # type: ignore[misc]
            # 31 bits, as the seeds of all rows.
            yield Ask(number, rng.getrandbits(31), theme, domain, aspects, text)
            number += 1


def _round(rng: random.Random, themes: Sequence[str] | None) -> list[tuple[str, str]]:
    """Every theme once, after its domain; those of the vocabulary with two things that are to be in them."""
    if themes is not None:
        return [(theme, theme) for theme in rng.sample(list(themes), len(themes))]
    words, drawn = vocabulary(), []
    for setting in rng.sample(list(words.settings), len(words.settings)):
        opening = str(rng.choice(words.settings[setting]["openings"]))
        one, other = rng.sample(words.fitting(setting), 2)
        things = f"{with_article(one.singular)} and {rng.choice((with_article(other.singular), other.plural))}"
        drawn.append((setting, f"{opening[0].lower()}{opening[1:]}, with {things} among what is there"))
    return drawn


class Unread(NamedTuple):
    """Why no prompt can be read from an answer."""

    status: Status
    reason: str


def read_answer(answer: str) -> str | Unread:
    """The prompt in an answer, in one line, without the thoughts, label, number or quotes that models put around it."""
    text = _THOUGHTS.sub("", answer).strip()
    if "<think>" in text:
        return Unread(Status.RUN_ON, "the answer ends within the model's thoughts")
    fenced = _FENCE.match(text)
    paragraphs = [each.strip() for each in re.split(r"\n\s*\n", fenced[1] if fenced else text) if each.strip()]
    if len(paragraphs) == 2 and paragraphs[0].endswith(":"):
        del paragraphs[0]
    if len(paragraphs) > 1:
        return Unread(Status.UNPARSABLE, f"the answer has {len(paragraphs)} paragraphs where one prompt was asked for")
    prompt = _bare(paragraphs[0]) if paragraphs else ""
    if len(_LINE_ITEM.findall(prompt)) > 1:
        return Unread(Status.UNPARSABLE, "the answer is a list where one prompt was asked for")
    if not any(letter.isalpha() for letter in prompt):
        return Unread(Status.EMPTY, "no words")
    if is_refusal(prompt):
        return Unread(Status.REFUSED, "the model declines")
    return " ".join(prompt.split())


def _bare(text: str) -> str:
    """The text without a label, a number, or marks and quotes around all of it."""
    while True:
        before, text = text, text.strip().strip("*").strip()
        if len(_LINE_ITEM.findall(text)) < 2:
            text = _ITEM.sub("", _LABEL.sub("", text))
        if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and not {text[0], text[-1]} & set(text[1:-1]):
            text = text[1:-1]
        if text == before:
            return text
