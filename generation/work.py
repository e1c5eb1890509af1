"""The folder beside a dataset in the making, which holds everything that a resumed session needs."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from alignbench.atomic import storage_errors, write_atomically
from alignbench.errors import RecipeError, RunError, UsageError
from generation.recipe import Recipe

RECIPE_FILE = "recipe.yaml"


@dataclass(frozen=True, slots=True)
class Work:
    """`recipe.yaml`, `inputs.jsonl`, `journal.jsonl`, the images by their sha256, and `dataset` while it is written."""

    path: Path

    @classmethod
    def beside(cls, out: Path) -> Work:
        """The work folder of the dataset `out`, which may not exist yet."""
        return cls(out.with_name(f"{out.name}.partial"))

    @property
    def inputs(self) -> Path:
        """What the producers work on; written whole."""
        return self.path / "inputs.jsonl"

    @property
    def journal(self) -> Path:
        """What the producers made; grows row by row."""
        return self.path / "journal.jsonl"

    @property
    def dataset(self) -> Path:
        """The dataset before it moves to its place."""
        return self.path / "dataset"

    def begin(self, recipe: Recipe) -> None:
        """Make the folder, or make sure that it was begun with the same recipe.

        Raises:
            RecipeError: it was begun with another recipe or seed.
            UsageError: there is a folder of that name that is no work folder.
            StorageError: the disk refused.
        """
        saved = self.path / RECIPE_FILE
        if saved.exists():
            _same_recipe(saved, recipe)
            return
        # A kill while recipe.yaml was written leaves a dot file and nothing else.
        if self.path.exists() and not (self.path.is_dir() and all(e.name.startswith(".") for e in self.path.iterdir())):
            raise UsageError(f"{self.path} is needed for work in progress, but is something else; move it away")
        write_atomically(saved, lambda file: _write(file, recipe.to_yaml().encode()))

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


def _write(file: Path, content: bytes) -> None:
    file.write_bytes(content)


def _same_recipe(saved: Path, recipe: Recipe) -> None:
    before, now = saved.read_text(encoding="utf-8").splitlines(), recipe.to_yaml().splitlines()
    if before == now:
        return
    changed = next((f"{b!r} was {a!r}" for a, b in zip(before, now, strict=False) if a != b), "its length changed")
    raise RecipeError(
        f"the recipe is not the one that {saved.parent} was begun with ({changed}); "
        f"use the same recipe and seed, choose another --out, or remove {saved.parent} to begin again"
    )
