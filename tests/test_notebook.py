"""The memory of answers: what is put is there after a kill, a torn line is cut, one process has it at a time."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignbench.errors import RunError, StorageError
from generation.notebook import Notebook

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
PUTTING = """
import sys
from pathlib import Path
from generation.notebook import Notebook
with Notebook(Path(sys.argv[1])) as notebook:
    number = len(notebook)
    while True:
        notebook.put(str(number), {"number": number, "filler": "x" * 5000})
        print(number, flush=True)
        number += 1
"""


@given(st.lists(st.tuples(st.text(max_size=2), VALUES)))
def test_the_last_of_a_key_counts_now_and_later(entries: list[tuple[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deep" / "notes.jsonl"
        with Notebook(path) as notebook:
            for key, value in entries:
                notebook.put(key, value)
            now = {key: notebook.get(key) for key in dict(entries)}
        with Notebook(path) as notebook:
            assert now == {key: notebook.get(key) for key in dict(entries)} == dict(entries)
            assert len(notebook) == len(dict(entries))


def test_what_is_not_there(tmp_path: Path) -> None:
    with Notebook(tmp_path / "notes.jsonl") as notebook:
        notebook.put("nothing", None)
        assert notebook.get("other") is None and "other" not in notebook
        assert notebook.get("nothing") is None and "nothing" in notebook


def test_a_key_that_is_no_unicode(tmp_path: Path) -> None:
    key = os.fsdecode(b"caf\xe9\n.png")
    with Notebook(tmp_path / "notes.jsonl") as notebook:
        notebook.put(key, key)
    with Notebook(tmp_path / "notes.jsonl") as notebook:
        assert notebook.get(key) == key


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, b"bytes"], ids=str)
def test_what_json_cannot_say_is_refused(tmp_path: Path, value: object) -> None:
    with Notebook(tmp_path / "notes.jsonl") as notebook:
        notebook.put("kept", 1)
        with pytest.raises(RunError, match="'asked' cannot be kept"):
            notebook.put("asked", value)  # type: ignore[arg-type]
        assert "asked" not in notebook and notebook.get("kept") == 1


def test_a_torn_line_is_cut_off_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    with Notebook(path) as notebook:
        notebook.put("a", "x" * 100)
        notebook.put("b", ["\u2028\x85", 2])
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(first, len(whole)):
        path.write_bytes(whole[:length])
        with Notebook(path) as notebook:
            assert notebook.get("a") == "x" * 100 and "b" not in notebook
            notebook.put("b", ["\u2028\x85", 2])
        assert path.read_bytes() == whole


def test_killed_at_work_nothing_that_was_told_is_lost(tmp_path: Path) -> None:
    path, told = tmp_path / "notes.jsonl", -1
    for lines in (1, 17, 40):
        child = subprocess.Popen([sys.executable, "-c", PUTTING, str(path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        for _ in range(lines):
            told = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        told = max([told, *map(int, child.stdout.read().splitlines())])
        child.stdout.close()
        child.wait()
        with Notebook(path) as notebook:
            assert len(notebook) > told
            for number in range(len(notebook)):
                assert notebook.get(str(number)) == {"number": number, "filler": "x" * 5000}


def test_a_second_process_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    child = subprocess.Popen([sys.executable, "-c", PUTTING, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        with pytest.raises(RunError, match=r"another process is at work with .*notes\.jsonl; wait"):
            Notebook(path)
    finally:
        child.kill()
        child.communicate()
    with Notebook(path) as notebook:
        assert "0" in notebook


@pytest.mark.parametrize("line", [b"{}", b"[]", b"[1,2]", b'["a",1,2]', b"\xff", b'["a",', b"7"], ids=repr)
def test_a_damaged_line_is_told_and_the_file_let_go(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_bytes(b'["a",1]\n' + line + b"\n")
    with pytest.raises(RunError, match=r"notes\.jsonl is damaged at byte 8: .*; remove that line"):
        Notebook(path)
    path.write_bytes(b'["a",1]\n')
    with Notebook(path) as notebook:
        assert notebook.get("a") == 1


def test_a_full_disk_leaves_it_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "full")

    path = tmp_path / "notes.jsonl"
    with Notebook(path) as notebook:
        notebook.put("a", 1)
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(StorageError, match="free some space"):
                notebook.put("b", 2)
        assert "b" not in notebook
        notebook.put("b", 3)
    with Notebook(path) as notebook:
        assert (notebook.get("a"), notebook.get("b")) == (1, 3)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="could not be written"):
        Notebook(tmp_path / "file" / "notes.jsonl")
