from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from alignbench.atomic import old_of, partial_folder, storage_errors, swap_folder, write_atomically
from alignbench.errors import DatasetError, StorageError
from tests.datasets import tree

REFUSALS = [(errno.ENOSPC, "free some space"), (errno.EROFS, "choose another --out"), (errno.EACCES, "permissions")]


def refuse(patch: pytest.MonkeyPatch, owner: Any, name: str, number: int) -> None:
    def raising(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    patch.setattr(owner, name, raising)


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    write_atomically(path, lambda partial: partial.write_text("one") and None)
    write_atomically(path, lambda partial: partial.write_text("two") and None)
    assert tree(tmp_path) == {"new/file.txt": b"two"}


@pytest.mark.parametrize(("number", "advice"), REFUSALS)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_refused_file_write_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, advice: str
) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    refuse(monkeypatch, os, call, number)
    with pytest.raises(StorageError, match=f"{path} could not be written: {os.strerror(number)}.*{advice}"):
        write_atomically(path, lambda partial: partial.write_text("new") and None)
    assert tree(tmp_path) == {"file.txt": b"old"}


def test_a_failing_writer_leaves_nothing(tmp_path: Path) -> None:
    def fail(partial: Path) -> None:
        partial.write_text("half")
        raise KeyError("half")

    with pytest.raises(KeyError, match="half"):
        write_atomically(tmp_path / "file.txt", fail)
    assert tree(tmp_path) == {}


def test_a_folder_that_cannot_be_synced_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def only_files(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112
            raise OSError(errno.EINVAL, "not here")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    write_atomically(tmp_path / "file.txt", lambda partial: partial.write_text("new") and None)
    assert tree(tmp_path) == {"file.txt": b"new"}


def test_an_error_without_a_number_is_told_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="could not be written: odd; nothing"), storage_errors(tmp_path):
        raise OSError("odd")


def make_folder(folder: Path, content: str) -> Path:
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "file").write_text(content)
    return folder


def test_a_swap_that_dies_anywhere_leaves_the_old_or_the_new_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dies (a BaseException, as nothing can catch a kill) before its first call to the disk, its second, and so on."""
    target, states = tmp_path / "target", set()
    for step in range(100):
        make_folder(tmp_path / "partial", f"new {step}")
        if not target.exists():
            make_folder(target, "old")
        before = tree(target)
        with monkeypatch.context() as patch:
            calls = dying(patch, step)
            try:
                swap_folder(tmp_path / "partial", target)
            except KeyboardInterrupt:
                standing = target if target.exists() else old_of(target)
                assert tree(standing) in (before, {"inner/file": f"new {step}".encode()})
                states.add((target.exists(), old_of(target).exists(), (tmp_path / "partial").exists()))
        if len(calls) <= step:
            break
        for leftover in ("partial", ".target.old"):
            subprocess.run(["rm", "-rf", str(tmp_path / leftover)], check=True)
    assert len(states) >= 3
    assert tree(tmp_path) == {"target/inner/file": f"new {step}".encode()}


def dying(patch: pytest.MonkeyPatch, step: int) -> list[str]:
    calls: list[str] = []

    def counted(name: str, real: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            calls.append(name)
            if len(calls) == step + 1:
                raise KeyboardInterrupt
            return real(*arguments, **options)

        return call

    for owner, name in ((os, "fsync"), (Path, "rename")):
        patch.setattr(owner, name, counted(name, getattr(owner, name)))
    return calls


def test_a_refused_swap_puts_the_old_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, partial = make_folder(tmp_path / "target", "old"), make_folder(tmp_path / "partial", "new")
    real = Path.rename

    def second_refused(self: Path, to: Path) -> Path:
        if self == partial:
            raise OSError(errno.EACCES, "no")
        return real(self, to)

    monkeypatch.setattr(Path, "rename", second_refused)
    with pytest.raises(PermissionError):
        swap_folder(partial, target)
    assert tree(tmp_path) == {"target/inner/file": b"old", "partial/inner/file": b"new"}


def test_a_swap_over_an_interrupted_one_succeeds(tmp_path: Path) -> None:
    make_folder(old_of(tmp_path / "target"), "older")
    swap_folder(make_folder(tmp_path / "partial", "new"), tmp_path / "target")
    assert tree(tmp_path) == {"target/inner/file": b"new"}


def test_a_partial_folder_is_gone_after_its_block(tmp_path: Path) -> None:
    def fail() -> None:
        with partial_folder(tmp_path / "deep" / "target") as partial:
            (partial / "file").touch()
            raise KeyError("half")

    with pytest.raises(KeyError, match="half"):
        fail()
    assert [path.name for path in tmp_path.rglob("*")] == ["deep"]


HOLDER = """
import sys, time
from pathlib import Path
from alignbench.atomic import partial_folder
with partial_folder(Path(sys.argv[1])) as partial:
    (partial / "half").write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


def test_one_process_writes_at_a_time_and_what_a_killed_one_left_is_removed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    command = [sys.executable, "-c", HOLDER, str(target)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(DatasetError, match="another process is writing"), partial_folder(target):
            pytest.fail("both have it")
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (tmp_path / ".target.partial" / "half").exists()
        with partial_folder(target) as partial:
            assert list(partial.iterdir()) == []
        assert list(tmp_path.iterdir()) == []
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
