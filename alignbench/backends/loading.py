"""What loading any model of transformers takes: where it comes from, in which dtype, on which device, and who it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers

from alignbench.backends.folder import folder_revision
from alignbench.errors import UnknownNameError, UsageError
from alignbench.types import ModelRef

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def check_source(source: str, revision: str | None) -> None:
    """Make sure that the source is a folder, which has no revisions, or looks like `ORG/NAME`.

    Raises:
        UsageError: It is neither, or a folder with a revision.
    """
    if Path(source).is_dir():
        if revision is not None:
            raise UsageError(f"the folder {source} has no revisions; leave out @{revision}")
    elif source.count("/") != 1 or source.startswith((".", "/", "~")):
        raise UsageError(f"there is no model folder {source}; give one that save_pretrained wrote, or ORG/NAME")


def dtype_of(asked: str | None, config: Any) -> str:
    """The key of `DTYPES` that was asked for; by default bfloat16 for weights stored so, else float32.

    Raises:
        UnknownNameError: There is no such dtype.
    """
    dtype = asked or ("bfloat16" if config.dtype == torch.bfloat16 else "float32")
    if dtype not in DTYPES:
        raise UnknownNameError.of("dtype", dtype, DTYPES, "mend the option dtype")
    return dtype


def device_of(asked: str | None) -> str:
    """The device that was asked for, by default `cuda` where there is one, else `cpu`.

    Raises:
        UsageError: torch cannot use that device here.
    """
    device = asked or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(
            f"torch cannot use the device {device!r} here: {reason}; leave out the option device"
        ) from error
    return device


def reference_of(source: str, revision: str | None, config: Any, *, name: str | None, family: str | None) -> ModelRef:
    """Who a loaded model is: a folder by what is in it, a model of the hub by the commit that was loaded."""
    folder = Path(source)
    if folder.is_dir():
        return ModelRef(name or folder.resolve().name, folder_revision(folder), family)
    return ModelRef(name or source, getattr(config, "_commit_hash", None) or revision, family)


@contextmanager
def loading(source: str, what: str) -> Iterator[None]:
    """Load quietly; what transformers raises where `source` is no such model becomes a UsageError."""
    logs: Any = transformers.utils.logging
    logs.disable_progress_bar()
    try:
        yield
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise UsageError(f"{source} cannot be loaded as a {what}: {error}") from error


def told_of(device: str) -> dict[str, str]:
    """The device for a row's provenance: its kind and, of a GPU, which one, because each rounds in its own way."""
    kind = torch.device(device).type
    return {"device": kind} | ({"device_name": torch.cuda.get_device_name(device)} if kind == "cuda" else {})
