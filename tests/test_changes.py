from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import huggingface_hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from huggingface_hub import constants
from hypothesis import given
from hypothesis import strategies as st

from alignbench.errors import PublishError
from alignbench.labelling.record import record_events
from alignbench.publish.changes.compare import difference, refusals
from alignbench.publish.changes.difference import Difference
from alignbench.publish.changes.history import write_history
from alignbench.publish.changes.json_changes import ABSENT, json_changes
from alignbench.publish.changes.published_labels import history_fault, relabelled
from alignbench.publish.folder.layout import LABELS, SENTENCES, split_files
from alignbench.publish.folder.seal import seal_folder
from alignbench.publish.hub.push import push
from alignbench.publish.hub.remote import remote_state
from alignbench.store import Dataset
from alignbench.types import Label
from tests.hub_commits import TOKEN, HubCommits
from tests.hub_folders import TWO, event, judge_it, make_labelled, publish

# httpx's, of how huggingface_hub hands it the bytes of a file.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

REPO = "org/set"
TERMS: Mapping[str, Any] = {"title": "Mixed", "licence": "CC0-1.0"}
JULY, AUGUST = dt.date(2026, 7, 1), dt.date(2026, 8, 1)


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "login"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)


@pytest.fixture
def server() -> Iterator[HubCommits]:
    with HubCommits() as server:
        yield server
    huggingface_hub.close_session()


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_labelled(tmp_path_factory.mktemp("shared") / "set").path


@pytest.fixture
def mine(labelled: Path, tmp_path: Path) -> Dataset:
    return Dataset.open(shutil.copytree(labelled, tmp_path / "set"))


def with_version(dataset: Dataset, version: str) -> Dataset:
    header = json.loads((dataset.path / "dataset.json").read_text())
    (dataset.path / "dataset.json").write_text(json.dumps(header | {"version": version}))
    return Dataset.open(dataset.path)


def events_of(dataset: Dataset) -> int:
    return int((dataset.labels or {})["events"])


def build(dataset: Dataset, folder: Path, terms: Mapping[str, Any] = TERMS, **said: Any) -> Path:
    """A Hub folder but for what is known only once it is compared."""
    shutil.rmtree(folder, ignore_errors=True)
    publish(dataset, folder, **said)
    labels = [str(sentence.label) for sentence in dataset.sentences()]
    facts = {"counts": dict(dataset.counts), "labels": {label: labels.count(label) for label in sorted(set(labels))}}
    (folder / "facts.json").write_text(json.dumps(facts))
    (folder / "publication.yaml").write_text(yaml.safe_dump(dict(terms)))
    return folder


def look(server: HubCommits, folder: Path, date: dt.date = JULY) -> Difference:
    """What `alignbench publish` does before it pushes."""
    remote = remote_state(REPO, endpoint=server.url)
    found = write_history(folder, remote, date)
    seal_folder(folder)
    return difference(folder, remote, known=found)


def released(server: HubCommits, folder: Path, date: dt.date = JULY) -> Difference:
    found = look(server, folder, date)
    assert refusals(found) == []
    push(folder, REPO, endpoint=server.url, expect_head=found.head)
    return found


def test_a_first_publication(server: HubCommits, mine: Dataset, tmp_path: Path) -> None:
    folder = build(mine, tmp_path / "hub")
    found = look(server, folder)
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    assert found.first and found.head == "" and refusals(found) == [] and not found.needs_version
    assert {file.path: file.size for file in found.added} == sizes and found.upload_bytes == sum(sizes.values())
    assert found.after.counts == mine.counts and found.before.counts == {} and found.after.events == events_of(mine)
    assert not (found.changed or found.removed or found.relabelled or found.facts)
    lines = list(found.lines())
    assert lines[0] == "org/set: first publication, version 1.2.0" and lines[-1].startswith("  to send: at most ")
    assert json.loads(json.dumps(found.to_json()))["version"] == {"before": None, "after": "1.2.0"}
    assert server.repositories == {}


def test_what_is_published_already_does_not_differ(server: HubCommits, mine: Dataset, tmp_path: Path) -> None:
    released(server, build(mine, tmp_path / "hub"))
    found = look(server, build(mine, tmp_path / "again"), AUGUST)
    assert found.is_empty and refusals(found) == [] and found.upload_bytes == 0
    assert list(found.lines()) == ["org/set holds this already; nothing would be sent"]
    assert not push(tmp_path / "again", REPO, endpoint=server.url).made


