"""`alignbench publish`: a dataset goes to the Hugging Face Hub."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from alignbench.cli.arguments import PATH, resampling_options
from alignbench.cli.output import json_option, say
from alignbench.cli.progress import meter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alignbench.publish.publishing import Prepared


@click.command()
@click.argument("dataset", type=PATH)
@click.option("--repo", metavar="ORG/NAME", help="Where it goes.")
@click.option("--runs", type=PATH, metavar="RUNS", help="Publish the judgments of these runs and their results too.")
@click.option(
    "--publication",
    type=PATH,
    metavar="FILE",
    help="What you say of it: licences, sources, use. By default publication.yaml in DATASET.",
)
@click.option("--init", is_flag=True, help="Write publication.yaml into DATASET, to fill in; do nothing else.")
@click.option("--dry-run", type=PATH, metavar="DIR", help="Write what would be published to DIR; send nothing.")
@click.option("--version", metavar="V", help="The version to publish, if not the dataset's own.")
@click.option("--message", metavar="TEXT", help="What the commit says.")
@click.option("--pull-request", is_flag=True, help="Open a pull request instead of committing.")
@click.option("--private", is_flag=True, default=None, help="Make a repository that does not exist yet private.")
@click.option("--endpoint", metavar="URL", help="The Hub's address, if not the public one or HF_ENDPOINT.")
@resampling_options
@json_option
def publish(  # noqa: PLR0913 - an argument an option
    *,
    dataset: Path,
    repo: str | None,
    runs: Path | None,
    publication: Path | None,
    init: bool,
    dry_run: Path | None,
    version: str | None,
    message: str | None,
    pull_request: bool,
    private: bool | None,
    endpoint: str | None,
    seed: int,
    replicates: int,
    as_json: bool,
) -> int:
    """Publish DATASET on the Hugging Face Hub, with its card, checksums and change log, as one commit.

    Checks come first: secrets, paths, addresses, licences, unpinned revisions, splits, images, and every number of the
    card against the data. What they find keeps it from being published, unless publication.yaml waives it by name; then
    the exit code is 1. A publication that was interrupted goes on with the same command. The token comes from HF_TOKEN
    or `hf auth login`.
    """
    from alignbench.publish.hub.push import push
    from alignbench.publish.publishing import prepare
    from alignbench.publish.terms.publication import write_template
    from alignbench.publish.workplace import workplace
    from alignbench.store import Dataset

    opened = Dataset.open(dataset)
    if init:
        file = write_template(opened, publication)
        say({"publication": str(file)}, [f"fill in {file}, then run the same without --init"], as_json=as_json)
        return 0
    if repo is None:
        raise click.UsageError("say where it goes: --repo ORG/NAME")
    with workplace(dataset, dry_run) as place:
        prepared = prepare(
            opened,
            place.folder,
            repo,
            publication=publication,
            runs=runs,
            version=version,
            seed=seed,
            replicates=replicates,
            endpoint=endpoint,
            may_miss_hub=dry_run is not None,
            tell=lambda line: click.echo(line, err=True),
        )
        outcome: dict[str, Any] = prepared.to_json() | {"folder": None if dry_run is None else str(dry_run)}
        lines = list(_lines(prepared))
        if dry_run is not None:
            place.keep()
            lines.append(f"{dry_run}: version {prepared.version}, {_verdict(prepared)}; nothing was sent")
        elif prepared.blocking:
            lines.append(f"{repo}: {_verdict(prepared)}; nothing was sent")
        else:
            with meter(f"sending to {repo}", "bytes") as show:
                pushed = push(
                    place.folder,
                    repo,
                    message=message,
                    endpoint=endpoint,
                    private=private,
                    pull_request=pull_request,
                    expect_head=prepared.difference.head,
                    progress=lambda done, total: show(Sent(done, total)),
                )
            outcome["pushed"] = asdict(pushed)
            made = "proposed" if pull_request else "published"
            lines.append(f"{made if pushed.made else 'already there'}: {pushed.url}")
    say(outcome, lines, as_json=as_json)
    return 1 if prepared.blocking else 0


class Sent(NamedTuple):
    """How much of a publication is on the Hub."""

    finished: int
    total: int
    failed: int = 0


def _lines(prepared: Prepared) -> Iterator[str]:
    yield from prepared.difference.lines()
    if prepared.not_compared is not None:
        yield f"not compared with what is published, if anything is: {prepared.not_compared}"
    yield from (f"not published: {run}: {reason}" for run, reason in prepared.refused_runs.items())
    yield from (f"waived: {finding.check}: {finding.message}" for finding in prepared.waived)
    yield from (f"blocks: {finding.check}: {finding.message}" for finding in prepared.blocking)
    if prepared.blocking:
        yield "mend these, or take them on in publication.yaml by lines such as"
        yield f"  {prepared.blocking[0].waiver}"


def _verdict(prepared: Prepared) -> str:
    count = len(prepared.blocking)
    return f"{count:,} findings keep it from being published" if count else "every check passed"
