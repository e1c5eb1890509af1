"""The mode `spans`: quotes read strictly, the evidence for them, and models that were taught to answer."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignbench.backends.prefix import Generated
from alignbench.backends.prefix.decoding import Token
from alignbench.backends.vlm import Vlm
from alignbench.types import Context, Mark, Query, Status, Verdict
from judges.local_vlm import LocalVlmJudge
from judges.local_vlm.evidence import Evidence
from judges.local_vlm.modes import spans_verdict
from judges.local_vlm.quotes import read_quotes
from judges.prompt import Prompt, shipped
from tests import tokenizer_kinds as kinds
from tests.speaking_vlms import speaking, teach
from tests.tiny_models import make_llava, noise, png

DOG = "a red dog and a Red cat, bored"
COMBINED = "a cafe\u0301 with 👩\u200d🚒 and 😀 by the cafe"
PROMPT = Prompt("Wrong? {sentence}")
PIECES = ['{"wrong": [', '{"quote": "', '", "occurrence": ', "]}", '"}']
"""Parts of answers that a tokenizer knows as tokens, so that a model learns them in a moment."""


def answer(*wrong: tuple[str, int | None], escape: bool = False) -> str:
    entries = [{"quote": quote} | ({} if time is None else {"occurrence": time}) for quote, time in wrong]
    return json.dumps({"wrong": entries}, ensure_ascii=escape)


def ranges(text: str, sentence: str) -> list[tuple[int, int]]:
    return [(quote.start, quote.end) for quote in read_quotes(text, sentence).quotes]


# What a prompt says


@pytest.mark.parametrize(
    ("context", "fingerprint"),
    [("sentence", "sha256:b7e55ef3823dc2f0"), ("caption", "sha256:fd493ab765892fa6")],
)
def test_a_shipped_prompt_never_changes_unnoticed(context: str, fingerprint: str) -> None:
    # It is part of the identity of every judge that was ever run with it: write another file instead of mending one.
    prompt = shipped("spans", context)
    assert prompt.fingerprint() == fingerprint
    assert prompt.text.endswith("{sentence}"), "all that the sentences of an image share stands before them"


@pytest.mark.parametrize("context", ["sentence", "caption"])
def test_the_prompt_shows_an_answer_that_is_one(context: str) -> None:
    text = shipped("spans", context).text
    shown = text[text.index('{"wrong"') : text.index("]}") + 2]
    assert ranges(shown, "There are two dogs.") == [(10, 18)]
    assert '{"wrong": []}' in text and ranges('{"wrong": []}', "Two dogs.") == []


# What is an answer


@pytest.mark.parametrize(
    ("text", "sentence", "found"),
    [
        (answer(), DOG, []),
        (answer(("dog", None)), DOG, [(6, 9)]),
        (answer(("dog", 1), ("cat", 1)), DOG, [(6, 9), (20, 23)]),
        (answer(("red", None)), DOG, [(2, 5)]),
        (answer(("Red", None)), DOG, [(16, 19)]),
        (answer(("a", 2)), DOG, [(14, 15)]),
        (answer(("red dog and", None)), DOG, [(2, 13)]),
        (answer((" dog ", None)), DOG, [(5, 10)]),
        (answer(("red", 2)), "red, red; red", [(5, 8)]),
        (answer(("ore", None)), DOG, [(26, 29)]),
        (answer(("aa", 2)), "aaa", [(1, 3)]),
        (answer(("😀", None)), COMBINED, [(COMBINED.index("😀"), COMBINED.index("😀") + 1)]),
        (answer(("😀", None), escape=True), COMBINED, [(COMBINED.index("😀"), COMBINED.index("😀") + 1)]),
        (answer(("cafe\u0301", None)), COMBINED, [(2, 7)]),
        (answer(("cafe\u0301", None), escape=True), COMBINED, [(2, 7)]),
        (answer(("cafe", None)), COMBINED, [(len(COMBINED) - 4, len(COMBINED))]),
        (answer(("👩\u200d🚒", None)), COMBINED, [(13, 16)]),
        (answer(("犬", None)), "赤い犬がいる", [(2, 3)]),
        (answer(('"No. 5"', None)), 'It says "No. 5".', [(8, 15)]),
        (answer(("\\", None)), "a \\ b", [(2, 3)]),
        ('{"wrong":[{"occurrence":1,"quote":"dog"}]}', DOG, [(6, 9)]),
        ('{ "wrong" :\n [ { "quote" : "dog" } ,\t{"quote":"cat"} ] }', DOG, [(6, 9), (20, 23)]),
        (answer(('{"wrong": []}', None)), 'a sign reads {"wrong": []}', [(13, 26)]),
        (answer(('{"quote": "x"}', None)), 'so {"quote": "x"} it is', [(3, 17)]),
    ],
)
def test_quotes_that_are_read(text: str, sentence: str, found: list[tuple[int, int]]) -> None:
    assert ranges(text, sentence) == found
    for quote in read_quotes(text, sentence).quotes:
        spelt = json.loads(f'"{text[slice(*quote.spelt)]}"')
        assert spelt == sentence[quote.start : quote.end]


FORM = "not one JSON object of the form"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", FORM),
        ("dog", FORM),
        ("[]", FORM),
        ('{"wrong": [}', FORM),
        ("```json\n" + answer() + "\n```", FORM),
        ("```\n" + answer() + "```", FORM),
        (answer() + " The rest is true.", FORM),
        ("Sure! " + answer(("dog", None)), FORM),
        (answer() + answer(), FORM),
        (f'{{"answer": {answer()}}}', FORM),
        ('{"wrong": [{"wrong": []}]}', FORM),
        ('{"wrong": [[]]}', FORM),
        ('{"wrong": [{"quote": {"quote": "dog"}}]}', FORM),
        ('{"wrong": ["dog"]}', FORM),
        ('{"wrong": "dog"}', FORM),
        ('{"wrong": null}', FORM),
        ('{"wrong": [{"quote": "dog", "why": "it is a cat"}]}', FORM),
        ('{"wrong": [], "wrong": []}', FORM),
        ('{"Wrong": []}', FORM),
        ('{"wrong": [{"quote": "dog", "occurrence": 0}]}', FORM),
        ('{"wrong": [{"quote": "dog", "occurrence": -1}]}', FORM),
        ('{"wrong": [{"quote": "dog", "occurrence": 1.0}]}', FORM),
        ('{"wrong": [{"quote": "dog", "occurrence": "1"}]}', FORM),
        ('{"wrong": [{"quote": "dog", "occurrence": null}]}', FORM),
        ('{"wrong": [{"quote": "dog", "occurrence": 1' + "0" * 5000 + "}]}", FORM),
        ('{"wrong": [{"quote": "dog"},]}', FORM),
        ("{'wrong': []}", FORM),
        ('{"wrong": [{"quote": "do\ng"}]}', FORM),
        ('{"wrong": [{"quote": "\\x64og"}]}', FORM),
        ('{"wrong": [{}]}', FORM),
        ('{"wrong": ' * 3000, FORM),
        ("[" * 100_000, FORM),
        ('{"wrong": [{"quote": "dog", "quote": "cat"}]}', "not exactly one quote"),
        ('{"wrong": [{"occurrence": 1}]}', "not exactly one quote"),
        ('{"wrong": [{"occurrence": 1, "occurrence": 1}]}', "not exactly one quote"),
        (answer(("", None)), "a quote is empty"),
        (answer((" ", 1)), "a quote is empty"),
        (answer(("Dog", None)), "'Dog' does not stand in the sentence"),
        (answer(("red  dog", None)), "'red  dog' does not stand in the sentence"),
        (answer(("dog.", None)), "'dog.' does not stand in the sentence"),
        (answer(("dog", None), ("wolf", None)), "'wolf' does not stand in the sentence"),
        (answer(("a", None)), "'a' stands 2 times in the sentence, and none of them is named"),
        (answer(("a", 3)), "'a' stands 2 times in the sentence, not 3"),
        (answer(("dog", 2)), "'dog' stands 1 times in the sentence, not 2"),
        ('{"wrong": [{"quote": "\\ud83d"}]}', "does not stand in the sentence"),
    ],
)
def test_answers_that_are_none(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace(".", r"\.")):
        read_quotes(text, DOG)
    verdict = spans_verdict(Generated(text, 9, finished=True, prompt_tokens=7), DOG, None)
    assert (verdict.status, verdict.score, verdict.marks) == (Status.UNPARSABLE, None, None)
    assert verdict.raw["text"] == text and reason in verdict.raw["reason"]
    assert (verdict.usage.input_tokens, verdict.usage.output_tokens) == (7, 9)


def test_no_case_is_folded_and_nothing_is_composed() -> None:
    # A dotted capital I is longer in lower case, a composed letter shorter than what it is composed of.
    sentence = "the İ of caf\u00e9 and cafe\u0301"
    assert ranges(answer(("cafe\u0301", None)), sentence) == [(18, 23)]
    assert ranges(answer(("caf\u00e9", None)), sentence) == [(9, 13)]
    with pytest.raises(ValueError, match="does not stand"):
        read_quotes(answer(("i\u0307", None)), sentence)


@given(st.data())
def test_every_word_of_a_sentence_can_be_quoted(data: st.DataObject) -> None:
    words = data.draw(st.lists(st.text('ab"\\\u0301é😀{}[]:,', min_size=1, max_size=4), min_size=1, max_size=6))
    sentence = " ".join(words)
    place = data.draw(st.integers(0, len(words) - 1))
    start = len(" ".join(words[:place])) + (place > 0)
    everywhere = [at for at in range(len(sentence)) if sentence.startswith(words[place], at)]
    found = {
        quote
        for time in range(1, len(everywhere) + 1)
        for escape in (False, True)
        for quote in _tried(answer((words[place], time), escape=escape), sentence)
    }
    assert (start, start + len(words[place])) in found
    assert {first for first, _ in found} <= set(everywhere)


def _tried(text: str, sentence: str) -> list[tuple[int, int]]:
    try:
        return ranges(text, sentence)
    except ValueError:
        return []


# How sure a model was


def said(tokenizer: object, text: str) -> Generated:
    """An answer whose token number n has probability 1 / (n + 2)."""
    ids = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]  # type: ignore[operator,attr-defined]
    tokens = tuple(Token(each, -math.log(place + 2)) for place, each in enumerate(ids))
    return Generated(text, len(ids), finished=True, prompt_tokens=5, said=tokens)


def slow_evidence(tokenizer: object, written: Generated, start: int, end: int) -> float:
    """Byte by byte: the tokens that hold a byte of the part."""
    pieces = tokenizer.convert_ids_to_tokens(list(map(int, written.said[:-1])))  # type: ignore[attr-defined]
    first, last = (len(written.text[:at].encode()) for at in (start, end))
    chances, byte = [], 0
    for token, piece in zip(written.said, pieces, strict=False):
        if byte < last and byte + len(piece) > first:
            chances.append(token.log_probability)
        byte += len(piece)  # a byte-level piece has a character a byte
    return math.exp(sum(chances) / len(chances))


@pytest.mark.parametrize("make", [kinds.single_digits, kinds.three_digits, kinds.spaced_numbers])
@pytest.mark.parametrize("quote", ["red dog", "😀", "e\u0301", "blue"])
def test_the_suspicion_is_the_mean_of_the_tokens_that_spell_the_quote(make: object, quote: str) -> None:
    tokenizer = make()  # type: ignore[operator]
    written = said(tokenizer, answer(("yes", 1), (quote, 1)))
    sentence = f"yes a {quote} it is"
    verdict = spans_verdict(written, sentence, tokenizer)
    start = written.text.index(quote)
    expected = slow_evidence(tokenizer, written, start, start + len(quote))
    assert verdict.marks is not None
    assert (verdict.marks[1].start, verdict.marks[1].end) == (6, 6 + len(quote))
    assert verdict.marks[1].suspicion == pytest.approx(expected, abs=1e-12)
    highest = max(mark.suspicion for mark in verdict.marks)
    assert verdict.score == pytest.approx(0.5 - highest / 2)


def test_the_evidence_for_an_answer_with_space_around_it() -> None:
    tokenizer = kinds.single_digits()
    ids = tokenizer('\n {"wrong": []} ', add_special_tokens=False)["input_ids"]
    tokens = tuple(Token(each, -math.log(place + 2)) for place, each in enumerate(ids))
    written = Generated('{"wrong": []}', len(ids), finished=True, prompt_tokens=5, said=tokens)
    pieces = [tokenizer.decode([each]) for each in ids]
    over = [token.log_probability for token, piece in zip(tokens, pieces, strict=True) if "[" in piece or "]" in piece]
    assert Evidence(written, tokenizer).of(10, 12) == pytest.approx(math.exp(sum(over) / len(over)))


def test_without_tokens_a_judge_is_sure() -> None:
    tokenizer = kinds.single_digits()
    none = spans_verdict(Generated(answer(), 3, finished=True, prompt_tokens=5), DOG, tokenizer)
    some = spans_verdict(Generated(answer(("dog", 1)), 3, finished=True, prompt_tokens=5), DOG, tokenizer)
    assert (none.score, none.marks, some.score, some.marks) == (1.0, (), 0.0, (Mark(6, 9, 1.0),))


def test_words_quoted_twice_are_marked_once_and_with_the_higher_suspicion() -> None:
    tokenizer = kinds.single_digits()
    verdict = spans_verdict(said(tokenizer, answer(("dog", None), ("dog", 1))), DOG, tokenizer)
    assert verdict.marks is not None and len(verdict.marks) == 1
    first = said(tokenizer, answer(("dog", None)))
    assert verdict.marks == spans_verdict(first, DOG, tokenizer).marks


def test_a_cut_answer_is_none() -> None:
    verdict = spans_verdict(Generated(answer(), 256, finished=False, prompt_tokens=5), DOG, None)
    assert (verdict.status, verdict.marks) == (Status.UNPARSABLE, None)
    assert "cut after 256 tokens" in verdict.raw["reason"]


# Models


TAUGHT = {
    "a dog": '{"wrong": []}',
    "a red cat": '{"wrong": [{"quote": "red"}]}',
    "red or red": '{"wrong": [{"quote": "red", "occurrence": 2}]}',
    "or is or is": '{"wrong": [{"quote": "is"}]}',
    "blue": "nothing is blue",
}


@pytest.fixture(scope="module")
def taught() -> Vlm:
    tokenizer = kinds.single_digits()
    tokenizer.add_tokens(PIECES)
    vlm = speaking(tokenizer)
    teach(vlm, {PROMPT.fill(sentence): said for sentence, said in TAUGHT.items()}, noise(0))
    return vlm


def verdicts(judge: LocalVlmJudge, query: Query) -> list[Verdict]:
    return [each.verdict for each in sorted(judge.judge([query]), key=lambda each: each.sentence)]


@pytest.mark.parametrize("way", ["packed", "expanded", "plain"])
def test_a_model_that_quotes(taught: Vlm, way: str) -> None:
    judge = LocalVlmJudge(taught, PROMPT, mode="spans")
    judge._model.way = way
    true, red, second, unsaid, prose = verdicts(judge, Query(0, png(noise(0)), tuple(TAUGHT)))
    assert true.marks == () and 0.95 < (true.score or 0) < 1
    for verdict, start in ((red, 2), (second, 7)):
        assert verdict.marks is not None
        (mark,) = verdict.marks
        assert (mark.start, mark.end) == (start, start + 3) and 0.95 < mark.suspicion < 1
        assert verdict.score == pytest.approx(0.5 - mark.suspicion / 2)
    assert (unsaid.status, prose.status) == (Status.UNPARSABLE, Status.UNPARSABLE)
    assert "none of them is named" in unsaid.raw["reason"] and prose.raw["text"] == "nothing is blue"
    for verdict, text in zip((true, red, second, unsaid, prose), TAUGHT.values(), strict=True):
        assert verdict.raw["text"] == text
        assert verdict.usage.seconds and verdict.usage.output_tokens


def test_a_sentence_in_its_caption(taught: Vlm) -> None:
    caption = "a red cat. a red cat"
    context = Context(caption, ((0, 10), (11, 20)), (0, 1))
    query = Query(0, png(noise(0)), ("a red cat.", "a red cat"), context)
    prompt = Prompt("{caption}[{number}] Wrong? {sentence}")
    judge = LocalVlmJudge(taught, prompt, mode="spans", context="caption")
    for verdict, sentence in zip(verdicts(judge, query), query.sentences, strict=True):
        assert verdict.marks is None or all(mark.end <= len(sentence) for mark in verdict.marks)


def test_a_random_model_fails_and_does_not_crash(tmp_path: Path) -> None:
    judge = LocalVlmJudge.from_reference(str(make_llava(tmp_path / "llava")), mode="spans")
    assert judge.spec.mode == "spans" and judge.spec.options == {"max_new_tokens": 256}
    other = LocalVlmJudge.from_reference(str(tmp_path / "llava"), mode="verbal_score")
    assert judge.spec.judge_id != other.spec.judge_id
    found = verdicts(judge, Query(0, png(noise(0)), ("a red dog .", "red")))
    assert {verdict.status for verdict in found} == {Status.UNPARSABLE}
    assert all(verdict.raw["reason"] for verdict in found)
