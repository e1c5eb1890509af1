"""Datasets made over an API that do not go well: killed, out of money, with faults, with a key not to be seen."""

from __future__ import annotations

import json
import logging
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from alignbench.errors import UsageError
from alignbench.store import Dataset
from alignbench.types import Direction, Status
from generation.pipeline import generate
from tests.api_server import ApiServer, blocked, draws, fails, says, unauthorised
from tests.api_studio import GREETING, Studio, drawing_of

KEY = "sk-planted-0123456789abcdef"
IN_FLIGHT = 8
STAGES = ("chat/completions", "images/generations")
IMAGES, PROMPTS = 40, 40


def write_recipe(path: Path, server: ApiServer, images: int = 6, prompts: int = 6, **options: Any) -> Path:
    """A captioner over so many pictures of the offline world, and an image model over so many prompts."""
    options = {"base_url": server.base_url, "in_flight": IN_FLIGHT, **options}
    recipe = {
        "name": "over-an-api",
        "images": {"source": "scenes", "count": images},
        "captioners": [{"model": "api:captioner", "options": options}],
        "caption_prompt": "Describe the image.",
        "prompts": {"writer": "scenes", "count": prompts},
        "image_models": [{"model": "api:painter", "options": options}],
    }
    path.write_text(json.dumps(recipe))  # which is YAML too
    return path


def asked_for(server: ApiServer, stage: str = "") -> Counter[str]:
    """How often each row was asked for, of one stage or of both; the greetings aside."""
    rows = [each for each in list(server.requests) if stage in each.path and GREETING not in each.text]
    return Counter(json.dumps(request.body, sort_keys=True) for request in rows)


def recorded(out: Path) -> Counter[str]:
    """How often each row stands in the journals; a line that a kill cut short does not count."""
    journals = out.with_name(f"{out.name}.partial").glob("journal*.jsonl")
    lines = [line for path in journals for line in path.read_bytes().splitlines(keepends=True)]
    return Counter(json.loads(line)["pair_id"] for line in lines if line.endswith(b"\n"))


def wait_for(server: ApiServer, stage: str, requests: int) -> None:
    """Wait until so many rows of a stage have been asked for."""
    deadline = time.monotonic() + 60
    while sum(asked_for(server, stage).values()) < requests and time.monotonic() < deadline:
        time.sleep(0.002)


