"""The checksums of a Hub folder, as `sha256sum -c` reads them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from alignbench.atomic import storage_errors, write_atomically
from alignbench.errors import PublishError
from alignbench.publish.folder.layout import CHECKSUMS, published_files

_LINE = re.compile(r"(?P<sha256>[0-9a-f]{64}) [ *](?P<path>.+)")


class ChecksumFault(NamedTuple):
    """A file that is not what the checksums say.

    Attributes:
        path: The file, from the folder.
        said: The sha256 that was written down; null for a file that is not listed.
        found: That of the file; null where there is none.
    """

    path: str
    said: str | None
    found: str | None


def seal_folder(folder: Path) -> None:
    """Write the sha256 of every file but the list itself; StorageError where the disk refused."""
    with storage_errors(folder):
        lines = "".join(f"{found}  {name}\n" for name, found in _hashes(folder).items())
    write_atomically(folder / CHECKSUMS, lambda path: _write(path, lines))


def checksum_faults(folder: Path) -> list[ChecksumFault]:
    """Every file that was changed, removed or added since the folder was sealed, by name.

    Raises:
        PublishError: There is no list of checksums, or it is none.
    """
    said, found = _read(folder / CHECKSUMS), _hashes(folder)
    names = sorted(said.keys() | found.keys())
    return [ChecksumFault(name, said.get(name), found.get(name)) for name in names if said.get(name) != found.get(name)]


def _hashes(folder: Path) -> dict[str, str]:
    files = {path.relative_to(folder).as_posix(): path for path in published_files(folder)}
    return {name: _sha256(path) for name, path in sorted(files.items()) if name != CHECKSUMS}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> dict[str, str]:
    again = "fetch the folder again, or publish it again"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PublishError(f"{path} cannot be read: {error}; {again}") from error
    said = [_LINE.fullmatch(line) for line in lines]
    wrong = [str(number) for number, line in enumerate(said, 1) if line is None]
    if wrong:
        raise PublishError(f"{path} is no list of checksums: line {', '.join(wrong[:5])} has none; {again}")
    return {line["path"]: line["sha256"] for line in said if line is not None}


def _write(path: Path, lines: str) -> None:
    path.write_text(lines, encoding="utf-8", newline="\n")
