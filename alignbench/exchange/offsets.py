"""Offsets in code points, which count here, and in UTF-16 code units, which count in browsers.

A character outside the Basic Multilingual Plane, such as an emoji, is one code point and two code units.
"""

from __future__ import annotations

_LAST_OF_ONE_UNIT = 0xFFFF


def utf16_offset(text: str, offset: int) -> int:
    """The offset in UTF-16 code units of an offset in code points.

    Raises:
        ValueError: It is not from 0 to the length of the text.
    """
    if not 0 <= offset <= len(text):
        raise ValueError(f"{offset} is no offset of a text of {len(text)} code points")
    return offset + sum(ord(character) > _LAST_OF_ONE_UNIT for character in text[:offset])


def code_point_offset(text: str, offset: int) -> int:
    """The offset in code points of an offset in UTF-16 code units.

    Raises:
        ValueError: It is not from 0 to the length of the text, or lies between the two units of one character.
    """
    units = 0
    for place, character in enumerate(text):
        if units == offset:
            return place
        width = 2 if ord(character) > _LAST_OF_ONE_UNIT else 1
        if units < offset < units + width:
            raise ValueError(f"{offset} lies inside the surrogate pair of {character!r}, code point {place}")
        units += width
    if units != offset:
        raise ValueError(f"{offset} is no offset of a text of {units} UTF-16 code units")
    return len(text)


def utf16_length(text: str) -> int:
    """How many UTF-16 code units a text has."""
    return utf16_offset(text, len(text))