def test_corrected_labels(server: HubCommits, mine: Dataset, tmp_path: Path) -> None:
    released(server, build(mine, tmp_path / "hub"))
    before, held = {sentence.sentence_id: sentence for sentence in mine.sentences()}, events_of(mine)
    said = [event(mine, 2, who, Label.UNKNOWN, 600) for who in ("ann", "bob", "cid")]
    said += [event(mine, 5, who, Label.INCORRECT, 610) for who in ("ann", "bob")]
    recorded = record_events(mine.path, said, moment=dt.datetime(2026, 3, 2, tzinfo=dt.UTC))
    changed = with_version(Dataset.open(mine.path), "1.3.0")
    server.requests.clear()
    found = look(server, build(changed, tmp_path / "next"), AUGUST)
    assert refusals(found) == [] and (found.before.events, found.after.events) == (held, recorded.events)
    after = {sentence.sentence_id: sentence for sentence in changed.sentences()}
    differing = [
        name for name in before if (before[name].label, before[name].spans) != (after[name].label, after[name].spans)
    ]
    assert [each.sentence_id for each in found.relabelled] == differing and {
        c.sentence_id for c in recorded.changed
    } <= set(differing)
    for each in found.relabelled:
        assert (each.before.label, each.after.label) == (before[each.sentence_id].label, after[each.sentence_id].label)
    assert all(change.path.startswith(("counts.", "labels.")) for change in found.facts) and found.facts
    touched = {file.path.split("/")[1] for file in found.changed if file.path.startswith("data/")}
    assert touched == {"sentences", "labels"} and not found.removed
    fetched = {
        path.rpartition("/")[2] if "data/" not in path else path.split("/data/")[1].split("/")[0]
        for kind, path in server.requests
        if kind == "resolve"
    }
    assert "pairs" not in fetched and {"sentences", "labels"} <= fetched
    assert any(line.startswith("  relabelled sentences: ") for line in found.lines())
    released(server, tmp_path / "next", AUGUST)
    errata = (tmp_path / "next" / "errata.csv").read_text().splitlines()
    assert len(errata) == 1 + len(differing) and all(",1.3.0," in line for line in errata[1:])
    assert look(server, build(changed, tmp_path / "again"), JULY).is_empty


@pytest.mark.parametrize("version", ["1.2.0", "1.1.9", "1.2.0rc1", "1.2", "0.9"])
def test_a_version_that_is_not_greater(server: HubCommits, mine: Dataset, tmp_path: Path, version: str) -> None:
    released(server, build(mine, tmp_path / "hub"))
    changed = build(with_version(mine, version), tmp_path / "next", splits=TWO)
    (said,) = refusals(look(server, changed))
    assert f"version {version} is not a greater one" in said and "`--version 1.3.0`" in said


@pytest.mark.parametrize("version", ["1.2.1", "1.10", "2.0.0-alpha.1", "1.2.0.post1", "1!0"])
def test_a_greater_version(server: HubCommits, mine: Dataset, tmp_path: Path, version: str) -> None:
    released(server, build(mine, tmp_path / "hub"))
    assert refusals(look(server, build(with_version(mine, version), tmp_path / "next", splits=TWO))) == []


def test_a_version_that_is_none(server: HubCommits, mine: Dataset, tmp_path: Path) -> None:
    released(server, build(with_version(mine, "first edition"), tmp_path / "hub"))
    (said,) = refusals(look(server, build(with_version(mine, "second edition"), tmp_path / "next")))
    assert "'second edition' cannot be compared" in said
    assert refusals(look(server, build(with_version(mine, "1.0"), tmp_path / "next"))) == []


def test_words_alone_need_no_version(server: HubCommits, mine: Dataset, tmp_path: Path) -> None:
    released(server, build(mine, tmp_path / "hub"))
    folder = build(mine, tmp_path / "next", {**TERMS, "summary": "More words."})
    (folder / "README.md").write_bytes((folder / "README.md").read_bytes() + b"More words.\n")
    found = released(server, folder, AUGUST)
    assert {file.path for file in found.changed} == {"README.md", "publication.yaml", "checksums.sha256"}
    licensed = look(server, build(mine, tmp_path / "licensed", {**TERMS, "licence": "MIT"}))
    assert "  licence: CC0-1.0 -> MIT" in licensed.lines() and "--version" in refusals(licensed)[0]


