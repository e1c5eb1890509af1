"""A published dataset is fetched from a folder or from the Hub, which is on loopback here."""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from alignbench.cli import run
from alignbench.errors import PublishError, StorageError
from alignbench.publish.back.fetched import restore_from
from alignbench.publish.back.source import fetch
from alignbench.store import Dataset
from tests.datasets import make_dataset, tree
from tests.hub_files import COMMIT, REPO, TOKEN, HubFiles
from tests.hub_folders import judge_it, publish


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the library ask the loopback server, as nobody in particular, and at once where it asks again."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none" / "token"))
    monkeypatch.setattr("time.sleep", lambda _: None)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source") / "tiny")


@pytest.fixture(scope="module")
def folder(source: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("hub")
    publish(source, home / "hub", judge_it(source, home / "runs"))
    (home / "hub" / ".gitattributes").write_text("*.parquet filter=lfs")
    (home / "hub" / "huge.bin").write_bytes(b"not ours")
    return home / "hub"


@pytest.fixture
def server(folder: Path) -> Iterator[HubFiles]:
    with HubFiles(folder) as running:
        yield running


def refused(source: str, into: Path, **options: str) -> str:
    with pytest.raises(PublishError) as caught:
        fetch(source, into, **options)  # type: ignore[arg-type]
    assert TOKEN not in str(caught.value)
    return str(caught.value)


def at_home(server: HubFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the library had been loaded where HF_ENDPOINT says so."""
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)


def test_a_folder_is_taken_as_it_is(folder: Path, tmp_path: Path) -> None:
    assert fetch(str(folder), tmp_path / "into") == (folder, None)
    assert list(tmp_path.iterdir()) == []
    assert "which has no revision 'v1'" in refused(str(folder), tmp_path / "into", revision="v1")


@pytest.mark.parametrize("name", [REPO, f"{REPO}@main", f"{REPO}@v1", f"{REPO}@{COMMIT}", f"hf://datasets/{REPO}@v1"])
def test_what_was_published_is_fetched_at_a_commit(server: HubFiles, tmp_path: Path, name: str) -> None:
    found, commit = fetch(name, tmp_path / "into", endpoint=server.url)
    assert commit == COMMIT and found == tmp_path / "into" / COMMIT[:12]
    ours = {path: content for path, content in server.files().items() if path not in (".gitattributes", "huge.bin")}
    assert tree(found) == ours
    assert sorted(server.fetched()) == sorted(ours)


def test_the_endpoint_of_the_environment_is_asked(
    server: HubFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_home(server, monkeypatch)
    assert fetch(REPO, tmp_path / "into")[1] == COMMIT


def test_a_download_that_breaks_off_goes_on(server: HubFiles, tmp_path: Path) -> None:
    server.codes["judgments"] = (403, {})
    assert "may not be read" in refused(REPO, tmp_path / "into", endpoint=server.url)
    server.codes.clear()
    before = len(server.fetched())
    found, _ = fetch(REPO, tmp_path / "into", endpoint=server.url)
    again = server.fetched()[before:]
    assert "data/judgments/test-00000-of-00001.parquet" in again and len(again) < len(tree(found))


def test_a_connection_that_is_cut_in_a_file_is_taken_up_again(server: HubFiles, folder: Path, tmp_path: Path) -> None:
    server.cut.add("pairs/test-00000-of-00001.parquet")
    found, _ = fetch(REPO, tmp_path / "into", endpoint=server.url)
    name = "data/pairs/test-00000-of-00001.parquet"
    assert (found / name).read_bytes() == (folder / name).read_bytes()
    assert server.fetched().count(name) == 2


@pytest.mark.parametrize("name", ["", "one", "a/b/c", "./a/b", "~/none", "/a/b", "org/set@", "org/s et", "org/set@a b"])
def test_what_is_neither_a_folder_nor_a_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    if name == "":
        assert fetch("", tmp_path / "into")[1] is None  # the folder one is in
        return
    assert "give a folder, or ORG/NAME" in refused(name, tmp_path / "into")


def test_a_file_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "is a file, not a folder" in refused(str(tmp_path / "file"), tmp_path / "into")


def test_names_that_the_hub_does_not_have(server: HubFiles, tmp_path: Path) -> None:
    into = tmp_path / "into"
    assert "there is no dataset repository org/other that you may read" in refused(
        "org/other", into, endpoint=server.url
    )
    assert "has no revision 'v9'" in refused(f"{REPO}@v9", into, endpoint=server.url)
    assert "has no revision 'v9'" in refused(REPO, into, revision="v9", endpoint=server.url)
    assert "are two revisions" in refused(f"{REPO}@v1", into, revision="v9", endpoint=server.url)
    assert "is no name of a repository" in refused("org/-set-", into, endpoint=server.url)
    assert not into.exists()


def test_a_private_one_needs_a_token(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with HubFiles(folder, private=True) as server:
        said = refused(REPO, tmp_path / "into", endpoint=server.url)
        assert "a private one needs a token: run `hf auth login` or set HF_TOKEN" in said
        assert "is not accepted" in refused(REPO, tmp_path / "into", endpoint=server.url, token="hf_wrong")
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        assert fetch(REPO, tmp_path / "into", endpoint=server.url)[1] == COMMIT


def test_a_gated_one_says_where_to_ask(server: HubFiles, tmp_path: Path) -> None:
    server.codes["/api/datasets"] = (403, {"X-Error-Code": "GatedRepo"})
    assert f"ask for access at {server.url}/datasets/{REPO}" in refused(REPO, tmp_path / "into", endpoint=server.url)


@pytest.mark.parametrize(
    ("code", "message"),
    [(500, "the Hub has trouble"), (429, "the Hub has trouble"), (403, "may not be read"), (400, "refused")],
)
def test_a_hub_that_refuses(server: HubFiles, tmp_path: Path, code: int, message: str) -> None:
    server.codes["/api/datasets"] = (code, {})
    assert message in refused(REPO, tmp_path / "into", endpoint=server.url)


def test_a_network_that_is_gone(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        assert f"the connection to {url} failed" in refused(REPO, tmp_path / "into", endpoint=url)


def test_a_hub_that_may_not_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE forbids" in refused(REPO, tmp_path / "into")


def test_a_disk_that_is_full_is_said_to_be_full(
    server: HubFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("huggingface_hub.HfApi.snapshot_download", full)
    with pytest.raises(StorageError, match="No space left"):
        fetch(REPO, tmp_path / "into", endpoint=server.url)


def test_a_dataset_of_somebody_else_is_not_downloaded(tmp_path: Path) -> None:
    (tmp_path / "theirs" / "data").mkdir(parents=True)
    (tmp_path / "theirs" / "README.md").write_text("# Theirs")
    (tmp_path / "theirs" / "data" / "train.parquet").write_bytes(b"PAR1" * 1000)
    with HubFiles(tmp_path / "theirs") as server:
        said = refused(REPO, tmp_path / "into", endpoint=server.url)
        assert "is no dataset that `alignbench publish` wrote: it has no dataset.json" in said
        assert server.fetched() == [] and not (tmp_path / "into").exists()


def test_a_fetched_dataset_is_restored_and_nothing_else_is_left(
    server: HubFiles, source: Dataset, tmp_path: Path
) -> None:
    restored = restore_from(REPO, tmp_path / "back", runs=tmp_path / "runs", endpoint=server.url)
    assert restored.commit == COMMIT and restored.dataset.digest == source.digest
    assert tree(tmp_path / "back") == tree(source.path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "runs"]
    assert sorted(restored.runs) == sorted((tmp_path / "runs").iterdir())


def test_a_download_that_is_damaged_is_thrown_away(folder: Path, tmp_path: Path) -> None:
    with HubFiles(folder) as server:
        files = server.files() | {"data/pairs/test-00000-of-00001.parquet": b"PAR1"}
        server.files = lambda: files  # type: ignore[method-assign]
        with pytest.raises(PublishError, match="cut off"):
            restore_from(REPO, tmp_path / "back", endpoint=server.url)
    assert list(tmp_path.iterdir()) == []


def test_the_command_fetches(
    server: HubFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_home(server, monkeypatch)
    back = str(tmp_path / "back")
    assert run(["import", "hub", REPO, "--out", back, "--revision", "v1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["commit"] == COMMIT
    assert run(["import", "hub", f"{REPO}@v9", "--out", back, "--replace"]) == 2
    assert "has no revision 'v9'" in capsys.readouterr().err


def test_the_card_of_these_tests_is_one_that_the_hub_reads(folder: Path) -> None:
    said = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    assert [config["config_name"] for config in said["configs"]] == ["pairs", "sentences", "judgments"]
