"""Where a Hub folder is made: it is seen when it is whole, or never."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from alignbench.atomic import partial_folder, storage_errors, swap_folder
from alignbench.errors import PublishError
from alignbench.publish.folder.layout import CHECKSUMS, DATASET


@dataclass(frozen=True, slots=True)
class Workplace:
    """An empty folder to fill, and where it goes."""

    folder: Path
    target: Path

    def keep(self) -> None:
        """Put the folder, with all that is in it, in its place."""
        with storage_errors(self.target):
            swap_folder(self.folder, self.target)


@contextmanager
def workplace(dataset: Path, target: Path | None) -> Iterator[Workplace]:
    """An empty folder beside `target`; where that is null, beside the dataset. It is gone after the block, unless kept.

    Raises:
        PublishError: There is something at `target` that is no Hub folder of ours.
        DatasetError: Another process is publishing the same.
        StorageError: The disk refused.
    """
    if target is not None:
        _refuse_strange(target)
    resolved = (target or dataset.parent / f"{dataset.resolve().name}.hub").resolve()
    with ExitStack() as stack:
        with storage_errors(resolved):
            partial = stack.enter_context(partial_folder(resolved))
        yield Workplace(partial, resolved)


def _refuse_strange(target: Path) -> None:
    if target.is_dir() and (
        not any(target.iterdir()) or all((target / name).is_file() for name in (DATASET, CHECKSUMS))
    ):
        return
    if target.exists():
        raise PublishError(f"{target} is there and holds no folder that `alignbench publish` wrote; give another DIR")
