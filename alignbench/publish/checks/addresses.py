"""E-mail addresses, and annotators who are called by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from alignbench.publish.checks.readings import readings

CHECK = "addresses"
THEN = {
    "": "nobody's address is published without their knowing: take it out of where it came from, then build the folder "
    "again; where it is there on purpose, waive it",
    "annotator-name": "annotators have pseudonyms, such as annotator-1: replace the names in the file that the labels "
    "came from, then import it anew",
}
PATTERN = r"@|%40|\\u0040|\\x40"
"""Marks, for RE2, all strings in which `find` can find an address."""

_ADDRESS = re.compile(
    r"(?<![\w.%+@/-])(?P<who>[A-Za-z0-9_][A-Za-z0-9_.%+-]{0,63})@"
    r"(?P<host>(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+(?P<top>[A-Za-z]{2,24}))(?![\w@-])"
)
# RFC 2606: these belong to nobody.
_NOBODYS = re.compile(r"(?:.*\.)?(?:example(?:\.(?:com|net|org))?|invalid|test|localhost)", re.IGNORECASE)
_ENDINGS = frozenset(
    "png jpg jpeg gif webp svg bmp tiff pdf py js ts json csv md txt html yaml yml parquet zip gz".split()
)
_WITHIN_URL = re.compile(r"://[^\s/]{0,300}$")
_FULL_NAME = re.compile(r"[^\W\d_a-z][\w.'\u2019-]*(?:,? [^\W\d_a-z][\w.'\u2019-]*){1,4}")
_LOGIN_NAME = re.compile(r"[a-z]{2,}\.[a-z]{2,}")
_ANNOTATOR = "labels/annotator"


class Address(NamedTuple):
    """An address that was found: its kind and what may be said of it."""

    kind: str
    shown: str


def find(text: str) -> Iterator[Address]:
    """The first e-mail address in a string."""
    for reading in readings(text):
        for match in _ADDRESS.finditer(reading):
            other = match["top"].lower() in _ENDINGS or match["who"] == "git"
            other = other or _WITHIN_URL.search(reading, max(0, match.start() - 330), match.start()) is not None
            if not other and not _NOBODYS.fullmatch(match["host"]):
                start = match["who"][:2]
                yield Address("e-mail", f"the e-mail address {start!a}...@{match['host']}")
                return


def find_annotator(name: str, annotator: str) -> Iterator[Address]:
    """An annotator who is called by a name, such as `Ada Lovelace` or `ada.lovelace`; `name` is that of the column."""
    if name == _ANNOTATOR and (_FULL_NAME.fullmatch(annotator) or _LOGIN_NAME.fullmatch(annotator)):
        shown = f"the annotator {annotator[:4]!r}... of {len(annotator)} characters, which looks like a name,"
        yield Address("annotator-name", shown)
