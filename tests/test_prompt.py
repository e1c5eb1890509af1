"""Judging prompts: what is shipped, what filling does, and which slots are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.errors import UnknownNameError, UsageError
from alignbench.types import Context
from judges.prompt import Prompt, shipped

CAPTION = "A red dog. Behind it, a cat.\nA red dog."
WHOLE = Context(CAPTION, ((0, 10), (11, 28), (29, 39)), (0, 1, 2))
RESUMED = Context(CAPTION, WHOLE.ranges, (1, 2))

SHIPPED = [
    ("yes_no", "sentence", "sha256:4c25b9cb3164787c"),
    ("yes_no", "caption", "sha256:966ba60b4ee03be5"),
    ("score", "sentence", "sha256:28baaf2ecace335e"),
    ("score", "caption", "sha256:19dad973fe762d21"),
    ("list", "caption", "sha256:d8914a03514d5daf"),
]


@pytest.mark.parametrize(("answer", "context", "fingerprint"), SHIPPED)
def test_a_shipped_prompt_never_changes_unnoticed(answer: str, context: str, fingerprint: str) -> None:
    # It is part of the identity of every judge that was ever run with it: write another file instead of mending one.
    assert shipped(answer, context).fingerprint() == fingerprint


def test_the_prompt_about_a_sentence_alone() -> None:
    asked = shipped("yes_no", "sentence").fill("A red dog.")
    assert asked == "Is this sentence true of the image? Answer Yes or No.\nSentence: A red dog."


def test_sentences_in_a_caption_are_numbered_and_nothing_else_changes() -> None:
    asked = Prompt("Caption: {caption}\n[{number}] {sentence}").fill_in_caption(WHOLE, 1)
    numbered = "[1] A red dog. [2] Behind it, a cat.\n[3] A red dog."
    assert asked == f"Caption: {numbered}\n[2] Behind it, a cat."
    assert Prompt("{caption}").fill_list(WHOLE) == numbered


@pytest.mark.parametrize("answer", ["yes_no", "score"])
def test_the_sentences_of_a_caption_share_all_but_their_end(answer: str) -> None:
    prompt = shipped(answer, "caption")
    asked = [prompt.fill_in_caption(WHOLE, place) for place in range(3)]
    assert len(set(asked)) == 3, "a sentence that occurs twice is told apart by its number"
    endings = ["1]: A red dog.", "2]: Behind it, a cat.", "3]: A red dog."]
    assert {text.removesuffix(ending) for text, ending in zip(asked, endings, strict=True)} == {asked[0][:-14]}


def test_a_sentence_keeps_its_number_when_only_some_are_asked_about() -> None:
    prompt = shipped("yes_no", "caption")
    assert prompt.fill_in_caption(RESUMED, 0) == prompt.fill_in_caption(WHOLE, 1)
    assert prompt.fill_in_caption(RESUMED, 1) == prompt.fill_in_caption(WHOLE, 2)


def test_text_between_sentences_stays() -> None:
    context = Context("- A dog.\n\n- A cat.", ((2, 8), (12, 18)), (0, 1))
    assert Prompt("{caption}").fill_list(context) == "- [1] A dog.\n\n- [2] A cat."


def test_slots_in_a_sentence_are_text() -> None:
    sentence = "{caption} {sentence} {number} {} \\1 %s"
    assert Prompt("Is it? {sentence}").fill(sentence) == f"Is it? {sentence}"
    context = Context(sentence, ((0, len(sentence)),), (0,))
    asked = Prompt("{caption}|{number}|{sentence}").fill_in_caption(context, 0)
    assert asked == f"[1] {sentence}|1|{sentence}"


def test_other_braces_in_a_prompt_are_text() -> None:
    assert Prompt('{"a": 1} {sentence} {x}').fill("A dog.") == '{"a": 1} A dog. {x}'


def test_a_prompt_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_bytes("Ist das wahr? Antworte „Yes“ oder „No“.\n{sentence}\n".encode())
    prompt = Prompt.read(path, "sentence")
    assert prompt.text == "Ist das wahr? Antworte „Yes“ oder „No“.\n{sentence}"
    assert prompt.fingerprint() != shipped("yes_no", "sentence").fingerprint()


@pytest.mark.parametrize(
    ("text", "context", "complaint"),
    [
        ("Is it true?", "sentence", r"has \{sentence\} 0 times"),
        ("{sentence} or {sentence}?", "sentence", r"has \{sentence\} 2 times"),
        ("{caption} {sentence}", "sentence", r"has \{caption\}, which the context sentence does not fill"),
        ("{caption} {sentence}", "caption", r"has \{number\} 0 times"),
        ("{number} {sentence}", "caption", r"has \{caption\} 0 times"),
        ("{caption} {number}", "caption", r"has \{sentence\} 0 times"),
        ("{sentence}", "list", r"has \{caption\} 0 times"),
        ("{caption} {sentence}", "list", r"has \{sentence\}, which the context list does not fill"),
    ],
)
def test_a_prompt_with_other_slots_is_refused(tmp_path: Path, text: str, context: str, complaint: str) -> None:
    (tmp_path / "mine.txt").write_text(text)
    with pytest.raises(UsageError, match=complaint):
        Prompt.read(tmp_path / "mine.txt", context)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing\.txt cannot be read.*give a UTF-8 text file"):
        Prompt.read(tmp_path / "missing.txt", "sentence")
    (tmp_path / "latin.txt").write_bytes("f\xfcr {sentence}".encode("latin-1"))
    with pytest.raises(UsageError, match=r"latin\.txt cannot be read"):
        Prompt.read(tmp_path / "latin.txt", "sentence")


def test_names_that_there_are_not() -> None:
    with pytest.raises(UnknownNameError, match="nearest: yes_no"):
        shipped("yesno", "sentence")
    with pytest.raises(UnknownNameError, match=r"no context of the prompt list 'sentence'.*caption"):
        shipped("list", "sentence")
    with pytest.raises(UnknownNameError, match="nearest: sentence"):
        Prompt("{sentence}").check("sentences")
