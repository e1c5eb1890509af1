"""The API judge whole: its modes, its requests, and runs of it through every fault, a kill, a limit and a Ctrl-C."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from alignbench.backends.api.picture import Picture
from alignbench.decode import decode
from alignbench.errors import UsageError
from alignbench.run import RunSummary, run_judge
from alignbench.store import Dataset
from alignbench.types import Context, JudgeSpec, Query, Status, Verdict
from judges.api import ApiJudge
from judges.api.requests import Dialect, request
from judges.api.settings import CACHES, Settings, charges_for_writes
from tests.api_model import EVERYTHING, ApiModel, percent, share_of_yes
from tests.api_server import (
    Act,
    ApiServer,
    Request,
    drips,
    drops,
    fails,
    html,
    never,
    no_choices,
    refuses,
    says,
    too_many,
)
from tests.datasets import PRODUCERS, make_dataset, png
from tests.run_results import judgments

KEY = "sk-planted-0123456789abcdef"
CAPTION = "A dog sits. It is red! Nobody else."
RANGES = ((0, 11), (12, 22), (23, 35))
SENTENCES = ("A dog sits.", "It is red!", "Nobody else.")
SENTENCES_ASKED = 36


def connect(server: ApiServer, **options: Any) -> ApiJudge:
    return ApiJudge.from_reference("m", base_url=server.base_url, **options)


def verdicts(judge: ApiJudge, *queries: Query) -> dict[tuple[int, int], Verdict]:
    answers = list(judge.judge(queries))
    assert len({answer[:2] for answer in answers}) == len(answers)
    return {answer[:2]: answer.verdict for answer in answers}


def asked(number: int = 0, sentences: Sequence[str] = SENTENCES) -> Query:
    return Query(number, png((number, 10, 20)), tuple(sentences))


def in_caption(*places: int) -> Query:
    return Query(0, png(), tuple(SENTENCES[place] for place in places), Context(CAPTION, RANGES, places))


def uri_of(query: Query) -> str:
    return f"data:image/png;base64,{base64.b64encode(query.image).decode()}"


@pytest.fixture
def model() -> ApiModel:
    return ApiModel()


@pytest.fixture
def server(model: ApiModel) -> Iterator[ApiServer]:
    with ApiServer(model) as server:
        yield server


def test_the_logprob_mode_gives_the_models_own_probability(server: ApiServer) -> None:
    query = asked()
    for (_, place), verdict in verdicts(connect(server), query).items():
        assert verdict.score == pytest.approx(share_of_yes(uri_of(query), SENTENCES[place]))
        assert verdict.raw["left_over"] == pytest.approx(0.1)
        assert (verdict.raw["model"], verdict.raw["system_fingerprint"]) == ("scripted-2026", "fp_1")
        assert (verdict.usage.output_tokens, verdict.usage.cost_usd) == (1, 0.0)
    assert server.requests[-1].body["top_logprobs"] == 20 and server.requests[-1].body["logprobs"] is True


def test_the_score_mode_gives_the_models_own_number(server: ApiServer) -> None:
    query = asked()
    for (_, place), verdict in verdicts(connect(server, mode="score"), query).items():
        assert verdict.score == percent(uri_of(query), SENTENCES[place]) / 100
    form = server.requests[-1].body["response_format"]
    assert form["type"] == "json_schema" and form["json_schema"]["strict"] is True


@pytest.mark.parametrize("several", [True, False])
def test_the_samples_mode_gives_the_share_of_yes(several: bool) -> None:
    query = asked()
    with ApiServer(ApiModel(EVERYTHING if several else EVERYTHING - {"n"})) as server:
        judge = connect(server, mode="samples", samples=10)
        probes = len(server.requests)
        found = verdicts(judge, query)
    for (_, place), verdict in found.items():
        share = share_of_yes(uri_of(query), SENTENCES[place])
        expected = sum((draw + 0.5) / 10 < share for draw in range(10)) / 10 if several else float(share > 0.05)
        assert verdict.score == pytest.approx(expected)
        assert len(verdict.raw["draws"]) == 10
    assert len(server.requests) - probes == (3 if several else 30)


def test_fewer_draws_than_were_asked_for_are_no_score(model: ApiModel, server: ApiServer) -> None:
    judge = connect(server, mode="samples", samples=4)
    model.faults = {SENTENCES[1]: [says("Yes")]}
    found = verdicts(judge, asked())
    assert found[0, 1].status is Status.FAILED and "1 of 4 draws" in found[0, 1].raw["reason"]
    assert found[0, 0].status is found[0, 2].status is Status.OK


def test_the_listwise_mode_asks_once_a_caption(server: ApiServer) -> None:
    judge = connect(server, mode="listwise")
    probes = len(server.requests)
    query = in_caption(0, 1, 2)
    found = verdicts(judge, query)
    assert [found[0, place].score for place in range(3)] == [percent(uri_of(query), str(n)) / 100 for n in (1, 2, 3)]
    assert len(server.requests) - probes == 1
    assert sum(verdict.usage.input_tokens or 0 for verdict in found.values()) == server_tokens(server)
    assert judge.spec.context == "caption"


def server_tokens(server: ApiServer) -> int:
    """What the scripted model counts for the last request's prompt."""
    return len(server.requests[-1].text.split()) + 85


