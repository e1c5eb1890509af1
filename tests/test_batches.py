"""Jobs of the Batch API: nothing is submitted twice and nothing is lost, wherever the process dies."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from alignbench.backends.api.batch_folder import BatchFolder
from alignbench.backends.api.batch_service import BatchService
from alignbench.backends.api.batches import Batches
from alignbench.backends.api.connection import Reply
from alignbench.backends.api.endpoint import Endpoint
from alignbench.backends.api.failure import RequestFailed
from alignbench.backends.api.prices import Price
from alignbench.errors import RunError, UsageError
from alignbench.types import Status
from tests.batch_server import DROP, BatchServer, Ending, says_yes

PRICE = Price(input=1.0, output=10.0, batch_factor=0.5)


def requests(number: int, start: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    for place in range(start, start + number):
        yield f"id-{place:03}", {"model": "m", "messages": [{"role": "user", "content": f"question {place}"}]}


def batches(server: BatchServer, folder: Path, **options: Any) -> Batches:
    return Batches(Endpoint(server.base_url), folder, PRICE, poll_seconds=0.005, **options)


def told(outcomes: Iterator[tuple[str, Reply | RequestFailed]]) -> dict[str, Reply | RequestFailed]:
    answers = list(outcomes)
    assert len(dict(answers)) == len(answers), "an answer came twice"
    return dict(answers)


def test_every_request_is_answered_at_the_price_of_a_job(tmp_path: Path) -> None:
    with BatchServer(polls=3) as server:
        answers = told(batches(server, tmp_path / "jobs").run(requests(5)))
    assert set(answers) == {f"id-{place:03}" for place in range(5)}
    for answer in answers.values():
        assert isinstance(answer, Reply)
        assert answer.body["choices"][0]["message"]["content"] == "yes"
        assert answer.usage.input_tokens == 1000
        assert answer.usage.cost_usd == pytest.approx(0.5 * (1000 * 1.0 + 2 * 10.0) / 1e6)
        assert answer.usage.seconds is None


def test_requests_reach_the_endpoint_as_the_protocol_says(tmp_path: Path) -> None:
    sent: list[dict[str, Any]] = []

    def keep(request: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        sent.append(dict(request))
        return says_yes(request)

    with BatchServer(answer=keep) as server:
        told(batches(server, tmp_path).run(requests(3)))
        (job,) = server.jobs.values()
    assert sent == [body for _, body in requests(3)]
    assert job.rows[0]["url"] == "/v1/chat/completions"


@pytest.mark.parametrize(("option", "jobs"), [({"max_requests": 3}, 4), ({"max_bytes": 330}, 5), ({}, 1)])
def test_files_stay_below_the_limits_of_the_endpoint(tmp_path: Path, option: dict[str, int], jobs: int) -> None:
    with BatchServer() as server:
        assert len(told(batches(server, tmp_path, **option).run(requests(10)))) == 10
        assert len(server.jobs) == jobs
        for job in server.jobs.values():
            assert len(job.rows) <= option.get("max_requests", 10)


def test_a_request_that_fits_no_file_fails_alone(tmp_path: Path) -> None:
    def rows() -> Iterator[tuple[str, dict[str, Any]]]:
        yield from requests(2)
        yield "big", {"model": "m", "messages": [{"role": "user", "content": "x" * 400}]}

    with BatchServer() as server:
        answers = told(batches(server, tmp_path, max_bytes=400).run(rows()))
    failed = answers.pop("big")
    assert isinstance(failed, RequestFailed) and "400" in failed.reason
    assert all(isinstance(answer, Reply) for answer in answers.values()) and len(answers) == 2


def test_nothing_is_left_behind_when_all_is_done(tmp_path: Path) -> None:
    with BatchServer() as server:
        told(batches(server, tmp_path, max_requests=2).run(requests(5)))
        inputs = {job.body["input_file_id"] for job in server.jobs.values()}
        assert not inputs & set(server.files), "the endpoint still has the images"
    assert [path.name for path in tmp_path.iterdir()] == ["batches.json"]
    assert json.loads((tmp_path / "batches.json").read_text())["jobs"] == []


def test_requests_go_to_the_disk_before_the_next_is_pulled(tmp_path: Path) -> None:
    sizes: list[int] = []

    def rows() -> Iterator[tuple[str, dict[str, Any]]]:
        for custom_id, body in requests(6):
            sizes.append(len(list(tmp_path.glob("*.jsonl"))))
            yield custom_id, body

    with BatchServer() as server:
        told(batches(server, tmp_path, max_requests=2).run(rows()))
    assert max(sizes) == 1, "the files of jobs that exist are still there"


def test_few_jobs_are_open_at_once_where_that_is_wanted(tmp_path: Path) -> None:
    most = 0

    def watch(call: str, number: int) -> None:
        nonlocal most
        most = max(most, sum(job.body["status"] in {"validating", "in_progress"} for job in server.jobs.values()))

    with BatchServer(on=watch, polls=2) as server:
        assert len(told(batches(server, tmp_path, max_requests=1, open_jobs=2).run(requests(7)))) == 7
    assert most == 2


def test_a_custom_id_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with BatchServer() as server, pytest.raises(ValueError, match=r"id-000.*twice"):
        list(batches(server, tmp_path).run([*requests(1), *requests(1)]))
    assert not server.jobs


@pytest.mark.parametrize(
    ("end", "answered", "reason"),
    [
        (Ending("expired", answered=2), 2, "batch_expired"),
        (Ending("cancelled", answered=1), 1, "cancelled"),
        (Ending("failed", answered=0, message="line 3 is no JSON"), 0, "line 3 is no JSON"),
        (Ending("completed", answered=3), 3, "has no answer"),
    ],
)
def test_rows_without_an_answer_fail_and_the_others_count(
    tmp_path: Path, end: Ending, answered: int, reason: str
) -> None:
    with BatchServer(end=end) as server:
        answers = told(batches(server, tmp_path).run(requests(4)))
    failed = [answer for answer in answers.values() if isinstance(answer, RequestFailed)]
    assert len(answers) == 4 and len(failed) == 4 - answered
    assert all(reason in each.reason and each.status is Status.FAILED for each in failed)


def test_rows_that_the_endpoint_refuses_have_the_status_of_the_refusal(tmp_path: Path) -> None:
    errors = [
        (400, {"error": {"message": "flagged", "code": "content_policy_violation"}}),
        (400, {"error": {"message": "no such parameter", "code": "unknown_parameter"}}),
        (500, {"error": {"message": "oops"}}),
    ]
    rest = iter(errors)
    with BatchServer(answer=lambda _: next(rest)) as server:
        answers = told(batches(server, tmp_path).run(requests(3)))
    found = [answers[f"id-{place:03}"] for place in range(3)]
    assert [each.status for each in found if isinstance(each, RequestFailed)] == [
        Status.REFUSED,
        Status.FAILED,
        Status.FAILED,
    ]
    assert [word in str(each) for word, each in zip(["flagged", "parameter", "500"], found, strict=True)] == [True] * 3


def test_failed_rows_are_submitted_anew_when_they_are_asked_again(tmp_path: Path) -> None:
    with BatchServer(end=Ending("expired", answered=2)) as server:
        first = told(batches(server, tmp_path).run(requests(4)))
        failed = {id_ for id_, answer in first.items() if isinstance(answer, RequestFailed)}
        server.end = Ending()
        again = told(batches(server, tmp_path).run(row for row in requests(4) if row[0] in failed))
    assert set(again) == failed and all(isinstance(answer, Reply) for answer in again.values())
    assert set(server.billed.values()) == {1}


def test_a_job_that_runs_on_is_found_by_the_next_call(tmp_path: Path) -> None:
    with BatchServer(polls=10**6) as server:
        first = batches(server, tmp_path)
        server.on = lambda call, number: first.stop() if call == "retrieve" else None
        with pytest.raises(KeyboardInterrupt):
            list(first.run(requests(4)))
        server.polls = 1
        second = batches(server, tmp_path)
        assert second.holds("id-001") and not second.holds("id-005")
        # In another order, and with a new one.
        assert len(told(second.run([*requests(5)][::-1]))) == 5
        assert len(server.jobs) == 2
    assert set(server.billed.values()) == {1}


def test_answers_that_are_not_asked_for_this_time_wait_for_the_next(tmp_path: Path) -> None:
    with BatchServer(polls=10**6) as server:
        first = batches(server, tmp_path)
        server.on = lambda call, number: first.stop() if call == "retrieve" else None
        with pytest.raises(KeyboardInterrupt):
            list(first.run(requests(4)))
        server.polls = 1
        assert set(told(batches(server, tmp_path).run(requests(1)))) == {"id-000"}
        assert set(told(batches(server, tmp_path).run(requests(4)))) == {f"id-{place:03}" for place in range(4)}
    assert len(server.billed) == 4 and server.billed["id-001"] == 1


def test_an_answer_is_handed_out_again_until_the_caller_has_kept_it(tmp_path: Path) -> None:
    """As with several draws for one score: the process ends when one of them is there."""
    with BatchServer() as server:
        first = batches(server, tmp_path)
        draws = first.run(requests(4), says_kept=True)
        (one, _), (two, _), (three, _) = next(draws), next(draws), next(draws)
        first.kept([one, two])
        draws.close()
        second = batches(server, tmp_path)
        assert [second.holds(each) for each in (one, two, three)] == [False, False, True]
        rest = [row for row in requests(4) if row[0] not in {one, two}]
        for custom_id, _ in second.run(rest, says_kept=True):
            second.kept([custom_id])
        assert len(server.jobs) == 1
        assert json.loads((tmp_path / "batches.json").read_text())["jobs"] == []


def test_after_stop_what_was_not_submitted_is_not_submitted(tmp_path: Path) -> None:
    with BatchServer() as server:
        jobs = batches(server, tmp_path, max_requests=2)

        def rows() -> Iterator[tuple[str, dict[str, Any]]]:
            yield from requests(3)
            jobs.stop()
            yield from requests(3, start=3)

        kept: list[str] = []
        with pytest.raises(KeyboardInterrupt):
            kept.extend(custom_id for custom_id, _ in jobs.run(rows()))
        assert len(server.jobs) == 1
        rest = (row for row in requests(6) if row[0] not in kept)
        assert len(kept) + len(told(batches(server, tmp_path).run(rest))) == 6
    assert set(server.billed.values()) == {1}


class CrashError(BaseException):
    """Stands for a SIGKILL: no handler of ours catches it."""


STEPS: list[tuple[type, str]] = [
    (BatchFolder, "add"),
    (BatchFolder, "seal"),
    (BatchFolder, "note"),
    (BatchFolder, "take"),
    (BatchFolder, "forget"),
    (BatchService, "upload"),
    (BatchService, "create"),
    (BatchService, "retrieve"),
    (BatchService, "download"),
]


def crash_before(monkeypatch: pytest.MonkeyPatch, wanted: int) -> Callable[[], bool]:
    """Die before the `wanted`th of all steps that leave a trace; gives whether it was reached."""
    turns = count()
    reached: list[bool] = []

    def wrapped(step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            if next(turns) == wanted:
                reached.append(True)
                raise CrashError
            return step(*given, **named)

        return run

    for owner, name in STEPS:
        monkeypatch.setattr(owner, name, wrapped(getattr(owner, name)))
    # A killed process removes no files.
    monkeypatch.setattr(BatchFolder, "discard", lambda folder: folder._writing and folder._writing[1].close())
    return lambda: bool(reached)


def test_a_crash_between_any_two_steps_neither_loses_nor_bills_twice(tmp_path: Path) -> None:
    with BatchServer() as server:
        for step in count():
            kept: set[str] = set()
            asked = [*requests(3, start=3 * step)]
            with pytest.MonkeyPatch.context() as patch, contextlib.suppress(CrashError):
                reached = crash_before(patch, step)
                for custom_id, _ in batches(server, tmp_path / f"{step}", max_requests=2).run(asked):
                    kept.add(custom_id)
            rest = [row for row in asked if row[0] not in kept]
            kept |= set(told(batches(server, tmp_path / f"{step}").run(rest)))
            assert kept == {custom_id for custom_id, _ in asked}
            assert {server.billed[custom_id] for custom_id in kept} == {1}, f"step {step}"
            if not reached():
                break
    assert step > 20


@pytest.mark.parametrize("metadata", [True, False])
def test_a_job_whose_creation_was_never_reported_is_found(tmp_path: Path, metadata: bool) -> None:
    """The endpoint creates the job and the connection breaks before it says so; older jobs fill pages of the list."""
    with BatchServer(metadata=metadata, polls=10**6) as server:
        others = batches(server, tmp_path / "others", max_requests=1)
        server.on = lambda call, number: others.stop() if call == "retrieve" else None
        with pytest.raises(KeyboardInterrupt):
            list(others.run(requests(5, start=100)))
        server.on = lambda call, number: DROP if (call, number) == ("create", 5) else None
        server.polls = 1
        assert len(told(batches(server, tmp_path / "jobs").run(requests(3)))) == 3
    assert server.calls["create"] == 6 and set(server.billed.values()) == {1}


def test_a_job_that_was_being_created_is_not_forgotten_by_a_call_that_is_stopped(tmp_path: Path) -> None:
    with BatchServer() as server:
        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(CrashError):
            crash_before(patch, 6)
            list(batches(server, tmp_path).run(requests(2)))
        before = (tmp_path / "batches.json").read_text()
        (job,) = json.loads(before)["jobs"]
        assert job["file"] is not None and job["batch"] is None, "the crash was at another step"
        second = batches(server, tmp_path)
        second.stop()
        with pytest.raises(KeyboardInterrupt):
            list(second.run(requests(2)))
        assert (tmp_path / "batches.json").read_text() == before
        assert len(told(batches(server, tmp_path).run(requests(2)))) == 2


@pytest.mark.parametrize("call", ["upload", "create", "retrieve", "content"])
@pytest.mark.parametrize("fault", ["drop", 500, 429])
def test_passing_faults_of_the_endpoint_are_waited_out(tmp_path: Path, call: str, fault: str | int) -> None:
    def misbehave(name: str, number: int) -> str | web.Response | None:
        if name != call or number > 1:
            return None
        if fault == "drop":
            return DROP
        return web.json_response({"error": {"message": "later"}}, status=int(fault), headers={"retry-after-ms": "5"})

    with BatchServer(on=misbehave) as server:
        assert len(told(batches(server, tmp_path).run(requests(3)))) == 3
    assert set(server.billed.values()) == {1}


def test_a_lasting_fault_ends_the_run_and_keeps_the_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ill = web.json_response
    with BatchServer() as server:
        server.on = lambda call, number: ill({"error": {"message": "down"}}, status=503) if call == "retrieve" else None
        jobs = batches(server, tmp_path)
        with pytest.raises(RunError, match=r"down.*run the same command again"):
            list(jobs.run(requests(2)))
        server.on = lambda call, number: None
        assert len(told(batches(server, tmp_path).run(requests(2)))) == 2
    assert len(server.jobs) == 1


@pytest.mark.parametrize(
    ("status", "code", "error", "words"),
    [
        (401, "invalid_api_key", UsageError, "OPENAI_API_KEY"),
        (404, None, UsageError, "no Batch API"),
        (429, "insufficient_quota", RunError, "credit"),
        (400, None, RunError, "mend that"),
    ],
)
def test_faults_that_waiting_does_not_mend_end_the_run_at_once(
    tmp_path: Path, status: int, code: str | None, error: type[Exception], words: str
) -> None:
    said = {"error": {"message": "no", "code": code}}
    with BatchServer(on=lambda call, number: web.json_response(said, status=status)) as server:
        with pytest.raises(error, match=words):
            list(batches(server, tmp_path).run(requests(1)))
        assert server.calls.total() == 1


def test_a_server_without_jobs_is_told_from_one_with(tmp_path: Path) -> None:
    page = web.Response
    server = BatchServer(on=lambda call, number: page(text="<html>welcome</html>", content_type="text/html"))
    with server, pytest.raises(UsageError, match=r"welcome.*leave --batch out"):
        list(batches(server, tmp_path).run(requests(1)))


def test_damaged_notes_are_never_taken_for_no_jobs(tmp_path: Path) -> None:
    (tmp_path / "batches.json").write_text('{"version": 1, "jobs": [{"na')
    with BatchServer() as server, pytest.raises(RunError, match=r"batches\.json.*paid for again"):
        batches(server, tmp_path)


def test_the_key_stays_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-planted-0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    leaky = {"error": {"message": f"Incorrect key {key} in the request"}}
    seen: list[str] = []
    with BatchServer(answer=lambda _: (400, leaky), polls=2) as server:
        server.on = lambda call, number: seen.extend(path.read_text() for path in tmp_path.glob("*.json*"))
        (answer,) = told(batches(server, tmp_path).run(requests(1))).values()
        assert server.keys == {f"Bearer {key}"}
    assert key not in str(answer) and "[redacted]" in str(answer)
    assert seen and not any(key in text for text in seen)


PROGRAM = """
import os, sys
from pathlib import Path
from alignbench.backends.api.batches import Batches
from alignbench.backends.api.endpoint import Endpoint
url, folder, done = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
known = set(done.read_text().split()) if done.exists() else set()
ids = [f"id-{place:03}" for place in range(6)]
rows = ((each, {"model": "m", "messages": []}) for each in ids if each not in known)
with done.open("a") as file:
    for custom_id, _ in Batches(Endpoint(url), folder, None, poll_seconds=0.01, max_requests=2).run(rows):
        file.write(f"{custom_id}\\n")
        file.flush()
        os.fsync(file.fileno())
"""


def test_sigkill_between_the_creation_of_a_job_and_the_note_of_it(tmp_path: Path) -> None:
    """The process dies inside the call that creates its second job, and again while it collects."""
    child: list[subprocess.Popen[bytes]] = []
    kills = iter([("create", 1), ("content", 1)])
    wanted = next(kills)

    def kill(call: str, number: int) -> None:
        nonlocal wanted
        if (call, number) == wanted:
            wanted = next(kills, ("", 0))
            child[-1].kill()

    command = [sys.executable, "-c", PROGRAM]
    with BatchServer(on=kill) as server:
        while True:
            process = subprocess.Popen(
                [*command, server.base_url, tmp_path / "jobs", tmp_path / "done"],
                env={**os.environ, "OPENAI_API_KEY": "none"},
            )
            child.append(process)
            if process.wait() == 0:
                break
    assert len(child) == 3
    assert sorted((tmp_path / "done").read_text().split()) == [f"id-{place:03}" for place in range(6)]
    assert set(server.billed.values()) == {1} and len(server.billed) == 6
