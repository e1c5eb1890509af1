"""One pass over all strings of a folder for the checks that look at strings: secrets, paths, addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc

from alignbench.publish.checks import addresses, paths, secrets
from alignbench.publish.checks.finding import Finding
from alignbench.publish.checks.places import Places
from alignbench.publish.checks.strings import Strings, strings_in

_Found = Iterable[tuple[str, str]]


class _Search(NamedTuple):
    """What one check looks for: `pattern` marks strings for RE2, `find` looks closer, given the place's name too."""

    check: str
    pattern: str
    find: Callable[[str, str], _Found]
    places: Places


class Searches:
    """The searches of all three checks, for a machine and what is secret on it."""

    def __init__(self, machine: paths.Machine, secret: secrets.Secrets) -> None:
        self._machine, self._secret = machine, secret
        self._all = (
            self._search(secrets.CHECK, secrets.THEN, secret.pattern, lambda text, _: secret.find(text)),
            self._search(paths.CHECK, paths.THEN, machine.pattern, machine.find),
            self._search(addresses.CHECK, addresses.THEN, addresses.PATTERN, lambda text, _: addresses.find(text)),
            self._search(addresses.CHECK, addresses.THEN, "", lambda text, name: addresses.find_annotator(name, text)),
        )

    def look(self, strings: Strings) -> None:
        """Look through some strings."""
        for search in self._all:
            if search.pattern or strings.name == "labels/annotator":
                _look(search, strings)

    def findings(self) -> Iterator[Finding]:
        """What was found, check by check."""
        for search in self._all:
            yield from search.places.findings()

    def in_text(self, text: str, name: str) -> Iterator[tuple[str, str]]:
        """What all checks find in one string: kinds, and what may be said of them."""
        for search in self._all:
            yield from search.find(text, name)

    @staticmethod
    def _search(check: str, then: Mapping[str, str], pattern: str, find: Callable[[str, str], _Found]) -> _Search:
        return _Search(check, pattern, find, Places(check, then))


def find_in_strings(folder: Path, searches: Searches) -> Iterator[Finding]:
    """The findings of the checks that look at strings; every file is read once."""
    for strings in strings_in(folder):
        searches.look(strings)
    yield from searches.findings()


def _look(search: _Search, strings: Strings) -> None:
    marked = pc.match_substring_regex(strings.values, search.pattern)
    seen: dict[str, list[tuple[str, str]]] = {}
    for place in np.flatnonzero(pc.fill_null(marked, False).to_numpy(zero_copy_only=False)).tolist():
        text = strings.text(place)
        if text not in seen:
            seen[text] = list(search.find(text, strings.name))
        for kind, shown in seen[text]:
            search.places.add(strings.name, kind, shown, strings.where(place))
