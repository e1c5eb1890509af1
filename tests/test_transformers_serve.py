"""The API judge and captioner against a server that nobody here wrote: `transformers serve` with an embedded model."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import alignbench
from alignbench.errors import UsageError
from alignbench.registry import build_captioner, build_judge
from alignbench.run import RunSummary, run_judge
from alignbench.store import Dataset
from alignbench.types import CaptionTask, Status, TextTask
from generation.api import ApiCaptioner, ApiTextModel
from generation.scenes.probe import write_probe
from judges.api import ApiJudge
from tests.run_results import judgments

MODEL = Path(alignbench.__file__).parent / "embedded" / "scenes-b"
CONTRASTS = 2
STARTS_WITHIN = 240.0


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running server, which is one for all tests here."""
    log = tmp_path_factory.mktemp("serve") / "log.txt"
    program = Path(sys.executable).parent / "transformers"
    command = [program, "serve", MODEL, "--host", "127.0.0.1", "--port", "0", "--device", "cpu"]
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as server:
        try:
            yield address(server, log)
        finally:
            server.terminate()
            server.wait()


def address(server: subprocess.Popen[bytes], log: Path) -> str:
    """What the server says that it listens on, once it does."""
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline and server.poll() is None:
        if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", log.read_text()):
            return f"{found[1]}/v1"
        time.sleep(0.1)
    raise AssertionError(f"transformers serve did not start:\n{log.read_text()}")


@pytest.fixture(scope="module")
def judged(base_url: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunSummary, RunSummary]:
    """One dataset judged twice: through the server, and by the same model loaded here."""
    folder = tmp_path_factory.mktemp("judged")
    write_probe(folder / "probe", CONTRASTS)
    dataset = Dataset.open(folder / "probe")
    # The model was trained on the first token of its answer alone, and talks on after it.
    served = ApiJudge.from_reference(
        str(MODEL), name="served", base_url=base_url, fallback="samples", samples=3, max_tokens=1
    )
    return run_judge(dataset, served, folder / "runs"), run_judge(dataset, build_judge("scenes-b"), folder / "runs")


def test_the_served_model_says_what_the_loaded_one_thinks(judged: tuple[RunSummary, RunSummary]) -> None:
    served, loaded = map(judgments, judged)
    assert len(served) > 10
    likely = {each.sentence_id: each.verdict.score for each in loaded}
    assert all(each.verdict.raw["draws"][0] in {"Yes", "No"} for each in served)
    for each in served:
        assert each.verdict.score == float((likely[each.sentence_id] or 0.0) > 0.5)
        assert (each.verdict.usage.input_tokens or 0) > 3 * 64


def test_the_run_says_that_logprobs_were_wanted_and_ignored(judged: tuple[RunSummary, RunSummary]) -> None:
    described = json.loads((judged[0].folder / "run.json").read_text())
    assert described["spec"]["mode"] == "samples"
    assert described["spec"]["options"]["wanted"] == "logprob"
    found = json.loads(described["environment"]["probe"])
    assert found["modes"]["logprob"].startswith("ignored")
    assert found["modes"]["samples"] == "honoured"
    assert (found["vision"], found["several"], found["limit_honoured"]) == ("seen", False, True)


def test_without_a_fallback_the_error_says_what_would_work(base_url: str) -> None:
    with pytest.raises(UsageError, match=r"logprob: ignored.*what works there: samples;"):
        ApiJudge.from_reference(str(MODEL), base_url=base_url)


def test_the_served_captioner_writes_what_the_loaded_one_writes(base_url: str, tmp_path: Path) -> None:
    write_probe(tmp_path / "probe", CONTRASTS)
    images = list(Dataset.open(tmp_path / "probe").images())[:4]
    tasks = [CaptionTask(number, image, "Describe the image.", 5) for number, image in enumerate(images)]
    served = ApiCaptioner.from_reference(str(MODEL), base_url=base_url, temperature=0.0, max_tokens=200)
    found = {row.number: row for row in served.produce(tasks)}
    loaded = {row.number: row for row in build_captioner("scenes-b", max_new_tokens=200).produce(tasks)}
    assert served.manners.vision == "seen" and len(found) == len(tasks) == 4
    assert {row.status for row in loaded.values()} == {Status.OK}
    assert {number: row.caption for number, row in found.items()} == {n: row.caption for n, row in loaded.items()}
    assert all(row.provenance["usage"]["output_tokens"] > 5 for row in found.values())


def test_the_served_model_writes_a_text_without_an_image(base_url: str) -> None:
    served = ApiTextModel.from_reference(str(MODEL), base_url=base_url, temperature=0.0, max_tokens=20)
    (row,) = served.write([TextTask(0, "Describe the image.", 1)])
    assert row.status in {Status.OK, Status.RUN_ON} and row.provenance["parameters"]["temperature"] == 0.0
