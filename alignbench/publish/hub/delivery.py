"""One commit over one head: what it sends, and how it finds out whether it was made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alignbench.errors import AlignbenchError, PublishError
from alignbench.publish.hub.connection import Hub
from alignbench.publish.hub.faults import NOTHING_CHANGED, Fault
from alignbench.publish.hub.local_files import LocalFile
from alignbench.publish.hub.own_commit import find_own_commit
from alignbench.publish.hub.pull_request import find_pull_request
from alignbench.publish.hub.remote import KIND, MAIN, RemoteState, look

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete

Progress = Callable[[int, int], None]
"""Gets how many bytes are on the Hub, and of how many."""

_TABLE = ".parquet"
_GROUP_FILES = 256
"""As many as the Hub is asked about at once."""
_LATE_LOOKS = 3


@dataclass(frozen=True, slots=True)
class Pushed:
    """What is on the Hub now.

    Attributes:
        repo: `ORG/NAME`.
        commit: The commit that holds the folder.
        url: Where people look at it: the commit, or the pull request.
        made: Whether this call made it; false where the Hub had it already.
    """

    repo: str
    commit: str
    url: str
    made: bool


class _Moved(Exception):  # noqa: N818 - what was found, told apart from not being able to look
    def __init__(self, error: PublishError) -> None:
        super().__init__(str(error))
        self.error = error


class Delivery:
    """A folder on its way to the Hub.

    Args:
        remote: The head that the commit is made over.
        files: What the repository is to hold.
        title: Of the commit, with the mark of the folder.
        description: Of the commit.
        pull_request: Whether it is proposed instead of made.
    """

    def __init__(
        self, remote: RemoteState, files: Mapping[str, LocalFile], title: str, description: str, pull_request: bool
    ) -> None:
        self._remote, self._files, self._pull_request = remote, files, pull_request
        self._title, self._description = title, description
        self._hub, self._repo = remote.hub, remote.repo
        self._additions = list(_additions(remote, files))
        self._deletions = list(_deletions(remote, files))
        self._maybe_made = False

    def upload(self, progress: Progress | None) -> None:
        """Send what the Hub keeps outside git; what is there already it does not ask for."""
        total = sum(addition.upload_info.size for addition in self._additions)
        done = 0
        for group in _groups(self._additions):
            self._hub.ask(
                self._repo,
                lambda api, group=group: api.preupload_lfs_files(  # type: ignore[misc]
                    self._repo,
                    group,
                    repo_type=KIND,
                    revision=MAIN,
                    create_pr=self._pull_request,
                    free_memory=False,
                    gitignore_content="",  # or files that a .gitignore there names would silently be left out
                ),
                tries=1,
            )
            done += sum(addition.upload_info.size for addition in group)
            if progress is not None:
                progress(done, total)

    def commit(self) -> Pushed:
        """Make the commit, once."""
        patience = self._hub.patience
        for attempt in range(1, patience.tries + 1):
            try:
                return self._sent(self._send())
            except Exception as error:  # noqa: BLE001 - one that is no fault of the request is raised again
                fault = _fault_of_commit(self._hub, error)
            self._maybe_made = self._maybe_made or _may_be_made(fault)
            found = self._looked(fault)
            if found is not None:
                return found
            if attempt == patience.tries or not self._may_send_again(fault):
                return self._late(fault)
            patience.wait(attempt, fault.wait)
            found = self._looked(fault) if self._pull_request else None  # it may be listed late
            if found is not None:
                return found
        raise AssertionError("the last attempt returns or raises")

    def _send(self) -> CommitInfo:
        return self._hub.api.create_commit(
            self._repo,
            [*self._additions, *self._deletions],
            commit_message=self._title,
            commit_description=self._description,
            repo_type=KIND,
            revision=MAIN,
            create_pr=self._pull_request,
            parent_commit=self._remote.head or None,
        )

    def _sent(self, answer: CommitInfo) -> Pushed:
        url = answer.pr_url if self._pull_request and answer.pr_url else answer.commit_url
        # The library makes no commit of what the Hub has in the meantime.
        return Pushed(self._repo, answer.oid, url, made=answer.oid != self._remote.head)

    def _looked(self, fault: Fault) -> Pushed | None:
        """As `_find`; where the Hub cannot be asked, it stays unknown whether the commit was made, which is said."""
        try:
            return self._find(fault)
        except _Moved as moved:
            raise moved.error from None
        except PublishError:
            if self._maybe_made:
                raise self._unknown(fault) from None
            raise

    def _find(self, fault: Fault) -> Pushed | None:
        """What the Hub holds after an attempt that may have been made, or was refused because something was.

        Raises:
            _Moved: Another commit came between.
            PublishError: The Hub cannot be asked.
        """
        if not (self._maybe_made or fault.code in {409, 412}):
            return None
        if self._pull_request:
            proposed = find_pull_request(self._remote, self._files, self._title)
            return None if proposed is None else Pushed(self._repo, proposed.commit, proposed.url, made=True)
        now = look(self._hub, self._repo)
        if now.holds(self._files):
            return Pushed(self._repo, now.head, commit_url(now.url, now.head), made=self._maybe_made)
        if now.head == self._remote.head:
            return None
        ours = find_own_commit(self._remote, self._files) if self._maybe_made else None
        if ours is None:
            raise _Moved(moved_error(now))
        return Pushed(self._repo, ours, commit_url(now.url, ours), made=True)

    def _late(self, fault: Fault) -> Pushed:
        """What comes to be seen some seconds after the last attempt; raises what to say where nothing does."""
        for look_number in range(1, _LATE_LOOKS + 1 if self._maybe_made else 1):
            self._hub.patience.wait(look_number)
            found = self._looked(fault)
            if found is not None:
                return found
        raise self._given_up(fault)

    def _may_send_again(self, fault: Fault) -> bool:
        if not fault.again:
            return False
        # A pull request has no head to be refused by: where the first may still be on its way, a second could follow.
        return not self._pull_request or fault.unsent or fault.code in {429, 500, 503}

    def _given_up(self, fault: Fault) -> AlignbenchError:
        if self._maybe_made:
            return self._unknown(fault)
        if fault.code != 412:
            return self._hub.error(fault, self._repo)
        return PublishError(
            f"{self._hub.host} refused the commit to {self._repo} as if its head had moved, but it has not "
            f"({fault.told}); {NOTHING_CHANGED}; a token that may only open pull requests gets this answer: "
            "use --pull-request, or a token with write access"
        )

    def _unknown(self, fault: Fault) -> PublishError:
        return PublishError(
            f"the answer of {self._hub.host} to the commit is lost ({fault.told}), and it is not to be seen at "
            f"{self._repo} so far; run the same command again: it looks first, and makes none twice"
        )


def _may_be_made(fault: Fault) -> bool:
    """Whether the commit may be made all the same: not where something before it failed, such as a look at the card."""
    return fault.lost and (fault.path is None or "/commit/" in fault.path)


def _fault_of_commit(hub: Hub, error: Exception) -> Fault:
    if isinstance(error, ValueError) and str(error).startswith("Invalid metadata in README.md"):
        said = " ".join(str(error).split())
        raise PublishError(f"the Hub refused the card: {said}; {NOTHING_CHANGED}; mend publication.yaml") from None
    return hub.fault(error)


def moved_error(now: RemoteState) -> PublishError:
    """What to raise where `now` is not what was looked at before."""
    return PublishError(
        f"somebody else has changed {now.url} meanwhile (its head is {now.head[:12] or 'gone'} now); "
        f"{NOTHING_CHANGED}; run the same command again, which shows the difference to what is there now"
    )


def _additions(remote: RemoteState, files: Mapping[str, LocalFile]) -> Iterator[CommitOperationAdd]:
    from huggingface_hub import CommitOperationAdd

    for path, local in files.items():
        there = remote.files.get(path)
        if there is None or not there.is_same(local):
            addition = CommitOperationAdd(path, local.file)
            # The content that was sealed, not what the file may be by then: the Hub refuses any other.
            addition.upload_info.sha256 = bytes.fromhex(local.sha256)
            yield addition


def _deletions(remote: RemoteState, files: Mapping[str, LocalFile]) -> Iterator[CommitOperationDelete]:
    from huggingface_hub import CommitOperationDelete

    for path in remote.files:
        if path not in files:
            yield CommitOperationDelete(path, is_folder=False)


def _groups(additions: Sequence[CommitOperationAdd]) -> Iterator[list[CommitOperationAdd]]:
    """Tables one by one, the other files together.

    Several at a time the library sends in threads, for which an interrupt would have to wait; with Xet it sends one
    file's chunks side by side anyway.
    """
    texts = [addition for addition in additions if not addition.path_in_repo.endswith(_TABLE)]
    yield from ([addition] for addition in additions if addition.path_in_repo.endswith(_TABLE))
    yield from (texts[start : start + _GROUP_FILES] for start in range(0, len(texts), _GROUP_FILES))


def commit_url(repository: str, commit: str) -> str:
    """Where people look at a commit of the repository at this address."""
    return f"{repository}/commit/{commit}"
