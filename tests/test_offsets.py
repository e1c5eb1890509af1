"""Code points and UTF-16 code units, against Python's own encoder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignbench.exchange.offsets import code_point_offset, utf16_length, utf16_offset

AWKWARD = (
    "",
    "plain",
    "😀",
    "a😀b",
    "👩🏽‍🚒 and 👨‍👩‍👧‍👦",
    "🇫🇷🇯🇵",
    "e\u0301 \u1100\u1161\u11a8",
    "日本語𠮷野家",
    "مرحبا 😀",
    "𝒳\u0000\uffff\U00010000\U0010ffff",
)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize("text", AWKWARD)
def test_every_offset_goes_there_and_back(text: str) -> None:
    for offset in range(len(text) + 1):
        assert utf16_offset(text, offset) == units(text[:offset])
        assert code_point_offset(text, units(text[:offset])) == offset
    assert utf16_length(text) == units(text)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.data())
def test_any_text(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    assert utf16_offset(text, offset) == units(text[:offset])
    assert code_point_offset(text, units(text[:offset])) == offset


@given(st.text(st.characters(min_codepoint=0x10000, exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_no_offset_inside_a_surrogate_pair_is_taken(text: str) -> None:
    for offset in range(1, 2 * len(text), 2):
        with pytest.raises(
            ValueError, match=f"^{offset} lies inside the surrogate pair of .* code point {offset // 2}$"
        ):
            code_point_offset(text, offset)


@pytest.mark.parametrize("offset", [-1, -10, 4, 100])
def test_offsets_outside_the_text_are_told(offset: int) -> None:
    with pytest.raises(ValueError, match=f"^{offset} is no offset of a text of 3 code points$"):
        utf16_offset("a😀b", offset)
    with pytest.raises(ValueError, match=r"is no offset of a text of 4 UTF-16 code units$"):
        code_point_offset("a😀b", offset if offset != 4 else 5)


def test_half_of_a_pair_counts_as_one_unit() -> None:
    assert utf16_length("\ud83d") == 1 == utf16_offset("a\ud83d", 2) - 1
    assert code_point_offset("\ud83da", 1) == 1
