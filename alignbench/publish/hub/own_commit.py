"""Marks our commits, so that one can be found when its answer was lost and others came after it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile

from alignbench.publish.folder.layout import CHECKSUMS
from alignbench.publish.hub.local_files import LocalFile
from alignbench.publish.hub.remote import KIND, RemoteState

_DIGITS = 12


def mark_of(files: Mapping[str, LocalFile]) -> str:
    """What the title of a commit ends with: the beginning of the digest of the folder's checksums."""
    return f"[{files[CHECKSUMS].sha256[:_DIGITS]}]"


def find_own_commit(before: RemoteState, files: Mapping[str, LocalFile]) -> str | None:
    """The commit of exactly this folder that was made since `before`, or null.

    Raises:
        PublishError: The Hub cannot be asked.
    """
    commits = before.hub.ask(before.repo, lambda api: api.list_repo_commits(before.repo, repo_type=KIND))
    mark = mark_of(files)
    since = takewhile(lambda commit: commit.commit_id != before.head, commits)
    return next((commit.commit_id for commit in since if commit.title.endswith(mark)), None)
