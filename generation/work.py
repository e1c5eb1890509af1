"""The folder beside a dataset in the making, which holds everything that a resumed session needs."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alignbench.atomic import storage_errors, write_atomically
from alignbench.errors import RecipeError, RunError, UsageError
from generation.recipe import Recipe

RECIPE_FILE = "recipe.yaml"
UNUSABLE_FILE = "unusable_inputs.jsonl"
DOMAINS_FILE = "domains.json"
_SUFFIX = ".partial"
_ASSEMBLED = "assembled"

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """A folder that several processes can work in.

    recipe.yaml               whose work this is
    inputs.jsonl              the images and prompts, once they are gathered
    unusable_inputs.jsonl     what was found on the way that nothing is made of
    domains.json              how the images were drawn, where the recipe asks for domains
    journal-<i>-of-<n>.jsonl  what was made, row by row, a file a shard
    images/                   the bytes of images by their sha256
    parts/                    folders that image sources, prompt writers and filters have for themselves
    assembled                 how many entries the journals had when the dataset was last put together
    dataset/                  the dataset while it is written
    """

    path: Path

    @classmethod
    def beside(cls, out: Path) -> Work:
        """The work folder of the dataset `out`, which may not exist yet."""
        return cls(out.with_name(f"{out.name}{_SUFFIX}"))

    @property
    def out(self) -> Path:
        """Where the dataset moves when it is whole."""
        return self.path.with_name(self.path.name.removesuffix(_SUFFIX))

    @property
    def inputs(self) -> Path:
        """What the producers work on; written whole, after all that belongs to it."""
        return self.path / "inputs.jsonl"

    @property
    def dataset(self) -> Path:
        """The dataset before it moves to its place."""
        return self.path / "dataset"

    def site(self, part: str) -> Path:
        """The folder that a part of the recipe has for itself; it may not exist yet."""
        return self.path / "parts" / part

    @contextlib.contextmanager
    def alone(self) -> Iterator[bool]:
        """Keep other processes out for the time of the block, waiting for them to leave first.

        Yields:
            Whether the folder is still there: who was here before may have finished the work and removed it.
        """
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            yield False
            return
        try:
            with storage_errors(self.path):
                _lock(descriptor, self.path)
            yield _is_at(descriptor, self.path)
        finally:
            os.close(descriptor)

    def begin(self, recipe: Recipe) -> None:
        """Make the folder, or make sure that it was begun with the same recipe.

        A recipe whose inputs could not be gathered may be mended: nothing was made of it.

        Raises:
            RecipeError: it was begun with another recipe or seed.
            UsageError: there is a folder of that name that is no work folder.
            StorageError: the disk refused.
        """
        there = False
        while not there:
            with storage_errors(self.path):
                _make(self.path)
            with self.alone() as there:
                if there:
                    self._begin(recipe)

    def _begin(self, recipe: Recipe) -> None:
        saved = self.path / RECIPE_FILE
        if saved.exists() and (self.inputs.exists() or saved.read_bytes() == recipe.to_yaml().encode()):
            self.check(recipe)
            return
        # A kill while recipe.yaml was written leaves a dot file and nothing else.
        if not saved.exists() and any(not entry.name.startswith(".") for entry in self.path.iterdir()):
            raise _occupied(self.path)
        write_atomically(saved, lambda file: _write(file, recipe.to_yaml().encode()))

    def check(self, recipe: Recipe) -> None:
        """Make sure that the folder is that of a recipe.

        Raises:
            RecipeError: it was begun with another recipe or seed.
        """
        saved = self.path / RECIPE_FILE
        before, now = saved.read_text(encoding="utf-8").splitlines(), recipe.to_yaml().splitlines()
        if before == now:
            return
        changed = next((f"{b!r} was {a!r}" for a, b in zip(before, now, strict=False) if a != b), "its length changed")
        raise RecipeError(
            f"the recipe is not the one that {self.path} was begun with ({changed}); "
            f"use the same recipe and seed, choose another --out, or remove {self.path} to begin again"
        )

    def is_assembled(self, entries: int) -> bool:
        """Whether the dataset was put together when the journals had that many entries."""
        noted = self.path / _ASSEMBLED
        return noted.is_file() and noted.read_text(encoding="utf-8") == f"{entries}\n"

    def note_assembled(self, entries: int) -> None:
        """Note that the dataset was put together when the journals had that many entries."""
        self.save(_ASSEMBLED, f"{entries}\n")

    def keep(self, encoded: bytes) -> str:
        """Store the bytes of an image; returns their sha256."""
        sha256 = hashlib.sha256(encoded).hexdigest()
        place = self._place(sha256)
        if not place.exists():
            write_atomically(place, lambda file: _write(file, encoded))
        return sha256

    def read(self, sha256: str) -> bytes:
        """The bytes that `keep` stored.

        Raises:
            RunError: they are gone or are not what they were.
        """
        try:
            encoded = self._place(sha256).read_bytes()
        except OSError as error:
            raise RunError(f"{error.filename} cannot be read; remove {self.path} to begin again") from error
        if hashlib.sha256(encoded).hexdigest() != sha256:
            raise RunError(f"{self._place(sha256)} is damaged; remove {self.path} to begin again")
        return encoded

    def drop(self, sha256: str) -> None:
        """Forget what `keep` stored."""
        with storage_errors(self.path):
            self._place(sha256).unlink(missing_ok=True)

    def save(self, name: str, text: str) -> None:
        """Write a file of the folder, whole."""
        # A file's name can hold half a surrogate pair, which JSON spells in the same way as this does.
        write_atomically(self.path / name, lambda file: _write(file, text.encode(errors="backslashreplace")))

    def remove(self) -> None:
        """Delete the folder where there is one, the recipe last: without it, nobody would know whose the rest is."""
        if not (self.path / RECIPE_FILE).is_file():
            return
        with storage_errors(self.path):
            for entry in self.path.iterdir():
                if entry.is_dir():
                    shutil.rmtree(entry)
                elif entry.name != RECIPE_FILE:
                    entry.unlink()
            shutil.rmtree(self.path)

    def _place(self, sha256: str) -> Path:
        return self.path / "images" / sha256


def _make(path: Path) -> None:
    """Make the folder where it is missing; something else in its place is refused."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise _occupied(path) from error


def _occupied(path: Path) -> UsageError:
    return UsageError(f"{path} is needed for work in progress, but is something else; move it away")


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _LOG.warning("another process gathers inputs or writes the dataset in %s; waiting for it", path)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open folder is the one that stands at `path` now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _write(file: Path, content: bytes) -> None:
    file.write_bytes(content)
