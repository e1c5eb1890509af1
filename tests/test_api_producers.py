"""Captioners, image models and writers of texts behind an API: what they ask, what they make of answers and faults."""

from __future__ import annotations

import base64
import json
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alignbench import registry
from alignbench.errors import AlignbenchError, BudgetError, RunError, UnknownNameError, UsageError
from alignbench.schema import canonical_json
from alignbench.types import (
    Billed,
    Captioner,
    CaptionTask,
    Direction,
    ImageModel,
    ImageTask,
    ModelRef,
    Produced,
    Situated,
    Status,
    Stoppable,
    TextTask,
    Written,
)
from generation.api import ApiCaptioner, ApiImageModel, ApiTextModel, image_answer
from generation.outcome import checked
from tests.api_server import (
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    Act,
    ApiServer,
    blocked,
    draws,
    drips,
    drops,
    fails,
    html,
    never,
    no_choices,
    out_of_credit,
    refuses,
    says,
    too_many,
    unauthorised,
)
from tests.api_studio import GREETING, Studio, caption_of, drawing_of, shown_in
from tests.datasets import make_image, png

PROBES = 2
"""Requests of a captioner's greeting: with an image and without one."""
Producer = ApiCaptioner | ApiImageModel


def captioner(server: ApiServer, **options: Any) -> ApiCaptioner:
    return ApiCaptioner.from_reference("m", base_url=server.base_url, **options)


def image_model(server: ApiServer, **options: Any) -> ApiImageModel:
    return ApiImageModel.from_reference("m", base_url=server.base_url, **options)


def caption_tasks(*prompts: str) -> list[CaptionTask]:
    return [CaptionTask(number, make_image(number), prompt, 7 + number) for number, prompt in enumerate(prompts)]


def image_tasks(*prompts: str) -> list[ImageTask]:
    return [ImageTask(number, prompt, 7 + number) for number, prompt in enumerate(prompts)]


def asked(producer: Producer, count: int) -> Iterator[Produced]:
    """Let a producer make so many rows, whose prompts hold `row 0.`, `row 1.`, ..."""
    prompts = [f"Make row {number}." for number in range(count)]
    if isinstance(producer, ApiCaptioner):
        return producer.produce(caption_tasks(*prompts))
    return producer.produce(image_tasks(*prompts))


def made(results: Iterator[Produced]) -> dict[int, Produced]:
    """What came, as the pipeline would see it; nothing comes twice."""
    found: dict[int, Produced] = {}
    for each in results:
        assert each.number not in found
        direction = Direction.TEXT_TO_IMAGE if each.image is not None else Direction.IMAGE_TO_TEXT
        found[each.number] = checked(direction, each)
    return found


def uri_of(encoded: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(encoded).decode()}"


# --- what is asked, and what is said of an answer


def test_a_captioner_shows_the_image_first_and_says_how_the_caption_came_about() -> None:
    (task,) = caption_tasks("Describe it.")
    with ApiServer(Studio()) as server:
        chosen = captioner(server, temperature=0.5, top_p=0.9, max_tokens=300, detail="high")
        (row,) = chosen.produce([task])
    body = server.requests[-1].body
    image, text = body["messages"][0]["content"]
    assert image["image_url"] == {"url": uri_of(task.image.bytes or b""), "detail": "high"}
    assert text == {"type": "text", "text": "Describe it."}
    sent = {"model": "m", "temperature": 0.5, "top_p": 0.9, "seed": 7, "max_completion_tokens": 300}
    assert {name: value for name, value in body.items() if name != "messages"} == sent
    assert row.caption == caption_of(uri_of(task.image.bytes or b""), "Describe it.") and row.status is Status.OK
    assert row.provenance == {
        "endpoint": "127.0.0.1",
        "parameters": {**sent, "detail": "high"},
        "finish_reason": "stop",
        "model": "scripted",
        "usage": {"input_tokens": 2 + 85, "output_tokens": OUTPUT_TOKENS, "cached_tokens": 0},
        "cost_usd": 0.0,
        "attempts": 1,
    }