def start(recipe: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [Path(sys.executable).parent / "alignbench", "generate", recipe, "--out", out]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_killed_at_random_moments_no_answered_row_is_asked_again(tmp_path: Path) -> None:
    out, rng = tmp_path / "data", random.Random(3)
    with ApiServer(Studio(seconds=0.04)) as server:
        recipe = write_recipe(tmp_path / "recipe.yaml", server, IMAGES, PROMPTS)
        kept: Counter[str] = Counter()
        for stage in STAGES:
            with start(recipe, out) as process:
                wait_for(server, stage, rng.randrange(8, 30))
                time.sleep(rng.uniform(0, 0.05))
                process.kill()
            before, kept = kept, recorded(out)
            assert before < kept and set(kept.values()) == {1}, stage
        assert 0 < kept.total() < IMAGES + PROMPTS
        with start(recipe, out) as process:
            said, _ = process.communicate()
        assert process.returncode == 0, said
        times = asked_for(server)
    assert len(times) == IMAGES + PROMPTS
    # What is asked for twice was in flight at a kill, and nothing else.
    assert times.total() - len(times) <= len(STAGES) * IN_FLIGHT
    assert max(times.values()) <= 1 + len(STAGES)
    _is_whole(Dataset.open(out))


def _is_whole(dataset: Dataset) -> None:
    images = {image.image_key: image for image in dataset.images()}
    drawn = Counter(pair.direction for pair in dataset.pairs())
    assert drawn == {Direction.IMAGE_TO_TEXT: IMAGES, Direction.TEXT_TO_IMAGE: PROMPTS}
    for pair in dataset.pairs():
        made = pair.provenance["made"]
        assert made["endpoint"] == "127.0.0.1" and made["attempts"] == 1
        if pair.direction is Direction.TEXT_TO_IMAGE:
            assert images[pair.image_key].bytes == drawing_of(pair.caption)
            assert made["parameters"]["size"] == "1024x1024"
        else:
            assert pair.caption.startswith("A picture with the mark ")
            assert made["parameters"]["seed"] == pair.provenance["seed"]


def test_every_fault_of_a_row_is_a_status_and_is_asked_again_only_on_request(tmp_path: Path) -> None:
    out = tmp_path / "data"
    texts = _prompts_of(tmp_path)
    faults = {
        texts[0]: [blocked()],
        texts[1]: [blocked("output")],
        texts[2]: [draws(b"<html></html>")],
        texts[3]: [draws("%")],
        texts[4]: [fails(500)],
    }
    with ApiServer(Studio(faults=faults)) as server:
        recipe = write_recipe(tmp_path / "recipe.yaml", server)
        summary = generate(recipe, out)
        statuses = {Status.REFUSED: 1, Status.UNSAFE: 1, Status.IMAGE_UNREADABLE: 1, Status.FAILED: 1}
        assert list(summary.failures.values()) == [statuses]
        assert summary.counts["pairs"] == 8 and set(asked_for(server).values()) == {1, 2}
        before = len(server.requests)
        assert generate(recipe, out).counts["pairs"] == 8
        assert len(server.requests) == before
        again = generate(recipe, out, retry_failed=True)
        assert again.failures == {} and again.counts["pairs"] == 12
        assert len(server.requests) == before + 4


def _prompts_of(tmp_path: Path) -> list[str]:
    """The prompts that the recipe's image model will be asked for."""
    with ApiServer(Studio()) as server:
        generate(write_recipe(tmp_path / "probe.yaml", server), tmp_path / "probe")
        return [request.body["prompt"] for request in server.requests if request.path == "images/generations"]


def test_a_limit_on_the_cost_holds_over_the_whole_recipe_and_the_rest_is_made_later(tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text(
        "dated: 2026-01-01\nprices: {127.0.0.1: {captioner: {input: 10.0, output: 10.0}, "
        "painter: {input: 0, output: 0, per_image: 0.01}}}\n"
    )
    with ApiServer(Studio()) as server:
        recipe = write_recipe(tmp_path / "recipe.yaml", server, 8, 8, prices=str(prices))
        limited = generate(recipe, tmp_path / "data", max_cost=0.06)
        assert limited.stopped is not None and "limit of" in limited.stopped and not limited.complete
        assert limited.spent_usd is not None and 0.04 < limited.spent_usd <= 0.06
        assert 8 < limited.made < 16
        rest = generate(recipe, tmp_path / "data")
        assert rest.complete and rest.made == 16 - limited.made
        assert set(asked_for(server).values()) == {1}


def test_a_key_is_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("PLANTED_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    texts = _prompts_of(tmp_path)
    faults = {
        texts[0]: [fails(400)],
        texts[1]: [draws(drawing_of("odd"), revised_prompt=f"Bearer {KEY}", size=f"{KEY}")],
        texts[2]: [fails(500)] * 2,
        "Describe the image.": [says(f"It says {KEY} on a sign. It is red.")],
    }
    with ApiServer(Studio(faults=faults)) as server:
        server.echo_key = True
        options: dict[str, Any] = {"key_env": "PLANTED_KEY", "retries": 1}
        recipe = write_recipe(tmp_path / "recipe.yaml", server, **options)
        summary = generate(recipe, tmp_path / "data")
        assert list(summary.failures.values()) == [{Status.FAILED: 2}]
        assert {request.headers["Authorization"] for request in server.requests} == {f"Bearer {KEY}"}
    with ApiServer(unauthorised()) as server:
        server.echo_key = True
        with pytest.raises(UsageError) as caught:
            generate(write_recipe(tmp_path / "other.yaml", server, **options), tmp_path / "other")
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"journal-0-of-1.jsonl", "failed_rows.jsonl", "pairs.parquet"} <= {path.name for path in files}
    assert any(b"[redacted]" in content for path, content in files.items() if path.name.startswith("journal"))
    assert [path for path, content in files.items() if KEY.encode() in content] == []
    assert KEY not in "".join(str(pair) for pair in Dataset.open(tmp_path / "data").pairs())
    assert KEY not in caplog.text and KEY not in str(caught.value) and "PLANTED_KEY" in str(caught.value)


def test_the_loop_goes_once_around_over_an_api(tmp_path: Path) -> None:
    with ApiServer(Studio()) as server:
        path = write_recipe(tmp_path / "recipe.yaml", server, 2, 1)
        recipe = json.loads(path.read_text())
        recipe["loop"] = {"image_models": recipe["image_models"], "captioners": recipe["captioners"]}
        path.write_text(json.dumps(recipe))
        summary = generate(path, tmp_path / "data")
        assert summary.counts["pairs"] == 2 + 1 + 2 + 2
        drawn = [request.body["prompt"] for request in server.requests if request.path == "images/generations"]
    captions = {pair.caption for pair in Dataset.open(tmp_path / "data").pairs()}
    assert len(set(drawn)) == 1 + 2 and set(drawn) <= captions
