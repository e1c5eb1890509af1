"""`alignbench generate` as people and scripts meet it: options, words, exit codes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from alignbench.cli import run
from alignbench.cli.progress import line_meter
from generation.progress import Progress
from tests.standins import BOTH, CAPTIONS, LOOP, PICTURES, Write, install, writer_in

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return install(tmp_path / "site", monkeypatch)


@pytest.fixture
def recipe(adapters: Path, tmp_path: Path) -> Write:
    return writer_in(tmp_path)


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    def call(recipe: Path | str, *options: str) -> tuple[int, str, str]:
        code = run(["generate", str(recipe), "--out", str(tmp_path / "out"), *options])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_all_is_well(recipe: Write, call: Call, tmp_path: Path) -> None:
    code, out, err = call(recipe(BOTH))
    assert (code, err) == (0, "")
    made, then = out.splitlines()
    assert made.startswith(f"{tmp_path / 'out'}: 6 images, 0 images_missing, 6 pairs, 12 sentences, 6 correct, 6 incor")
    assert made.endswith(", 6 rows made now")
    assert then == f"next: alignbench judge {tmp_path / 'out'} --judge JUDGE --out runs"
    said = json.loads(call(recipe(BOTH), "--json")[1])
    assert (said["made"], said["rows"], said["complete"], said["spent_usd"]) == (0, 6, True, None)


def test_what_went_wrong_is_told_and_the_exit_code_is_1(recipe: Write, call: Call) -> None:
    text = CAPTIONS.format("moody").replace("count: 3", "count: 9, options: {unusable: 2}")
    code, out, _ = call(recipe(text + PICTURES.format("cutting") + "filters: [third]\n"))
    assert code == 1
    failed, dropped, cut, unused, *_ = out.splitlines()
    assert failed.startswith("moody: ") and failed.endswith(
        " refused; run again with --retry-failed to make them again"
    )
    assert dropped.startswith("third: drops ") and dropped.endswith(" moody)")
    assert cut.startswith("cutting: ") and cut.endswith(" longer than its text encoder takes")
    assert unused == "images that could not be used: 2 image_unreadable; unusable_inputs.jsonl tells each"


def test_what_filters_drop_is_no_failure(recipe: Write, call: Call) -> None:
    code, out, _ = call(recipe(CAPTIONS.format("plain") + "filters: [third]\n"))
    assert (code, out.splitlines()[0]) == (0, "third: drops 1 row (1 plain)")


def test_money_runs_out(recipe: Write, call: Call, tmp_path: Path) -> None:
    path = recipe(CAPTIONS.format("x").replace("words:", "paid:"))
    code, out, _ = call(path, "--max-cost", "0.3")
    assert code == 1
    assert out.splitlines() == [
        "$0.25 spent now",
        "stopped: the next caption costs $0.25 and $0.25 is spent",
        f"{tmp_path / 'out'}: 1 of 3 rows, 1 made now; the dataset is written when all are there",
        "next: the same command with a higher --max-cost, which goes on where this stopped",
    ]
    assert json.loads(call(path, "--max-cost", "9", "--json")[1])["spent_usd"] == 0.5
    assert call(path, "--max-cost", "-1")[0] == 2


def test_shards(recipe: Write, call: Call, tmp_path: Path) -> None:
    path = recipe(BOTH + LOOP)
    code, out, _ = call(path, "--shard", "0/2")
    assert code == 0
    assert out.splitlines()[-1] == "next: the same command for the other shards; who finishes last writes the dataset"
    assert call(path, "--shard", "1/2")[0] == 0
    assert (tmp_path / "out" / "dataset.json").exists()
    assert call(path, "--shard", "2/2")[0] == 2


def test_a_recipe_of_ours_needs_no_path(call: Call, tmp_path: Path) -> None:
    code, out, _ = call("scenes", "--dry-run", "--json")
    assert code == 0 and "dry_run" in json.loads(out)
    code, out, _ = call("scenes", "--dry-run", "--max-cost", "1")
    assert code == 0
    assert out.splitlines()[-1] == "nothing was made; run the same command without --dry-run to make it"
    assert list(tmp_path.glob("out*")) == []
    code, _, err = call("scnes")
    assert code == 2 and "ours: " in err and "scenes" in err


def test_a_dry_run_needs_no_folder_to_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["generate", "scenes", "--dry-run"]) == 0
    capsys.readouterr()
    assert run(["generate", "scenes"]) == 2
    assert "say with --out which folder to write" in capsys.readouterr().err


def test_a_dry_run_looks_for_images_where_the_user_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    for number in range(3):
        (tmp_path / "mine" / f"{number}.png").write_bytes(b"not opened")
    monkeypatch.chdir(tmp_path)
    assert run(["generate", "own-images", "--images", "mine", "--dry-run"]) == 0
    assert "3 rows" in capsys.readouterr().out.splitlines()[0]


def test_wrong_use_is_told_before_anything_is_made(recipe: Write, call: Call, tmp_path: Path) -> None:
    for options, told in (
        (["--seed", "-1"], "seed: input should be greater than or equal to 0"),
        (["--images", str(tmp_path / "none")], "none"),
    ):
        code, out, err = call(recipe(BOTH), *options)
        assert (code, out) == (2, "")
        assert told in err


def test_progress_tells_the_stage_and_the_model() -> None:
    stream, now = io.StringIO(), iter(range(0, 1000, 40))
    update = line_meter("small", "rows", stream, clock=lambda: next(now))
    update(Progress(5, 0, 5, 1, "folder", "gathering", "images"))
    update(Progress(10, 20, 10, 0, "words:plain", "captions"))
    update(Progress(12, 20, 12, 0, "words:plain", "captions"))
    told = stream.getvalue().splitlines()
    assert told[0] == "small: 5 images, 1 failed, now gathering: folder"
    assert told[1] == "small: 10 of 20 rows, now captions: words:plain"
    assert told[2].startswith("small: 12 of 20 rows, 0.0 a second, 0:")
