"""Journals: what is kept, what a kill loses, who may open them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from alignbench.errors import RunError
from alignbench.types import ModelRef, Status
from generation.journal import Entry, Journal

OWN = "journal-0-of-1.jsonl"


def an_entry(pair_id: str, status: Status = Status.OK) -> Entry:
    return Entry(pair_id, status, ModelRef("m"), caption="Ä \u2028 line\nbreak" if status is Status.OK else None)


def test_a_journal_gives_back_what_it_took_and_the_last_entry_counts(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for entry in (an_entry("a", Status.FAILED), an_entry("b"), an_entry("a")):
            journal.append(entry)
            assert journal.entry(entry.pair_id) == entry
    with Journal(tmp_path) as journal:
        assert [journal.status(pair_id) for pair_id in "abc"] == [Status.OK, Status.OK, None]
        assert journal.entry("a") == an_entry("a")


def test_a_journal_cut_at_any_byte_keeps_every_whole_line(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for pair_id in "abc":
            journal.append(an_entry(pair_id))
    whole = (tmp_path / OWN).read_bytes()
    length = len(whole) // 3
    for cut in (*range(0, len(whole), 17), length - 1, length, length + 1, len(whole) - 1):
        (tmp_path / OWN).write_bytes(whole[:cut])
        with Journal(tmp_path) as journal:
            kept = [pair_id for pair_id in "abc" if journal.status(pair_id)]
            assert kept == list("abc"[: cut // length])
            journal.append(an_entry("d"))
        with Journal(tmp_path) as journal:
            assert journal.entry("d") == an_entry("d")


def test_a_journal_is_open_to_one_process_only(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(RunError, match="another process is at work in"):
        Journal(tmp_path)


def test_a_damaged_journal_is_told(tmp_path: Path) -> None:
    (tmp_path / OWN).write_bytes(b'{"pair_id": "a"}\n')
    with pytest.raises(RunError, match="is damaged at byte 0"):
        Journal(tmp_path)


def test_what_json_cannot_say_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for entry in (replace(an_entry("a"), provenance={"made": object()}), replace(an_entry("a"), caption="\ud800")):
            with pytest.raises(RunError, match="what 'm' made cannot be kept"):
                journal.append(entry)


def test_all_journals_of_the_folder_are_read_and_the_last_attempt_counts(tmp_path: Path) -> None:
    with Journal(tmp_path, (0, 2)) as first, Journal(tmp_path, (1, 2)) as second:
        first.append(an_entry("a", Status.FAILED))
        second.append(an_entry("b"))
        assert first.status("b") is None
        first.refresh()
        assert first.status("b") is Status.OK
        assert first.entries == 2
    with Journal(tmp_path) as whole:
        whole.append(replace(an_entry("a"), attempt=2))
        assert whole.attempts("a") == 2
    with Journal(tmp_path, (0, 2)) as journal:
        assert (journal.status("a"), journal.entries) == (Status.OK, 3)
        assert journal.entry("a") == replace(an_entry("a"), attempt=2)


def test_a_line_that_another_process_is_writing_waits(tmp_path: Path) -> None:
    line = an_entry("b").to_line()
    with Journal(tmp_path, (0, 2)) as journal:
        other = tmp_path / "journal-1-of-2.jsonl"
        other.write_bytes(line[:20])
        journal.refresh()
        assert journal.status("b") is None
        other.write_bytes(line)
        journal.refresh()
        assert journal.entry("b") == an_entry("b")


def test_another_division_at_the_same_time_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path, (0, 2)):
        with pytest.raises(RunError, match=r"journal-0-of-2\.jsonl, with another number of shards; wait for it"):
            Journal(tmp_path)
        Journal(tmp_path, (1, 2)).__exit__(None, None, None)
    Journal(tmp_path).__exit__(None, None, None)
