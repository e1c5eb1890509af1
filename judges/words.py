"""The spellings of yes and no that one token can have, in a vocabulary or in an API's list of likely tokens."""

from __future__ import annotations

import itertools

WORDS = ("yes", "no")
_OPENING = ("", " ", "  ", "\n", "\n\n", " \n", "\t", *"\"'(*", ' "', " '", " (", "**", " **", "\u201c")
_ENDING = ("", *".,!;:\"')*", '."', "**", "\u201d", " ", "\n", "\n\n", ".\n", ".\n\n", ",\n")


def spellings(word: str) -> frozenset[str]:
    """How a token can spell a word that it begins an answer with: lower case, capitalised or upper case.

    Before it may stand what opens an answer, behind it what ends a word; no letter, digit, hyphen or the like, because
    with those it is another word, or part of one.
    """
    cases = (word, word.capitalize(), word.upper())
    return frozenset("".join(parts) for parts in itertools.product(_OPENING, cases, _ENDING))


_WORD_OF = {spelling: word for word in WORDS for spelling in spellings(word)}


def word_of(token_text: str) -> str | None:
    """`yes` or `no` where the token's text is a spelling of it, else None."""
    return _WORD_OF.get(token_text)
