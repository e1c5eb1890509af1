"""Finds an open pull request that already proposes a folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from alignbench.publish.folder.layout import CHANGELOG, CHECKSUMS
from alignbench.publish.hub.local_files import LocalFile
from alignbench.publish.hub.remote import KIND, RemoteState, look

_OPEN = frozenset({"open", "draft"})
_DATED = frozenset({CHANGELOG, CHECKSUMS})


class Proposed(NamedTuple):
    """An open pull request: its last commit, and where people look at it."""

    commit: str
    url: str


def find_pull_request(remote: RemoteState, files: Mapping[str, LocalFile], title: str) -> Proposed | None:
    """The open pull request that proposes exactly these files under this title, or null.

    Made again on another day, a folder differs by the date in its change log; that is the same proposal.

    Args:
        remote: What the pull request is made to.
        files: What it proposes.
        title: Its title, with the mark of the folder.

    Raises:
        PublishError: The Hub cannot be asked.
    """
    words = _words(title)
    found = remote.hub.ask(
        remote.repo,
        lambda api: [
            each
            for each in api.get_repo_discussions(remote.repo, repo_type=KIND, discussion_type="pull_request")
            if each.status in _OPEN and _words(each.title) == words
        ],
    )
    for each in found:
        state = look(remote.hub, remote.repo, f"refs/pr/{each.num}")
        if state.holds(files, apart_from=_DATED):
            return Proposed(state.head, each.url)
    return None


def _words(title: str) -> str:
    """A title without the mark."""
    return title.rpartition("[")[0].strip()
