"""Answers are read strictly: what is not exactly an answer has none. And what counts as a spelling of yes or no."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.reading import read_score, read_yes_no
from judges.words import spellings, word_of


@pytest.mark.parametrize("text", ["Yes", "yes", "YES", " Yes\n", "Yes.", "yes!", "**Yes**", "*yes*", '"Yes."', "`yes`"])
def test_yes(text: str) -> None:
    assert read_yes_no(text) is True


@pytest.mark.parametrize("text", ["No", "no", "NO", "\tNo. ", "**No**", "'no'"])
def test_no(text: str) -> None:
    assert read_yes_no(text) is False


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Yes, it is.",
        "No one is there",
        "yesterday",
        "not",
        "yes no",
        "yes/no",
        "Answer: yes",
        "yEs",
        "'Yes",
        "**Yes*",
        "****",
        "y",
        "Ja",
        "true",
        "1",
        "\u0443\u0435\u0455",
    ],
)
def test_neither_yes_nor_no(text: str) -> None:
    assert read_yes_no(text) is None


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("0", 0),
        ("7", 7),
        ("87", 87),
        ("100", 100),
        (" 87\n", 87),
        ("87.", 87),
        ("87.5", 87.5),
        ("87.5.", 87.5),
        ("0.0", 0),
        ("100.0", 100),
        ("87%", 87),
        ("87 %", 87),
        ("87/100", 87),
        ("87 / 100.", 87),
        ("**87**", 87),
        ('"87"', 87),
    ],
)
def test_scores(text: str, score: float) -> None:
    assert read_score(text) == score


@pytest.mark.parametrize(
    "text",
    [
        "",
        "101",
        "100.5",
        "1000",
        "-3",
        "+3",
        "087",
        "Score: 87",
        "87 because",
        "between 80 and 90",
        "8 7",
        "87/10",
        "8/10",
        "87,5",
        "1e2",
        "nan",
        "inf",
        "\u0663",
        "eighty",
        "87\n12",
        "87..",
        ".5",
    ],
)
def test_no_scores(text: str) -> None:
    assert read_score(text) is None


@pytest.mark.parametrize("text", ["0.87", "0.5", "1.0", "0.01"])
def test_a_fraction_of_one_may_be_of_another_scale(text: str) -> None:
    assert read_score(text) is None


@given(st.text())
def test_any_text_has_at_most_one_reading(text: str) -> None:
    score = read_score(text)
    assert score is None or 0 <= score <= 100
    assert score is None or read_yes_no(text) is None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Yes", "yes"),
        (" yes", "yes"),
        ("YES", "yes"),
        ("\nYes", "yes"),
        ("Yes.", "yes"),
        (" No,", "no"),
        ('"No', "no"),
        ("**Yes", "yes"),
        ("NO!", "no"),
        ("Yes\n\n", "yes"),
        ("yEs", None),
        ("Not", None),
        ("None", None),
        ("eyes", None),
        ("-no", None),
        ("No-", None),
        ("Yes1", None),
        ("yesyes", None),
        ("", None),
        (" ", None),
    ],
)
def test_the_word_of_a_token(text: str, word: str | None) -> None:
    assert word_of(text) == word


def test_no_spelling_is_of_both_words() -> None:
    assert not spellings("yes") & spellings("no")
    assert {word_of(text) for text in spellings("yes")} == {"yes"}