def test_other_splits_keep_the_history(server: HubCommits, mine: Dataset, tmp_path: Path) -> None:
    released(server, build(mine, tmp_path / "hub"))
    found = look(server, build(with_version(mine, "2.0"), tmp_path / "next", splits=TWO))
    assert not found.relabelled and found.history_fault is None and refusals(found) == []
    assert not found.removed and {file.path.split("-")[0] for file in found.added} == {
        f"data/{config}/validation" for config in ("pairs", "sentences", "labels")
    }


def test_a_history_that_is_rewritten(server: HubCommits, mine: Dataset, labelled: Path, tmp_path: Path) -> None:
    released(server, build(mine, tmp_path / "hub"))
    shutil.rmtree(mine.path)
    other = Dataset.open(shutil.copytree(labelled, tmp_path / "other"))
    rows = pq.read_table(other.path / "labels.parquet")
    for number, kept in enumerate(
        (rows.slice(0, 9), pa.concat_tables([rows.slice(1, 1), rows.slice(0, 1), rows.slice(2)]))
    ):
        folder = build(with_version(other, "9.9"), tmp_path / f"next{number}")
        file = split_files(folder, LABELS, "test")[0]
        published = pq.read_table(file)
        columns = {
            name: kept[name] if name in kept.column_names else published[name].slice(0, len(kept))
            for name in published.column_names
        }
        pq.write_table(pa.table(columns, schema=published.schema), file)
        (said,) = refusals(look(server, folder))
        assert "history of the labels would be rewritten" in said and "import hub org/set" in said
    shutil.rmtree(folder / "data/labels")
    (said,) = refusals(look(server, folder))
    assert f"{events_of(other)} of the {events_of(other)} published label events are gone" in said


def test_what_a_newer_alignbench_published(server: HubCommits, mine: Dataset, tmp_path: Path) -> None:
    folder = build(mine, tmp_path / "hub")
    header = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(header | {"schema_version": 99}))
    released(server, folder)
    found = refusals(look(server, build(with_version(mine, "2.0"), tmp_path / "next", splits=TWO)))
    assert len(found) == 1 and "newer alignbench (schema 99, here 1)" in found[0]


def test_what_alignbench_did_not_publish(server: HubCommits, mine: Dataset, tmp_path: Path) -> None:
    folder = build(mine, tmp_path / "hub")
    server.create(REPO, {"dataset.json": b'{"name": "other", "version": "1"}', "CHANGELOG.md": b"theirs"})
    (said,) = refusals(look(server, folder))
    assert "holds the dataset 'other', not 'mixed'" in said and "theirs" not in (folder / "CHANGELOG.md").read_text()
    server.create(REPO, {"model.bin": b"theirs"})
    (said,) = refusals(look(server, folder))
    assert "model.bin" in said


@pytest.mark.parametrize("name", ["facts.json", "judges.json", "publication.yaml", "CHANGELOG.md"])
@pytest.mark.parametrize("junk", [b"{", b"[]", b'{"runs": [1], "labels": 3}', b"a: ["])
def test_small_files_that_are_damaged_there(
    server: HubCommits, mine: Dataset, tmp_path: Path, name: str, junk: bytes
) -> None:
    folder = build(mine, tmp_path / "hub")
    server.create(REPO, {"dataset.json": (folder / "dataset.json").read_bytes(), name: junk})
    assert look(server, folder).needs_version


def test_a_change_log_that_is_no_text_there(server: HubCommits, mine: Dataset, tmp_path: Path) -> None:
    folder = build(mine, tmp_path / "hub")
    server.create(REPO, {"dataset.json": (folder / "dataset.json").read_bytes(), "CHANGELOG.md": b"\xff"})
    with pytest.raises(PublishError, match=r"CHANGELOG.md of org/set is not UTF-8"):
        look(server, folder)


def test_large_files_that_are_damaged_there(server: HubCommits, mine: Dataset, tmp_path: Path) -> None:
    released(server, build(mine, tmp_path / "hub"))
    folder = build(with_version(mine, "2.0"), tmp_path / "next", splits=TWO)
    server.write(REPO, {"data/sentences/test-00000-of-00001.parquet": b"PAR1 and no more"})
    with pytest.raises(PublishError, match="cannot be read"):
        look(server, folder)
    other = pa.BufferOutputStream()
    pq.write_table(pa.table({"x": [1]}), other)
    server.write(REPO, {"data/sentences/test-00000-of-00001.parquet": other.getvalue().to_pybytes()})
    with pytest.raises(PublishError, match="lacks the column 'sentence_id'"):
        look(server, folder)
    server.write(REPO, {"errata.csv": b"a,b\n1,2\n", "data/sentences/test-00000-of-00001.parquet": None})
    with pytest.raises(PublishError, match=r"errata.csv does not have the columns"):
        look(server, folder)


