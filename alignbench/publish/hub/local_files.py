"""The files of a Hub folder as they would be sent: where, how large, and which content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from alignbench.errors import PublishError
from alignbench.publish.folder.layout import CHECKSUMS, README, published_files

_AGAIN = "run `alignbench publish` again, which makes the folder anew"


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of the folder; `path` is its name from there, with slashes."""

    path: str
    file: Path
    size: int
    sha256: str

    def git_id(self) -> str:
        """The id that git gives a file of this content; reads it."""
        content = self.file.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def local_files(folder: Path) -> dict[str, LocalFile]:
    """Every file of the folder by its path, hashed anew.

    Raises:
        PublishError: There is no such folder, or a file cannot be read.
    """
    if not folder.is_dir():
        raise PublishError(f"there is no folder {folder} to publish; {_AGAIN}")
    found = {}
    for file in published_files(folder):
        path = file.relative_to(folder).as_posix()
        try:
            with file.open("rb") as stream:
                sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            found[path] = LocalFile(path, file, file.stat().st_size, sha256)
        except OSError as error:
            raise PublishError(f"{file} cannot be read: {error.strerror}; {_AGAIN}") from error
    return found


def sealed_files(folder: Path) -> dict[str, LocalFile]:
    """Every file of a folder that is as its checksums say, and complete.

    Raises:
        PublishError: A file is not what its checksum says, has none, or is gone; or there is no card or checksums.
    """
    files = local_files(folder)
    missing = [name for name in (README, CHECKSUMS) if name not in files]
    if missing:
        raise PublishError(f"{folder} is no folder to publish: it has no {' and no '.join(missing)}; {_AGAIN}")
    said = _checksums(files[CHECKSUMS])
    faults = [f"{path} has no checksum" for path in files if path not in said and path != CHECKSUMS]
    faults += [f"{path} is gone" for path in said if path not in files]
    faults += [f"{path} has changed" for path, sha256 in said.items() if path in files and files[path].sha256 != sha256]
    if faults:
        shown = "; ".join(sorted(faults)[:5]) + (f"; and {len(faults) - 5} more" if len(faults) > 5 else "")
        raise PublishError(f"{folder} is not as its {CHECKSUMS} says: {shown}; {_AGAIN}")
    return files


def _checksums(file: LocalFile) -> Mapping[str, str]:
    said = {}
    for line in file.file.read_text(encoding="utf-8").splitlines():
        sha256, _, path = line.partition("  ")
        if len(sha256) != 64 or not path:
            raise PublishError(f"{file.file} has a line that `sha256sum -c` cannot read: {line!r}; {_AGAIN}")
        said[path.removeprefix("./")] = sha256
    return said
