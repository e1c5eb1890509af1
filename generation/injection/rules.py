"""Plants errors by rules, each of which makes a sentence that is false whenever the original is true.

Every module of a type says why that is so. `REVISION` is that of the producer: it is raised with any change of a rule
or a word list, so that a row can be told from one of other rules.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from alignbench.types import ErrorType, ModelRef
from generation.injection import attribute, direction, illusion, location, number, objects, relation, texts
from generation.injection.edit import Edit
from generation.injection.known import Known, known_of
from generation.injection.plant import Caption, Planted, plant
from generation.injection.reading import Reading, read

REVISION = "1"
PRODUCER = ModelRef("planted-rules", REVISION, "planted-rules", "alignbench")

RULES: Mapping[ErrorType, Callable[[Reading, Known], Iterator[Edit]]] = {
    ErrorType.ATTRIBUTE: attribute.edits,
    ErrorType.OBJECT: objects.edits,
    ErrorType.ILLUSION: illusion.edits,
    ErrorType.DIRECTION: direction.edits,
    ErrorType.NUMBER: number.edits,
    ErrorType.TEXT: texts.edits,
    ErrorType.LOCATION: location.edits,
    ErrorType.RELATION: relation.edits,
}
# How many of a caption's changes are tried before it is given up, where the splitter takes the result otherwise.
_TRIES = 8


def changes(caption: Caption, types: Sequence[ErrorType], *, definite: bool) -> dict[ErrorType, list[tuple[int, Edit]]]:
    """Every certain change of a caption by type, each with the index of its sentence; sentences not true stay.

    Args:
        caption: What is described.
        types: Which errors are wanted.
        definite: Whether "the car" is taken for the only car where the caption hints at no second one.
    """
    readings = [read(caption.text[start:end]) for start, end in caption.ranges]
    known = known_of(zip(readings, caption.true, strict=True), definite=definite)
    found: dict[ErrorType, list[tuple[int, Edit]]] = {}
    for error_type in types:
        for index, reading in enumerate(readings):
            if caption.true[index] and (reading.is_safe or error_type is ErrorType.ILLUSION):
                edits = (edit for edit in RULES[error_type](reading, known) if not _renames(reading, edit))
                found.setdefault(error_type, []).extend((index, edit) for edit in edits)
    return {error_type: every for error_type, every in found.items() if every}


def _renames(reading: Reading, edit: Edit) -> bool:
    """Whether it changes a word with a capital within a sentence, such as a name; texts in quotes may be so written."""
    if edit.start == edit.end:
        return False
    words = re.finditer(r"\b\w", reading.text[edit.start : edit.end])
    named = any(edit.start + found.start() > 0 and found[0].isupper() for found in words)
    return named and edit.error_type is not ErrorType.TEXT


def drawn(caption: Caption, found: Sequence[tuple[int, Edit]], seed: int) -> Planted | None:
    """One of the changes found, planted: a sentence, then a rule, then an edit, each drawn evenly.

    Null where the splitter takes every one tried otherwise than it was meant.
    """
    rng, left = random.Random(seed), list(found)
    for _ in range(min(_TRIES, len(left))):
        index = rng.choice(sorted({index for index, _ in left}))
        rule = rng.choice(sorted({edit.rule for place, edit in left if place == index}))
        chosen = rng.choice([each for each in left if each[0] == index and each[1].rule == rule])
        left.remove(chosen)
        planted = plant(caption, *chosen)
        if planted is not None:
            return planted
    return None
