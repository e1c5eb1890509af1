"""The way back from a Hub folder: the same dataset, the same runs; what was changed on the way is refused."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignbench import atomic
from alignbench.cli import run
from alignbench.errors import DatasetError, PublishError, StorageError
from alignbench.evaluate import evaluate
from alignbench.publish.back.restore import restore
from alignbench.publish.back.restored_runs import _CHUNK
from alignbench.publish.folder import layout
from alignbench.store import Dataset, DatasetWriter
from alignbench.text import split_sentences
from alignbench.types import ErrorType, Label, Pair, Sentence, Span, Votes
from alignbench.validate import validate
from tests.datasets import PRODUCERS, make_dataset, make_image, tree, write
from tests.hub_folders import TWO, judge_it, make_labelled, make_mixed, publish

Rows = list[dict[str, Any]]
RUN_FILES = ("run.json", "judgments.parquet")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset, its runs and its Hub folder of two splits; nobody may change them."""
    home = tmp_path_factory.mktemp("whole")
    dataset = make_labelled(home / "mixed")
    publish(dataset, home / "hub", judge_it(dataset, home / "runs"), TWO)
    return home


@pytest.fixture
def hub(whole: Path, tmp_path: Path) -> Path:
    """The test's own Hub folder."""
    return shutil.copytree(whole / "hub", tmp_path / "hub")


def tamper(folder: Path, config: str, change: Callable[[Rows], Any], split: str = "test") -> None:
    """Change the rows of a split and keep the number that dataset.json counts right."""
    [path] = layout.split_files(folder, config, split)
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    header = json.loads((folder / "dataset.json").read_text())
    header["publication"]["splits"][split][config] = len(rows)
    (folder / "dataset.json").write_text(json.dumps(header))


def put(column: str, value: Any, row: int = 0) -> Callable[[Rows], Any]:
    return lambda rows: rows[row].update({column: value})


def refused(hub: Path, tmp_path: Path) -> str:
    """What restoring is refused with; nothing is left of it."""
    before = set(tmp_path.rglob("*"))
    with pytest.raises(PublishError) as caught:
        restore(hub, tmp_path / "back", runs=tmp_path / "runs")
    left = {path for path in set(tmp_path.rglob("*")) - before if path != tmp_path / "runs"}
    assert left == set()
    return str(caught.value)


# The same again


def test_every_file_of_the_dataset_and_of_its_runs_comes_back(whole: Path, tmp_path: Path) -> None:
    restored = restore(whole / "hub", tmp_path / "back", runs=tmp_path / "runs")
    assert tree(tmp_path / "back") == tree(whole / "mixed")
    assert restored == replace(Dataset.open(whole / "mixed"), path=tmp_path / "back")
    assert validate(tmp_path / "back") == []
    found, known = tree(tmp_path / "runs"), tree(whole / "runs")
    assert found.keys() == known.keys()
    for name in found:
        if name.endswith("run.json"):
            assert json.loads(found[name]) == json.loads(known[name])
        else:
            assert pq.read_table(tmp_path / "runs" / name).equals(pq.read_table(whole / "runs" / name))


def test_the_published_results_are_computed_again(whole: Path, tmp_path: Path) -> None:
    restored = restore(whole / "hub", tmp_path / "back", runs=tmp_path / "runs")
    published = json.loads((whole / "hub" / "results.json").read_text())
    again = evaluate(restored, tmp_path / "runs", seed=published["seed"], replicates=published["replicates"])
    assert json.loads(json.dumps(again)) == published


def test_what_was_restored_is_published_with_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    restored = restore(whole / "hub", tmp_path / "back", runs=tmp_path / "runs")
    publish(restored, tmp_path / "again", tmp_path / "runs", TWO)
    assert tree(tmp_path / "again") == tree(whole / "hub")


def test_images_that_the_pairs_meet_in_another_order_come_back_in_theirs(tmp_path: Path) -> None:
    images = [make_image(number) for number in range(6)]
    pairs = [_pair(f"p{place}", images[place], f"Caption {place}.", place) for place in (5, 0, 3, 3, 1, 4, 2)]
    pairs[3] = _pair("again", images[3], "Caption 3 again.", 3)
    dataset = write(tmp_path / "turned", *images, *pairs)
    publish(dataset, tmp_path / "hub", splits={"a": 0.5, "b": 0.5})
    restore(tmp_path / "hub", tmp_path / "back")
    assert tree(tmp_path / "back") == tree(dataset.path)


