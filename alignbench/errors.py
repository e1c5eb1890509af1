"""Every error that alignbench raises on purpose.

AlignbenchError                 printed without a traceback by the command line, exit code 2
├── UsageError                  a wrong argument, name or option
│   └── UnknownNameError        a name that is not registered; lists the nearest ones
├── DatasetError                a folder that is not a dataset, or a dataset that breaks a rule
│   └── DatasetChangedError     a dataset that is not the one a run began with
├── ImportFileError             a file of others that cannot be read as what it should be
├── ImageError                  bytes that are not an image we are willing to decode
├── RunError                    a run folder that cannot be continued or read
├── BudgetError                 the next answer could cost more than the user allows; the run stops, nothing is lost
├── RecipeError                 a recipe that does not say what to generate
├── PublishError                what keeps a dataset from being published, or a published one from being read
├── MissingDependencyError      an optional package that an adapter needs
└── StorageError                the disk refused a write: full, read-only or gone

A message says what was given, what is allowed, and what to run next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AlignbenchError(Exception):
    """Base of all errors that are the user's to mend."""


class UsageError(AlignbenchError):
    """A wrong argument, name or option."""


class UnknownNameError(UsageError):
    """A name that is not registered."""

    @classmethod
    def of(cls, what: str, given: str, known: Iterable[str], then: str) -> UnknownNameError:
        """The error for `given`, which is no known `what`; `then` is what to run next."""
        names = sorted(known)
        near = difflib.get_close_matches(given, names, n=3, cutoff=0.5)
        hint = f"nearest: {', '.join(near)}" if near else f"known: {', '.join(names)}"
        return cls(f"there is no {what} {given!r} ({hint}); {then}")


class DatasetError(AlignbenchError):
    """A folder that is not a dataset, or a dataset that breaks a rule."""


class DatasetChangedError(DatasetError):
    """A dataset that is not the one a run began with."""


class ImportFileError(AlignbenchError):
    """A file of others that cannot be read as what it should be."""


class ImageError(AlignbenchError):
    """Bytes that are not an image we are willing to decode."""


class RunError(AlignbenchError):
    """A run folder that cannot be continued or read."""


class BudgetError(AlignbenchError):
    """The next answer could cost more than the user allows; the run stops and keeps what it has."""


class RecipeError(AlignbenchError):
    """A recipe that does not say what to generate."""


class PublishError(AlignbenchError):
    """What keeps a dataset from being published, or a published one from being read."""


class MissingDependencyError(AlignbenchError):
    """An optional package that an adapter needs."""

    @classmethod
    def of(cls, package: str, extra: str) -> MissingDependencyError:
        """The error for a missing `package` that `alignbench[extra]` brings."""
        advice = f"run `pip install 'alignbench[{extra}]'`"
        return cls(f"this needs the package {package!r}, which is not installed; {advice}")


class StorageError(AlignbenchError):
    """The disk refused a write: full, read-only or gone."""
