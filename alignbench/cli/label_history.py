"""`alignbench label history`: how a sentence came to its label."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alignbench.cli.arguments import PATH
from alignbench.cli.output import json_option, say

if TYPE_CHECKING:
    from alignbench.labelling.history import History
    from alignbench.types import LabelEvent, Sentence


@click.command()
@click.argument("dataset", type=PATH)
@click.argument("sentence_id")
@json_option
def history(dataset: Path, sentence_id: str, as_json: bool) -> None:
    """Show every label that anybody gave a sentence of DATASET, and what decided.

    Events that count are marked with *.
    """
    from alignbench.labelling.history import history_of
    from alignbench.store import Dataset

    found = history_of(Dataset.open(dataset), sentence_id)
    say(found.to_json(), _lines(found), as_json=as_json)


def _lines(found: History) -> Iterator[str]:
    sentence = found.sentence
    yield f"{sentence.sentence_id}: {sentence.text}"
    for event in found.events:
        mark = "*" if found.stands(event) else " "
        when = event.time.strftime("%Y-%m-%d %H:%M:%S UTC")
        yield f"{mark} {when}  {event.annotator} ({event.role}): {_said(event)}{_aside(event)}"
    if not found.events:
        yield "no label events: its label is the one that it came with"
    votes = sentence.votes
    counts = (
        ""
        if votes is None
        else f"; votes: {votes.correct} correct, {votes.incorrect} incorrect, {votes.unknown} unknown"
    )
    by = f", decided by {found.decider} (rule {found.rule})" if found.events else ""
    yield f"label: {_said(sentence)}{by}{counts}"


def _said(one: LabelEvent | Sentence) -> str:
    parts = ["none" if one.label is None else str(one.label)]
    marked = [f'{span.error_type} "{one.text[span.start : span.end]}" [{span.start}, {span.end})' for span in one.spans]
    unmarked = [str(kind) for kind in one.error_types if kind not in {span.error_type for span in one.spans}]
    return ": ".join([*parts, ", ".join([*marked, *unmarked])]) if marked or unmarked else parts[0]


def _aside(event: LabelEvent) -> str:
    told = [
        *([f"by {event.tool}"] if event.tool else []),
        *([f"saw what judge {event.suggested_by} suggests"] if event.suggested_by else []),
        *([f"guidelines {event.guideline}"] if event.guideline else []),
        *([f"comment: {event.comment}"] if event.comment else []),
    ]
    return f"  [{'; '.join(told)}]" if told else ""
