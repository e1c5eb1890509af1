"""Says whether a repository may be overwritten: it holds nothing, or this very dataset as alignbench published it."""

from __future__ import annotations

import json
from typing import NamedTuple

from alignbench.publish.folder.layout import DATASET, README
from alignbench.publish.hub.local_files import LocalFile
from alignbench.publish.hub.remote import RemoteState

_STUBS = frozenset({README, "LICENSE", "LICENSE.md", "LICENSE.txt", ".gitignore"})
"""What somebody may have clicked together when they made the repository."""


def refusal(remote: RemoteState, name: str) -> str | None:
    """Why the dataset called `name` must not replace what the repository holds; null where it may.

    Raises:
        PublishError: The repository cannot be read.
    """
    said = remote.read(DATASET)
    if said is None:
        foreign = sorted(remote.files.keys() - _STUBS)
        if not foreign:
            return None
        return (
            f"{remote.url} holds {len(foreign)} files that alignbench did not publish, such as {foreign[0]}, which "
            "would be deleted; give another --repo, or empty that one by hand"
        )
    try:
        there = json.loads(said)["name"]
    except (ValueError, KeyError, TypeError, RecursionError):
        there = None
    if there != name:
        called = "another dataset" if there is None else f"the dataset {there!r}"
        return f"{remote.url} holds {called}, not {name!r}; give another --repo, or empty that one by hand"
    return None


class Header(NamedTuple):
    """What a dataset.json calls its dataset; null where it does not."""

    name: str | None
    version: str | None


def facts_of_header(header: LocalFile | None) -> Header:
    """What a folder's dataset.json says; nothing where there is none, or it is none."""
    try:
        said = {} if header is None else json.loads(header.file.read_bytes())
        found = [said.get(name) for name in ("name", "version")]
    except (ValueError, AttributeError, RecursionError):
        return Header(None, None)
    return Header(*(text if isinstance(text, str) and text else None for text in found))