def test_an_image_model_keeps_the_bytes_that_came_and_says_how() -> None:
    options = {"size": "1536x1024", "quality": "low", "background": "opaque", "moderation": "low"}
    drawn = png((1, 2, 3), (30, 20))
    act = draws(drawn, revised_prompt="A red dog.", size="1536x1024", quality="low", output_format="png")
    with ApiServer(act) as server:
        chosen = image_model(server, output_format="png", **options)
        assert server.requests == []
        (row,) = chosen.produce(image_tasks("A dog."))
    assert (server.requests[0].path, row.image, row.status) == ("images/generations", drawn, Status.OK)
    sent = {**options, "output_format": "png"}
    assert server.requests[0].body == {"model": "m", "prompt": "A dog.", **sent}
    assert row.provenance == {
        "endpoint": "127.0.0.1",
        "parameters": {"model": "m", **sent},
        "size": "1536x1024",
        "quality": "low",
        "output_format": "png",
        "revised_prompt": "A red dog.",
        "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": 272},
        "cost_usd": 0.0,
        "attempts": 1,
    }


def test_a_seed_goes_to_image_servers_that_take_one_and_a_response_format_to_those_that_need_it() -> None:
    with ApiServer(Studio()) as server:
        list(image_model(server, size=None, sends_seed=True, response_format="b64_json").produce(image_tasks("A dog.")))
    assert server.requests[0].body == {"model": "m", "prompt": "A dog.", "response_format": "b64_json", "seed": 7}


def test_a_text_model_writes_without_an_image() -> None:
    with ApiServer(Studio(faults={"Sorry": [says("I'm sorry, but I can't help with that.")]})) as server:
        chosen = ApiTextModel.from_reference("m@2", base_url=server.base_url, revision=None, family="fam", max_tokens=9)
        assert len(server.requests) == 1
        prompts = ["Write one.", "Sorry?"]
        rows = {row.number: row for row in chosen.write(TextTask(n, text, n) for n, text in enumerate(prompts))}
    assert chosen.model == ModelRef("m@2", family="fam", provider="127.0.0.1")
    assert all(isinstance(row, Written) for row in rows.values())
    assert (rows[0].text, rows[0].status) == (caption_of("", "Write one."), Status.OK)
    assert rows[0].provenance["parameters"] == {"model": "m@2", "seed": 0, "max_completion_tokens": 9}
    assert (rows[1].text, rows[1].status) == (None, Status.REFUSED)
    assert {request.body["messages"][0]["content"] for request in server.requests[1:]} == set(prompts)


