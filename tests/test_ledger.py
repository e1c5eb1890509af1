"""The ledger: whole lines or none, whatever happens to the process or the disk."""

from __future__ import annotations

import errno
import json
import os
import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignbench.errors import RunError, StorageError
from alignbench.ledger import Ledger, Recorded
from alignbench.rows import row_judgment
from alignbench.types import Judgment, Mark, Status, Verdict

SHARD = (0, 1)
IDS = [f"pair#{number}" for number in range(4)]


def judgment(number: int, score: float = 0.5, attempts: int = 1, reason: str | None = None) -> Judgment:
    verdict = Verdict(score, raw={"said": "é\n"}) if reason is None else Verdict.failed(Status.FAILED, reason)
    return Judgment(IDS[number], "judge", verdict, attempts)


def write(folder: Path, *judgments: Judgment, shard: tuple[int, int] = SHARD) -> Path:
    with Ledger(folder, shard) as ledger:
        for each in judgments:
            ledger.append(each)
    return ledger.path


def test_what_is_appended_can_be_read(tmp_path: Path) -> None:
    write(tmp_path, judgment(2, score=0.1 + 0.2), judgment(0, reason="no"))
    recorded = Recorded(tmp_path, IDS)
    assert recorded.attempts.tolist() == [1, 0, 1, 0]
    (row,) = recorded.rows(2, 3)
    assert (row["sentence_id"], row["score"], row["status"]) == (IDS[2], 0.1 + 0.2, "ok")
    assert json.loads(row["raw"]) == {"said": "é\n"}


def test_marks_are_kept(tmp_path: Path) -> None:
    marked = Judgment(IDS[1], "judge", Verdict(0.5, marks=(Mark(2, 5, 0.1 + 0.2), Mark(7, 8, -3.0))))
    write(tmp_path, judgment(0), marked, Judgment(IDS[2], "judge", Verdict(0.5, marks=())), judgment(3, reason="no"))
    rows = Recorded(tmp_path, IDS).rows(0, 4)
    marks = [{"start": 2, "end": 5, "suspicion": 0.1 + 0.2}, {"start": 7, "end": 8, "suspicion": -3.0}]
    assert [row["marks"] for row in rows] == [None, marks, [], None]
    assert row_judgment(rows[1]) == marked


def test_a_line_of_before_there_were_marks(tmp_path: Path) -> None:
    path = write(tmp_path, judgment(0))
    path.write_text(json.dumps({key: value for key, value in json.loads(path.read_text()).items() if key != "marks"}))
    path.write_text(f"{path.read_text()}\n")
    assert row_judgment(Recorded(tmp_path, IDS[:1]).rows(0, 1)[0]) == judgment(0)


@given(st.data())
def test_a_cut_anywhere_loses_only_the_cut_line(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("run")
    path = write(folder, *(judgment(number) for number in range(3)))
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    kept = whole[:cut].count(b"\n")
    assert Recorded(folder, IDS).attempts.tolist() == [1] * kept + [0] * (4 - kept)
    write(folder, judgment(3))
    assert path.read_bytes().count(b"\n") == kept + 1
    assert Recorded(folder, IDS).attempts.tolist() == [1] * kept + [0] * (3 - kept) + [1]


def test_a_tail_longer_than_a_block_is_cut(tmp_path: Path) -> None:
    path = write(tmp_path, judgment(0))
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0" * 200_000)
    write(tmp_path)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("taken", [0, 7])
def test_a_refused_write_leaves_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, taken: int
) -> None:
    with Ledger(tmp_path, SHARD) as ledger:
        ledger.append(judgment(0))
        write_all, calls = os.write, []

        def refuse(descriptor: int, line: bytes) -> int:
            calls.append(len(line))
            if len(calls) == 1 and taken:
                return write_all(descriptor, bytes(line[:taken]))
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", refuse)
            with pytest.raises(StorageError, match=os.strerror(number)):
                ledger.append(judgment(1))
        ledger.append(judgment(2))
    assert Recorded(tmp_path, IDS).attempts.tolist() == [1, 0, 1, 0]


def test_a_disk_that_takes_no_more(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Ledger(tmp_path, SHARD) as ledger:
        ledger.append(judgment(0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (ledger.path.stat().st_size + 50, hard))
        try:
            with pytest.raises(StorageError, match="File too large; nothing that was there is lost"):
                ledger.append(judgment(1))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        ledger.append(judgment(2))
    assert Recorded(tmp_path, IDS).attempts.tolist() == [1, 0, 1, 0]


def test_a_line_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[bytes] = []
    write_all = os.write

    def watch(descriptor: int, line: bytes) -> int:
        lines.append(bytes(line))
        return write_all(descriptor, line)

    with Ledger(tmp_path, SHARD) as ledger:
        monkeypatch.setattr(os, "write", watch)
        ledger.append(judgment(0))
    assert len(lines) == 1
    assert lines[0].endswith(b"}\n")
    assert lines[0].count(b"\n") == 1


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with Ledger(tmp_path, (0, 2)):
        with pytest.raises(RunError, match="another process is judging"):
            Ledger(tmp_path, (0, 2))
        with pytest.raises(RunError, match="another number of shards"):
            Ledger(tmp_path, (0, 3))
        Ledger(tmp_path, (1, 2)).close()
    Ledger(tmp_path, (0, 3)).close()


def test_the_newest_answer_counts(tmp_path: Path) -> None:
    write(tmp_path, judgment(0, reason="first"), judgment(1), shard=(0, 2))
    write(tmp_path, judgment(0, score=0.9, attempts=2), shard=(1, 2))
    write(tmp_path, judgment(0, reason="too late"), shard=(0, 3))
    recorded = Recorded(tmp_path, IDS[:2])
    assert recorded.attempts.tolist() == [2, 1]
    assert [row["score"] for row in recorded.rows(0, 2)] == [0.9, 0.5]


@pytest.mark.parametrize("line", [b"{}\n", b"nonsense\n", b'{"sentence_id": "other#0"}\n', b"[]\n"])
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    path = write(tmp_path, judgment(0))
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + line)
    with pytest.raises(RunError, match=f"{path.name} is damaged at byte {size}"):
        Recorded(tmp_path, IDS)


def test_an_answer_that_is_not_json_is_refused(tmp_path: Path) -> None:
    with Ledger(tmp_path, SHARD) as ledger:
        with pytest.raises(RunError, match="cannot be kept"):
            ledger.append(Judgment(IDS[0], "judge", Verdict(0.5, raw={"said": object()})))
        ledger.append(Judgment(IDS[0], "judge", Verdict(0.5, raw={"logit": float("nan")})))
    assert json.loads(Recorded(tmp_path, IDS[:1]).rows(0, 1)[0]["raw"]) == {"logit": "nan"}