def test_runs_are_left_out_where_they_are_not_asked_for(whole: Path, tmp_path: Path) -> None:
    restore(whole / "hub", tmp_path / "back")
    assert [path.name for path in tmp_path.iterdir()] == ["back"]


def test_runs_join_those_that_are_there(whole: Path, tmp_path: Path) -> None:
    other = make_dataset(tmp_path / "other", name="other")
    judge_it(other, tmp_path / "runs", ("keen",))
    restore(whole / "hub", tmp_path / "back", runs=tmp_path / "runs")
    assert len(list((tmp_path / "runs").iterdir())) == 3


def test_a_dataset_without_runs_has_none(dataset: Dataset, tmp_path: Path) -> None:
    publish(dataset, tmp_path / "hub")
    restore(tmp_path / "hub", tmp_path / "back", runs=tmp_path / "runs")
    assert tree(tmp_path / "back") == tree(dataset.path) and not (tmp_path / "runs").exists()


_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
_WORDS = st.lists(st.sampled_from(["Red", "😀", "e\u0301", "中文", "a.b", "naïve"]) | _TEXT, min_size=1, max_size=5)


@st.composite
def _pairs(draw: st.DrawFn) -> list[tuple[Pair, list[Sentence]]]:
    count = draw(st.integers(1, 9))
    made = []
    for number in range(count):
        caption = ". ".join(" ".join(draw(_WORDS)) for _ in range(draw(st.integers(1, 3))))
        image = make_image(draw(st.integers(0, 4)))
        pair = Pair(
            f"pair {number}",
            image.image_key,
            caption,
            draw(st.sampled_from(PRODUCERS)),
            "image_to_text",  # type: ignore[arg-type]
            draw(st.none() | _TEXT),
            image.image_key,
            draw(st.dictionaries(_TEXT, st.none() | st.integers(-(2**53), 2**53) | st.floats() | _TEXT, max_size=3)),
        )
        sentences = [
            _labelled(draw, Sentence(f"{number}#{index}", pair.pair_id, index, start, end, caption[start:end]))
            for index, (start, end) in enumerate(split_sentences(caption))
        ]
        made.append((pair, sentences))
    return made


def _labelled(draw: st.DrawFn, sentence: Sentence) -> Sentence:
    label = draw(st.none() | st.sampled_from(Label))
    votes = draw(st.none() | st.builds(Votes, *[st.integers(0, 5)] * 3, st.none() | st.floats(0, 1), st.none()))
    kinds = draw(st.lists(st.sampled_from(ErrorType), unique=True, max_size=2)) if label is Label.INCORRECT else []
    spans = [Span(0, draw(st.integers(1, len(sentence.text))), kind) for kind in kinds if draw(st.booleans())]
    return replace(sentence, label=label, votes=votes, error_types=tuple(kinds), spans=tuple(spans))


