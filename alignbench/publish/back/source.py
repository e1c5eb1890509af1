"""Where a published dataset is read from: a folder, or a repository of the Hub at a revision."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from alignbench.atomic import storage_errors
from alignbench.errors import PublishError
from alignbench.publish.folder.layout import DATASET, PATTERNS
from alignbench.publish.hub.connection import hub_session
from alignbench.publish.hub.faults import Fault, fault_of
from alignbench.publish.hub.login import HubToken, find_token

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_REPOSITORY = re.compile(r"(?:hf://datasets/)?(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^@\s]+))?")
_GIVE = "give a folder, or ORG/NAME or ORG/NAME@REVISION on the Hub"
_PUBLIC = "https://huggingface.co"


def fetch(
    source: str,
    into: Path,
    *,
    revision: str | None = None,
    endpoint: str | None = None,
    token: str | None = None,
) -> tuple[Path, str | None]:
    """The folder of a published dataset; one on the Hub is downloaded.

    Args:
        source: A folder, or `ORG/NAME` or `ORG/NAME@REVISION`, where the revision is a branch, a tag or a commit.
        into: Where a downloaded one goes: a folder in there, named by the commit. What an earlier, broken download left
            there is not fetched again.
        revision: As after the @; by default the newest.
        endpoint: The address of the Hub; by default HF_ENDPOINT or the public one.
        token: By default that of the environment or of `hf auth login`; a public dataset needs none.

    Returns:
        The folder, and the commit; null for a folder that was given.

    Raises:
        PublishError: There is no such folder, repository or revision, it may not be read, it holds no published
            dataset, or the connection failed.
        MissingDependencyError: huggingface_hub is not installed.
        StorageError: The disk refused.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        if revision is not None:
            raise PublishError(f"{source} is a folder, which has no revision {revision!r}; leave --revision out")
        return path, None
    repo, revision = _named(source, path, revision)
    found = find_token(token)
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint, token=found.value or False, library_name="alignbench")
    with hub_session(), storage_errors(into):
        try:
            return _download(api, repo, revision, into)
        except Exception as error:
            told = _error(error, api, repo, revision, found, into)
            if told is None:
                raise
            raise told from None


def _named(source: str, path: Path, revision: str | None) -> tuple[str, str | None]:
    if path.exists():
        raise PublishError(f"{source} is a file, not a folder; {_GIVE}")
    said = _REPOSITORY.fullmatch(source)
    if said is None or source.startswith((".", "~", "/")):
        raise PublishError(f"there is no folder {source!r}, and it is no name of a repository either; {_GIVE}")
    if revision is not None and said["revision"] not in (None, revision):
        raise PublishError(f"{source} and --revision {revision} are two revisions; give one")
    return said["repo"], revision or said["revision"]


def _download(api: HfApi, repo: str, revision: str | None, into: Path) -> tuple[Path, str]:
    told = api.dataset_info(repo, revision=revision, timeout=60)
    commit = str(told.sha)
    if DATASET not in {file.rfilename for file in told.siblings or []}:
        raise PublishError(
            f"{repo} at {commit[:12]} is no dataset that `alignbench publish` wrote: it has no {DATASET}; {_GIVE}"
        )
    folder = into / commit[:12]
    api.snapshot_download(
        repo, repo_type="dataset", revision=commit, local_dir=folder, allow_patterns=list(PATTERNS), max_workers=4
    )
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # notes of the library on what it downloaded
    return folder, commit


def _error(
    error: Exception, api: HfApi, repo: str, revision: str | None, token: HubToken, into: Path
) -> PublishError | None:
    """What to raise for an exception of the Hub's library; null where it is of something else."""
    from huggingface_hub.errors import GatedRepoError, HFValidationError, OfflineModeIsEnabled, RevisionNotFoundError

    if isinstance(error, HFValidationError):
        return PublishError(f"{repo!r} is no name of a repository: {error}; {_GIVE}")
    causes = (error, error.__cause__)
    if any(isinstance(each, OfflineModeIsEnabled) for each in causes):
        return PublishError(f"HF_HUB_OFFLINE forbids to fetch {repo}; unset it, or give a folder")
    if isinstance(error, RevisionNotFoundError):
        return PublishError(f"{repo} has no revision {revision!r} at {api.endpoint}; give a branch, a tag or a commit")
    if isinstance(error, GatedRepoError):
        page = f"{api.endpoint}/datasets/{repo}"
        return PublishError(f"{repo} is gated; ask for access at {page}, run `hf auth login`, then run again")
    if isinstance(error, OSError) and error.errno is not None:  # the disk, of which the Hub knows nothing
        return None
    fault = fault_of(error, api.endpoint or _PUBLIC, token)
    return None if fault is None else _refused(fault, api.endpoint or _PUBLIC, repo, token, into)


def _refused(fault: Fault, host: str, repo: str, token: HubToken, into: Path) -> PublishError:
    if fault.code is None:
        return PublishError(
            f"the connection to {host} failed: {fault.reason}; run the same command again: what has arrived in {into} "
            "is not fetched again"
        )
    reason = f"{host} answered {fault.code}: {fault.reason}"
    if fault.code == 401 and token.value:
        return PublishError(
            f"the token {token.source} is not accepted ({reason}); set HF_TOKEN to a valid one, or none"
        )
    if fault.code in (401, 404):
        without = "" if token.value else "; a private one needs a token: run `hf auth login` or set HF_TOKEN"
        return PublishError(f"there is no dataset repository {repo} that you may read ({reason}){without}; {_GIVE}")
    if fault.code == 403:
        return PublishError(f"{repo} may not be read with this token ({reason}); ask its owners, or use another token")
    if fault.again:
        return PublishError(f"the Hub has trouble ({reason}); run the same command again later")
    return PublishError(f"the Hub refused to give {repo} ({reason})")
