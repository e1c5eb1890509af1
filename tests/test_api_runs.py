"""Runs of the API judge that do not go well: killed, interrupted, out of money, with a key that must not be seen."""

from __future__ import annotations

import json
import logging
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from alignbench.backends.api.budget import Budget
from alignbench.backends.api.prices import Price
from alignbench.errors import BudgetError, UsageError
from alignbench.run import Progress, run_judge
from alignbench.store import Dataset
from alignbench.types import Answer, Query, Status
from judges.api import ApiJudge
from judges.api.jobs import Jobs
from judges.api.requests import Dialect
from judges.api.settings import Settings
from tests.api_model import ApiModel
from tests.api_server import ApiServer, fails, says, unauthorised
from tests.batch_server import BatchServer
from tests.datasets import PRODUCERS, make_dataset, png
from tests.run_results import judgments

KEY = "sk-planted-0123456789abcdef"
IN_FLIGHT = 8
KILLS = 2
PROBES = 3
"""Requests of the probe of an endpoint that honours everything."""


def recorded(runs: Path) -> Counter[str]:
    """How often each sentence stands in the ledger; a line that a kill cut short does not count."""
    lines = [line for path in runs.glob("*/ledger-*.jsonl") for line in path.read_bytes().splitlines(keepends=True)]
    return Counter(json.loads(line)["sentence_id"] for line in lines if line.endswith(b"\n"))


def write_spec(path: Path, server: ApiServer | BatchServer, **options: Any) -> Path:
    spec = {"kind": "api", "model": "m", "options": {"base_url": server.base_url, "in_flight": IN_FLIGHT, **options}}
    path.write_text(json.dumps(spec))  # which is YAML too
    return path


def start(dataset: Dataset, spec: Path, runs: Path) -> subprocess.Popen[bytes]:
    command = [Path(sys.executable).parent / "alignbench", "judge", dataset.path, "--judge", spec, "--out", runs]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def wait_for(server: ApiServer, requests: int) -> None:
    deadline = time.monotonic() + 60
    while len(server.requests) < requests and time.monotonic() < deadline:
        time.sleep(0.005)


