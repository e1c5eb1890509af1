"""Finds what publishing a folder would change on the Hub."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alignbench.publish.changes.difference import Difference as Difference
from alignbench.publish.changes.difference import FileSize, Said
from alignbench.publish.changes.json_changes import JsonChange, json_changes
from alignbench.publish.changes.published_labels import Relabelled, history_fault, relabelled
from alignbench.publish.changes.refusals import refusals as refusals
from alignbench.publish.folder.layout import (
    DATA,
    DATASET,
    FACTS,
    JUDGES,
    LABELS,
    PUBLICATION,
    SENTENCES,
)
from alignbench.publish.hub.local_files import LocalFile, local_files
from alignbench.publish.hub.ownership import facts_of_header, refusal
from alignbench.publish.hub.remote import RemoteState
from alignbench.schema import SCHEMA_VERSION

_TEXTS = ("title", "summary", "language", "homepage", "paper", "citation", "authors", "intended_use", "limits")
"""What of publication.yaml is only told on the card."""

_Table = tuple[Sequence[Path], Sequence[Path]]
"""The files of a table as published, and in the folder."""


def difference(folder: Path, remote: RemoteState, known: Difference | None = None) -> Difference:
    """What publishing `folder` would change at `remote`.

    Small files are read; of the tables, only sentences and label events that differ are downloaded, into a temporary
    folder. The folder need not have its change log, errata and checksums yet.

    Args:
        folder: A Hub folder.
        remote: What it would replace.
        known: What `write_history` found for this folder and remote: their labels are not compared again.

    Raises:
        PublishError: The Hub cannot be asked, or a file is not what it should be.
    """
    files = local_files(folder)
    there = {name: remote.read(name) for name in (DATASET, FACTS, JUDGES, PUBLICATION)}
    here = {name: files[name].file.read_bytes() if name in files else None for name in there}
    before, after = _said(there), _said(here)
    added = [path for path in files if path not in remote.files]
    changed = [path for path, file in files.items() if path in remote.files and not remote.files[path].is_same(file)]
    first = there[DATASET] is None
    moved: tuple[Relabelled, ...] = ()
    fault: str | None = None
    if known is not None:
        moved, fault = known.relabelled, known.history_fault
    elif not first and (before.schema_version or 0) <= SCHEMA_VERSION:
        moved, fault = _label_changes(remote, files, added, changed)
    return Difference(
        repo=remote.repo,
        head=remote.head,
        first=first,
        not_ours=_not_ours(remote, files),
        added=tuple(FileSize(path, files[path].size) for path in added),
        changed=tuple(FileSize(path, files[path].size) for path in changed),
        removed=tuple(sorted(path for path in remote.files if path not in files)),
        upload_bytes=_upload_bytes(remote, [files[path] for path in (*added, *changed)]),
        before=before,
        after=after,
        relabelled=moved,
        facts=() if first else tuple(_fact_changes(there[FACTS], here[FACTS])),
        history_fault=fault,
    )


def _not_ours(remote: RemoteState, files: Mapping[str, LocalFile]) -> str | None:
    name = facts_of_header(files.get(DATASET)).name
    return None if name is None else refusal(remote, name)


def _upload_bytes(remote: RemoteState, files: Sequence[LocalFile]) -> int:
    kept = {file.sha256 for file in remote.files.values()}
    return sum({file.sha256: file.size for file in files if file.sha256 not in kept}.values())


def _label_changes(
    remote: RemoteState, files: Mapping[str, LocalFile], added: Sequence[str], changed: Sequence[str]
) -> tuple[tuple[Relabelled, ...], str | None]:
    touched = {*added, *changed, *(path for path in remote.files if path not in files)}
    with tempfile.TemporaryDirectory(prefix="alignbench-") as place:
        into = Path(place)
        sentences = _table(remote, files, touched, SENTENCES, into)
        labels = _table(remote, files, touched, LABELS, into)
        moved = () if sentences is None else tuple(relabelled(*sentences))
        return moved, None if labels is None else history_fault(*labels)


def _table(
    remote: RemoteState, files: Mapping[str, LocalFile], touched: set[str], config: str, into: Path
) -> _Table | None:
    """The files of a table on both sides; null where nothing of it has changed."""
    home = f"{DATA}/{config}/"
    if not any(path.startswith(home) for path in touched):
        return None
    published = sorted(path for path in remote.files if path.startswith(home) and path.endswith(".parquet"))
    here = [files[path].file for path in sorted(files) if path.startswith(home) and path.endswith(".parquet")]
    return remote.fetch(published, into), here


def _fact_changes(before: bytes | None, after: bytes | None) -> list[JsonChange]:
    return list(json_changes(_json(before), _json(after)))


def _said(files: Mapping[str, bytes | None]) -> Said:
    header, terms = _json(files[DATASET]), _yaml(files[PUBLICATION])
    counts, labels = _mapping(header.get("counts")), _mapping(header.get("labels"))
    version, schema, events = header.get("version"), header.get("schema_version"), labels.get("events")
    licence = terms.get("licence")
    return Said(
        version=version if isinstance(version, str) else None,
        schema_version=schema if isinstance(schema, int) else None,
        counts={name: number for name, number in counts.items() if isinstance(number, int)},
        licence=licence if isinstance(licence, str) else None,
        judges=_judges(files[JUDGES]),
        events=events if isinstance(events, int) else 0,
        terms={name: said for name, said in terms.items() if name not in _TEXTS},
    )


def _judges(text: bytes | None) -> dict[str, str]:
    runs = _json(text).get("runs")
    found = [run for run in (runs if isinstance(runs, list) else []) if isinstance(run, dict)]
    return {str(run.get("name")): str(run.get("judge_id")) for run in found}


def _json(text: bytes | None) -> dict[str, Any]:
    """The object that the text holds; an empty one where it holds none: what is published may be damaged."""
    try:
        return _mapping(json.loads(text or b"{}"))
    except (ValueError, RecursionError):
        return {}


def _yaml(text: bytes | None) -> dict[str, Any]:
    import yaml

    try:
        return _mapping(yaml.safe_load(text or b"{}"))
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
