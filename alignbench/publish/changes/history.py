"""Puts the change log and the errata into a folder, with what was published before."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from alignbench.atomic import write_atomically
from alignbench.errors import PublishError
from alignbench.publish.changes.changelog import changelog
from alignbench.publish.changes.compare import difference
from alignbench.publish.changes.difference import Difference
from alignbench.publish.changes.errata import errata
from alignbench.publish.folder.layout import CHANGELOG, ERRATA
from alignbench.publish.hub.remote import RemoteState


def write_history(folder: Path, remote: RemoteState, date: dt.date) -> Difference:
    """Write CHANGELOG.md and, where a published label was ever corrected, errata.csv into the folder.

    The same folder over the same `remote` and date gives the same bytes; over what it was published to, it gives what
    is published, whatever the date.

    Args:
        folder: A Hub folder with everything else but its checksums.
        remote: Where it is to be published.
        date: Of the entry for this version, where it has none yet.

    Returns:
        What the folder changes; give it to `difference` as `known` once the folder is sealed.

    Raises:
        PublishError: The Hub cannot be asked, or what is published cannot be read.
        StorageError: The disk refused.
    """
    found = difference(folder, remote)
    ours = found.not_ours is None
    log = changelog(_text(remote, CHANGELOG) if ours and not found.first else None, found, date)
    corrected = errata(_text(remote, ERRATA) if ours else None, found.relabelled, found.after.version or "unknown")
    _write(folder / CHANGELOG, log)
    if corrected is not None:
        _write(folder / ERRATA, corrected)
    return found


def _text(remote: RemoteState, name: str) -> str | None:
    content = remote.read(name)
    try:
        return None if content is None else content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PublishError(f"the published {name} of {remote.repo} is not UTF-8: {error}; mend it there") from error


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda partial: _put(partial, text))


def _put(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8"))
