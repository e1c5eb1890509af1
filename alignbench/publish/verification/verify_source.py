"""Verifies a published dataset wherever it is: a folder, or a repository of the Hub."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from alignbench.publish.back.source import fetch
from alignbench.publish.verification.verify import Verification, verification_of

_OTHER = re.compile(r"[^A-Za-z0-9._-]+")


def verify_source(
    source: str, *, revision: str | None = None, endpoint: str | None = None
) -> tuple[Verification, str | None]:
    """What `verification_of` finds at a source, and the commit that was looked at; null for a folder.

    A dataset of the Hub is downloaded into the user's cache and removed again; a download that broke off stays there,
    and the next try goes on.

    Args:
        source: A folder, or `ORG/NAME` or `ORG/NAME@REVISION`.
        revision: A branch, a tag or a commit.
        endpoint: The address of the Hub; by default HF_ENDPOINT or the public one.

    Raises:
        PublishError: There is no such folder or repository, or it holds no published dataset.
        MissingDependencyError: What is needed is not installed.
        StorageError: The disk refused.
    """
    into = _place(source)
    folder, commit = fetch(source, into, revision=revision, endpoint=endpoint)
    try:
        return verification_of(folder), commit
    finally:
        if commit is not None:
            shutil.rmtree(into, ignore_errors=True)


def _place(source: str) -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return home / "alignbench" / "fetched" / (_OTHER.sub("--", source).strip(".") or "dataset")
