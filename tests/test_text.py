from __future__ import annotations

import unicodedata
from importlib.metadata import version

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alignbench.text import SPLITTER, split_sentences

# Every code point, lone surrogates included, and often what captions and splitters trip over.
ANY_TEXT = st.text(st.characters(codec=None), max_size=40)
MARKS = ". .. … ! ? 。 ！ ？ \" “ ” ' ’ ( ) 「 」 « » [ ] - * @ ؟ ।".split()
WORDS = "a B Dog é e\u0301 1 2. 3.5 Mr. No. in. e.g. St. approx. İ ß http://a.b?c=d 😀 👨\u200d👩\u200d👧".split()
ODD = ["\u200d", "\ufe0f", "\u0301", "\u200b", "\x00", "\ud800", "\udfff"]
SPACES = [" ", "\t", "\n", "\r\n", "\u2028", "\u00a0", "\u3000", "\x1c", "\x1f"]
AWKWARD = st.lists(st.sampled_from([*MARKS, *WORDS, *ODD, *SPACES]), max_size=16).map("".join)


def sentences_of(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "the No. 5 sign is 3.5 in. tall, e.g. by St. Mark's. A dog sits.",
            ["the No. 5 sign is 3.5 in. tall, e.g. by St. Mark's.", "A dog sits."],
            id="abbreviations of the issue",
        ),
        pytest.param(
            "Dr. Smith vs. Mr. J. R. Jones at 5 p.m. on Jan. 5. The U.S. flag waves. He lives on Elm St. She waits.",
            [
                "Dr. Smith vs. Mr. J. R. Jones at 5 p.m. on Jan. 5.",
                "The U.S. flag waves.",
                "He lives on Elm St.",
                "She waits.",
            ],
            id="titles",
        ),
        pytest.param(
            "It has approx. 3 in. of snow. The end.", ["It has approx. 3 in. of snow.", "The end."], id="approx."
        ),
        pytest.param(
            'He said "Stop. Go!" and left. The sign reads “Est. 1999.” It is red.',
            ['He said "Stop. Go!" and left.', "The sign reads “Est. 1999.”", "It is red."],
            id="quotes",
        ),
        pytest.param(
            "The dogs' bowls are red. It's late.", ["The dogs' bowls are red.", "It's late."], id="apostrophes"
        ),
        pytest.param("Wait... what? Hmm… yes. No!!", ["Wait... what?", "Hmm… yes.", "No!!"], id="ellipses"),
        pytest.param(
            "Wow 😀. A cat 👨\u200d👩\u200d👧\u200d👦! Cafe\u0301. He\u0301llo.",
            ["Wow 😀.", "A cat 👨\u200d👩\u200d👧\u200d👦!", "Cafe\u0301.", "He\u0301llo."],
            id="emoji and combining marks",
        ),
        pytest.param(
            "猫が座っている。终于！什么？是的。", ["猫が座っている。", "终于！", "什么？", "是的。"], id="CJK"
        ),
        pytest.param("هل هذه قطة؟ نعم.", ["هل هذه قطة؟", "نعم."], id="Arabic"),
        pytest.param(
            "A title\nA cat\r\nsits. \n\n A dog.\u2028Red", ["A title", "A cat", "sits.", "A dog.", "Red"], id="lines"
        ),
        pytest.param("1. A cat sits. 2. A dog runs.", ["1. A cat sits.", "2. A dog runs."], id="list numbers"),
        pytest.param("A cat runs. 🎉", ["A cat runs. 🎉"], id="emoji after the full stop"),
        pytest.param(
            "Visit http://www.a.com/b.c?d=e now. v2.0 is out.",
            ["Visit http://www.a.com/b.c?d=e now.", "v2.0 is out."],
            id="URL",
        ),
        pytest.param(" \n\t\u3000", [], id="white space"),
        pytest.param("!?", ["!?"], id="no letter"),
    ],
)
def test_sentences_of_captions(text: str, expected: list[str]) -> None:
    assert sentences_of(text) == expected


@settings(max_examples=400, deadline=None)
@given(ANY_TEXT | AWKWARD)
@example("B\u2028.Mr.?")  # made sentencex 1.0.32 panic
@example("a\u00a0.B\u3000.Mr.?")
def test_every_visible_character_is_in_exactly_one_sentence(text: str) -> None:
    owners = [0] * len(text)
    ranges = split_sentences(text)
    for start, end in ranges:
        assert text[start:end] == text[start:end].strip() != ""
        for place in range(start, end):
            owners[place] += 1
    assert ranges == sorted(ranges)
    assert all(owner == 1 for owner, character in zip(owners, text, strict=True) if not character.isspace())
    assert max(owners, default=0) <= 1


@settings(max_examples=200, deadline=None)
@given(ANY_TEXT | AWKWARD, ANY_TEXT | AWKWARD)
def test_a_newline_separates(before: str, after: str) -> None:
    expected = split_sentences(before) + [(s + len(before) + 1, e + len(before) + 1) for s, e in split_sentences(after)]
    assert split_sentences(f"{before}\n{after}") == expected


@settings(max_examples=300, deadline=None)
@given(AWKWARD)
def test_no_cut_inside_a_user_perceived_character(text: str) -> None:
    starts = [start for start, _ in split_sentences(text)]
    for start in starts:
        if start and not text[start - 1].isspace():
            assert not unicodedata.category(text[start]).startswith("M")
            assert "\u200d" not in text[start - 1 : start + 1]


def test_long_captions_take_linear_time() -> None:
    # A quadratic splitter would need minutes for these.
    for unit in ("1. ", "A cat. ", "a", '"A. '):
        text = unit * 30_000
        assert sum(end - start for start, end in split_sentences(text)) <= len(text)


def test_the_splitter_is_named_with_its_version() -> None:
    assert SPLITTER["name"] == "sentencex"
    assert SPLITTER["version"].startswith(version("sentencex"))
