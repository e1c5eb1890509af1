"""Paths and names of the machine on which the dataset was made."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from alignbench.publish.checks.readings import ESCAPED, literal, readings
from alignbench.publish.folder import layout

CHECK = "paths"
THEN = {
    "": "a published path is relative to the dataset, or the address of a web page: take it out of where it came from "
    "(the recipe, the judge's options, the imported file), then build the folder again",
    "user-name": "your user name is published only where publication.yaml or the card says it: replace it by a "
    "pseudonym, then build the folder again",
    "host-name": "the name of a machine says nothing to others: take it out of where it came from, then build the "
    "folder again",
}

_NAME = r"[\w.$~@%+-]"
_SHAPES: Mapping[str, str] = {
    "home-folder": rf"/(?:[A-Za-z]/)?(?:home|Users)/{_NAME}+|/root/{_NAME}+|~/{_NAME}+",
    "local-path": rf"/(?:tmp|var|mnt|private|Volumes)/{_NAME}+",
    "file-address": r"file:/{1,3}[^\s\"'<>]+",
    "windows-path": r"[A-Za-z]:[\\/]{1,4}(?i:Users|Documents and Settings|Temp|Windows|ProgramData|Program Files)[\\/]",
    "network-share": r"\\\\[A-Za-z0-9][\w.-]*\\[\w$.-]+",
}
_ADDRESS = r"(?!file:)[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s\"'<>]*"
_GROUPS = {kind.replace("-", "_"): kind for kind in _SHAPES}
# The address of a page swallows the paths within it. Before a path stands no part of a longer path.
_PATTERN = re.compile(
    rf"{_ADDRESS}|(?<![\w.~/\\-])(?:"
    + "|".join(f"(?P<{group}>{_SHAPES[kind]})" for group, kind in _GROUPS.items())
    + ")"
)
_PROSE = frozenset({"caption", "text", "comment"})
# What the publisher wrote, and the card with its facts, which name the place on the Hub, often by the user's name.
_SPOKEN = frozenset({layout.README, layout.FACTS, layout.PUBLICATION, layout.CHANGELOG})

# Names that many machines share, so that they tell nothing of this one, and names that are words.
_SHARED = frozenset(
    """root admin administrator user users guest ubuntu debian centos fedora ec2-user azureuser runner jovyan docker
    vagrant nobody daemon www-data node devel test tester demo data default owner public local student researcher worker
    build builder jenkins gitpod codespace vscode sandbox judge annotator localhost localdomain laptop desktop server
    host colab""".split()
)
_WORDS = frozenset(
    """basil bill bishop blue carol chase chip christian claude clay cliff dale daisy dawn dean dolly drew duke earl
    faith fern flora forest frank gene glen grace grant green grey hazel heather holly hope hunter iris jack jade jean
    jewel josh june king lance lane lily marina mark mason mercy miles misty nick norm olive page patience pearl penny
    pierce poppy prince reed rich robin rock rose ruby rusty sage sandy scarlet shell smith stone storm summer victor
    viola violet wade ward will willow winter wolf young""".split()
)


class LocalName(NamedTuple):
    """A path or name that was found: its kind and itself."""

    kind: str
    shown: str


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine on which the folder was built.

    Attributes:
        homes: Its user's home folders.
        users: The user's names that would tell who it is.
        hosts: The machine's names that would tell which it is.
    """

    homes: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, environment: Mapping[str, str], said: str = "") -> Self:
        """This machine, and what the environment says of it; a name in `said` is published on purpose.

        Names that many machines share, such as `root` or `ubuntu`, names that are words, such as `mark`, and names of
        fewer than four characters tell nothing and are found in every text.
        """
        homes = {environment.get("HOME"), environment.get("USERPROFILE"), _home()}
        users = {environment.get(name) for name in ("USER", "LOGNAME", "USERNAME")} | {_login()}
        hosts = {environment.get(name) for name in ("HOSTNAME", "COMPUTERNAME")} | {socket.gethostname()}
        parts = {part for host in hosts if host for part in (host, host.partition(".")[0])}
        spoken = frozenset(re.findall(r"[\w.-]+", said))
        return cls(
            frozenset(home.rstrip("/\\") for home in homes if home and len(home.rstrip("/\\")) > 1),
            _telling(users, spoken),
            _telling(parts, spoken),
        )

    @property
    def pattern(self) -> str:
        """Marks, for RE2, all strings in which `find` can find something."""
        shapes = [shape.replace(_NAME, r"[^\s]") for shape in _SHAPES.values()]  # RE2's \w has no accents
        names = [literal(name) for name in sorted(self.homes | self.users | self.hosts)]
        return "|".join([*shapes, *names, ESCAPED])

    def find(self, text: str, column: str) -> Iterator[LocalName]:
        """The paths in a string of a column; names of people and machines only where no caption is. A kind once."""
        found: dict[str, LocalName] = {}
        names = self._names_looked_for(column)
        for reading in readings(text):
            for match in _PATTERN.finditer(reading):
                if match.lastgroup:
                    kind = _GROUPS[match.lastgroup]
                    found.setdefault(kind, LocalName(kind, f"the path {_start(match[0])!r}"))
            for kind, name in _names_in(reading, names):
                what = "the home folder" if kind == "home-folder" else f"the {kind.replace('-', ' ')}"
                found.setdefault(kind, LocalName(kind, f"{what} {name!r}"))
        yield from found.values()

    def _names_looked_for(self, column: str) -> list[tuple[str, frozenset[str]]]:
        if column.rpartition("/")[2] in _PROSE:
            return []
        homes = [("home-folder", self.homes)]
        return homes if column in _SPOKEN else [*homes, ("user-name", self.users), ("host-name", self.hosts)]


def _names_in(text: str, groups: Iterable[tuple[str, frozenset[str]]]) -> Iterator[tuple[str, str]]:
    for kind, names in groups:
        for name in sorted(names):
            if name in text and re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text):
                yield kind, name


def _login() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return None  # an account without a name, as in containers


def _home() -> str | None:
    try:
        return str(Path.home())
    except RuntimeError:
        return None


def _telling(names: Iterable[str | None], spoken: frozenset[str]) -> frozenset[str]:
    telling = (name for name in names if name and len(name) > 3 and name.casefold() not in _SHARED | _WORDS)
    return frozenset(name for name in telling if name not in spoken)


def _start(path: str) -> str:
    return path if len(path) <= 60 else path[:60] + "..."
