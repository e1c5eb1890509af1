"""Puts a Hub folder on the Hub as exactly one commit, or one pull request.

What the Hub keeps outside git (parquet files) is sent first, by the sha256 of its content: what arrived before an
interruption is not sent again, and none of it can be seen. Then one commit names all that is new and deletes what is
gone, over the commit that was looked at: the Hub refuses it with 412 where somebody was faster. The library sends a
commit once, without its usual retries. Where its answer is lost (the connection broke, a status of 500 or more, an
answer that cannot be read), nobody knows whether it was made, so the head is looked at: where it holds the folder, it
was; where it has not moved, the same commit is sent again over the same parent, of which the Hub can take only one.

With Xet (the package hf_xet, which the public Hub offers) the library sends chunks instead of files, and those that are
there are not sent again; the protocol of the commit is the same. That way was not run here: the tests use basic and
multipart LFS transfers. HF_HUB_DISABLE_XET=1 chooses these for everyone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from alignbench.errors import PublishError, UsageError
from alignbench.publish.folder.layout import CHECKSUMS, DATASET
from alignbench.publish.hub.connection import Hub, hub_session
from alignbench.publish.hub.delivery import Delivery, Progress, commit_url, moved_error
from alignbench.publish.hub.delivery import Pushed as Pushed
from alignbench.publish.hub.faults import NOTHING_CHANGED
from alignbench.publish.hub.local_files import LocalFile, sealed_files
from alignbench.publish.hub.own_commit import mark_of
from alignbench.publish.hub.ownership import facts_of_header, refusal
from alignbench.publish.hub.pull_request import find_pull_request
from alignbench.publish.hub.remote import KIND, RemoteState, check_name, look

_LONGEST_TITLE = 120


def push(  # noqa: PLR0913 - each argument is one thing to decide about a publication
    folder: Path,
    repo: str,
    *,
    message: str | None = None,
    endpoint: str | None = None,
    token: str | None = None,
    private: bool | None = None,
    pull_request: bool = False,
    expect_head: str | None = None,
    progress: Progress | None = None,
) -> Pushed:
    """Make the dataset repository `repo` hold exactly the folder, by one commit; make the repository where it lacks.

    A folder that is there already is left alone. An interrupted call is taken up by the next one.

    Args:
        folder: A sealed Hub folder.
        repo: `ORG/NAME`.
        message: What the commit says: its title, and after a line break more; by default the dataset and its version.
        endpoint: The address of the Hub; by default HF_ENDPOINT or the public one.
        token: By default that of the environment or of `hf auth login`.
        private: Whether a repository that is made now is private; by default as its owner has it set.
        pull_request: Propose the commit instead of making it.
        expect_head: The head that was looked at before (`RemoteState.head`; empty for no repository).
        progress: Told how far the upload is, after every file.

    Raises:
        UsageError: The repository's name or the message is none.
        PublishError: What keeps it from being published; nothing of it is to be seen then.
        MissingDependencyError: huggingface_hub is not installed.
    """
    hub = Hub.open(endpoint, token)
    check_name(repo)
    files = sealed_files(folder)
    title, description = _words(message, files)
    with hub_session():
        hub.sign_in(repo)
        remote = look(hub, repo)
        if remote.holds(files):
            return Pushed(repo, remote.head, commit_url(remote.url, remote.head), made=False)
        _check_expected(remote, expect_head)
        if not remote.head:
            remote = _create(hub, repo, private)
        _check_owned(remote, files)
        proposed = find_pull_request(remote, files, title) if pull_request else None
        if proposed is not None:
            return Pushed(repo, proposed.commit, proposed.url, made=False)
        delivery = Delivery(remote, files, title, description, pull_request)
        delivery.upload(progress)
        return delivery.commit()


def _words(message: str | None, files: Mapping[str, LocalFile]) -> tuple[str, str]:
    """The title and the description of the commit; both say which folder it is."""
    title, _, more = (_default_title(files) if message is None else message.strip()).partition("\n")
    if not title.strip() or len(title) > _LONGEST_TITLE:
        raise UsageError(f"a message needs a first line of 1 to {_LONGEST_TITLE} characters, not {title[:200]!r}")
    said = f"sha256 of {CHECKSUMS}: {files[CHECKSUMS].sha256}"
    return f"{title.strip()} {mark_of(files)}", f"{more.strip()}\n\n{said}" if more.strip() else said


def _default_title(files: Mapping[str, LocalFile]) -> str:
    said = facts_of_header(files.get(DATASET))
    return " ".join(f"Publish {said.name or ''} {said.version or ''}".split())[:_LONGEST_TITLE]


def _check_expected(remote: RemoteState, expected: str | None) -> None:
    if expected is None or remote.head == expected or (not expected and not remote.files):
        return
    raise moved_error(remote)


def _check_owned(remote: RemoteState, files: Mapping[str, LocalFile]) -> None:
    name = facts_of_header(files.get(DATASET)).name
    if name is None:
        raise PublishError(f"the folder's {DATASET} names no dataset; run `alignbench publish` again")
    reason = refusal(remote, name)
    if reason is not None:
        raise PublishError(f"{reason}; {NOTHING_CHANGED}")


def _create(hub: Hub, repo: str, private: bool | None) -> RemoteState:
    hub.ask(repo, lambda api: api.create_repo(repo, repo_type=KIND, private=private, exist_ok=True))
    for attempt in range(1, hub.patience.tries + 1):
        remote = look(hub, repo)
        if remote.head:
            return remote
        if attempt < hub.patience.tries:
            hub.patience.wait(attempt)
    raise PublishError(
        f"{repo} was made or is there, but the token {hub.token.source}, of {hub.known}, does not see it; "
        "use one that may read and write it"
    )