def test_a_download_that_is_not_what_its_commit_says(
    server: HubCommits, mine: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released(server, build(mine, tmp_path / "hub"))
    said = (tmp_path / "hub" / "dataset.json").read_bytes().replace(b"1.2.0", b"1.2.9")
    headers = {"X-Repo-Commit": server.repositories[REPO].head.oid, "ETag": '"1"', "Content-Length": str(len(said))}
    server.fail("resolve", 200, body=said, headers=headers, times=9, path="dataset.json")
    with pytest.raises(PublishError, match=r"dataset.json that is not the one of its commit"):
        look(server, build(mine, tmp_path / "again"))


def test_a_public_repository_is_read_without_a_token(
    server: HubCommits, mine: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released(server, build(mine, tmp_path / "hub"))
    monkeypatch.delenv("HF_TOKEN")
    assert difference(tmp_path / "hub", remote_state(REPO, endpoint=server.url)).is_empty
    assert remote_state("org/nothing", endpoint=server.url).head == ""
    with pytest.raises(PublishError, match="is not accepted"):
        remote_state(REPO, endpoint=server.url, token="hf_wrong")


def test_judges_that_come_and_go(server: HubCommits, mine: Dataset, tmp_path: Path) -> None:
    runs = judge_it(mine, tmp_path / "runs")
    released(server, build(mine, tmp_path / "hub", runs=runs))
    found = released(server, build(with_version(mine, "2.0"), tmp_path / "next"), AUGUST)
    assert set(found.before.judges) == {"keen", "dull"} and not found.after.judges
    assert {"judges.json", "results.json"} <= set(found.removed)
    assert "### Removed\n\n- Judges: dull, keen.\n" in (tmp_path / "next" / "CHANGELOG.md").read_text()


def test_labels_agree_with_a_slow_way(mine: Dataset, tmp_path: Path) -> None:
    first, second = build(mine, tmp_path / "one"), build(mine, tmp_path / "two", splits=TWO)
    files = [
        split_files(first, SENTENCES, "test"),
        [path for name in TWO for path in split_files(second, SENTENCES, name)],
    ]
    assert relabelled(*files) == relabelled(*reversed(files)) == []
    rows = pq.read_table(files[0][0])
    labels = ["unknown" if place % 7 == 0 else label for place, label in enumerate(rows["label"].to_pylist())]
    pq.write_table(
        rows.set_column(rows.column_names.index("label"), "label", pa.array(labels, pa.string())), files[0][0]
    )
    old = {row["sentence_id"]: row["label"] for path in files[1] for row in pq.read_table(path).to_pylist()}
    slow = {
        name: label for name, label in zip(rows["sentence_id"].to_pylist(), labels, strict=True) if old[name] != label
    }
    fast = relabelled(files[1], files[0])
    assert {each.sentence_id: each.after.label for each in fast} == slow and slow
    assert all(each.before.label == old[each.sentence_id] for each in fast)
    assert history_fault([], []) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0]) | st.text("ab.", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(_JSON, _JSON)
def test_json_changes_are_those_that_are_there(before: Any, after: Any) -> None:
    said = list(json_changes(before, after))
    same = json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
    assert (not said) == same and not list(json_changes(before, before))
    back = list(json_changes(after, before))
    assert sorted((each.path, repr(each.before), repr(each.after)) for each in said) == sorted(
        (each.path, repr(each.after), repr(each.before)) for each in back
    )


def test_json_changes_name_their_place() -> None:
    before = {"counts": {"pairs": 3, "old": 1}, "judges": [{"name": "a", "auroc": 0.5}, {"name": "b"}], "x": [1, 2]}
    after = {"counts": {"pairs": 4}, "judges": [{"name": "b"}, {"name": "a", "auroc": 0.75}], "x": [1, 3], "y": None}
    assert [(each.path, each.before, each.after) for each in json_changes(before, after)] == [
        ("counts.pairs", 3, 4),
        ("counts.old", 1, ABSENT),
        ("judges[a].auroc", 0.5, 0.75),
        ("x[1]", 2, 3),
        ("y", ABSENT, None),
    ]
