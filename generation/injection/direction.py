"""Directions: where something points, faces or looks, turned round.

False whenever the original is true, because what is said to point there is the only thing of its kind, or all of them,
and nothing faces two opposite ways. The same holds of the camera, of which there is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from alignbench.types import ErrorType
from generation.injection.clause import clause_of
from generation.injection.edit import Edit, replaced
from generation.injection.known import Known
from generation.injection.reading import Reading
from generation.injection.vocabulary import PICTURES

_OPPOSITES: Mapping[str, str] = {
    "left": "right",
    "right": "left",
    "up": "down",
    "down": "up",
    "upward": "downward",
    "downward": "upward",
    "upwards": "downwards",
    "downwards": "upwards",
    "toward the camera": "away from the camera",
    "towards the camera": "away from the camera",
    "away from the camera": "towards the camera",
}
_WAY = "|".join(sorted(_OPPOSITES, key=len, reverse=True))
_TURNED = (
    r"(?:pointing|facing|looking|gazing|staring|turned|heading|directed|angled|oriented)(?: straight| directly)?"
    r"(?: (?:to|toward|towards) the(?= (?:left|right)))?"
)
_END = r"(?=(?: side| edge) of the (?:picture|image|photo|photograph|frame)\b|[.,;!]|$| at the viewer\b)"
_AFTER_BE = re.compile(rf"{_TURNED} (?P<way>{_WAY}){_END}")
_AFTER_VERB = re.compile(rf"(?:(?:straight |directly )?(?:(?:to|toward|towards) the )?)(?P<way>{_WAY}){_END}")
_ASIDE = re.compile(rf"[^,;]*, {_TURNED} (?P<way>{_WAY}){_END}")
_AND = re.compile(rf"[^,;]* and (?:faces?|points?|looks?) (?:(?:to|toward|towards) the )?(?P<way>{_WAY}){_END}")
_POINTS = ("point", "points", "face", "faces", "look", "looks", "gaze", "gazes", "stare", "stares")
_BE = ("is", "are", "was", "were")
_CAMERA = re.compile(
    rf"^the (?:{'|'.join(PICTURES)}) (?:is|was) (?:taken|shot|captured|seen|viewed) from (above|below)(?=[.,])"
)


def edits(reading: Reading, known: Known) -> Iterator[Edit]:
    """Every turn of a direction that is certain."""
    if found := _CAMERA.match(reading.plain):
        after = {"above": "below", "below": "above"}[found[1]]
        yield replaced("camera", ErrorType.DIRECTION, found.span(1), after)
    clause = clause_of(reading, known)
    if clause is None or not clause.settled:
        return
    found = None
    if clause.verb in _POINTS:
        found = _AFTER_VERB.match(reading.plain, clause.rest)
    elif clause.verb in _BE:
        found = _AFTER_BE.match(reading.plain, clause.rest)
    found = found or _ASIDE.match(reading.plain, clause.rest) or _AND.match(reading.plain, clause.rest)
    if found:
        yield replaced("turned round", ErrorType.DIRECTION, found.span("way"), _OPPOSITES[found["way"]])
