"""How an API's answers become verdicts: the list of likely tokens, structured output, draws and lists."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from alignbench.backends.api.completion import NoCompletionError, origin_of
from alignbench.types import Status, Verdict
from judges.api.completion import Choice, choices_of
from judges.api.first_token import read_first_token
from judges.api.modes import MODES
from judges.prompt import shipped


def listed(**masses: float) -> list[tuple[str, float]]:
    return [(token, math.log(mass)) for token, mass in masses.items()]


def read(mode: str, *choices: Choice, numbers: tuple[int, ...] = (1,)) -> list[Verdict]:
    return MODES[mode].read(choices, numbers)


def one(mode: str, *choices: Choice) -> Verdict:
    (verdict,) = read(mode, *choices)
    return verdict


def test_all_spellings_of_a_word_count() -> None:
    found = read_first_token([*listed(Yes=0.4, yes=0.1, NO=0.2, Maybe=0.1), (" No", math.log(0.1))])
    assert found is not None
    assert (found.yes, found.no) == (pytest.approx(0.5), pytest.approx(0.3))
    assert found.score == pytest.approx(0.5 / 0.8)
    assert found.low == found.high == found.score
    assert found.left_over == pytest.approx(0.2)


def test_spellings_of_a_vocabulary_count_too() -> None:
    found = read_first_token(listed(**{"\u2581Yes": 0.3, "\u0120yes": 0.2, "\u010aNo": 0.1}))
    assert found is not None and (found.yes, found.no) == (pytest.approx(0.5), pytest.approx(0.1))


def test_words_that_begin_like_yes_or_no_are_neither() -> None:
    assert read_first_token(listed(Not=0.5, Yesterday=0.3, None_=0.1, N=0.05)) is None


@pytest.mark.parametrize(
    ("masses", "absent", "bound"),
    [
        ({"Yes": 0.9, "It": 0.05, "The": 0.01}, "no", 0.01),  # the least listed
        ({"Yes": 0.9, "It": 0.08, "The": 0.015}, "no", 0.005),  # what is left over
        ({"No": 0.7, "It": 0.2, "A": 0.01}, "yes", 0.01),
        ({"Yes": 0.6}, "no", 0.4),
    ],
)
def test_an_absent_word_is_a_bound(masses: dict[str, float], absent: str, bound: float) -> None:
    found = read_first_token(listed(**masses))
    assert found is not None
    assert (found.absent, found.bound) == (absent, pytest.approx(bound))
    said = found.yes + found.no
    ends = (said / (said + bound), 1.0) if absent == "no" else (0.0, bound / (said + bound))
    assert (found.low, found.high) == (pytest.approx(ends[0]), pytest.approx(ends[1]))
    assert found.low < found.score < found.high


def test_a_likely_no_without_yes_is_not_one_minus_no() -> None:
    found = read_first_token(listed(No=0.3, I=0.3, Sorry=0.3, The=0.01))
    assert found is not None
    assert found.score < 0.05  # 1 - P(no) would be 0.7


def test_a_word_just_off_the_list_scores_beyond_one_just_on_it() -> None:
    rest = {"It": 0.02, "The": 0.01}
    on, off = read_first_token(listed(Yes=0.9, **rest, No=0.01)), read_first_token(listed(Yes=0.9, **rest))
    assert on is not None and off is not None and on.score < off.score < 1
    on, off = read_first_token(listed(No=0.9, **rest, Yes=0.01)), read_first_token(listed(No=0.9, **rest))
    assert on is not None and off is not None and 0 < off.score < on.score


def test_bounds_order_answers_that_fill_their_list() -> None:
    scores = [read_first_token([("Yes", -1e-9), ("It", tail)]) for tail in (-12.0, -16.0, -20.0)]
    assert [found.score for found in scores if found] == sorted({found.score for found in scores if found})


def test_an_unlikely_word_off_the_list_is_known_where_it_was_drawn() -> None:
    found = read_first_token(listed(Yes=0.9, It=0.05), ("No", math.log(1e-4)))
    assert found is not None and found.absent is None
    assert found.score == pytest.approx(0.9 / 0.9001)


def test_a_drawn_word_bounds_nothing() -> None:
    found = read_first_token(listed(Yes=0.9, It=0.05), ("Hm", math.log(1e-6)))
    assert found is not None and found.bound == pytest.approx(0.05, abs=1e-5)


def test_very_unlikely_is_no_probability() -> None:
    found = read_first_token([*listed(Yes=0.9, It=0.01), ("No", -9999.0)])
    assert found is not None and found.absent == "no" and found.bound == pytest.approx(0.01)


def completion(**choice: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "Yes"}, **choice}]}


def logprobs(*top: dict[str, Any], drawn: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"content": [{**(drawn or top[0]), "top_logprobs": list(top)}]}


YES, NO = {"token": "Yes", "logprob": -0.1}, {"token": "No", "logprob": -3.0}


def test_a_completion_is_read() -> None:
    (choice,) = choices_of(completion(logprobs=logprobs(YES, NO)))
    assert choice == Choice("Yes", None, "stop", (("Yes", -0.1), ("No", -3.0)), None)
    (choice,) = choices_of(completion(logprobs=logprobs(YES, drawn=NO)))
    assert (choice.listed, choice.drawn) == ((("Yes", -0.1),), ("No", -3.0))
    (choice,) = choices_of(completion(logprobs=logprobs(YES, {"token": "No", "logprob": -math.inf})))
    assert choice.listed == (("Yes", -0.1), ("No", -9999.0))
    assert origin_of({"model": "m-1", "system_fingerprint": None}) == {"model": "m-1"}


@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        {"content": None},
        {"content": []},
        {"content": [{**YES, "top_logprobs": []}]},
        logprobs(YES, {"token": "No"}),
        logprobs(YES, {"token": "No", "logprob": float("nan")}),
        logprobs(YES, {"token": "No", "logprob": True}),
        logprobs(YES, {"token": None, "logprob": -1.0}),
    ],
)
def test_a_list_that_cannot_be_read_whole_is_none(given: Any) -> None:
    assert choices_of(completion(logprobs=given))[0].listed is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "no choices"),
        ({"choices": []}, "no choices"),
        ({"choices": None, "error": {"message": "overloaded"}}, "HTTP 200: overloaded"),
        ({"choices": ["Yes"]}, "no message"),
        ({"choices": [{"message": {"content": ["Yes"]}}]}, "content"),
    ],
)
def test_what_is_no_completion_says_why(body: dict[str, Any], reason: str) -> None:
    with pytest.raises(NoCompletionError, match=reason):
        choices_of(body)


def test_the_logprob_mode_keeps_what_it_read() -> None:
    verdict = one("logprob", Choice("Yes", None, "length", tuple(listed(Yes=0.8, It=0.1))))
    assert verdict.raw["top_logprobs"] == [["Yes", math.log(0.8)], ["It", math.log(0.1)]]
    assert (verdict.raw["p_yes"], verdict.raw["p_no"]) == (pytest.approx(0.8), 0)
    assert verdict.raw["absent"] == "no"
    low, high = verdict.raw["interval"]
    assert verdict.score == pytest.approx((low + high) / 2)


@pytest.mark.parametrize(
    ("choice", "status"),
    [
        (Choice("Yes"), Status.UNPARSABLE),
        (Choice("Sure", listed=(("Sure", -0.1),)), Status.UNPARSABLE),
        (Choice("", "I can't help with that."), Status.REFUSED),
        (Choice("", None, "content_filter"), Status.REFUSED),
    ],
)
def test_the_logprob_mode_never_invents_a_score(choice: Choice, status: Status) -> None:
    assert one("logprob", choice).status is status


@pytest.mark.parametrize(("text", "score"), [('{"score": 0}', 0.0), (' {"score":87}\n', 0.87), ('{"score": 100}', 1.0)])
def test_a_structured_score_is_divided_by_100(text: str, score: float) -> None:
    assert one("score", Choice(text)).score == score


@pytest.mark.parametrize(
    "text",
    [
        "",
        "87",
        "{",
        "null",
        '{"score": 101}',
        '{"score": -1}',
        '{"score": 87.5}',
        '{"score": "87"}',
        '{"score": true}',
        '{"score": NaN}',
        '{"score": 8, "score": 9}',
        '{"score": 87, "why": "red"}',
        'The score is {"score": 87}',
        '```json\n{"score": 87}\n```',
        '{"score": ' + "[" * 100_000,
    ],
)
def test_other_texts_are_no_structured_score(text: str) -> None:
    verdict = one("score", Choice(text))
    assert verdict.status is Status.UNPARSABLE and verdict.raw["text"] == text


def test_an_answer_cut_short_says_so() -> None:
    verdict = one("score", Choice('{"sco', finish_reason="length"))
    assert verdict.status is Status.UNPARSABLE and "max_tokens" in verdict.raw["reason"]


def test_draws_become_their_mean() -> None:
    verdict = one("samples", *map(Choice, ("Yes", "no.", " YES", "It depends")))
    assert verdict.score == pytest.approx(2 / 3)
    assert verdict.raw["draws"] == ["Yes", "no.", " YES", "It depends"]
    assert verdict.raw["unparsable"] == 1
    assert verdict.raw["spread"] == pytest.approx(math.sqrt(2) / 3)


def test_too_few_draws_that_can_be_read() -> None:
    assert one("samples", *map(Choice, ("Yes", "Hm", "Hm"))).status is Status.UNPARSABLE
    assert one("samples", *map(Choice, ("Yes", "Hm"))).score == 1.0
    refusals = [Choice("", "I can't.")] * 2
    assert one("samples", Choice("Yes"), *refusals).status is Status.REFUSED
    cut_off = one("samples", Choice("The", finish_reason="length"))
    assert cut_off.status is Status.UNPARSABLE and "1 were cut off" in cut_off.raw["reason"]


def scores(*entries: tuple[int, int]) -> Choice:
    return Choice(json.dumps({"scores": [{"sentence": number, "score": score} for number, score in entries]}))


def test_a_list_is_read_by_number() -> None:
    verdicts = read("listwise", scores((3, 90), (1, 10), (2, 50), (7, 70)), numbers=(1, 3))
    assert [verdict.score for verdict in verdicts] == [0.1, 0.9]


def test_missing_and_doubled_numbers_are_unparsable_alone() -> None:
    verdicts = read("listwise", scores((1, 10), (2, 20), (2, 20), (4, 101), (5, 50)), numbers=(1, 2, 3, 4, 5))
    unparsable = Status.UNPARSABLE
    assert [verdict.status for verdict in verdicts] == [Status.OK, unparsable, unparsable, unparsable, Status.OK]
    assert ["twice" in verdicts[1].raw["reason"], "not in" in verdicts[2].raw["reason"]] == [True, True]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"scores": {}}', '{"scores": [{"sentence": 1}]}', '{"scores": [{"sentence": "1", "score": 2}]}']
)
def test_what_is_no_list_is_unparsable_for_all(text: str) -> None:
    assert {verdict.status for verdict in read("listwise", Choice(text), numbers=(1, 2))} == {Status.UNPARSABLE}


def test_a_refused_list_is_refused_for_all() -> None:
    assert {verdict.status for verdict in read("listwise", Choice("", "No."), numbers=(1, 2))} == {Status.REFUSED}


def test_the_schema_of_a_list_is_what_its_prompt_asks_for() -> None:
    form = MODES["listwise"].parameters()["response_format"]["json_schema"]
    (entry,) = [each["items"] for each in form["schema"]["properties"].values()]
    assert form["strict"] is True and entry["additionalProperties"] is False
    prompt = shipped("list", "caption").text
    assert all(f'"{name}"' in prompt for name in (*form["schema"]["required"], *entry["required"]))
