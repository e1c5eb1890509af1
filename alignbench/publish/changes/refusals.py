"""Says what speaks against publishing a difference: history that is rewritten, a version that did not go up."""

from __future__ import annotations

from alignbench.errors import MissingDependencyError
from alignbench.publish.changes.difference import Difference


def refusals(difference: Difference) -> list[str]:
    """Why the folder must not be published as it is, one sentence a reason; empty where nothing speaks against it.

    Versions are compared as PEP 440 orders them, which takes those of semver too.

    Raises:
        MissingDependencyError: The hub extra is not installed.
    """
    found = []
    if difference.not_ours is not None:
        found.append(difference.not_ours)
    if difference.first or difference.is_empty or difference.not_ours is not None:
        return found
    before, after = difference.before.schema_version, difference.after.schema_version
    if before is not None and after is not None and before > after:
        found.append(
            f"{difference.repo} was published by a newer alignbench (schema {before}, here {after}); "
            "run `pip install --upgrade alignbench`, then publish again"
        )
    if difference.history_fault is not None:
        found.append(
            f"the published history of the labels would be rewritten: {difference.history_fault}; start from the "
            f"published one: `alignbench import hub {difference.repo} --out DATASET`, then record the new labels there"
        )
    if difference.needs_version:
        reason = _version_fault(difference)
        found += [] if reason is None else [reason]
    return found


def _version_fault(difference: Difference) -> str | None:
    try:
        from packaging.version import InvalidVersion, Version
    except ImportError as error:
        raise MissingDependencyError.of("packaging", "hub") from error
    before, after = difference.before.version, difference.after.version
    try:
        new = Version(after or "")
    except InvalidVersion:
        return f"the version {after!r} cannot be compared; give one such as 1.2.0 with --version"
    try:
        old = Version(before or "")
    except InvalidVersion:
        return None
    if new > old:
        return None
    nearest = f"{old.major}.{old.minor + 1}.0"
    return (
        f"{difference.repo} has version {before} and would change, but the folder's version {after} is not a greater "
        f"one; run again with `--version {nearest}`"
    )
