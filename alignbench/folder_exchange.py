"""Puts a folder in the place of another one in a single step of the file system, where it has one."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

from alignbench.atomic import swap_folder, sync

_HERE = -100  # AT_FDCWD: paths are as they are
_EXCHANGE = 2  # RENAME_EXCHANGE
_UNKNOWN = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}


def replace_folder(partial: Path, target: Path) -> None:
    """Put the folder `partial`, with all that is in it, in the place of the folder `target`, which may exist.

    Unlike with `swap_folder`, which takes its place where the system or the disk knows no exchange, there is no moment
    without `target`: who reads meanwhile finds the old files or the new ones. The old folder may stay as `partial`.

    Raises:
        OSError: The disk refused; `target` is as it was.
    """
    if not target.exists():
        swap_folder(partial, target)
        return
    for entry in sorted(partial.rglob("*")):
        sync(entry)
    sync(partial)
    if exchange(partial, target):
        sync(target.parent)
    else:
        swap_folder(partial, target)


def exchange(one: Path, other: Path) -> bool:
    """Exchange two folders of one disk (Linux, renameat2); False where that is not known here.

    Raises:
        OSError: The disk refused; both are as they were.
    """
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNKNOWN:
        return False
    raise OSError(code, os.strerror(code), str(other))
