"""`alignbench judge` with money, contexts, dry runs and Ctrl-C, as people and scripts meet it."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from alignbench.cli import run
from alignbench.store import Dataset
from alignbench.types import Query
from tests.fake_judges import FakeJudge, PricedJudge

Call = Callable[..., tuple[int, str, str]]
JUDGES = {"priced": "PricedJudge", "unpriced": "UnpricedJudge"}


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judges of these tests, as another distribution would announce them."""
    points = [EntryPoint(kind, f"tests.fake_judges:{name}", "alignbench.judges") for kind, name in JUDGES.items()]
    monkeypatch.setattr("alignbench.registry.entry_points", lambda group: points if group == points[0].group else [])


@pytest.fixture
def call(dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Judge the small dataset with some judges, a space between their names: exit code, stdout, stderr."""

    def call(judges: str, *options: str) -> tuple[int, str, str]:
        named = [word for judge in judges.split() for word in ("--judge", judge)]
        code = run(["judge", str(dataset.path), *named, "--out", str(tmp_path / "runs"), *options])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


# Options of adapters


def test_the_context_reaches_the_judge(call: Call, tmp_path: Path) -> None:
    for context in ("caption", "sentence"):
        assert call("priced:1", "--context", context)[0] == 0
    said = [json.loads(path.read_text())["spec"]["context"] for path in (tmp_path / "runs").glob("*/run.json")]
    assert sorted(said) == ["caption", "sentence"]


def test_shuffled_captions_are_a_run_an_order(call: Call, tmp_path: Path) -> None:
    code, out, _ = call("priced:1", "--context", "shuffled-caption", "--shuffles", "3", "--json")
    assert code == 0
    assert [(run["name"], run["asked"]) for run in json.loads(out)["runs"]] == [
        (f"priced-1 (shuffle {number})", 24) for number in range(3)
    ]
    specs = [json.loads(path.read_text())["spec"] for path in (tmp_path / "runs").glob("*/run.json")]
    assert {(spec["context"], spec["options"]["shuffle"]) for spec in specs} == {
        ("shuffled-caption", number) for number in range(3)
    }
    assert len(json.loads(call("priced:1", "--context", "shuffled-caption", "--json")[1])["runs"]) == 2
    out = call("priced:1", "--context", "shuffled-caption")[1]
    assert "next: the same judges with --context sentence and --context caption, to compare, then alignbench ev" in out
    code, out, err = call("priced:1", "--context", "caption", "--shuffles", "3")
    assert (code, out) == (2, "")
    assert "--shuffles says in how many orders captions are shown; give --context shuffled-caption too" in err
    assert call("priced:1", "--context", "shuffled-caption", "--shuffles", "1")[0] == 2


def test_a_spec_file_of_a_judge_that_sees_captions_can_be_shuffled(call: Call, tmp_path: Path) -> None:
    spec = tmp_path / "mine.yaml"
    spec.write_text("kind: priced\nmodel: '1'\noptions:\n  context: caption\n")
    assert call(str(spec), "--context", "shuffled-caption")[0] == 0
    names = {json.loads(path.read_text())["spec"]["name"] for path in (tmp_path / "runs").glob("*/run.json")}
    assert names == {"priced-1 (shuffle 0)", "priced-1 (shuffle 1)"}


def test_an_embedded_judge_sees_shuffled_captions(call: Call, tmp_path: Path) -> None:
    code, out, _ = call("scenes-b", "--context", "shuffled-caption", "--control", "blank", "--json")
    assert code == 0
    assert [(run["name"], run["statuses"]) for run in json.loads(out)["runs"]] == [
        (f"scenes-b (shuffle {number}) (blank)", {"ok": 24}) for number in range(2)
    ]
    orders = [pq.read_table(path)["score"].to_pylist() for path in (tmp_path / "runs").glob("*/judgments.parquet")]
    assert orders[0] != orders[1]


@pytest.mark.parametrize(
    ("judge", "option"),
    [
        ("blind:length", ["--context", "caption"]),
        ("blind:length", ["--context", "shuffled-caption"]),
        ("scenes-clip", ["--context", "shuffled-caption"]),
        ("unpriced:m", ["--base-url", "http://localhost:1/v1"]),
        ("unpriced:m", ["--batch"]),
    ],
    ids=str,
)
def test_an_option_that_the_adapter_does_not_take(call: Call, tmp_path: Path, judge: str, option: list[str]) -> None:
    code, out, err = call(f"priced:1 {judge}", *option)
    assert (code, out) == (2, "")
    assert f"the judge '{judge}' takes no option {option[0]}" in err
    assert not (tmp_path / "runs").exists(), "it is found before the first judge runs"


def test_batch_and_base_url_reach_the_judge(call: Call) -> None:
    code, out, _ = call("priced:1", "--batch", "--base-url", "http://localhost:1/v1")
    assert code == 0
    assert "and $500.00 per 1,000 sentences" in out


# Money


def test_what_is_left_over_goes_to_the_next_judge(call: Call) -> None:
    code, out, _ = call("priced:0.25 priced:1", "--max-cost", "10.5", "--json")
    first, second = json.loads(out)["runs"]
    assert code == 1
    assert (first["asked"], first["cost_usd"], first["stopped"]) == (24, 6.0, None)
    assert (second["asked"], second["cost_usd"]) == (4, 4.0)
    assert "higher --max-cost" in second["stopped"]


def test_money_is_for_all_shuffles_of_all_judges(call: Call) -> None:
    code, out, _ = call("priced:0.25 priced:1", "--context", "shuffled-caption", "--max-cost", "15", "--json")
    runs = json.loads(out)["runs"]
    assert code == 1
    assert [(run["name"], run["asked"]) for run in runs] == [
        ("priced-0.25 (shuffle 0)", 24), ("priced-0.25 (shuffle 1)", 24),
        ("priced-1 (shuffle 0)", 3), ("priced-1 (shuffle 1)", 0),
    ]  # fmt: skip
    code, out, _ = call("priced:0.25 priced:1", "--context", "shuffled-caption", "--json")
    assert (code, [run["asked"] for run in json.loads(out)["runs"]]) == (0, [0, 0, 21, 24])


def test_a_run_that_the_money_ended_says_how_to_go_on(call: Call) -> None:
    code, out, _ = call("priced:1", "--max-cost", "4")
    assert code == 1
    assert "priced-1: 4 of 24 sentences" in out
    assert "priced-1: stopped: the next answer costs $1; give a higher --max-cost" in out
    assert "next: the same command with a higher --max-cost" in out
    code, out, _ = call("priced:1")
    assert (code, "20 asked now" in out, "next: alignbench evaluate" in out) == (0, True, True)


def test_a_judge_without_a_price_says_seconds_alone(call: Call) -> None:
    out = call("blind:length")[1]
    assert " s per 1,000 sentences)" in out
    assert "$" not in out
    assert "per 1,000" not in call("blind:length")[1], "nothing was asked, so nothing has a rate"


# Dry runs


def test_a_dry_run_says_what_would_be_asked(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PricedJudge, "from_reference", classmethod(never_of(PricedJudge)))
    code, out, err = call("priced:0.25 unpriced:m", "--dry-run", "--max-cost", "5")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].split() == [
        "judge", "sentences", "answered", "queries", "requests", "input", "tokens", "output", "tokens", "USD",
    ]  # fmt: skip
    assert lines[1].split() == ["priced:0.25", "24", "0", "4", "images", "24", "2,400", "48", "6.00"]
    assert lines[2].split() == ["unpriced:m", "24", "unknown", "8", "captions", *["unknown"] * 4]
    assert "priced:0.25: options: {}" in out
    assert "more than --max-cost 5" in out
    assert "nothing was asked" in lines[-1]
    assert not (tmp_path / "runs").exists()


def never_of(judge: type[FakeJudge]) -> Callable[..., FakeJudge]:
    """A `from_reference` with the options of the judge's own that must not be called."""

    def from_reference(
        cls: type, model: str, *, context: str = "sentence", base_url: str | None = None, batch: bool = False
    ) -> FakeJudge:
        pytest.fail(f"{judge} was built")

    return from_reference


def test_a_dry_run_knows_what_was_answered(call: Call) -> None:
    assert call("priced:1", "--limit", "10")[0] == 0
    (said,) = json.loads(call("priced:1", "--dry-run", "--json")[1])["dry_run"]
    assert (said["sentences"], said["answered"], said["queries"]) == (24, 10, 3)
    assert (said["estimate"]["requests"], said["estimate"]["cost_usd"]) == (14, 14.0)
    (said,) = json.loads(call("priced:1", "--dry-run", "--json", "--context", "caption")[1])["dry_run"]
    assert (said["context"], said["answered"], said["queries"]) == ("caption", 0, 8)
    (said,) = json.loads(call("priced:1", "--dry-run", "--json", "--shard", "1/2", "--control", "blank")[1])["dry_run"]
    assert (said["sentences"], said["answered"], said["estimate"]["requests"]) == (12, 0, 12)


def test_a_dry_run_counts_every_shuffle(call: Call) -> None:
    assert call("priced:0.25", "--context", "shuffled-caption", "--limit", "4")[0] == 0
    shuffled = ("priced:0.25 unpriced:m", "--context", "shuffled-caption", "--shuffles", "3", "--dry-run")
    said = json.loads(call(*shuffled, "--json")[1])["dry_run"]
    assert [(each["judge"], each["context"], each["shuffle"]) for each in said] == [
        (judge, "shuffled-caption", number) for judge in ("priced:0.25", "unpriced:m") for number in range(3)
    ]
    assert [each["answered"] for each in said] == [4, 4, 0, None, None, None]
    assert sum(each["estimate"]["requests"] for each in said[:3]) == 3 * 24 - 8
    out = call(*shuffled, "--max-cost", "10")[1]
    assert out.splitlines()[1].split() == [
        "priced:0.25", "(shuffle", "0)", "24", "4", "7", "captions", "20", "2,000", "40", "5.00",
    ]  # fmt: skip
    assert "together: 16.00 USD" in out
    assert "that is more than --max-cost 10" in out


def test_a_dry_run_that_cannot_be_run_says_so(call: Call) -> None:
    code, _, err = call("blind:length", "--dry-run", "--batch")
    assert (code, "takes no option --batch" in err) == (2, True)


# Ctrl-C


def test_an_interruption_says_what_is_kept(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def meddle(query: Query, place: int) -> None:
        if (query.number, place) == (1, 3):
            raise KeyboardInterrupt

    def build(cls: type, model: str, *, name: str | None = None) -> PricedJudge:
        return PricedJudge(float(model), meddle)

    monkeypatch.setattr(PricedJudge, "from_reference", classmethod(build))
    code, out, err = call("priced:1")
    assert (code, out) == (130, "")
    assert "priced:1: 9 new answers are kept, 9 of 24 in all" in err
    assert "run the same command again" in err
