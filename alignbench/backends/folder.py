"""Identifies a local model folder by what is in it."""

from __future__ import annotations

import hashlib
from pathlib import Path

_KEPT = frozenset({".json", ".jinja", ".model", ".safetensors", ".tiktoken", ".txt"})
_BLOCK = 1 << 24


def folder_revision(folder: Path) -> str:
    """Twelve hex digits of the sha256 over configuration, weights and tokenizer; the folder's path does not count."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in _KEPT and path.is_file():
            digest.update(f"{path.relative_to(folder).as_posix()}\t{_digest(path)}\n".encode())
    return digest.hexdigest()[:12]


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
