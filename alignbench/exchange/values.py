"""Reads single values in the spellings of others."""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from collections.abc import Mapping
from typing import Any

from alignbench.types import ErrorType, Label

_NULLS = frozenset({"", "none", "null", "nan", "na", "n/a", "nil", "undefined", "-", "--", "[]", "{}", "<na>"})
MAX_DEPTH = 16
_MAX_LITERAL = 20_000
_MAX_COUNT = 2**31 - 1

_LABELS = {
    "correct": Label.CORRECT,
    "true": Label.CORRECT,
    "right": Label.CORRECT,
    "accurate": Label.CORRECT,
    "nothallucinated": Label.CORRECT,
    "nonhallucinated": Label.CORRECT,
    "nohallucination": Label.CORRECT,
    "noerror": Label.CORRECT,
    "incorrect": Label.INCORRECT,
    "notcorrect": Label.INCORRECT,
    "false": Label.INCORRECT,
    "wrong": Label.INCORRECT,
    "inaccurate": Label.INCORRECT,
    "hallucinated": Label.INCORRECT,
    "hallucination": Label.INCORRECT,
    "unknown": Label.UNKNOWN,
    "unsure": Label.UNKNOWN,
    "notsure": Label.UNKNOWN,
    "uncertain": Label.UNKNOWN,
    "unclear": Label.UNKNOWN,
    "undecided": Label.UNKNOWN,
    "cannottell": Label.UNKNOWN,
    "canttell": Label.UNKNOWN,
}
_ERROR_TYPES = {
    **{str(kind): kind for kind in ErrorType},
    "attr": ErrorType.ATTRIBUTE,
    "obj": ErrorType.OBJECT,
    "directional": ErrorType.DIRECTION,
    "num": ErrorType.NUMBER,
    "numeric": ErrorType.NUMBER,
    "numerical": ErrorType.NUMBER,
    "count": ErrorType.NUMBER,
    "counting": ErrorType.NUMBER,
    "ocr": ErrorType.TEXT,
    "textual": ErrorType.TEXT,
    "loc": ErrorType.LOCATION,
    "rel": ErrorType.RELATION,
    "relational": ErrorType.RELATION,
    "relationship": ErrorType.RELATION,
    "misc": ErrorType.OTHER,
    "miscellaneous": ErrorType.OTHER,
}
# Words that say that a type is an error type, and nothing of which.
_FILLERS = frozenset(
    "hallucinated hallucination hallucinations hallucinatory hallucinating error errors erroneous incorrect wrong "
    "false mistake mistakes mismatch type types category".split()
)


def is_null(cell: Any) -> bool:
    """Whether a cell says nothing: null, NaN, blank, an empty list, or a word for null such as `none` or `N/A`."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return True
    if isinstance(cell, str):
        return cell.strip().casefold() in _NULLS
    return isinstance(cell, list | tuple | Mapping) and all(is_null(inner) for inner in cell)


def plain(text: str) -> str:
    """A spelling as words without case, separators or punctuation: `HallucinatedText` and `hallucinated-text` alike."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return " ".join(re.sub(r"[\W_]+", " ", parted.casefold()).split())


def label_of(cell: Any) -> Label | None:
    """The label that a cell spells; None where it cannot be told.

    `true` and `false`, as words or JSON values, are read as what they say of the sentence. Numbers are not understood:
    1 has been used for both labels.
    """
    said = entries(cell)
    if len(said) != 1 or not isinstance(said[0], str | bool):
        return None
    return _LABELS.get("".join(char for char in str(said[0]).casefold() if char.isalnum()))


def error_type_of(text: Any) -> ErrorType | None:
    """The error type that a value spells, as `Hallucinated Attributes` or `text error`; None where it is none."""
    if not isinstance(text, str):
        return None
    words = [word for word in plain(text).split() if word not in _FILLERS and not word.isdigit()]
    said = " ".join(words)
    return _ERROR_TYPES.get(said) or _ERROR_TYPES.get(said.removesuffix("s"))


def error_types_of(cell: Any) -> tuple[list[ErrorType], list[str]]:
    """The error types that a cell lists, in order with repeats, and the entries that could not be told."""
    known: list[ErrorType] = []
    strange: list[str] = []
    for entry in entries(cell):
        for part in re.split(r"[,;|/&+\n]|\band\b", entry) if isinstance(entry, str) else [entry]:
            if is_null(part):
                continue
            kind = error_type_of(part)
            known += [kind] if kind else []
            strange += [] if kind else [str(part).strip()]
    return known, strange


def entries(cell: Any) -> list[Any]:
    """The values in a cell: those of a list, of a list written as text (JSON or Python), or the value itself."""
    value = written(cell)
    if isinstance(value, list | tuple):
        return [inner for inner in value if not is_null(inner)]
    return [] if is_null(value) else [value]


def written(cell: Any) -> Any:
    """What a cell holds where its text is a JSON or Python list or object; else the cell itself."""
    if not isinstance(cell, str) or cell.strip()[:1] not in ("[", "{", '"') or len(cell) > _MAX_LITERAL:
        return cell
    for read in (json.loads, _literal):
        try:
            value = read(cell.strip())
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue
        return cell if is_deep(value) else value
    return cell


def _literal(text: str) -> Any:
    with warnings.catch_warnings():
        # Python warns of backslashes that escape nothing; in a caption they are just backslashes.
        warnings.simplefilter("ignore")
        return ast.literal_eval(text)


def is_deep(value: Any) -> bool:
    """Whether lists and objects are nested in a value more than `MAX_DEPTH` levels deep, as nobody's are by intent."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        nested = [inner for inner in level if isinstance(inner, list | tuple | dict)]
        if not nested:
            return False
        level = [one for inner in nested for one in (inner.values() if isinstance(inner, dict) else inner)]
    return True


def text_of(cell: Any) -> str | None:
    """The text of a cell without space around it; None where there is none, or where it is no text."""
    if not isinstance(cell, str):
        return None
    return cell.strip() or None


def name_of(cell: Any) -> str | None:
    """The name in a cell: a text that is no word for null, or a whole number written out (a file called 139)."""
    if is_null(cell) or isinstance(cell, bool):
        return None
    return str(cell) if isinstance(cell, int) else text_of(cell)


def count_of(cell: Any) -> int | None:
    """The whole number from 0 that a cell gives, as 3, 3.0, "3" or "3.0"; None where it gives none."""
    number = number_of(cell)
    if number is None or number != int(number) or not 0 <= number <= _MAX_COUNT:
        return None
    return int(number)


def number_of(cell: Any) -> float | None:
    """The finite number that a cell gives, as a number or as text; None where it gives none."""
    if isinstance(cell, bool) or not isinstance(cell, int | float | str):
        return None
    try:
        number = float(cell)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
