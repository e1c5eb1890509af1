"""Files that cannot be read, told apart from a disk that cannot be written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alignbench.errors import AlignbenchError, DatasetError, PublishError
from alignbench.parquet import READ_ERRORS

AGAIN = "fetch the folder again, or publish the dataset again"
"""What to do with a Hub folder that is damaged."""


@contextmanager
def reading_dataset(folder: Path) -> Iterator[None]:
    """Turn what pyarrow raises for a damaged file of a dataset folder into a DatasetError."""
    with _reading(DatasetError, f"{folder} has a file that cannot be read", f"run `alignbench validate {folder}`"):
        yield


@contextmanager
def reading_published(folder: Path) -> Iterator[None]:
    """Turn what pyarrow raises for a damaged file of a Hub folder into a PublishError."""
    with _reading(PublishError, f"{folder} has a data file that cannot be read", AGAIN):
        yield


@contextmanager
def _reading(kind: type[AlignbenchError], what: str, then: str) -> Iterator[None]:
    try:
        yield
    except READ_ERRORS as error:
        raise kind(f"{what}: {error}; {then}") from error
