"""A dataset becomes a Hub folder that has been checked: all of publishing but the push."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alignbench.errors import PublishError
from alignbench.publish.card.describe import describe
from alignbench.publish.changes.compare import difference
from alignbench.publish.changes.difference import Difference
from alignbench.publish.changes.history import write_history
from alignbench.publish.changes.refusals import refusals
from alignbench.publish.checks import Finding, find_violations, waived
from alignbench.publish.folder.build import build_data
from alignbench.publish.folder.seal import seal_folder
from alignbench.publish.hub.connection import Hub
from alignbench.publish.hub.faults import NOTHING_CHANGED
from alignbench.publish.hub.remote import RemoteState, check_name, remote_state
from alignbench.publish.terms.publication import FILE, Publication, read_publication
from alignbench.publish.verification.verify import verification_of
from alignbench.store import Dataset

CARD_CHECK, HISTORY_CHECK = "card", "history"

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A Hub folder and what there is to say of it.

    Attributes:
        folder: Where it is, whole and sealed.
        version: The version it has.
        blocking: Everything that keeps it from being published.
        waived: What its publisher takes on.
        difference: What publishing it would change.
        not_compared: Why it was compared with nothing, as if it were the first publication; null where it was.
        refused_runs: Why runs of the dataset are not in it, by folder name.
    """

    folder: Path
    version: str
    blocking: tuple[Finding, ...]
    waived: tuple[Finding, ...]
    difference: Difference
    not_compared: str | None
    refused_runs: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "folder": str(self.folder),
            "version": self.version,
            "blocking": [_finding(each) for each in self.blocking],
            "waived": [_finding(each) for each in self.waived],
            "difference": self.difference.to_json(),
            "not_compared": self.not_compared,
            "refused_runs": dict(self.refused_runs),
        }


def prepare(  # noqa: PLR0913 - each argument is one thing to decide about a publication
    dataset: Dataset,
    folder: Path,
    repo: str,
    *,
    publication: Path | None = None,
    runs: Path | None = None,
    version: str | None = None,
    seed: int = 0,
    replicates: int = 2000,
    date: dt.date | None = None,
    endpoint: str | None = None,
    may_miss_hub: bool = False,
    tell: Told = lambda _: None,
) -> Prepared:
    """Fill the empty `folder` with what would be published of `dataset` at `repo`, and check it.

    Nothing is sent. The same call over the same head of `repo` gives the same bytes, so a push that was interrupted can
    be taken up by preparing the folder again.

    Args:
        dataset: What is published.
        folder: An empty folder.
        repo: `ORG/NAME`.
        publication: What its publisher says; by default publication.yaml in the dataset's folder.
        runs: A folder with runs of judges, to publish their judgments too.
        version: The version that is published; by default the dataset's own.
        seed: Of the resampling of results.json.
        replicates: Of the resampling of results.json.
        date: Of this version in the change log; by default today.
        endpoint: The address of the Hub; by default HF_ENDPOINT or the public one.
        may_miss_hub: Whether to go on where the Hub cannot be asked.
        tell: Gets what is being done, a line each.

    Raises:
        UsageError: The repository's name is none.
        PublishError: The publication cannot be used, the folder is not empty, or the Hub cannot be asked.
        AlignbenchError: The dataset or the runs cannot be read.
    """
    check_name(repo)
    if version is not None:
        dataset = replace(dataset, version=version)
    said = _publication_file(dataset, publication)
    publisher = read_publication(said)
    remote, not_compared = _remote(repo, endpoint, may_miss_hub=may_miss_hub)
    tell("writing the data" + (", evaluating the runs" if runs else ""))
    built = build_data(
        dataset,
        runs,
        publisher,
        folder,
        said=said.read_text(encoding="utf-8"),
        seed=seed,
        replicates=replicates,
    )
    tell("writing the card")
    describe(folder, dataset, publisher, built.results, runs=runs, repo=repo)
    before = write_history(folder, remote, date or dt.datetime.now(dt.UTC).date())
    seal_folder(folder)
    tell("checking")
    found = difference(folder, remote, known=before)
    blocking, taken = waived(findings_of(folder, dataset, publisher, found), publisher)
    return Prepared(
        folder, found.after.version or "", tuple(blocking), tuple(taken), found, not_compared, built.refused
    )


def _publication_file(dataset: Dataset, given: Path | None) -> Path:
    file = given or dataset.path / FILE
    if file.is_file():
        return file
    raise PublishError(
        f"there is no {file}, which says the licence of the dataset and those of its sources and producers; "
        f"run `alignbench publish {dataset.path} --init`, fill in {dataset.path / FILE}, then publish again"
    )


def _remote(repo: str, endpoint: str | None, *, may_miss_hub: bool) -> tuple[RemoteState, str | None]:
    try:
        return remote_state(repo, endpoint=endpoint), None
    except PublishError as error:
        if not may_miss_hub:
            raise
        # Nothing is sent here, so what to do about what was sent says nothing.
        reason = str(error).partition(f"; {NOTHING_CHANGED}")[0]
        return RemoteState(repo, "", {}, Hub.open(endpoint)), reason


def findings_of(folder: Path, dataset: Dataset, publication: Publication, found: Difference) -> list[Finding]:
    """All that speaks against publishing a folder: what checks find, numbers that differ, history that is rewritten."""
    numbers = verification_of(folder).discrepancies
    wrong = [Finding(CARD_CHECK, f"{each.file}: {each.what}", each.line()) for each in numbers]
    against = [Finding(HISTORY_CHECK, found.repo, reason) for reason in refusals(found)]
    return [*find_violations(folder, dataset, publication), *wrong, *against]


def _finding(finding: Finding) -> dict[str, str]:
    return {"check": finding.check, "name": finding.name, "message": finding.message}
