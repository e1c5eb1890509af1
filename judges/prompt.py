"""Judging prompts: text files with slots, what they look like filled, and their fingerprints."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from alignbench.errors import UnknownNameError, UsageError
from alignbench.types import Context

_FOLDER = Path(__file__).parent / "prompts"
_ANSWERS = ("yes_no", "score", "list", "spans")
_SLOTS: Mapping[str, tuple[str, ...]] = {
    "sentence": ("{sentence}",),
    "caption": ("{caption}", "{number}", "{sentence}"),
    "list": ("{caption}",),
}
"""What a prompt must hold, once each: about one sentence, about one sentence of a caption, about all of a caption."""
_ANY_SLOT = re.compile(r"\{(?:sentence|caption|number)\}")


@dataclass(frozen=True, slots=True)
class Prompt:
    """The user's turn after the image, with slots where it differs from sentence to sentence.

    The later the first slot stands, the longer is the part that all sentences of an image share, and the cheaper they
    are. Slots are filled in one pass: a sentence that holds `{caption}` or other braces stays as it is.
    """

    text: str

    @classmethod
    def read(cls, path: Path, context: str) -> Self:
        """The prompt in a text file, without the newline at its end.

        Args:
            path: A UTF-8 text file.
            context: What the slots must be those of: `sentence`, `caption` or `list`.

        Raises:
            UsageError: The file cannot be read, or its slots are others.
        """
        try:
            text = path.read_text(encoding="utf-8").removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"the judging prompt {path} cannot be read: {error}; give a UTF-8 text file") from error
        prompt = cls(text)
        prompt.check(context)
        return prompt

    def check(self, context: str) -> None:
        """Make sure that the prompt has the slots of a context, `sentence`, `caption` or `list`, and no others.

        Raises:
            UsageError: It has not.
        """
        if context not in _SLOTS:
            raise UnknownNameError.of("context of a prompt", context, _SLOTS, "mend the option context")
        found, wanted = Counter(_ANY_SLOT.findall(self.text)), _SLOTS[context]
        for slot in wanted:
            if found[slot] != 1:
                raise UsageError(
                    f"the judging prompt has {slot} {found[slot]} times; "
                    f"a prompt for the context {context} needs {', '.join(wanted)} once each: write {slot} once"
                )
        for slot in sorted(set(found) - set(wanted)):
            raise UsageError(
                f"the judging prompt has {slot}, which the context {context} does not fill; "
                f"take it out, or choose the context caption"
            )

    def fingerprint(self) -> str:
        """What a judge's spec says of its prompt: 16 hex digits of the text's sha256."""
        return f"sha256:{hashlib.sha256(self.text.encode()).hexdigest()[:16]}"

    def fill(self, sentence: str) -> str:
        """The turn about a sentence alone."""
        return self._fill({"{sentence}": sentence})

    def fill_in_caption(self, context: Context, place: int) -> str:
        """The turn about sentence `place` of the query that the context belongs to, shown in its caption.

        The sentence's number is counted in the whole caption from 1, so it is `context.places[place] + 1`.
        """
        number = context.places[place]
        start, end = context.ranges[number]
        sentence = context.caption[start:end]
        filling = {"{caption}": _numbered(context), "{number}": str(number + 1), "{sentence}": sentence}
        return self._fill(filling)

    def fill_list(self, context: Context) -> str:
        """The turn about all sentences of a caption at once."""
        return self._fill({"{caption}": _numbered(context)})

    def _fill(self, filling: Mapping[str, str]) -> str:
        return _ANY_SLOT.sub(lambda slot: filling[slot.group()], self.text)


def _numbered(context: Context) -> str:
    """The caption with `[1] `, `[2] ` and so on written before its sentences, and nothing else changed."""
    parts, done = [], 0
    for number, (start, _) in enumerate(context.ranges, 1):
        parts += [context.caption[done:start], f"[{number}] "]
        done = start
    return "".join([*parts, context.caption[done:]])


def shipped(answer: str, context: str) -> Prompt:
    """The prompt that comes with this package, for an answer `yes_no`, `score`, `spans` or `list`.

    A list has no other context than `caption`.

    Raises:
        UnknownNameError: There is no prompt for that answer, or for that context.
    """
    if answer not in _ANSWERS:
        raise UnknownNameError.of("answer to a prompt", answer, _ANSWERS, "mend the option mode")
    contexts = ("caption",) if answer == "list" else ("sentence", "caption")
    if context not in contexts:
        raise UnknownNameError.of(f"context of the prompt {answer}", context, contexts, "mend the option context")
    return Prompt.read(_FOLDER / f"{answer}.{context}.txt", "list" if answer == "list" else context)
