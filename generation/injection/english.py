"""Articles, plurals and capitals."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SILENT_H = ("hour", "honest", "heir", "honour", "honor")
_SOUNDS_LIKE_YOU_OR_ONE = ("uni", "use", "usu", "uti", "euro", "one", "ewe", "ubiq")
_IRREGULAR: Mapping[str, str] = {
    "man": "men",
    "woman": "women",
    "child": "children",
    "person": "people",
    "foot": "feet",
    "goose": "geese",
    "mouse": "mice",
    "knife": "knives",
    "leaf": "leaves",
    "loaf": "loaves",
    "shelf": "shelves",
    "wolf": "wolves",
    "calf": "calves",
    "scarf": "scarves",
    "sheep": "sheep",
    "deer": "deer",
    "fish": "fish",
    "bus": "buses",
    "taxi": "taxis",
    "cookie": "cookies",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "policeman": "policemen",
    "policewoman": "policewomen",
    "fireman": "firemen",
    "fisherman": "fishermen",
    "snowman": "snowmen",
}
_SINGULAR = {plural: singular for singular, plural in _IRREGULAR.items()}
# End in s and are singular, or mean one thing by a plural; no rule of endings takes these apart.
_NO_PLURAL = frozenset(
    "glass grass dress cross boss class mass moss kiss gas lens cactus octopus chess canvas iris tennis is was has "
    "this its his us as yes thus always perhaps glasses sunglasses scissors jeans pants trousers shorts binoculars "
    "goggles headphones pliers tweezers clothes tights leggings pyjamas pajamas headquarters series species "
    "stairs".split()
)


def article(word: str) -> str:
    """`a` or `an`, by how the word most likely sounds."""
    lower = word.lower()
    if lower.startswith(_SILENT_H):
        return "an"
    if lower.startswith(_SOUNDS_LIKE_YOU_OR_ONE):
        return "a"
    return "an" if lower[:1] in "aeiou" else "a"


def plural(noun: str) -> str:
    """The plural of a singular noun in lower case."""
    if noun in _IRREGULAR:
        return _IRREGULAR[noun]
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return f"{noun}es"
    if re.search(r"[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def singular(noun: str) -> str | None:
    """The singular of a noun in lower case that is a plural beyond doubt; null for any other."""
    if noun in _SINGULAR:
        return _SINGULAR[noun]
    if noun in _NO_PLURAL or not noun.endswith("s") or noun.endswith(("ss", "us", "is")) or len(noun) < 4:
        return None
    if noun.endswith("ies"):
        return f"{noun[:-3]}y" if len(noun) > 4 else None
    if noun.endswith(("ches", "shes", "xes", "sses", "zes")):
        return noun[:-2]
    return noun[:-1]


def as_written(after: str, before: str) -> str:
    """`after` with the capitals of what it replaces: all of them, the first alone, or none."""
    letters = [character for character in before if character.isalpha()]
    if len(letters) > 1 and all(character.isupper() for character in letters):
        return after.upper()
    return after[:1].upper() + after[1:] if letters and before.strip()[:1].isupper() else after
