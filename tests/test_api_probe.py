"""What the probe finds out about endpoints that honour less than they are asked for, and what it does then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from alignbench.errors import UsageError
from judges.api import ApiJudge
from tests.api_model import EVERYTHING, ApiModel
from tests.api_server import Act, ApiServer, Request, Script, drops, fails, html, in_order, says, unauthorised


@contextmanager
def serving(model: ApiModel) -> Iterator[str]:
    with ApiServer(model) as server:
        yield server.base_url


def judge_of(model: ApiModel, **options: object) -> ApiJudge:
    with serving(model) as base_url:
        return ApiJudge.from_reference("m", base_url=base_url, retries=0, **options)


def test_an_endpoint_that_honours_everything_takes_three_requests() -> None:
    for mode in ("logprob", "score", "samples", "listwise"):
        judge = judge_of(ApiModel(), mode=mode)
        assert judge.spec.mode == mode and "wanted" not in judge.spec.options
        assert judge.probe.requests == 3
        assert judge.probe.modes == {mode: "honoured"}
        assert (judge.probe.vision, judge.probe.limit_honoured) == ("seen", True)


def test_what_was_found_is_in_the_environment() -> None:
    judge = judge_of(ApiModel(), mode="samples")
    found = json.loads(judge.environment["probe"])
    assert found["model"] == "scripted-2026" and found["several"] is True and found["requests"] == 3
    assert judge.environment["endpoint"].startswith("http://127.0.0.1:")
    assert all(isinstance(value, str) for value in judge.environment.values())


def test_ignored_logprobs_stop_with_advice_that_was_tried() -> None:
    model = ApiModel(EVERYTHING - {"logprobs", "response_format"})
    with pytest.raises(UsageError, match=r"logprob: ignored: .*; what works there: samples; .*reasoning_effort"):
        judge_of(model)
    assert [text for _, text in model.seen] == ["", ""] + ["The left half of the picture is red."] * 3


def test_a_declared_fallback_is_taken_and_recorded() -> None:
    judge = judge_of(ApiModel(EVERYTHING - {"logprobs"}), fallback="score")
    assert (judge.spec.mode, judge.spec.options["wanted"]) == ("score", "logprob")
    assert judge.spec.options["temperature"] == 0.0
    plain = judge_of(ApiModel(), mode="score")
    assert judge.spec.prompt == plain.spec.prompt and judge.spec.judge_id != plain.spec.judge_id


def test_a_fallback_that_cannot_work_either() -> None:
    model = ApiModel(EVERYTHING - {"logprobs"}, refuses={"response_format"})
    with pytest.raises(
        UsageError, match=r"logprob: ignored.*score: refused: .*response_format.*what works there: samp"
    ):
        judge_of(model, fallback="score")


def test_refused_structured_output() -> None:
    with pytest.raises(UsageError, match=r"score: refused: .*what works there: logprob and samples"):
        judge_of(ApiModel(refuses={"response_format"}), mode="score")


def test_ignored_structured_output() -> None:
    with pytest.raises(UsageError, match=r"score: ignored: .*what works there: logprob and samples"):
        judge_of(ApiModel(EVERYTHING - {"response_format"}), mode="score")


def test_an_endpoint_that_refuses_the_new_limit_is_given_the_old_one() -> None:
    model = ApiModel(EVERYTHING - {"max_completion_tokens"}, refuses={"max_completion_tokens"})
    probe = judge_of(model).probe
    assert (probe.limit, probe.limit_honoured, probe.temperature) == ("max_tokens", True, True)


def test_an_endpoint_that_ignores_the_new_limit_is_given_the_old_one() -> None:
    with ApiServer(ApiModel(EVERYTHING - {"max_completion_tokens"})) as server:
        probe = ApiJudge.from_reference("m", base_url=server.base_url).probe
    assert (probe.limit, probe.limit_honoured) == ("max_tokens", True)
    assert server.requests[-1].body["max_tokens"] == 1


def test_a_refused_temperature_is_left_out_and_not_in_the_spec() -> None:
    with ApiServer(ApiModel(refuses={"temperature"})) as server:
        judge = ApiJudge.from_reference("m", base_url=server.base_url)
    assert judge.probe.temperature is False
    assert "temperature" not in judge.spec.options and "temperature" not in server.requests[-1].body


def test_a_refused_temperature_that_the_user_asked_for() -> None:
    with pytest.raises(UsageError, match="leave out the option temperature"):
        judge_of(ApiModel(refuses={"temperature"}), temperature=0.7)


def test_draws_come_one_by_one_where_several_are_ignored_or_refused() -> None:
    for model in (ApiModel(EVERYTHING - {"n"}), ApiModel(refuses={"n"})):
        probe = judge_of(model, mode="samples", samples=4).probe
        assert (probe.several, probe.modes["samples"]) == (False, "honoured")


def test_an_endpoint_that_refuses_images() -> None:
    with pytest.raises(UsageError, match=r"takes no images: .*does not support image inputs"):
        judge_of(ApiModel(refuses={"image"}))


def test_an_endpoint_that_drops_images_in_silence() -> None:
    with pytest.raises(UsageError, match=r"does not see images: .* it counts \d+ tokens"):
        judge_of(ApiModel(EVERYTHING - {"image"}))


def test_an_image_that_no_usage_counts_is_seen_by_its_answer() -> None:
    assert judge_of(ApiModel(usage=False)).probe.vision == "seen"
    assert judge_of(ApiModel(EVERYTHING - {"image"}, usage=False)).probe.vision == "unclear"


def probed(script: Script) -> ApiJudge:
    with ApiServer(script) as server:
        return ApiJudge.from_reference("m", base_url=server.base_url, retries=0)


def test_a_least_limit_of_tokens_is_found() -> None:
    model = ApiModel()

    def script(request: Request) -> Act:
        if request.body["max_completion_tokens"] < 16:
            return fails(400, "Invalid 'max_completion_tokens': expected a value of at least 16")
        return model(request)

    probe = probed(script).probe
    assert (probe.least_tokens, probe.modes) == (16, {"logprob": "honoured"})


def test_a_shorter_list_of_tokens_is_found_and_part_of_the_judge() -> None:
    model = ApiModel()

    def script(request: Request) -> Act:
        return fails(400, "top_logprobs is 5 at most") if request.body.get("top_logprobs", 0) > 5 else model(request)

    assert probed(script).spec.options["top_logprobs"] == 5
    assert "top_logprobs" not in probed(model).spec.options


def test_a_model_that_does_not_begin_with_an_answer() -> None:
    model = ApiModel()
    thinks = says("<think>", top={"<think>": -0.01, "\n": -5.0})
    with pytest.raises(UsageError, match="do not begin with yes or no, but with '<think>'"):
        probed(lambda request: thinks if "logprobs" in request.body else model(request))


def thinking(tokens: int) -> Script:
    """A model that says nothing within so many tokens."""
    model = ApiModel()
    silent = says("", finish="length")

    def script(request: Request) -> Act:
        greeted = "in three sentences" in request.text
        return silent if not greeted and request.body["max_completion_tokens"] < tokens else model(request)

    return script


@pytest.mark.parametrize("mode", ["score", "samples"])
def test_a_model_that_thinks_before_it_answers_is_given_room(mode: str) -> None:
    with ApiServer(thinking(2000)) as server:
        judge = ApiJudge.from_reference("m", base_url=server.base_url, mode=mode, retries=0)
    assert judge.probe.modes == {mode: "honoured"} and judge.probe.least_tokens > 2000
    assert judge.spec.judge_id == judge_of(ApiModel(), mode=mode).spec.judge_id


def test_a_model_that_thinks_longer_than_the_user_lets_it() -> None:
    with ApiServer(thinking(2000)) as server, pytest.raises(UsageError, match=r"samples: .*cut off.*; raise max_tok"):
        ApiJudge.from_reference("m", base_url=server.base_url, mode="samples", max_tokens=100, retries=0)


def test_a_model_that_must_come_to_the_end_of_its_thoughts() -> None:
    model = ApiModel()
    unfinished = fails(400, "Could not finish the message because max_tokens or model output limit was reached.")

    def script(request: Request) -> Act:
        return unfinished if request.body["max_completion_tokens"] < 2000 else model(request)

    with ApiServer(script) as server:
        judge = ApiJudge.from_reference(
            "m", base_url=server.base_url, mode="score", reasoning_effort="low", temperature=0.0, retries=0
        )
    assert (judge.probe.limit, judge.probe.modes) == ("max_completion_tokens", {"score": "honoured"})


def test_an_endpoint_that_answers_nothing() -> None:
    for act, reason in (
        (drops(), "cannot be reached"),
        (html(), "refuses the simplest request"),
        (unauthorised(), "key"),
    ):
        with pytest.raises(UsageError, match=reason), ApiServer(in_order(act)) as server:
            ApiJudge.from_reference("m", base_url=server.base_url, retries=0)