@settings(max_examples=25, deadline=None)
@given(pairs=_pairs(), share=st.floats(0.2, 0.8), missing=st.sets(st.integers(0, 4)))
def test_any_dataset_comes_back_with_the_same_bytes(
    pairs: list[tuple[Pair, list[Sentence]]],
    share: float,
    missing: set[int],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    if not any(sentences for _, sentences in pairs):
        return
    home = tmp_path_factory.mktemp("any")
    used = {pair.image_key for pair, _ in pairs}
    with DatasetWriter(home / "one", name="any ü", version="2") as writer:
        for number in (4, 2, 0, 3, 1):
            if f"tests:{number}" in used:
                writer.add_image(make_image(number, missing=number in missing))
        for pair, sentences in pairs:
            writer.add_pair(pair, sentences)
    dataset = Dataset.open(home / "one")
    try:
        publish(dataset, home / "hub", splits={"a": share, "b": 1 - share})
    except PublishError:  # one of the splits gets nothing
        shutil.rmtree(home / "hub")
        publish(dataset, home / "hub")
    restore(home / "hub", home / "back")
    assert tree(home / "back") == tree(home / "one")


def test_judgments_of_more_sentences_than_one_piece_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _CHUNK > 7
    monkeypatch.setattr("alignbench.publish.back.restored_runs._CHUNK", 7)
    monkeypatch.setattr("alignbench.publish.folder.published._BATCH", 5)
    dataset = make_mixed(tmp_path / "mixed", images=12)
    runs = judge_it(dataset, tmp_path / "runs", ("a", "b", "c"))
    publish(dataset, tmp_path / "hub", runs, {"x": 0.3, "y": 0.3, "z": 0.4})
    restore(tmp_path / "hub", tmp_path / "back", runs=tmp_path / "again")
    assert len(list(runs.iterdir())) == 3
    for folder in runs.iterdir():
        again = pq.read_table(tmp_path / "again" / folder.name / "judgments.parquet")
        assert again.equals(pq.read_table(folder / "judgments.parquet"))


# Where it goes


def test_what_is_there_is_not_replaced_unasked(whole: Path, tmp_path: Path) -> None:
    make_dataset(tmp_path / "back")
    before = tree(tmp_path / "back")
    with pytest.raises(DatasetError, match="exists already"):
        restore(whole / "hub", tmp_path / "back")
    assert tree(tmp_path / "back") == before
    restore(whole / "hub", tmp_path / "back", replace=True)
    assert tree(tmp_path / "back") == tree(whole / "mixed")


def test_a_run_that_is_there_stays(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole / "runs", tmp_path / "runs")
    first, second = sorted((tmp_path / "runs").iterdir())
    (first / "ledger-0-of-1.jsonl").write_text("my answers")
    shutil.rmtree(second)
    restore(whole / "hub", tmp_path / "back", runs=tmp_path / "runs")
    assert (first / "ledger-0-of-1.jsonl").read_text() == "my answers" and (second / "judgments.parquet").is_file()


@pytest.mark.parametrize("change", ["judgments", "nothing", "noise"])
def test_a_run_that_is_another_is_not_replaced(whole: Path, tmp_path: Path, change: str) -> None:
    shutil.copytree(whole / "runs", tmp_path / "runs")
    first, second = sorted((tmp_path / "runs").iterdir())
    shutil.rmtree(first)
    if change == "judgments":
        table = pq.read_table(second / "judgments.parquet")
        pq.write_table(table.set_column(2, "score", pa.nulls(len(table), pa.float64())), second / "judgments.parquet")
    else:
        (second / "judgments.parquet").write_bytes(b"" if change == "nothing" else b"PAR1noise")
    before = tree(tmp_path)
    with pytest.raises(DatasetError, match="is there with other judgments; remove it or choose another --runs"):
        restore(whole / "hub", tmp_path / "back", runs=tmp_path / "runs")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_a_disk_that_refuses_leaves_whole_folders_or_none(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turn: int
) -> None:
    """The dataset within its partial folder, two runs and the dataset are put in their places, in this order."""
    swap, turns = atomic.swap_folder, iter(range(9))

    def full(partial: Path, target: Path) -> None:
        if next(turns) == turn:
            raise OSError(errno.ENOSPC, "full")
        swap(partial, target)

    with monkeypatch.context() as patch:
        for module in ("restore", "writer"):
            patch.setattr(f"alignbench.{'publish.back.' * (module == 'restore')}{module}.swap_folder", full)
        with pytest.raises(StorageError, match="No space left"):
            restore(whole / "hub", tmp_path / "back", runs=tmp_path / "runs")
    there = sorted(path.name for path in tmp_path.glob("*/*"))
    assert not (tmp_path / "back").exists() and len(there) == max(0, turn - 1)
    restore(whole / "hub", tmp_path / "back", runs=tmp_path / "runs")
    assert tree(tmp_path / "back") == tree(whole / "mixed") and len(list((tmp_path / "runs").iterdir())) == 2


def test_a_broken_folder_leaves_what_is_there_as_it_is(hub: Path, tmp_path: Path) -> None:
    make_dataset(tmp_path / "back")
    before = tree(tmp_path / "back")
    tamper(hub, "pairs", put("caption", "Another."))
    with pytest.raises(PublishError):
        restore(hub, tmp_path / "back", replace=True)
    assert tree(tmp_path / "back") == before


# What is refused


def test_folders_that_are_not_ours(tmp_path: Path, whole: Path) -> None:
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "README.md").write_text("# A card")
    assert "it has no dataset.json; give a folder that `alignbench publish` wrote" in refused(
        tmp_path / "card", tmp_path
    )
    assert "there is no such folder" in refused(tmp_path / "none", tmp_path)
    assert "was not published yet: use it as it is" in refused(whole / "mixed", tmp_path)
    for text in ("{", "[]", '{"name": "theirs"}', "[" * 100_000, '{"publication": 1}'):
        (tmp_path / "card" / "dataset.json").write_text(text)
        assert "dataset.json" in refused(tmp_path / "card", tmp_path)
    (tmp_path / "card" / "dataset.json").write_bytes(b"\xff")
    assert "cannot be read" in refused(tmp_path / "card", tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layout": 2}, "has the layout 2, this alignbench reads 1"),
        ({"splits": {}}, "does not tell the splits"),
        ({"splits": {"../up": {"pairs": 1, "sentences": 1}}}, "does not tell the splits"),
        ({"splits": {"test": {"pairs": "1", "sentences": 1}}}, "does not tell the splits"),
        ({"splits": {"test": {"pairs": -1, "sentences": 1}}}, "does not tell the splits"),
        ({"splits": {"test": {"pairs": 6, "sentences": 18}}}, "of a split that dataset.json does not tell of"),
    ],
)
def test_a_publication_that_makes_no_sense(hub: Path, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    header = json.loads((hub / "dataset.json").read_text())
    header["publication"] |= change
    (hub / "dataset.json").write_text(json.dumps(header))
    assert message in refused(hub, tmp_path)


@pytest.mark.parametrize("config", layout.CONFIGS)
def test_a_data_file_that_is_missing_cut_off_or_of_others(hub: Path, tmp_path: Path, config: str) -> None:
    path = layout.shard_path(hub, config, "test")
    content = path.read_bytes()
    path.unlink()
    assert f"data/{config}/test-00000-of-00001.parquet is missing" in refused(hub, tmp_path)
    for cut in (b"", content[:-20], content[: len(content) // 2]):
        path.write_bytes(cut)
        assert "cannot be read, it may be cut off" in refused(hub, tmp_path)
    pq.write_table(pq.read_table(layout.shard_path(hub, "pairs", "validation")).select(["pair_id"]), path)
    assert "has other columns: column" in refused(hub, tmp_path)
    path.write_bytes(content)
    path.with_name("more-00000-of-00001.parquet").write_bytes(content)
    assert "is of a split that dataset.json does not tell of" in refused(hub, tmp_path)


def test_all_that_is_missing_is_told_at_once(hub: Path, tmp_path: Path) -> None:
    for config in ("pairs", "labels"):
        layout.shard_path(hub, config, "test").unlink()
    (hub / "judges.json").unlink()
    said = refused(hub, tmp_path)
    assert (
        "data/pairs/test" in said and "data/labels/test" in said and "there are judgments, but no judges.json" in said
    )


def test_bytes_that_were_flipped_are_found_by_the_checksums_of_pages(hub: Path, tmp_path: Path) -> None:
    path = layout.shard_path(hub, "pairs", "test")
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    assert "cannot be read" in refused(hub, tmp_path)


def _swap(rows: Rows) -> None:
    rows[0], rows[1] = rows[1], rows[0]


def _other_label(rows: Rows) -> None:
    row = next(row for row in rows if row["label"] == "correct")
    row["label"] = "unknown"


def _cut_bytes(rows: Rows) -> None:
    row = next(row for row in rows if row["image"])
    row["image"]["bytes"] = row["image"]["bytes"][:-4]


def _licence_of_one(rows: Rows) -> None:
    rows[-1]["licence"] = "other"


CHANGES: dict[str, tuple[str, Callable[[Rows], Any], str]] = {
    "a pair lost": ("pairs", lambda rows: rows.pop(0), "rows are lost or twice"),
    "a pair twice": ("pairs", lambda rows: rows.append(rows[0]), "rows are lost or twice"),
    "pairs swapped": ("pairs", _swap, "rows are lost or twice"),
    "an image cut": ("pairs", _cut_bytes, "are not those of its image_sha256"),
    "pairs of an image differ": ("pairs", _licence_of_one, "differ in what they say of it"),
    "no number of an image": ("pairs", put("image_row", None), "has no image_row"),
    "a wrong number of an image": ("pairs", put("image_row", -1), "the pairs have"),
    "another caption": ("pairs", put("caption", "Another caption."), "is not as it was published"),
    "no caption": ("pairs", put("caption", None), "is not as it was published"),
    "no producer": ("pairs", put("producer", None), "breaks a rule"),
    "broken provenance": ("pairs", put("provenance", "{"), "breaks a rule"),
    "another direction": ("pairs", put("direction", "sideways"), "breaks a rule"),
    "another domain": ("pairs", put("domain", "other"), "digest: dataset.json says"),
    "the last sentence lost": ("sentences", lambda rows: rows.pop(), "counts: dataset.json says"),
    "the first sentence lost": ("sentences", lambda rows: rows.pop(0), "is not as it was published"),
    "a sentence twice": ("sentences", lambda rows: rows.append(rows[0]), "out of its place"),
    "another label": ("sentences", _other_label, "digest: dataset.json says"),
    "a label that is none": ("sentences", put("label", "perhaps"), "breaks a rule"),
    "no spans": ("sentences", put("spans", None), "breaks a rule"),
    "no start": ("sentences", put("start", None), "is not as it was published"),
    "the last event lost": ("labels", lambda rows: rows.pop(), "rows are lost or twice"),
    "the first event lost": ("labels", lambda rows: rows.pop(0), "rows are lost or twice"),
    "another annotator": ("labels", put("annotator", "eve"), "labels: dataset.json says"),
    "no time": ("labels", put("time", None), "breaks a rule"),
    "the last judgment lost": ("judgments", lambda rows: rows.pop(), "are not one for every sentence"),
    "the first judgment lost": ("judgments", lambda rows: rows.pop(0), "are not one for every sentence"),
    "a judgment twice": ("judgments", lambda rows: rows.append(rows[0]), "judges that judges.json does not tell of"),
    "judgments swapped": ("judgments", _swap, "are not one for every sentence"),
    "another judge": ("judgments", put("judge_id", "0" * 12), "are not one for every sentence"),
    "no status": ("judgments", put("status", None), "are not as published"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_rows_that_were_changed(hub: Path, tmp_path: Path, name: str) -> None:
    config, change, message = CHANGES[name]
    tamper(hub, config, change)
    assert message in refused(hub, tmp_path)


def test_rows_that_were_changed_come_as_they_are_where_nobody_checks(hub: Path, tmp_path: Path) -> None:
    tamper(hub, "sentences", _other_label)
    restored = restore(hub, tmp_path / "back", check=False)
    said = json.loads((hub / "dataset.json").read_text())
    assert restored.digest != said["digest"] and restored.shown_digest == said["shown_digest"]
    assert restored.counts["unknown"] == said["counts"]["unknown"] + 1


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"runs": []}',
        '{"runs": [{}]}',
        '{"runs": [{"judge_id": "../../../up"}]}',
        '{"runs": 3}',
        "\ufeff{}",
    ],
)
def test_a_list_of_judges_that_is_none(hub: Path, tmp_path: Path, text: str) -> None:
    (hub / "judges.json").write_text(text)
    assert "judges.json is not as it was published" in refused(hub, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"judge_id": "../../up"}, "is not that of its spec"),
        ({"judge_id": 7}, "judges.json"),
        ({"spec": {"name": "other"}}, "judges.json"),
        ({"dataset": {"shown_digest": "0" * 64}}, "is of another dataset"),
    ],
)
def test_a_judge_who_is_another(hub: Path, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    said = json.loads((hub / "judges.json").read_text())
    said["runs"][0] |= change
    (hub / "judges.json").write_text(json.dumps(said))
    assert message in refused(hub, tmp_path)


def test_a_judge_twice_is_refused(hub: Path, tmp_path: Path) -> None:
    said = json.loads((hub / "judges.json").read_text())
    said["runs"].append(said["runs"][0])
    (hub / "judges.json").write_text(json.dumps(said))
    assert "no judge, or one twice" in refused(hub, tmp_path)


# The command


def test_the_command_restores_a_folder(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, runs = tmp_path / "back", tmp_path / "runs"
    assert run(["import", "hub", str(whole / "hub"), "--out", str(out), "--runs", str(runs)]) == 0
    said = capsys.readouterr().out
    assert "30 sentences" in said and "2 runs" in said and f"next: alignbench evaluate {out} {runs}" in said
    assert tree(out) == tree(whole / "mixed")
    assert run(["import", "hub", str(whole / "hub"), "--out", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert run(["import", "hub", str(whole / "hub"), "--out", str(out), "--replace", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["digest"] == Dataset.open(out).digest


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", "hub", str(tmp_path / "none"), "--out", str(tmp_path / "back")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def _pair(pair_id: str, image: Any, caption: str, number: int) -> tuple[Pair, list[Sentence]]:
    cluster = image.image_key
    pair = Pair(pair_id, cluster, caption, PRODUCERS[number % 2], "image_to_text", None, cluster)  # type: ignore[arg-type]
    return pair, [Sentence(f"{pair_id}#0", pair_id, 0, 0, len(caption), caption, Label.CORRECT)]