def test_killed_at_random_moments_no_more_is_billed_twice_than_was_in_flight(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", images=40)
    rng = random.Random(0)
    with ApiServer(ApiModel(seconds=0.03)) as server:
        spec = write_spec(tmp_path / "judge.yaml", server)
        for _ in range(KILLS):
            before, begun = recorded(tmp_path / "runs"), len(server.requests)
            with start(dataset, spec, tmp_path / "runs") as process:
                wait_for(server, begun + PROBES + 1)
                time.sleep(rng.uniform(0, 0.4))
                process.kill()
            assert before <= recorded(tmp_path / "runs")
        assert 0 < recorded(tmp_path / "runs").total() < 240
        with start(dataset, spec, tmp_path / "runs") as process:
            said, _ = process.communicate()
        assert process.returncode == 0, said
    assert set(recorded(tmp_path / "runs").values()) == {1} and recorded(tmp_path / "runs").total() == 240
    assert server.billed - PROBES * (KILLS + 1) - 240 <= KILLS * IN_FLIGHT


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Ten images with three sentences each."""
    return make_dataset(tmp_path_factory.mktemp("runs") / "data", images=10, producers=PRODUCERS[:1])


def test_ctrl_c_keeps_what_is_in_flight_and_loses_nothing(dataset: Dataset, tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.asked == 7:
            signal.raise_signal(signal.SIGINT)

    with ApiServer(ApiModel(seconds=0.03)) as server:
        judge = ApiJudge.from_reference("m", base_url=server.base_url, in_flight=IN_FLIGHT)
        with pytest.raises(KeyboardInterrupt):
            run_judge(dataset, judge, tmp_path / "runs", progress=interrupt)
        kept = recorded(tmp_path / "runs").total()
        assert kept == server.billed - PROBES
        assert 7 < kept < 30
        again = run_judge(dataset, judge, tmp_path / "runs")
    assert again.statuses == {Status.OK: 30}
    assert server.billed == PROBES + 30


def price_file(path: Path) -> str:
    """Prices that make the scripted model cost ten dollars per million tokens, in and out."""
    path.write_text("dated: 2026-01-01\nprices: {127.0.0.1: {m: {input: 10.0, output: 10.0}}}\n")
    return str(path)


def test_a_cost_limit_stops_before_it_is_passed(dataset: Dataset, tmp_path: Path) -> None:
    options = {"prices": price_file(tmp_path / "prices.yaml"), "in_flight": IN_FLIGHT}
    with ApiServer(ApiModel()) as server:
        judge = ApiJudge.from_reference("m", base_url=server.base_url, **options)
        limited = run_judge(dataset, judge, tmp_path / "runs", max_cost=0.02)
        assert limited.stopped is not None and "limit of $0.02 is reached" in limited.stopped
        assert 0 < limited.asked < 30
        assert limited.cost_usd is not None and 0 < limited.cost_usd <= 0.02
        # A request is set aside at the most it could cost, .003, and waits for those in flight to cost less.
        assert 0.02 - 0.003 < judge.spent_usd <= 0.02
        judge = ApiJudge.from_reference("m", base_url=server.base_url, **options)
        rest = run_judge(dataset, judge, tmp_path / "runs")
        assert rest.asked == 30 - limited.asked and rest.stopped is None
    per_answer = [10 * (each.verdict.usage.input_tokens or 0) + 10 for each in judgments(rest)]
    assert (rest.cost_usd or 0.0) + limited.cost_usd == pytest.approx(sum(per_answer) / 1e6)


def test_a_cost_that_is_not_known_cannot_be_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    with ApiServer(ApiModel()) as server:
        judge = ApiJudge.from_reference("m", base_url=server.base_url)
    judge.limit_cost(1.0)
    judge._price = None
    with pytest.raises(UsageError, match="option prices"):
        judge.limit_cost(1.0)


def test_a_key_is_nowhere(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PLANTED_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    model = ApiModel(
        faults={
            "Picture 1 is red 😀.": [fails(400)],
            "Picture 2 is red 😀.": [fails(500)] * 2,
            "Picture 3 is red 😀.": [says(f"Bearer {KEY}", top={f"{KEY}": -0.1})],
            "Picture 4 is red 😀.": [says(None, refusal=f"not with {KEY}")],
        }
    )
    with ApiServer(model) as server:
        server.echo_key = True
        options: dict[str, Any] = {"base_url": server.base_url, "key_env": "PLANTED_KEY", "retries": 1}
        summary = run_judge(dataset, ApiJudge.from_reference("m", **options), tmp_path / "runs")
    assert summary.statuses == {Status.OK: 26, Status.FAILED: 2, Status.UNPARSABLE: 1, Status.REFUSED: 1}
    assert server.requests[-1].headers["Authorization"] == f"Bearer {KEY}"
    with ApiServer(unauthorised()) as server:
        server.echo_key = True
        options["base_url"] = server.base_url
        with pytest.raises(UsageError) as caught:
            ApiJudge.from_reference("m", **options)
    written = {path: path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file()}
    assert any(b"[redacted]" in content for path, content in written.items() if path.name.startswith("ledger"))
    assert [path for path, content in written.items() if KEY.encode() in content] == []
    assert KEY not in caplog.text and KEY not in str(caught.value) and "PLANTED_KEY" in str(caught.value)


def answer_like_a_model(body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """A row of a job, answered as the scripted model would."""
    completed = ApiModel()._completion(body, "uri", "Yes or No", "sentence")
    return 200, completed


def test_jobs_give_the_same_answers_and_ask_nothing_twice(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with ApiServer(ApiModel()) as server, BatchServer(answer=answer_like_a_model) as batches:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        judge = ApiJudge.from_reference("m", batch=True)
        monkeypatch.setenv("OPENAI_BASE_URL", batches.base_url)
        summary = run_judge(dataset, judge, tmp_path / "runs")
    assert summary.statuses == {Status.OK: 30}
    assert len(server.requests) == PROBES
    assert batches.billed.total() == len(batches.billed) == 30
    (house,) = (tmp_path / "runs").glob("*/judge")
    assert house.is_dir()


def jobs(server: BatchServer, folder: Path, usd: float | None = None, **options: Any) -> Jobs:
    settings = Settings.of("m", base_url=server.base_url, **options)
    made = Jobs(settings, Dialect(), Price(input=10.0, output=10.0, batch_factor=0.5), Budget(usd))
    made.move_in(folder)
    return made


def test_a_sentence_that_comes_twice_is_one_row_with_two_answers(tmp_path: Path) -> None:
    with BatchServer(answer=answer_like_a_model) as server:
        query = Query(0, png(), ("A dog.", "A cat.", "A dog."))
        answers = list(jobs(server, tmp_path).judge([query, Query(1, png(), ("A dog.",))]))
    assert {answer[:2] for answer in answers} == {(0, 0), (0, 1), (0, 2), (1, 0)}
    assert server.billed.total() == 2
    dogs = [answer.verdict for answer in answers if answer[:2] != (0, 1)]
    assert len({verdict.score for verdict in dogs}) == 1
    assert sum((verdict.usage.cost_usd or 0.0) > 0 for verdict in dogs) == 1


def test_jobs_with_an_image_that_cannot_be_read_and_one_that_no_longer_fits_the_budget(tmp_path: Path) -> None:
    with BatchServer(answer=answer_like_a_model) as server:
        queries = [Query(0, b"no image", ("A.",)), Query(1, png(), ("B.",)), Query(2, png((1, 2, 3)), ("C.",))]
        given: list[Answer] = []
        with pytest.raises(BudgetError, match="limit of"):
            given.extend(jobs(server, tmp_path, usd=0.0020).judge(queries))
    assert {(answer.query, answer.verdict.status) for answer in given} == {(0, Status.IMAGE_UNREADABLE), (1, Status.OK)}
