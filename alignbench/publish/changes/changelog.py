"""CHANGELOG.md: what each published version changed, in the manner of Keep a Changelog."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

from alignbench.publish.changes.difference import Difference
from alignbench.publish.folder.layout import ERRATA

_HEAD = """# Changelog

What each version of this dataset changed, the newest first, in the manner of
[Keep a Changelog](https://keepachangelog.com/en/1.1.0/).
"""
_TOLD = ("images", "pairs", "sentences")
_ENTRY = re.compile(r"^## \[(?P<version>[^\]\n]+)\]", re.MULTILINE)


def changelog(before: str | None, difference: Difference, date: dt.date) -> str:
    """The text of CHANGELOG.md with an entry for the version of the folder.

    An entry that is there already stays as it is, with its date: what is published is not told anew.

    Args:
        before: The published CHANGELOG.md; null where there is none.
        difference: What this version changes.
        date: Of the new entry.
    """
    version = difference.after.version or "unknown"
    text = (before or _HEAD).replace("\r\n", "\n")
    entries = list(_ENTRY.finditer(text))
    if any(entry["version"] == version for entry in entries):
        return text
    place = entries[0].start() if entries else len(text)
    head, rest = text[:place].rstrip("\n"), text[place:]
    return f"{head}\n\n{_entry(version, difference, date)}" + (f"\n{rest}" if rest else "")


def _entry(version: str, difference: Difference, date: dt.date) -> str:
    parts = {"Added": _added(difference), "Changed": _changed(difference), "Removed": _removed(difference)}
    told = {name: list(lines) for name, lines in parts.items()}
    if not any(told.values()):
        told["Changed"] = ["The texts of the card."]
    sections = [f"### {name}\n\n" + "".join(f"- {line}\n" for line in lines) for name, lines in told.items() if lines]
    return f"## [{version}] - {date.isoformat()}\n\n" + "\n".join(sections)


def _added(difference: Difference) -> Iterator[str]:
    if difference.first:
        found = difference.after.counts
        counts = ", ".join(_number(found[name], name) for name in _TOLD if name in found)
        yield f"First publication: {counts}." if counts else "First publication."
    else:
        yield from _steps(difference, 1)
        labelled = sum(not each.is_correction for each in difference.relabelled)
        if labelled:
            yield f"Labels of {_number(labelled, 'sentences')} that had none."
    before, after = difference.before.events, difference.after.events
    if after > before:
        yield f"{after - before:,} label events: {before:,} to {after:,}." if before else f"{after:,} label events."
    new = sorted(difference.after.judges.keys() - difference.before.judges.keys())
    if new:
        yield f"Judges: {', '.join(new)}."


def _changed(difference: Difference) -> Iterator[str]:
    if difference.first:
        return
    corrected = sum(each.is_correction for each in difference.relabelled)
    if corrected:
        yield f"Labels of {_number(corrected, 'sentences')} corrected, as `{ERRATA}` lists."
    before, after = difference.before, difference.after
    if before.licence != after.licence:
        yield f"Licence: {before.licence or 'none'} to {after.licence or 'none'}."
    anew = sorted(name for name, judge in after.judges.items() if before.judges.get(name, judge) != judge)
    if anew:
        yield f"Judged anew, otherwise than before: {', '.join(anew)}."


def _removed(difference: Difference) -> Iterator[str]:
    if difference.first:
        return
    yield from _steps(difference, -1)
    gone = sorted(difference.before.judges.keys() - difference.after.judges.keys())
    if gone:
        yield f"Judges: {', '.join(gone)}."


def _steps(difference: Difference, sign: int) -> Iterator[str]:
    """What there is more of, or with -1 less of."""
    for name, old, new in difference.count_changes():
        if name in _TOLD and (new - old) * sign > 0:
            yield f"{_number(abs(new - old), name)}: {old:,} to {new:,}."


def _number(number: int, name: str) -> str:
    return f"{number:,} {name if number != 1 else name[:-1]}"
