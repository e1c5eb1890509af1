"""The command line as people and scripts meet it: what it prints, its exit codes, and every wrong use."""

from __future__ import annotations

import io
import json
import shutil
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image as Pillow

from alignbench.cli import run
from alignbench.cli.arguments import read_shard
from alignbench.cli.progress import SECONDS_BETWEEN_LINES, Pace, line_meter, meter
from alignbench.run import Progress
from alignbench.store import Dataset, DatasetWriter, image_of, sentence_id_of
from alignbench.types import Direction, ErrorType, Label, ModelRef, Origin, Pair, Sentence, Span

TEXTS = ("A red dot is on the left.", "Two cats sleep.")


def png(shade: int, size: tuple[int, int] = (8, 8)) -> bytes:
    encoded = io.BytesIO()
    Pillow.new("RGB", size, (shade, 0, 255 - shade)).save(encoded, "PNG")
    return encoded.getvalue()


def bomb() -> bytes:
    """A few bytes that claim to be a picture of 40,000 x 40,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def write_dataset(path: Path, *, label: Label | None = Label.CORRECT, texts: tuple[str, str] = TEXTS) -> Path:
    """Forty images with one caption of two sentences; the second is wrong, the first is as `label` says."""
    wrong = Span(0, 3, ErrorType.NUMBER)
    with DatasetWriter(path, name="dots", replace=path.exists()) as writer:
        for shade in range(40):
            image = image_of(png(shade), source="test", origin=Origin.REAL)
            writer.add_image(image)
            caption, end = " ".join(texts), len(texts[0])
            pair = Pair(
                f"p{shade}",
                image.image_key,
                caption,
                ModelRef("captioner"),
                Direction.IMAGE_TO_TEXT,
                None,
                image.image_key,
            )
            first = Sentence(sentence_id_of(pair.pair_id, 0), pair.pair_id, 0, 0, end, texts[0], label)
            second = Sentence(
                sentence_id_of(pair.pair_id, 1),
                pair.pair_id,
                1,
                end + 1,
                len(caption),
                texts[1],
                Label.INCORRECT,
                (ErrorType.NUMBER,),
                (wrong,),
            )
            writer.add_pair(pair, [first, second])
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("written") / "dots")


@pytest.fixture
def dataset(written: Path, tmp_path: Path) -> Path:
    """A dataset that the test may spoil."""
    return Path(shutil.copytree(written, tmp_path / "dots"))


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command: exit code, stdout, stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code = run([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def refuse(call: Call, arguments: list[object], *words: str) -> None:
    """Assert that a command is refused as wrong use, for people and for machines, with these words."""
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert "Traceback" not in err
    for word in words:
        assert word in err
    code, out, err = call(*arguments, "--json")
    assert (code, err) == (2, "")
    error = json.loads(out)["error"]
    assert set(error) == {"type", "message"}
    assert all(word in error["message"] for word in words)


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path)), path)


# Wrong use: every case names what was given, what is allowed and what to do next.


@pytest.mark.parametrize(
    "rest",
    [["validate"], ["judge", "--judge", "constant", "--out", "runs"], ["attach-images", "--images", "."]],
    ids=lambda rest: rest[0],
)
def test_missing_folder(call: Call, tmp_path: Path, rest: list[str]) -> None:
    nowhere = tmp_path / "nowhere"
    refuse(call, [rest[0], nowhere, *rest[1:]], str(nowhere), "alignbench generate")


def test_missing_folder_of_evaluate(call: Call, dataset: Path, tmp_path: Path) -> None:
    report = ["--out", tmp_path / "report"]
    refuse(call, ["evaluate", tmp_path / "nowhere", tmp_path, *report], "nowhere", "alignbench generate")
    refuse(call, ["evaluate", dataset, tmp_path / "no-runs", *report], "no-runs", "alignbench judge")


def test_a_folder_that_is_no_dataset(call: Call, tmp_path: Path) -> None:
    refuse(call, ["validate", tmp_path], str(tmp_path), "dataset.json", "alignbench import")


def test_wrong_parquet_schema(call: Call, dataset: Path, tmp_path: Path) -> None:
    rewrite(dataset / "pairs.parquet", lambda table: table.rename_columns({"caption": "text"}))
    for rest in (["judge", dataset, "--judge", "constant", "--out", tmp_path / "runs"], ["validate", dataset]):
        code, out, err = call(*rest)
        assert code == (1 if rest[0] == "validate" else 2)
        assert "pairs" in out + err
        assert "caption" in out + err
        assert "Traceback" not in err


def test_parquet_that_is_cut_off(call: Call, dataset: Path, tmp_path: Path) -> None:
    file = dataset / "sentences.parquet"
    file.write_bytes(file.read_bytes()[:100])
    arguments = ["judge", dataset, "--judge", "constant", "--out", tmp_path / "runs"]
    refuse(call, arguments, str(dataset), "alignbench validate")


def test_unknown_judge_name(call: Call, dataset: Path, tmp_path: Path) -> None:
    arguments = ["judge", dataset, "--judge", "constant", "--judge", "scens-a", "--out", tmp_path / "runs"]
    refuse(call, arguments, "scens-a", "scenes-a", "alignbench list judges")
    assert not (tmp_path / "runs").exists(), "a misspelt second judge is found before the first one runs"


def test_unknown_kind_of_judge(call: Call, dataset: Path, tmp_path: Path) -> None:
    refuse(call, ["judge", dataset, "--judge", "clap:x", "--out", tmp_path / "runs"], "clap", "clip", "list judges")


def import_one(tmp_path: Path, image: bytes, *rows: dict[str, object]) -> list[object]:
    """The arguments that import these rows over one image."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "dot.png").write_bytes(image)
    lines = [json.dumps({"image": "dot.png", "caption": "Two cats sleep.", **row}) for row in rows or ({},)]
    (tmp_path / "table.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return ["import", "table", tmp_path / "table.jsonl", "--images", tmp_path / "images", "--out", tmp_path / "out"]


def test_corrupt_image(call: Call, tmp_path: Path) -> None:
    whole = png(1, (256, 256))
    refuse(call, import_one(tmp_path, whole[: len(whole) // 2]), "line 1", "dot.png", "import it again")
    assert not (tmp_path / "out").exists()


def test_image_bomb(call: Call, tmp_path: Path) -> None:
    refuse(call, import_one(tmp_path, bomb()), "line 1", "dot.png", "1600000000", "64,000,000", "smaller")


def test_one_sentence_with_two_labels(call: Call, tmp_path: Path) -> None:
    rows = [{"sentence": "Two cats sleep.", "label": label} for label in ("correct", "incorrect")]
    refuse(call, import_one(tmp_path, png(1), *rows), "table.jsonl", "line 2", "import it again")


def test_span_out_of_range(call: Call, tmp_path: Path) -> None:
    span = {"start": 0, "end": 99, "error_type": "number"}
    row = {"sentence": "Two cats sleep.", "label": "incorrect", "error_types": ["number"], "spans": [span]}
    refuse(call, import_one(tmp_path, png(1), row), "line 1", "99", "15")


def test_empty_dataset(call: Call, tmp_path: Path) -> None:
    arguments = import_one(tmp_path, png(1))
    (tmp_path / "table.jsonl").write_text("", encoding="utf-8")
    refuse(call, arguments, "table.jsonl", "no rows")


def test_dataset_without_sentences(call: Call, dataset: Path, tmp_path: Path) -> None:
    rewrite(dataset / "sentences.parquet", lambda table: table.slice(0, 0))
    header = json.loads((dataset / "dataset.json").read_text(encoding="utf-8"))
    header["counts"]["sentences"] = 0
    (dataset / "dataset.json").write_text(json.dumps(header), encoding="utf-8")
    arguments = ["judge", dataset, "--judge", "constant", "--out", tmp_path / "runs"]
    refuse(call, arguments, "empty dataset", "no sentences", "import")


def test_duplicate_ids_in_a_dataset(call: Call, dataset: Path, tmp_path: Path) -> None:
    assert call("judge", dataset, "--judge", "length", "--out", tmp_path / "runs")[0] == 0
    rewrite(dataset / "sentences.parquet", lambda table: pa.concat_tables([table.slice(0, 79), table.slice(78, 1)]))
    code, out, _ = call("validate", dataset, "--json")
    assert code == 1
    assert ("id-unique", "p39#0") in {(each["rule"], each["row"]) for each in json.loads(out)["violations"]}
    refuse(call, ["judge", dataset, "--judge", "constant", "--out", tmp_path / "runs"], "p39#0", "alignbench validate")
    refuse(call, ["evaluate", dataset, tmp_path / "runs", "--out", tmp_path / "report"], "runs", "judge again")


def test_dataset_changed_since_the_run_began(call: Call, dataset: Path, tmp_path: Path) -> None:
    runs, report = tmp_path / "runs", tmp_path / "report"
    assert call("judge", dataset, "--judge", "length", "--out", runs)[0] == 0
    write_dataset(dataset, texts=(TEXTS[0], "Two dogs sleep."))
    refuse(call, ["evaluate", dataset, runs, "--out", report], str(dataset), "alignbench judge")


def test_labels_changed_under_a_judge_that_reads_them(call: Call, dataset: Path, tmp_path: Path) -> None:
    arguments = ["judge", dataset, "--judge", "planted:auroc=0.8", "--out", tmp_path / "runs"]
    assert call(*arguments, "--limit", "10")[0] == 0
    write_dataset(dataset, label=Label.UNKNOWN)
    refuse(call, arguments, "dots", "changed")


def test_unreadable_recipe(call: Call, tmp_path: Path) -> None:
    refuse(call, ["generate", tmp_path / "no.yaml", "--out", tmp_path / "out"], "no.yaml", "recipe")


# What click finds wrong is said in the same way.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["jugde"], ["jugde", "judge", "alignbench --help"]),
        (["import", "hlacap"], ["hlacap", "halcap", "alignbench import --help"]),
        (["judge", "d", "--jugde", "x"], ["--jugde", "--judge", "alignbench judge --help"]),
        (["judge", "d", "--out", "r"], ["--judge", "alignbench judge --help"]),
        (["judge", "d", "--judge", "x", "--out", "r", "--control", "gray"], ["gray", "blank", "shuffled"]),
        (["judge", "d", "--judge", "x", "--out", "r", "--shard", "4/4"], ["4/4", "0/4"]),
        (["judge", "d", "--judge", "x", "--out", "r", "--limit", "0"], ["0", "x>=1"]),
        (["list", "jugdes"], ["jugdes", "captioners", "alignbench list --help"]),
        (["evaluate", "d"], ["RUNS", "alignbench evaluate --help"]),
    ],
    ids=" ".join,
)
def test_wrong_arguments(call: Call, arguments: list[object], words: list[str]) -> None:
    refuse(call, arguments, *words)


@pytest.mark.parametrize("value", ["", "1", "/4", "1/", "4/4", "-1/4", "a/b", "0/0", "1/2/3", "²/4"])
def test_a_shard_is_one_of_n(value: str) -> None:
    with pytest.raises(click.BadParameter, match="0/4"):
        read_shard(click.Context(click.Command("judge")), click.Option(["--shard"]), value)


def test_without_arguments_the_help_is_shown(call: Call) -> None:
    code, _, err = call()
    assert code == 2
    assert err.startswith("Usage: alignbench")
    assert "error:" not in err


# What is right.


def test_validate(call: Call, dataset: Path) -> None:
    assert call("validate", dataset)[0] == 0
    code, out, err = call("validate", dataset, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"dataset": str(dataset), "valid": True, "violations": []}


def test_judge_then_evaluate(call: Call, dataset: Path, tmp_path: Path) -> None:
    runs, report = tmp_path / "runs", tmp_path / "report"
    judges = ["--judge", "planted:auroc=0.95,seed=3", "--judge", "constant"]
    code, out, _ = call("judge", dataset, *judges, "--out", runs)
    assert code == 0
    assert "80 of 80 sentences" in out
    assert f"alignbench evaluate {dataset} {runs}" in out
    code, out, _ = call("judge", dataset, *judges, "--out", runs, "--json")
    assert code == 0
    assert [(each["asked"], each["complete"], each["statuses"]) for each in json.loads(out)["runs"]] == [
        (0, True, {"ok": 80}),
        (0, True, {"ok": 80}),
    ]
    assert call("evaluate", dataset, runs, "--out", report, "--replicates", "200")[0] == 0
    code, out, _ = call("evaluate", dataset, runs, "--out", report, "--replicates", "200", "--json")
    results = json.loads(out)
    assert code == 0
    assert results == json.loads((report / "results.json").read_text(encoding="utf-8"))
    values = {judge["name"]: judge["auroc"]["value"] for judge in results["judges"]}
    assert values["constant"] == 0.5
    assert max(values.values()) > 0.85
    assert {"leaderboard.csv", "leaderboard.md", "leaderboard.tex"} <= {path.name for path in report.iterdir()}


def test_failed_judgments_exit_with_one_and_can_be_asked_again(call: Call, dataset: Path, tmp_path: Path) -> None:
    arguments = ["judge", dataset, "--judge", "planted:failures=0.5", "--out", tmp_path / "runs", "--json"]
    code, out, _ = call(*arguments)
    (first,) = json.loads(out)["runs"]
    failed = sum(count for status, count in first["statuses"].items() if status != "ok")
    assert code == 1
    assert failed > 0
    code, out, _ = call(*arguments, "--retry-failed")
    assert code == 1
    assert json.loads(out)["runs"][0]["asked"] == failed


def test_shards_are_judged_apart(call: Call, dataset: Path, tmp_path: Path) -> None:
    arguments = ["judge", dataset, "--judge", "length", "--out", tmp_path / "runs", "--json"]
    runs = [json.loads(call(*arguments, "--shard", f"{i}/3")[1])["runs"][0] for i in range(3)]
    assert [each["complete"] for each in runs] == [False, False, True]
    assert sum(each["asked"] for each in runs) == 80


@pytest.mark.parametrize("what", ["captioners", "image-models"])
def test_list(call: Call, what: str) -> None:
    code, out, _ = call("list", what, "--json")
    assert code == 0
    listed = json.loads(out)[what]
    assert all(set(each) == {"name", "summary", "extra"} for each in listed)
    assert call("list", what)[1].count("\n") == len(listed)


def test_import_table_then_judge(call: Call, tmp_path: Path) -> None:
    arguments = import_one(tmp_path, png(1), {"producer": "me"})
    code, out, _ = call(*arguments)
    assert code == 0
    assert f"alignbench validate {tmp_path / 'out'}" in out
    assert [sentence.text for sentence in Dataset.open(tmp_path / "out").sentences()] == ["Two cats sleep."]
    assert call("validate", tmp_path / "out")[0] == 0
    assert call("judge", tmp_path / "out", "--judge", "constant", "--out", tmp_path / "runs")[0] == 0


def test_an_interruption_says_how_to_go_on(call: Call, monkeypatch: pytest.MonkeyPatch, dataset: Path) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("alignbench.validate.validate", interrupted)
    code, _, err = call("validate", dataset)
    assert code == 130
    assert "run the same command again" in err


# Progress.


def stand(finished: int, total: int, failed: int = 0) -> Progress:
    return Progress(finished, total, asked=finished, failed=failed)


def test_the_pace_is_that_of_this_call() -> None:
    now = [100.0]
    pace = Pace("sentences", clock=lambda: now[0])
    assert pace.words(stand(600, 1600)) == "600 of 1,600 sentences"
    now[0] = 110.0
    assert pace.words(stand(700, 1600, failed=2)) == "700 of 1,600 sentences, 10.0 a second, 0:01:30 left, 2 failed"


def test_the_time_left_can_be_days() -> None:
    now = [0.0]
    pace = Pace("rows", clock=lambda: now[0])
    pace.words(stand(0, 1_000_001))
    now[0] = 1.0
    assert pace.words(stand(1, 1_000_001)) == "1 of 1,000,001 rows, 1.0 a second, 277:46:40 left"


def test_lines_come_now_and_then() -> None:
    now, stream = [0.0], io.StringIO()
    update = line_meter("scenes-a", "sentences", stream, clock=lambda: now[0])
    for second in range(int(2 * SECONDS_BETWEEN_LINES) + 1):
        now[0] = float(second)
        update(stand(second, 1000))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("scenes-a: 30 of 1,000 sentences, 1.0 a second")


def test_a_terminal_gets_a_bar() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with meter("scenes-a", "sentences", stream) as update:
        update(stand(5, 10))
    assert "scenes-a" in stream.getvalue()
    assert "5 of 10 sentences" in stream.getvalue()


def test_judge_says_what_comes_next(call: Call, dataset: Path, tmp_path: Path) -> None:
    arguments = ["judge", dataset, "--judge", "constant", "--out", tmp_path / "runs"]
    assert "next: the same command" in call(*arguments, "--limit", 3)[1]
    assert f"next: alignbench evaluate {dataset}" in call(*arguments)[1]
    unlabelled = import_one(tmp_path, png(1))
    assert call(*unlabelled)[0] == 0
    out = Path(str(unlabelled[unlabelled.index("--out") + 1]))
    assert "needs labels" in call("judge", out, "--judge", "constant", "--out", tmp_path / "other")[1]


def test_a_warning_is_one_line_without_code(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(what: str) -> list[object]:
        warnings.warn("this model says little", stacklevel=1)
        return []

    monkeypatch.setattr("alignbench.registry.names", warn)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        code, _, err = call("list", "captioners")
    assert code == 0
    assert err == "warning: this model says little\n"
