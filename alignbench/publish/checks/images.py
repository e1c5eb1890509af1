"""Whether every published picture is whole, and says nothing beside its pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from alignbench.decode import decode
from alignbench.errors import ImageError
from alignbench.parquet import READ_ERRORS, open_parquet, read_group
from alignbench.publish.checks.embedded import said_by
from alignbench.publish.checks.finding import Finding
from alignbench.publish.checks.places import named
from alignbench.publish.checks.text import Searches
from alignbench.publish.folder.layout import PAIRS, Shard, shards
from alignbench.publish.terms.publication import FILE

CHECK = "images"
_COLUMNS = ("image_key", "image_sha256", "image")
# Their names in other bytes than text are nearly never there by chance.
_SURE = frozenset(
    {"home-folder", "windows-path", "private-key", "anthropic-key", "openai-key", "hugging-face-token"}
) | {"github-token", "aws-key", "google-key", "slack-token", "gitlab-token"}
_STRIP = (
    "original bytes are published as they are, so take it out of the files, such as with `exiftool -all= FILE` or by "
    "saving the pixels anew, import them again under new keys, then judge again; or waive it by name"
)
_IMPORT = "import the original files again (`alignbench attach-images` for missing ones), then build the folder again"
_THEN = {
    "missing": f"run `alignbench attach-images`, or waive `missing` of the check `{CHECK}` in {FILE}",
    "unreadable": _IMPORT,
    "sha256": _IMPORT,
    "": _STRIP,
}
_WHAT = {
    "missing": "pictures without bytes",
    "unreadable": "pictures that cannot be decoded",
    "sha256": "pictures whose bytes have another sha256 than is said of them",
    "place": "pictures whose metadata say where they were taken (GPS)",
    "owner": "pictures whose metadata say whose camera took them, or its number",
}


def find_images(folder: Path, searches: Searches) -> Iterator[Finding]:
    """Every picture has bytes, of the sha256 it says, that decode; its metadata tell no place, owner, path or key.

    A row group is in memory at a time; a picture of several pairs is decoded once.
    """
    found: dict[str, dict[str, str]] = {}
    words = dict(_WHAT)
    known: dict[str, list[tuple[str, str]]] = {}
    for key, sha256, encoded in _pictures(folder):
        for kind, said in _faults(sha256, encoded, searches, known):
            if kind not in _WHAT:
                words.setdefault(kind, f"pictures with {said}")
            found.setdefault(kind, {}).setdefault(key, f"{key}: {said}" if kind == "unreadable" else key)
    for kind, keys in found.items():
        yield Finding(CHECK, kind, f"{named(len(keys), words[kind], keys.values())}; {_THEN.get(kind, _THEN[''])}")


def _pictures(folder: Path) -> Iterator[tuple[str, str | None, bytes | None]]:
    for shard in shards(folder, PAIRS):
        try:
            yield from _of_shard(shard)
        except READ_ERRORS:
            continue  # which the check `rows` tells


def _of_shard(shard: Shard) -> Iterator[tuple[str, str | None, bytes | None]]:
    with open_parquet(shard.path) as file:
        columns = [name for name in _COLUMNS if name in file.schema_arrow.names]
        for group in range(file.num_row_groups):
            table = read_group(file, group, columns)
            for place in range(len(table)):
                row: Mapping[str, Any] = table.slice(place, 1).to_pylist()[0]
                image = row.get("image") or {}
                yield str(row.get("image_key")), row.get("image_sha256"), image.get("bytes")


def _faults(
    sha256: str | None, encoded: bytes | None, searches: Searches, known: dict[str, list[tuple[str, str]]]
) -> list[tuple[str, str]]:
    if encoded is None:
        return [("missing", "")]
    found = hashlib.sha256(encoded).hexdigest()
    if found not in known:
        known[found] = list(_of_bytes(encoded, searches))
    return known[found] if sha256 in (None, found) else [*known[found], ("sha256", "")]


def _of_bytes(encoded: bytes, searches: Searches) -> Iterator[tuple[str, str]]:
    try:
        decode(encoded)
    except ImageError as error:
        yield "unreadable", str(error)
    said = said_by(encoded)
    if said.place:
        yield "place", ""
    if said.owner:
        yield "owner", ""
    for text in said.texts:
        for kind, shown in searches.in_text(text, f"{PAIRS}/image"):
            yield f"metadata {kind}", f"{shown} in their metadata"
    for kind, shown in searches.in_text(said.rest, f"{PAIRS}/image") if said.rest else ():
        if kind in _SURE or kind.startswith("value-of-"):
            yield f"metadata {kind}", f"{shown} in their bytes"