def test_a_resumed_list_drops_what_was_not_asked_for(server: ApiServer) -> None:
    query = in_caption(2, 0)
    found = verdicts(connect(server, mode="listwise"), query)
    assert {place: verdict.score for place, verdict in found.items()} == {
        (0, 0): percent(uri_of(query), "3") / 100,
        (0, 1): percent(uri_of(query), "1") / 100,
    }
    assert "[2] It is red!" in server.requests[-1].text


def test_a_caption_is_shown_with_its_sentences_numbered(server: ApiServer) -> None:
    judge = connect(server, context="caption")
    verdicts(judge, in_caption(1))
    assert "[1] A dog sits. [2] It is red! [3] Nobody else." in server.requests[-1].text
    assert judge.spec.context == "caption"
    with pytest.raises(ValueError, match="caption"):
        verdicts(judge, asked())


def test_the_first_sentence_goes_alone_and_its_siblings_together() -> None:
    model = ApiModel(seconds=0.02)
    billed: dict[str, int] = {}

    def script(request: Request) -> Act:
        act = model(request)
        billed[model.seen[-1][1]] = server.billed
        return act

    with ApiServer(script) as server:
        judge = connect(server)
        probes = len(server.requests)
        verdicts(judge, asked(sentences=("first", "b", "c", "d")))
    assert {name: billed[name] - probes for name in ("first", "b", "c", "d")} == {"first": 0, "b": 1, "c": 1, "d": 1}


def test_captions_of_one_image_wait_for_the_first_of_them() -> None:
    model = ApiModel(seconds=0.02)
    billed: list[int] = []

    def script(request: Request) -> Act:
        billed.append(server.billed)
        return model(request)

    with ApiServer(script) as server:
        judge = connect(server, mode="listwise")
        billed.clear()
        queries = [replace(in_caption(0, 1, 2), number=number) for number in range(4)]
        assert len(verdicts(judge, *queries)) == 12
    assert [each - billed[0] for each in billed] == [0, 1, 1, 1]


def test_images_do_not_wait_for_each_other(model: ApiModel, server: ApiServer) -> None:
    judge = connect(server, in_flight=8)
    model.seconds = 0.02
    queries = [asked(number) for number in range(8)]
    verdicts(judge, *queries)
    assert server.in_flight_at_most >= 4
    for query in queries:
        assert next(sentence for uri, sentence in model.seen if uri == uri_of(query)) == SENTENCES[0]


def test_an_image_is_the_same_bytes_in_each_of_its_requests(model: ApiModel, server: ApiServer) -> None:
    judge = connect(server)
    model.seen.clear()
    query = asked(3)
    verdicts(judge, query)
    bodies = [each.body for each in server.requests[-3:]]
    parts = [body["messages"][0]["content"] for body in bodies]
    assert all(images[0] == {"type": "image_url", "image_url": {"url": uri_of(query)}} for images in parts)
    for body in bodies:
        body["messages"][0]["content"][1]["text"] = body["messages"][0]["content"][1]["text"].rpartition(":")[0]
    assert bodies[0] == bodies[1] == bodies[2]


def test_formats_and_frames_that_viewers_disagree_on_are_sent_as_png() -> None:
    red, blue = (Pillow.new("RGB", (6, 4), colour) for colour in ("red", "blue"))
    turned = Pillow.Exif()
    turned[0x0112] = 6
    odd = {
        "bmp": encoded(red, "BMP"),
        "animation": encoded(red, "GIF", save_all=True, append_images=[blue]),
        "orientation": encoded(red, "JPEG", exif=turned),
        "orientation in a PNG": encoded(red, "PNG", exif=turned),
        "transparency": encoded(Pillow.new("RGBA", (6, 4), (255, 0, 0, 9)), "PNG"),
    }
    for given in odd.values():
        picture = Picture.of(given)
        shown = decode(given)
        assert picture.uri.startswith("data:image/png;base64,")
        assert Pillow.open(io.BytesIO(bytes_of(picture))).tobytes() == shown.tobytes()
        assert (picture.width, picture.height) == shown.size
    for kind in ("PNG", "JPEG", "WEBP", "GIF"):
        given = encoded(red, kind)
        picture = Picture.of(given)
        assert bytes_of(picture) == given and picture.uri.startswith(f"data:image/{kind.lower()};")


