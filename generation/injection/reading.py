"""A sentence as rules look at it: in lower case, without what stands in quotes."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Bounded, so that a text full of opening marks takes no time.
_QUOTED = re.compile(
    r"\"[^\"]{0,400}\"|“[^”]{0,400}”|«[^»]{0,400}»|(?<!\w)'[^']{0,400}'(?!\w)|\u2018[^\u2019]{0,400}\u2019(?!\w)"
)
# Stands for every character of a quotation: no word, no space, nothing that a rule looks for.
_MASK = "\x1a"

# What makes it unsafe to say that a changed sentence is false: negation, uncertainty, alternatives, comparison, what is
# only partly so, and what is seen twice or is no thing of its own.
_UNSAFE = re.compile(
    r"\b(?:not|no|never|none|neither|nor|nothing|nobody|without|cannot|hardly|barely|or|either|whether|if|unless|"
    r"maybe|perhaps|possibly|probably|presumably|likely|may|might|could|would|should|will|"
    r"seem|seems|seemingly|suggest|suggests|suggesting|imply|implies|apparently|appears? to|looks? like|resembl\w+|"
    r"as if|as though|like|than|except|instead|rather|despite|unlike|almost|nearly|partly|partially|mostly|mainly|"
    r"half|somewhat|sometimes|mirror\w*|reflect\w*|imagin\w*|pretend\w*|called|named|titled)\b|n['\u2019]t\b|\?"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A sentence and, character by character, the same in lower case with its quotations masked."""

    text: str
    plain: str

    @property
    def is_safe(self) -> bool:
        """Whether it says plainly what is so, so that saying something else is wrong."""
        return _UNSAFE.search(self.plain) is None and not self.text.isupper()


def read(text: str) -> Reading:
    """The reading of a sentence."""
    masked = _QUOTED.sub(lambda found: _MASK * len(found[0]), text)
    return Reading(text, "".join(_lower(character) for character in masked))


def _lower(character: str) -> str:
    """Lower case where that is one character too, so that offsets stay."""
    lower = character.lower()
    return lower if len(lower) == 1 else character


def quotations(text: str) -> list[tuple[int, int]]:
    """The ranges of what stands between quotation marks, without the marks."""
    return [(found.start() + 1, found.end() - 1) for found in _QUOTED.finditer(text) if found.end() - found.start() > 2]
