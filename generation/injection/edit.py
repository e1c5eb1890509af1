"""What a rule does to a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from alignbench.types import ErrorType


@dataclass(frozen=True, slots=True)
class Edit:
    """One change that makes a true sentence false: its characters [start, end) become `after`.

    `wrong` is the range of the wrong words within `after`. Where `adds` is set, `after` is a sentence of its own that
    follows this one, and `start` and `end` are the sentence's end. Offsets count code points.
    """

    rule: str
    error_type: ErrorType
    start: int
    end: int
    after: str
    wrong: tuple[int, int]
    adds: bool = False


def replaced(rule: str, error_type: ErrorType, place: tuple[int, int], after: str, lead: str = "") -> Edit:
    """The edit that puts `lead` and then `after` in the place of some characters; `after` alone is wrong."""
    start, end = place
    return Edit(rule, error_type, start, end, lead + after, (len(lead), len(lead) + len(after)))
