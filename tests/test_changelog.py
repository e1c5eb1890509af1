from __future__ import annotations

import csv
import datetime as dt
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignbench.errors import PublishError
from alignbench.publish.changes.changelog import changelog
from alignbench.publish.changes.difference import Difference, Said
from alignbench.publish.changes.errata import COLUMNS, errata
from alignbench.publish.changes.published_labels import Labelled, Relabelled

JULY, AUGUST = dt.date(2026, 7, 1), dt.date(2026, 8, 1)
COUNTS = {"pairs": 3, "sentences": 1200, "correct": 7}
RIGHT, WRONG = Labelled("correct", (), ()), Labelled("incorrect", ("object", "text"), ((0, 3, "object"),))
NONE = Labelled(None, (), ())


def changed(after: Said, before: Said | None = None, **said: Any) -> Difference:
    parts = {"added": (), "changed": (), "removed": (), "upload_bytes": 0, "not_ours": None, "head": "", **said}
    return Difference(repo="org/set", first=before is None, before=before or Said(), after=after, **parts)


FIRST = changed(Said("0.1.0", 1, COUNTS, "MIT", {"keen": "1"}, 16))


def test_the_first_entry() -> None:
    text = changelog(None, FIRST, JULY)
    assert text.startswith("# Changelog\n\n") and text.endswith("\n") and "\n\n\n" not in text
    assert text.partition("## ")[2] == (
        "[0.1.0] - 2026-07-01\n\n### Added\n\n- First publication: 3 pairs, 1,200 sentences.\n- 16 label events.\n"
        "- Judges: keen.\n"
    )


def test_an_entry_says_what_changed() -> None:
    after = Said("0.2.0", 1, {"pairs": 2, "sentences": 1300}, "CC0-1.0", {"keen": "2", "new": "3"}, 20)
    before = Said("0.1.0", 1, COUNTS, "MIT", {"keen": "1", "dull": "2"}, 16)
    moved = (Relabelled("a", RIGHT, WRONG), Relabelled("b", NONE, RIGHT), Relabelled("c", WRONG, NONE))
    first = changelog(None, FIRST, JULY)
    text = changelog(first, changed(after, before, relabelled=moved), AUGUST)
    entry, old = text.partition("## ")[2].split("\n## ")
    assert entry == (
        "[0.2.0] - 2026-08-01\n\n### Added\n\n- 100 sentences: 1,200 to 1,300.\n"
        "- Labels of 1 sentence that had none.\n"
        "- 4 label events: 16 to 20.\n- Judges: new.\n\n### Changed\n\n"
        "- Labels of 2 sentences corrected, as `errata.csv` lists.\n- Licence: MIT to CC0-1.0.\n"
        "- Judged anew, otherwise than before: keen.\n\n### Removed\n\n- 1 pair: 3 to 2.\n- Judges: dull.\n"
    )
    assert first.endswith(f"## {old}")


def test_an_entry_that_is_there_stays_as_it_is() -> None:
    text = changelog(None, FIRST, JULY)
    assert changelog(text, FIRST, AUGUST) == text
    by_hand = text.replace("First publication", "At last")
    assert changelog(by_hand.replace("\n", "\r\n"), FIRST, AUGUST) == by_hand


def test_words_by_hand_stay() -> None:
    assert changelog("Our own words.", FIRST, JULY).startswith("Our own words.\n\n## [0.1.0] - 2026-07-01\n")
    noted = "# Log\n\nWords.\n\n## [Unreleased]\n\n- Ideas.\n\n## [0.0.9] - 2020-01-01\n\n- Old.\n"
    text = changelog(noted, FIRST, JULY)
    assert text.index("Words.") < text.index("[0.1.0]") < text.index("[Unreleased]") < text.index("[0.0.9]")
    assert text.endswith(noted.partition("Words.\n\n")[2])


def test_an_entry_about_words() -> None:
    said = Said("0.2.0", 1, COUNTS)
    assert changelog(None, changed(said, said), JULY).endswith("### Changed\n\n- The texts of the card.\n")


def test_errata_have_a_row_for_each_correction() -> None:
    moved = [Relabelled("a", RIGHT, WRONG), Relabelled("b", NONE, RIGHT), Relabelled("c", WRONG, NONE)]
    text = errata(None, moved, "0.2.0")
    assert text is not None and text.splitlines() == [
        ",".join(COLUMNS),
        'a,0.2.0,correct,incorrect,,object text,[],"[[0,3,""object""]]"',
        'c,0.2.0,incorrect,,object text,,"[[0,3,""object""]]",[]',
    ]
    assert errata(text, moved, "0.2.0") == text  # published, and compared again
    later = errata(text, [Relabelled("a", WRONG, RIGHT)], "0.3.0")
    assert later is not None and later.startswith(text) and len(later.splitlines()) == 4
    assert errata(None, moved[1:2], "0.2.0") is None and errata(None, [], "1") is None


_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=6)


@given(st.lists(_NAMES, min_size=1, max_size=5, unique=True))
def test_errata_keep_any_name(names: list[str]) -> None:
    text = errata(None, [Relabelled(name, RIGHT, WRONG) for name in names], "1.0")
    assert text is not None and errata(text, [], "2.0") == text
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert [row[0] for row in rows[1:]] == names


@pytest.mark.parametrize("junk", ["", "a,b\n", ",".join(COLUMNS) + "\n1,2\n", '"', f'{",".join(COLUMNS)}\n"a"b,1\n'])
def test_errata_that_are_none(junk: str) -> None:
    with pytest.raises(PublishError, match=r"published errata.csv"):
        errata(junk, [], "1.0")
    assert errata("\ufeff" + ",".join(COLUMNS) + "\n", [], "1.0") is None