@pytest.mark.parametrize(
    ("role", "kind"), [("captioner", ApiCaptioner), ("image_model", ApiImageModel), ("text_model", ApiTextModel)]
)
def test_the_registry_builds_them_and_they_are_what_the_pipeline_looks_for(
    role: str, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = getattr(registry, f"build_{role}")
    with ApiServer(Studio()) as server:
        login = server.base_url.replace("127.0.0.1", "ann:open-sesame@127.0.0.1")
        with pytest.raises(UsageError, match=r"published with its dataset; .* OPENAI_BASE_URL") as caught:
            build("api:m", base_url=login)
        monkeypatch.setenv("OPENAI_BASE_URL", login)
        built: Any = build("api:m@v1", name="mine", provider="us")
    assert "sesame" not in str(caught.value)
    assert isinstance(built, kind) and isinstance(built, Billed)
    assert isinstance(built, Stoppable) and isinstance(built, Situated)
    assert built.model == ModelRef("mine", provider="us")
    assert built.environment["endpoint"] == server.base_url and "openai" in built.environment
    assert "sesame" not in json.dumps(dict(built.environment))
    with pytest.raises(UnknownNameError, match="in_flight"):
        build("api:m", in_fligt=3)


def test_protocols() -> None:
    """Checked by mypy."""
    with ApiServer(Studio()) as server:
        _one: Captioner = captioner(server)
        _other: ImageModel = image_model(server)


# --- how an endpoint wants to be asked


def test_what_an_endpoint_refuses_is_left_out_and_recorded() -> None:
    with ApiServer(Studio(refuses=["max_completion_tokens", "seed", "temperature"])) as server:
        chosen = captioner(server)
        (row,) = chosen.produce(caption_tasks("Describe it."))
    assert row.provenance["parameters"] == {"model": "m", "max_tokens": 1024}
    found = json.loads(chosen.environment["probe"])
    assert (found["limit"], found["vision"]) == ("max_tokens", "seen")
    assert (found["seed"], found["temperature"]) == (False, False)


@pytest.mark.parametrize(("option", "value"), [("temperature", 0.0), ("top_p", 0.5)])
def test_what_the_user_asked_for_is_not_left_out_in_silence(option: str, value: float) -> None:
    with ApiServer(Studio(refuses=[option])) as server:
        with pytest.raises(UsageError, match=f"takes no {option}, but {value} was asked for; leave out"):
            captioner(server, **{option: value})
        assert captioner(server).manners.limit == "max_completion_tokens"


def test_a_model_that_reasons_has_room_for_it_and_one_that_does_not_see_is_refused() -> None:
    with ApiServer(Studio(reasons=True)) as server:
        (row,) = captioner(server).produce(caption_tasks("Describe it."))
        assert row.status is Status.OK and row.provenance["parameters"]["max_completion_tokens"] == 1024 + 8192
        (row,) = captioner(server, max_tokens=20).produce(caption_tasks("Describe it."))
        assert row.status is Status.EMPTY and "raise max_tokens" in row.provenance["reason"]
    studio, unfinished = Studio(), fails(400, "The output limit was reached. Please try again with higher max_tokens")
    with ApiServer(lambda asked: studio(asked) if asked.body["max_completion_tokens"] > 999 else unfinished) as server:
        assert captioner(server).manners.reasons
    with ApiServer(Studio(blind=True)) as server, pytest.raises(UsageError, match="does not see images"):
        captioner(server)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temperature": 3}, "temperature is 3"),
        ({"top_p": 0}, "top_p is 0"),
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"detail": "fine"}, "no detail 'fine'"),
        ({"reasoning_effort": "hi"}, "nearest: high"),
        ({"in_flight": 0}, "in_flight is 0"),
        ({"base_url": "localhost"}, "no address of a server"),
        ({"prices": "nowhere.yaml"}, "price file nowhere.yaml"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ApiCaptioner.from_reference("m", **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": "1024"}, "size is '1024', but must be auto or such as 1536x1024"),
        ({"size": 1024}, "size is 1024"),
        ({"quality": "lowest"}, "nearest: low"),
        ({"background": "red"}, "no background 'red'"),
        ({"output_format": "svg"}, "no output_format 'svg'"),
        ({"moderation": "none"}, "no moderation 'none'"),
        ({"response_format": "url"}, "known: b64_json"),
        ({"retries": -1}, "retries is -1"),
    ],
)
def test_options_of_an_image_model_that_make_no_sense(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ApiImageModel.from_reference("m", **options)


# --- what is made of answers

CAPTIONS: dict[str, tuple[Act, Status, str, str | None]] = {
    "refusal": (refuses(), Status.REFUSED, "the model refused: I can't help with that.", None),
    "filter": (says("A", finish="content_filter"), Status.REFUSED, "the provider's filter withheld the answer", "A"),
    "flagged": (fails(400, "flagged", code="content_filter"), Status.REFUSED, "127.0.0.1 answered 400: flagged", None),
    "declines": (
        says("I'm sorry, but I can't describe this image."),
        Status.REFUSED,
        "the model declines",
        "I'm sorry, but I can't describe this image.",
    ),
    "length": (says(" A dog and ", finish="length"), Status.RUN_ON, "raise max_tokens", "A dog and"),
    "blank": (says(" \n"), Status.EMPTY, "no words", None),
    "null": (says(None), Status.EMPTY, "no words", None),
    "reasoned": (says(None, finish="length"), Status.EMPTY, "raise max_tokens", None),
    "no choices": (no_choices(), Status.FAILED, "no chat completion: it has no choices", None),
    "odd": (Act(body={"choices": [{"message": {"content": 3}}]}), Status.FAILED, "is not text", None),
    "bad request": (fails(400, "too large"), Status.FAILED, "127.0.0.1 answered 400: too large", None),
}


@pytest.mark.parametrize(("act", "status", "reason", "text"), CAPTIONS.values(), ids=CAPTIONS)
def test_an_answer_without_a_caption_is_a_status(act: Act, status: Status, reason: str, text: str | None) -> None:
    with ApiServer(Studio(faults={"row 1.": [act]})) as server:
        found = made(asked(captioner(server), 3))
    assert [found[number].status for number in range(3)] == [Status.OK, status, Status.OK]
    assert found[1].caption is None and reason in found[1].provenance["reason"]
    assert found[1].provenance.get("text") == text
    assert found[1].provenance["parameters"]["seed"] == 8
    assert len(server.requests) == PROBES + 3


def test_an_image_that_cannot_be_read_is_not_sent() -> None:
    (task, *_) = caption_tasks("Describe it.")
    broken = CaptionTask(0, make_image(0, missing=True), task.prompt, 1)
    with ApiServer(Studio()) as server:
        (row,) = captioner(server).produce([broken])
    assert row.status is Status.IMAGE_UNREADABLE and len(server.requests) == PROBES


JPEG = b"\xff\xd8\xff\xe0" + bytes(40)
IMAGES: dict[str, tuple[Act, Status, str]] = {
    "moderation": (blocked(), Status.REFUSED, "rejected by the safety system"),
    "moderation of the prompt": (blocked("input"), Status.REFUSED, "rejected by the safety system"),
    "moderation of the image": (blocked("output"), Status.UNSAFE, "rejected by the safety system"),
    "policy": (fails(400, "no", code="content_policy_violation"), Status.REFUSED, "answered 400: no"),
    "Azure": (fails(400, "no", code="contentFilter"), Status.REFUSED, "answered 400: no"),
    "no image": (Act(body={"created": 1, "data": []}), Status.FAILED, "holds no image"),
    "no data": (Act(body={"created": 1}), Status.FAILED, "holds no image"),
    "a text for an image": (Act(body={"data": ["aGk="]}), Status.FAILED, "holds no image"),
    "null": (draws(None), Status.FAILED, "holds no image"),
    "no base64": (draws("not base64 at all!"), Status.FAILED, "not in base64"),
    "base64 cut short": (draws("aGVsb"), Status.FAILED, "not in base64"),
    "letters": (draws("aGVsbG8gé"), Status.FAILED, "not in base64"),
    "no image in it": (draws(b"<html>Bad gateway</html>"), Status.IMAGE_UNREADABLE, "are not a whole image"),
    "an image cut short": (draws(JPEG), Status.IMAGE_UNREADABLE, "are not a whole image"),
    "a huge one": (draws(base64.b64encode(bytes(5000)).decode()), Status.FAILED, "more than 4,096 bytes"),
    "bad request": (fails(400, "Unknown parameter: 'seed'"), Status.FAILED, "Unknown parameter"),
}


@pytest.mark.parametrize(("act", "status", "reason"), IMAGES.values(), ids=IMAGES)
def test_an_answer_without_an_image_is_a_status(
    act: Act, status: Status, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_answer, "MOST_BYTES", 4096)
    with ApiServer(Studio(faults={"row 1.": [act]})) as server:
        found = made(asked(image_model(server), 3))
    assert [found[number].status for number in range(3)] == [Status.OK, status, Status.OK]
    assert found[0].image == drawing_of("Make row 0.")
    assert found[1].image is None and reason in found[1].provenance["reason"]
    assert len(server.requests) == 3


def test_an_address_in_place_of_an_image_is_not_fetched_and_no_more_are_paid_for() -> None:
    with ApiServer(draws(None, url="http://127.0.0.1:1/secret.png").after(0.02)) as server:
        found: list[Produced] = []
        with pytest.raises(UsageError, match=r"set the option response_format: b64_json; .*--retry-failed"):
            found.extend(asked(image_model(server, in_flight=4), 100))
    assert {row.status for row in found} == {Status.FAILED}
    assert len(found) == len(server.requests) == server.billed <= 8
    assert all("response_format: b64_json" in row.provenance["reason"] for row in found)


# --- faults

PASSING: dict[str, Act] = {
    "429 at once": too_many(retry_after="0.01"),
    "429 in ms": too_many(retry_after_ms="5"),
    "429 unsaid": too_many(),
    "408": fails(408),
    "500": fails(500),
    "502 HTML": Act(502, "<h1>Bad gateway</h1>", content_type="text/html"),
    "503": fails(503, "overloaded"),
    "error in a 200": Act(body={"error": {"message": "upstream is down", "code": 502}}),
    "refusal in a 200": Act(body={"error": {"message": "slow down", "code": 429}}),
    "HTML": html(),
    "no object": Act(body="[1, 2]"),
    "deep": Act(body="[" * 100_000),
    "cut short": Act(body='{"choices": [{"index"'),
    "dropped": drops(),
    "never": never(),
    "drips": drips(0.2),
}
MAKERS = pytest.mark.parametrize("maker", [captioner, image_model])


@MAKERS
def test_passing_faults_cost_an_attempt_each_and_nothing_is_lost_or_answered_twice(maker: Any) -> None:
    faults = {f"row {number}.": [act] for number, act in enumerate(PASSING.values())}
    with ApiServer(Studio(faults=faults)) as server:
        found = made(asked(maker(server, timeout=3.0, in_flight=16), 2 * len(PASSING)))
    assert {row.status for row in found.values()} == {Status.OK} and len(found) == 2 * len(PASSING)
    assert [found[number].provenance["attempts"] for number in range(len(found))] == [2] * len(PASSING) + [1] * len(
        PASSING
    )
    whole = {"error in a 200", "refusal in a 200", "HTML", "no object", "deep", "cut short"}
    answers = Counter(server.answered.values())
    assert answers[2] == len(whole) and set(answers) <= {1, 2}


@MAKERS
def test_lasting_faults_are_statuses_after_bounded_retries(maker: Any) -> None:
    lasting = {name: act for name, act in PASSING.items() if not name.startswith(("429", "refusal"))}
    faults = {f"row {number}.": [act] * 9 for number, act in enumerate(lasting.values())}
    with ApiServer(Studio(faults=faults)) as server:
        found = made(asked(maker(server, timeout=2.5, retries=1, in_flight=16), len(lasting) + 20))
    statuses = Counter(row.status for row in found.values())
    assert statuses == {Status.FAILED: len(lasting), Status.OK: 20}
    assert all("127.0.0.1" in found[number].provenance["reason"] for number in range(len(lasting)))
    probes = PROBES if maker is captioner else 0
    assert len(server.requests) == probes + 2 * len(lasting) + 20


ENDS: dict[str, tuple[Act, type[AlignbenchError], str]] = {
    "a wrong key": (unauthorised(), UsageError, "OPENAI_API_KEY is not"),
    "no access": (fails(403, "no access"), UsageError, "OPENAI_API_KEY is not set|may not use the model"),
    "a wrong model": (fails(404, "no such model"), UsageError, "does not know the model 'm'"),
    "out of credit": (out_of_credit(), RunError, "nothing is lost"),
    "pay first": (fails(402, "pay first"), RunError, "nothing is lost"),
    "a quota of the day": (too_many(retry_after="7200"), RunError, "a pause of 120 minutes"),
}


@MAKERS
@pytest.mark.parametrize(("act", "kind", "said"), ENDS.values(), ids=ENDS)
def test_what_no_request_can_survive_ends_the_run_and_keeps_what_is_in_flight(
    maker: Any, act: Act, kind: type[AlignbenchError], said: str
) -> None:
    with ApiServer(Studio(faults={"row 9.": [act] * 9}, seconds=0.02)) as server:
        producer = maker(server, in_flight=4)
        probes = len(server.requests)
        found: dict[int, Produced] = {}
        with pytest.raises(kind, match=said):
            found.update((row.number, row) for row in asked(producer, 60))
        kept = len(found)
        assert kept == server.billed - probes and {row.status for row in found.values()} == {Status.OK}
        assert 5 <= kept < 20


@MAKERS
def test_a_wrong_key_or_a_missing_one_is_told_before_anything_is_made(
    maker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    with ApiServer(unauthorised()) as server, pytest.raises(UsageError, match="MY_KEY is not set"):
        list(asked(maker(server, key_env="MY_KEY"), 3))


def test_an_endpoint_where_nothing_works_is_given_up() -> None:
    with ApiServer(fails(400)) as server:
        found: list[Produced] = []
        with pytest.raises(RunError, match="of the last 50 requests were given up"):
            found.extend(asked(image_model(server, in_flight=8), 200))
    assert {row.status for row in found} == {Status.FAILED} and 50 <= len(server.requests) < 70


@MAKERS
def test_stopping_brings_home_what_is_in_flight(maker: Any) -> None:
    with ApiServer(Studio(seconds=0.03)) as server:
        producer = maker(server, in_flight=4)
        probes = len(server.requests)
        found: list[Produced] = []

        def take(row: Produced) -> None:
            found.append(row)
            if len(found) == 5:
                producer.stop()

        with pytest.raises(KeyboardInterrupt):
            deque(map(take, asked(producer, 50)))
        assert 5 <= len(found) < 15 and len(found) == server.billed - probes


@MAKERS
def test_two_tasks_that_are_alike_are_two_rows(maker: Any) -> None:
    (task, *_) = caption_tasks("The same.") if maker is captioner else image_tasks("The same.")
    with ApiServer(Studio()) as server:
        producer = maker(server)
        probes = len(server.requests)
        found = made(producer.produce([task, replace(task, number=1)]))
        assert len(found) == len(server.requests) - probes == 2
    assert (found[0].caption, found[0].image) == (found[1].caption, found[1].image)


@MAKERS
def test_never_more_are_on_their_way_than_the_user_allows(maker: Any) -> None:
    with ApiServer(Studio(seconds=0.02)) as server:
        assert len(made(asked(maker(server, in_flight=3), 20))) == 20
    assert server.in_flight_at_most <= 3


# --- money


def price_file(path: Path, entry: str) -> str:
    path.write_text(f"dated: 2026-01-01\nprices: {{127.0.0.1: {entry}}}\n")
    return str(path)


def until_broke(results: Iterator[Produced]) -> list[Produced]:
    found: list[Produced] = []
    with pytest.raises(BudgetError, match="is reached"):
        found.extend(results)
    return found


def cost_of(rows: Sequence[Produced]) -> float:
    return sum(row.provenance["cost_usd"] for row in rows)


def test_a_captioner_never_passes_its_limit(tmp_path: Path) -> None:
    prices = price_file(tmp_path / "prices.yaml", "{m: {input: 10.0, output: 10.0}}")
    with ApiServer(Studio()) as server:
        chosen = captioner(server, prices=prices, max_tokens=100)
        greeting = chosen.spent_usd
        assert 0 < greeting < 0.01
        chosen.limit_cost(0.02)
        found = until_broke(asked(chosen, 60))
        assert chosen.spent_usd == pytest.approx(greeting + cost_of(found))
        assert 0.015 < chosen.spent_usd <= 0.02 and 5 < len(found) < 60


@pytest.mark.parametrize(
    ("entry", "tokens", "each"),
    [
        ("{gpt-image-1: {input: 5, output: 40}}", 272, 272 * 40e-6 + INPUT_TOKENS * 5e-6),
        ("{gpt-image-1: {input: 0, output: 0, per_image: 0.01}}", None, 0.01),
        ("{gpt-image-1: {input: 5, output: 32, text_output: 10}}", 272, 272 * 32e-6 + INPUT_TOKENS * 5e-6),
    ],
)
def test_an_image_model_never_passes_its_limit(tmp_path: Path, entry: str, tokens: int | None, each: float) -> None:
    prices = price_file(tmp_path / "prices.yaml", entry)
    with ApiServer(draws(png(), tokens=tokens)) as server:
        options = {"base_url": server.base_url, "prices": prices, "quality": "low"}
        chosen = ApiImageModel.from_reference("gpt-image-1", **options)
        chosen.limit_cost(0.2)
        found = until_broke(asked(chosen, 60))
    assert all(row.provenance["cost_usd"] == pytest.approx(each) for row in found)
    assert chosen.spent_usd == pytest.approx(each * len(found)) and 0.15 < chosen.spent_usd < 0.2 + 1e-9
    assert server.billed == len(found)


def test_a_cost_that_nobody_knows_cannot_be_limited(tmp_path: Path) -> None:
    prices = price_file(tmp_path / "prices.yaml", "{m: {input: 5, output: 40}}")
    with ApiServer(Studio()) as server, pytest.raises(UsageError, match=r"not known, so its cost .* per_image"):
        image_model(server, prices=prices).limit_cost(1.0)
    with pytest.raises(UsageError, match="write its price into a price file"):
        ApiImageModel.from_reference("m", base_url="http://example.com/v1").limit_cost(1.0)


def test_an_image_that_was_drawn_and_withheld_counts_at_what_it_could_have_cost(tmp_path: Path) -> None:
    prices = price_file(tmp_path / "prices.yaml", "{m: {input: 0, output: 0, per_image: 0.5}}")
    acts = {"row 0.": [blocked("output")], "row 1.": [blocked("input")], "row 2.": [drops(draws(png()))] * 9}
    with ApiServer(Studio(faults=acts)) as server:
        chosen = image_model(server, prices=prices, retries=1)
        found = made(asked(chosen, 3))
    assert [found[number].status for number in range(3)] == [Status.UNSAFE, Status.REFUSED, Status.FAILED]
    assert chosen.spent_usd == pytest.approx(0.5 + 2 * 0.5)


# --- hostile answers


@MAKERS
def test_half_a_character_and_an_impossible_count_cost_no_answer(maker: Any, tmp_path: Path) -> None:
    prices = price_file(tmp_path / "prices.yaml", "{m: {input: 5, output: 40}}")
    odd = "A dog \ud83d sits. 😀"
    caption, drawn = says(odd), draws(png(), revised_prompt=odd)
    for act in (caption, drawn):
        assert isinstance(act.body, dict)
        act.body["usage"] = dict.fromkeys(("prompt_tokens", "completion_tokens", "input_tokens"), 10**400)
    acts = {
        "row 0.": [caption if maker is captioner else drawn],
        "row 1.": [fails(400, odd)],
        "row 2.": [Act(body={"choices": [{"message": {"content": {"\udc00": 1}}}], "data": [{"url": 3}]})],
    }
    with ApiServer(Studio(faults=acts)) as server:
        found = made(asked(maker(server, prices=prices), 4))
    assert [found[number].status for number in range(4)] == [Status.OK, Status.FAILED, Status.FAILED, Status.OK]
    said = found[0].caption or found[0].provenance["revised_prompt"]
    assert said == "A dog \ufffd sits. 😀" and "cost_usd" not in found[0].provenance
    for row in found.values():
        canonical_json([row.caption, row.provenance]).encode()


# --- keys


def test_a_key_in_the_place_of_its_name_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="never a key") as caught:
        ApiImageModel.from_reference("m", key_env="sk-planted-0123")
    assert "planted" not in str(caught.value)


def test_a_password_that_happens_to_stand_in_an_image_changes_no_byte_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = drawing_of("Make row 0.")
    password = base64.b64encode(drawn).decode()[20:24]
    act = draws(drawn, revised_prompt=f"with {password} in it")
    with ApiServer(act) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url.replace("127.0.0.1", f"ann:{password}@127.0.0.1"))
        (row,) = asked(ApiImageModel.from_reference("m"), 1)
    assert row.image == drawn and row.provenance["revised_prompt"] == "with [redacted] in it"


def test_the_greeting_is_a_greeting() -> None:
    with ApiServer(Studio()) as server:
        captioner(server)
    assert [GREETING in request.text for request in server.requests] == [True, True]
    assert [bool(shown_in(request.body)) for request in server.requests] == [True, False]
