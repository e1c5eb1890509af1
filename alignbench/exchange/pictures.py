"""Finds the files of images in a folder of the user's."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from alignbench.errors import ImportFileError, UsageError
from alignbench.exchange.notes import some

_EXACT = 1_000_000
_MAX_STEP = 120
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where the file of an image should be.

    Attributes:
        path: Its path below the folder of images, with `/`. A file whose path is the end of it is taken too, or of
            whose path it is the end: the folder that was given may be one below or above the one that was meant.
        name: What its file is called in whatever folder; null where `path` alone identifies it.
        source: A folder that speaks for a file of that name.
    """

    path: str
    name: str | None = None
    source: str | None = None


class Pictures:
    """All files below a folder."""

    def __init__(self, folder: Path) -> None:
        check_folder(folder)
        self.folder = folder
        self._by_name: dict[str, list[tuple[str, ...]]] = {}
        try:
            for file in sorted(_files(folder)):
                self._by_name.setdefault(file[-1], []).append(file)
        except OSError as error:
            raise UsageError(f"{folder} cannot be looked through: {error}; mend the permissions") from error

    def candidates(self, wanted: Wanted) -> dict[str, int]:
        """The files that could be the wanted one, each with how much of its path speaks for it."""
        path = tuple(wanted.path.split("/"))
        found = self._ending(path, path)
        if wanted.path in found:
            return {wanted.path: _EXACT}
        if wanted.name is not None:
            name = tuple(wanted.name.split("/"))
            named = self._ending(name, (*(wanted.source or "").split("/"), *name))
            found |= {file: max(strength, found.get(file, 0)) for file, strength in named.items()}
        return found

    def _ending(self, path: tuple[str, ...], whole: tuple[str, ...]) -> dict[str, int]:
        """The files of which `path` is the end or the other way round, with the parts they share with `whole`."""
        files = self._by_name.get(path[-1], [])
        fitting = [file for file in files if _shared(file, path) == min(len(file), len(path))]
        return {"/".join(file): _shared(file, whole) for file in fitting}


def resolve(pictures: Pictures, wanted: Mapping[str, Wanted], needed: AbstractSet[str]) -> dict[str, Path]:
    """The file of every image that has one.

    The best match of an image is its file, unless the file matches another image better. A file at the very path that
    is wanted always is the one.

    Args:
        pictures: The files there are.
        wanted: What every image of the dataset wants, by image_key: also those that are not needed have their claims.
        needed: The keys of the images to find.

    Raises:
        ImportFileError: Several files match an image alike, or one file several images; lists them.
    """
    best = {key: _best(pictures.candidates(want)) for key, want in wanted.items()}
    claims: dict[str, dict[str, int]] = {}
    for key, files in best.items():
        for file, strength in files.items():
            claims.setdefault(file, {})[key] = strength
    owners = {file: list(_best(keys)) for file, keys in claims.items()}
    problems = [
        f"{key} could be any of {some(files, _SHOWN)}"
        for key, files in best.items()
        if key in needed and len(files) > 1
    ]
    for file, keys in owners.items():
        if len(keys) > 1 and claims[file][keys[0]] < _EXACT and not needed.isdisjoint(keys):
            problems.append(f"{file} could be the image of any of {some(keys, _SHOWN)}")
    if problems:
        raise ImportFileError(_unclear(pictures.folder, problems))
    return {key: pictures.folder / file for file, keys in owners.items() for key in keys if key in needed}


def _unclear(folder: Path, problems: Sequence[str]) -> str:
    more = [f"... {len(problems)} in total"] if len(problems) > _SHOWN else []
    advice = (
        "keep them in the folders of the release, or at the expected_path that missing_images.csv gives after an "
        "import without --images"
    )
    head = f"the files in {folder} do not tell which image is which:"
    return "\n  ".join([head, *problems[:_SHOWN], *more, advice])


def _best(strengths: Mapping[str, int]) -> dict[str, int]:
    most = max(strengths.values(), default=0)
    return {name: strength for name, strength in strengths.items() if strength == most}


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many parts two paths share at their ends."""
    shared = 0
    for left, right in zip(reversed(one), reversed(other), strict=False):
        if left != right:
            break
        shared += 1
    return shared


def _files(
    folder: Path, parts: tuple[str, ...] = (), above: frozenset[Path] = frozenset()
) -> Iterator[tuple[str, ...]]:
    """The paths of all files, through links too (a download cache is made of them), but never round in a circle."""
    here = folder.resolve()
    if here in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files(Path(entry.path), (*parts, entry.name), above | {here})
            else:
                yield (*parts, entry.name)


def check_folder(folder: Path) -> None:
    """UsageError where there is no such folder of images."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}; give with --images the folder that image paths start from")


def safe_path(text: str) -> str | None:
    """A relative path in its plainest form; None where it is empty, absolute, or leaves the folder it starts from."""
    path = text.strip().replace("\\", "/")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    # A part such as `C:` at the start is a drive on Windows.
    if not parts or path.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", parts[0]) or "\0" in path:
        return None
    return "/".join(parts)


def path_of_url(url: str) -> str:
    """A safe path for what a URL names, one of its own: host/path, as `wget --force-directories` stores it.

    Where that is no plain path, or the URL has a query, eight digits of its sha256 go before the ending.
    """
    try:
        parsed = urlsplit(url)
        said, query = [parsed.netloc, *parsed.path.split("/")], parsed.query
    except ValueError:
        said, query = [url], ""
    steps = [re.sub(r"[^\w.\-]", "_", step)[:_MAX_STEP] for step in said if step]
    steps = [step for step in steps if step.strip(".")]
    if steps == [step for step in said if step] and len(steps) > 1 and not query:
        return "/".join(steps)
    last = PurePosixPath(steps.pop() if steps else "image")
    digits = hashlib.sha256(url.encode()).hexdigest()[:8]
    return "/".join([*steps, f"{last.stem}-{digits}{last.suffix}"])
