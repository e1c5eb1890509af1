"""What a dataset repository of the Hub holds at its head, and the way to read it."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alignbench.errors import MissingDependencyError, PublishError, UsageError
from alignbench.publish.hub.connection import Hub, hub_session
from alignbench.publish.hub.local_files import LocalFile

KIND = "dataset"
MAIN = "main"
_OF_THE_HUB = ".gitattributes"
"""What the Hub puts into every repository: it says which files are kept outside git, and is never ours to delete."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of the repository. `sha256` is null for one that git itself keeps, which `git_id` identifies."""

    path: str
    size: int
    git_id: str
    sha256: str | None = None

    def is_same(self, local: LocalFile) -> bool:
        """Whether it has the content of the local file."""
        if self.size != local.size:
            return False
        return self.git_id == local.git_id() if self.sha256 is None else self.sha256 == local.sha256


@dataclass(frozen=True, slots=True)
class RemoteState:
    """A dataset repository at one commit.

    Attributes:
        repo: `ORG/NAME`.
        head: The commit; empty where there is no such repository.
        files: What is in it by path, without what the Hub itself puts there.
    """

    repo: str
    head: str
    files: Mapping[str, RemoteFile]
    hub: Hub = field(repr=False)
    _texts: dict[str, bytes | None] = field(default_factory=dict, repr=False, compare=False)

    @property
    def url(self) -> str:
        """Where people look at it."""
        return f"{self.hub.host}/datasets/{self.repo}"

    def holds(self, files: Mapping[str, LocalFile], apart_from: Collection[str] = ()) -> bool:
        """Whether it has exactly these files with these contents; those `apart_from` may have others."""
        return self.files.keys() == files.keys() and all(
            self.files[path].is_same(file) for path, file in files.items() if path not in apart_from
        )

    def fetch(self, paths: Iterable[str], into: Path) -> list[Path]:
        """Download files into the folder, each checked against what its commit says.

        Raises:
            PublishError: The Hub does not give them, or what arrived is not what its commit says.
        """
        with hub_session():
            return [self._fetch(self.files[path], into) for path in paths]

    def _fetch(self, file: RemoteFile, into: Path) -> Path:
        where = self.hub.ask(
            self.repo,
            lambda api: api.hf_hub_download(
                self.repo,
                file.path,
                repo_type=KIND,
                revision=self.head,
                local_dir=into,
                # Nothing of the user's cache is read: what it holds may be of another time.
                cache_dir=into / ".cache",
            ),
            tries=1,
        )
        got = Path(where)
        with got.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        if not file.is_same(LocalFile(file.path, got, got.stat().st_size, sha256)):
            raise PublishError(f"{self.repo} gave a {file.path} that is not the one of its commit; run again")
        return got

    def read(self, path: str) -> bytes | None:
        """The content of a small file, kept once it is read; null where there is none.

        Raises:
            PublishError: As `fetch`.
        """
        if path not in self.files:
            return None
        if path not in self._texts:
            with tempfile.TemporaryDirectory(prefix="alignbench-") as folder:
                self._texts[path] = self.fetch([path], Path(folder))[0].read_bytes()
        return self._texts[path]


def remote_state(repo: str, *, endpoint: str | None = None, token: str | None = None) -> RemoteState:
    """What the repository `repo` holds now; a public one can be read without a token.

    Args:
        repo: `ORG/NAME`.
        endpoint: The address of the Hub; by default HF_ENDPOINT or the public one.
        token: By default that of the environment or of `hf auth login`.

    Raises:
        UsageError: The name is none.
        PublishError: The Hub cannot be reached or does not accept the token.
        MissingDependencyError: huggingface_hub is not installed.
    """
    hub = Hub.open(endpoint, token)
    with hub_session():
        return look(hub, repo)


def look(hub: Hub, repo: str, revision: str = MAIN) -> RemoteState:
    """What the repository holds at a branch or pull request; errors as `remote_state`."""
    check_name(repo)
    head = _head(hub, repo, revision)
    files: dict[str, RemoteFile] = {}
    if head:
        from huggingface_hub.hf_api import RepoFile

        tree = hub.ask(
            repo,
            lambda api: list(api.list_repo_tree(repo, recursive=True, revision=head, repo_type=KIND)),
        )
        for entry in tree:
            if isinstance(entry, RepoFile) and entry.path != _OF_THE_HUB:
                sha256 = None if entry.lfs is None else entry.lfs.sha256
                files[entry.path] = RemoteFile(entry.path, entry.size, entry.blob_id, sha256)
    return RemoteState(repo, head, files, hub)


def check_name(repo: str) -> None:
    """UsageError where `repo` is no `ORG/NAME` of the Hub; MissingDependencyError where its library is missing."""
    try:
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]
    except ImportError as error:
        raise MissingDependencyError.of("huggingface_hub", "hub") from error

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise UsageError(f"{repo!r} is no name of a repository: {error} Give --repo ORG/NAME.") from None
    if "/" not in repo:
        raise UsageError(f"{repo!r} does not say whose it is; give --repo ORG/NAME, where ORG may be your user name")


def _head(hub: Hub, repo: str, revision: str) -> str:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    def ask(api: HfApi) -> str:
        try:
            return api.dataset_info(repo, revision=revision, timeout=60).sha or ""
        except GatedRepoError:
            raise
        except (RepositoryNotFoundError, RevisionNotFoundError):
            return ""
        except HfHubHTTPError as error:
            # Without a token, the Hub says 401 of what is not there; with one, of a token that it does not know.
            if error.response.status_code == 401 and hub.token.value is None:
                return ""
            raise

    return hub.ask(repo, ask)
