"""What the sentences of a prompt can stress, and how many of them there are, as options of a recipe say it."""

from __future__ import annotations

from collections.abc import Sequence

from alignbench.errors import UnknownNameError, UsageError

ASPECTS = {
    "location": "where in the image things are: left, right, center, foreground, background",
    "direction": "in which direction people and animals look or face",
    "number": "exact counts of people, animals and objects",
    "text": "words that are written on something, quoted exactly",
    "relation": "how things are placed relative to one another: held, on, under, behind, beside, between",
    "attribute": "colors, materials, clothing, patterns and poses",
}
"""The aspects by the names of the error types that they invite, in words."""
FEWEST, MOST = 2, 8


def check_stress(stress: object) -> tuple[str, ...] | None:
    """The aspects that every prompt is to stress; null for a drawn choice of them.

    Raises:
        UsageError: Not a list, an empty one, or one with an aspect that there is not.
    """
    if stress is None:
        return None
    if isinstance(stress, str) or not isinstance(stress, Sequence) or not stress:
        raise UsageError(f"stress is {stress!r}; it is a list of some of: {', '.join(ASPECTS)}")
    for aspect in map(str, stress):
        if aspect not in ASPECTS:
            raise UnknownNameError.of("aspect", aspect, ASPECTS, "mend the option stress")
    return tuple(dict.fromkeys(map(str, stress)))


def check_sentences(sentences: object) -> tuple[int, int]:
    """The fewest and the most sentences of a prompt, from a number or a pair of them.

    Raises:
        UsageError: Something else, or not within `FEWEST` and `MOST`.
    """
    bounds = [sentences, sentences] if isinstance(sentences, int) else sentences
    if not isinstance(bounds, str) and isinstance(bounds, Sequence) and len(bounds) == 2:
        low, high = bounds
        if type(low) is type(high) is int and FEWEST <= low <= high <= MOST:
            return low, high
    raise UsageError(
        f"sentences is {sentences!r}; it is a number from {FEWEST} to {MOST}, or the fewest and the most as [3, 6]"
    )


def check_names(option: str, names: object) -> tuple[str, ...] | None:
    """A list of texts that are not blank; null where there is none.

    Raises:
        UsageError: Something else.
    """
    if names is None:
        return None
    listed = names if isinstance(names, Sequence) and not isinstance(names, str) else ()
    if not listed or not all(isinstance(each, str) and each.strip() for each in listed):
        raise UsageError(f"{option} is {names!r}; it is a list of texts, none of them blank")
    return tuple(dict.fromkeys(each.strip() for each in listed))
