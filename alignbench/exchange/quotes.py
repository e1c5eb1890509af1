"""Finds quoted words in a sentence, as offsets."""

from __future__ import annotations

import re

# Scripts that set no space between words: there a neighbour that is a letter does not continue the word.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_INSIDE = rf"[^\W{_UNSPACED}]"
_MARK = r"[\u0300-\u036f\ufe0f\u200d]"
_ALIKE = {
    **dict.fromkeys("'\u2018\u2019`\u00b4", "['\u2018\u2019`\u00b4]"),
    **dict.fromkeys('"\u201c\u201d', '["\u201c\u201d]'),
    **dict.fromkeys("-\u2010\u2011\u2013\u2014", "[-\u2010\u2011\u2013\u2014]"),
}
_EDGES = " \t\r\n.,;:!?\"'\u2018\u2019\u201c\u201d()[]"


def occurrences(text: str, words: str) -> list[tuple[int, int]]:
    """Where `words` stand in `text` as whole words: all places, in order, half-open offsets in code points.

    The words as they are come first; where they do not occur, they are sought without regard to case and to the kind
    of quote or dash, and then without punctuation around them. Runs of white space count as one space. Offsets are
    always those of `text` itself: nothing is lower-cased, so nothing changes its length.
    """
    bare = words.strip(_EDGES)
    for wanted, alike in ((words, False), (words, True), (bare, False), (bare, True)):
        found = _places(text, wanted, alike)
        if found:
            return found
    return []


def _places(text: str, words: str, alike: bool) -> list[tuple[int, int]]:
    parts = words.split()
    if not parts:
        return []
    spelled = r"\s+".join(_spelled(part, alike) for part in parts)
    before = rf"(?<!{_INSIDE})" if re.match(_INSIDE, parts[0]) else ""
    after = rf"(?!{_INSIDE})" if re.match(_INSIDE, parts[-1][-1]) else ""
    pattern = re.compile(rf"{before}{spelled}{after}(?!{_MARK})", re.IGNORECASE if alike else 0)
    places: list[tuple[int, int]] = []
    # Not finditer: it passes over places that overlap the one before, and a second place makes the words ambiguous.
    while hit := pattern.search(text, places[-1][0] + 1 if places else 0):
        places.append(hit.span())
    return places


def _spelled(part: str, alike: bool) -> str:
    return "".join(_ALIKE.get(char, re.escape(char)) for char in part) if alike else re.escape(part)