def encoded(picture: Pillow.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def bytes_of(picture: Picture) -> bytes:
    return base64.b64decode(picture.uri.partition(",")[2])


def test_what_is_no_image_is_said_sentence_by_sentence(server: ApiServer) -> None:
    found = verdicts(connect(server), Query(0, b"no image", SENTENCES), asked(1))
    assert [found[0, place].status for place in range(3)] == [Status.IMAGE_UNREADABLE] * 3
    assert found[1, 0].status is Status.OK


@pytest.mark.parametrize(
    ("host", "name", "marked"),
    [
        ("api.openai.com", "gpt-5.6", True),
        ("api.openai.com", "gpt-5.6-mini-2026-07-01", True),
        ("api.openai.com", "gpt-6", True),
        ("api.openai.com", "gpt-5.5", False),
        ("api.openai.com", "gpt-5", False),
        ("api.openai.com", "gpt-4o-mini", False),
        ("api.openai.com", "o4-mini", False),
        ("openrouter.ai", "gpt-5.6", False),
    ],
)
def test_images_are_marked_for_the_cache_where_writing_to_it_costs_money(host: str, name: str, marked: bool) -> None:
    assert charges_for_writes(host, name) is marked
    settings = Settings.of(name, base_url=f"https://{host}/v1")
    query = asked()
    picture = Picture.of(query.image)
    bodies = [request(settings, Dialect(), question, picture) for question in settings.questions(query)]
    for body in bodies:
        image = body["messages"][0]["content"][0]
        assert image.get("prompt_cache_breakpoint") == ({"mode": "explicit"} if marked else None)
        assert body.get("prompt_cache_options") == ({"mode": "explicit"} if marked else None)
        assert body.get("prompt_cache_key") == (picture.key if marked else None)


def test_the_option_cache_overrules() -> None:
    marks = [Settings.of("gpt-5.6", base_url="https://api.openai.com/v1", cache=cache).marks_cache for cache in CACHES]
    assert marks == [True, True, False]
    assert Settings.of("m", base_url="http://localhost/v1", cache="explicit").marks_cache


def test_the_spec_holds_what_can_change_a_score_and_nothing_else() -> None:
    def spec_of(**options: Any) -> JudgeSpec:
        return Settings.of("m", **{"base_url": "http://user:secret@127.0.0.1:8000/v1", **options}).spec

    plain = spec_of()
    assert plain.options == {"host": "127.0.0.1", "temperature": 1.0}
    for same in ({"base_url": "http://127.0.0.1:9/v2"}, {"key_env": "OTHER"}, {"name": "n"}, {"cache": "none"}):
        assert spec_of(**same).judge_id == plain.judge_id
    others: list[dict[str, Any]] = [
        {"base_url": "http://localhost:8000/v1"},
        {"mode": "score"},
        {"mode": "samples"},
        {"mode": "samples", "samples": 3},
        {"mode": "listwise"},
        {"context": "caption"},
        {"temperature": 0.5},
        {"detail": "low"},
        {"reasoning_effort": "low"},
        {"mode": "score", "max_tokens": 99},
    ]
    assert len({spec_of(**other).judge_id for other in others} | {plain.judge_id}) == len(others) + 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"mode": "logprobs"}, "nearest: logprob"),
        ({"fallback": "logprob"}, "there is no fallback"),
        ({"fallback": "listwise"}, "there is no fallback"),
        ({"mode": "listwise", "context": "sentence"}, "leave out the context"),
        ({"context": "image"}, "there is no context"),
        ({"samples": 0}, "samples is 0"),
        ({"samples": "5"}, "samples is '5', but must be a whole number from 1 to 128"),
        ({"temperature": 3.0}, "temperature is 3.0, but must be a number from 0 to 2"),
        ({"retries": -1}, "retries is -1, but must be a whole number from 0 up"),
        ({"detail": "medium"}, "there is no detail"),
        ({"reasoning_effort": "hard"}, "there is no reasoning_effort"),
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"in_flight": 0}, "in_flight is 0"),
        ({"prices": "/nowhere.yaml"}, "price file /nowhere.yaml cannot be read"),
        ({"prompt": "/nowhere.txt"}, "prompt /nowhere.txt cannot be read"),
        ({"base_url": "localhost:8000"}, "no address"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        ApiJudge.from_reference("m", **{"base_url": "http://127.0.0.1:9/v1", **options})


def test_a_prompt_file_that_the_fallback_cannot_use(tmp_path: Path) -> None:
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("True? {sentence}")
    given = {"base_url": "http://127.0.0.1:9/v1", "prompt": str(prompt)}
    with pytest.raises(UsageError, match="another kind of answer"):
        Settings.of("m", fallback="score", **given)
    settings = Settings.of("m", fallback="samples", **given)
    assert settings.fallback is not None
    assert settings.in_mode(settings.fallback).prompt.text == "True? {sentence}"


# Runs.

TRANSPORT: Mapping[str, tuple[Sequence[Act], Status]] = {
    "429 once": ([too_many(retry_after_ms="5")], Status.OK),
    "500 once": ([fails(500)], Status.OK),
    "dropped once": ([drops()], Status.OK),
    "500": ([fails(500)] * 2, Status.FAILED),
    "timeout": ([never()] * 2, Status.FAILED),
    "slow drip": ([drips(0.1)] * 2, Status.FAILED),
    "dropped": ([drops()] * 2, Status.FAILED),
    "wrong content type": ([html()] * 2, Status.FAILED),
    "400": ([fails(400, "this image cannot be processed")], Status.FAILED),
    "no choices": ([no_choices()], Status.FAILED),
    "no completion": ([Act(body={"detail": "ok"})], Status.FAILED),
    "refusal": ([refuses()], Status.REFUSED),
    "filter": ([says("", finish="content_filter")], Status.REFUSED),
    "policy": ([fails(400, "your request was rejected", code="content_policy_violation")], Status.REFUSED),
}
FAULTS: Mapping[str, Mapping[str, tuple[Sequence[Act], Status]]] = {
    "logprob": {
        **TRANSPORT,
        "logprobs missing": ([says("Yes")], Status.UNPARSABLE),
        "logprobs without an answer": ([says("Sure", top={"Sure": -0.1})], Status.UNPARSABLE),
    },
    "score": {
        "invalid JSON": ([says('{"score": ')], Status.UNPARSABLE),
        "another JSON": ([says('{"rating": 9}')], Status.UNPARSABLE),
        "out of range": ([says('{"score": 101}')], Status.UNPARSABLE),
        "cut off": ([says('{"sc', finish="length")], Status.UNPARSABLE),
        "refusal": ([refuses()], Status.REFUSED),
    },
}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Twenty images with three sentences each."""
    return make_dataset(tmp_path_factory.mktemp("many") / "data", images=20, producers=PRODUCERS[:1])


def first_sentence(image: int) -> str:
    return f"Picture {image} is red 😀."


@pytest.mark.parametrize("mode", FAULTS)
def test_each_fault_has_its_status_and_a_retry_repairs_exactly_the_failed(
    mode: str, many: Dataset, tmp_path: Path
) -> None:
    faults = dict(zip(FAULTS[mode], map(first_sentence, range(20)), strict=False))
    model = ApiModel()
    with ApiServer(model) as server:
        judge = connect(server, mode=mode, retries=1, timeout=0.4)
        model.faults = {sentence: FAULTS[mode][name][0] for name, sentence in faults.items()}
        first = run_judge(many, judge, tmp_path / "runs")
        expected = {sentence: FAULTS[mode][name][1] for name, sentence in faults.items()}
        statuses = statuses_of(many, first)
        assert {sentence: statuses[sentence] for sentence in expected} == expected
        assert first.statuses == Counter({Status.OK: 60 - len(expected)}) + Counter(expected.values())
        model.seen.clear()
        model.faults = {}
        second = run_judge(many, judge, tmp_path / "runs", retry_failed=True)
    assert dict(second.statuses) == {Status.OK: 60}
    assert sorted(sentence for _, sentence in model.seen) == sorted(
        sentence for sentence, status in expected.items() if status is not Status.OK
    )


def statuses_of(dataset: Dataset, summary: RunSummary) -> dict[str, Status]:
    """By text; sentences that all images share count once."""
    texts = {each.sentence_id: each.text for each in dataset.sentences()}
    found = {each.sentence_id: each.verdict.status for each in judgments(summary)}
    return {texts[sentence_id]: status for sentence_id, status in found.items()}
