"""`alignbench label effect`: what corrected labels change."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from alignbench.cli.arguments import PATH
from alignbench.cli.output import aligned, json_option, say

Json = Mapping[str, Any]


def _moment(ctx: click.Context, param: click.Parameter, value: str | None) -> dt.datetime | None:
    if value is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(value)
    except ValueError as error:
        like = "2026-11-21 or 2026-11-21T18:00:00+00:00"
        raise click.BadParameter(f"{value!r} is no moment; write it like {like}", ctx, param) from error
    return moment if moment.utcoffset() is not None else moment.replace(tzinfo=dt.UTC)


@click.command("effect")
@click.argument("dataset", type=PATH)
@click.argument("runs", type=PATH)
@click.option(
    "--before",
    callback=_moment,
    metavar="TIME",
    help="Compare with the labels at this moment, in UTC unless it says otherwise; by default with those that "
    "sentences came with.",
)
@click.option("--against", type=PATH, metavar="DATASET", help="Compare with the labels of another dataset folder.")
@click.option("--out", type=PATH, metavar="FILE.json", help="Write everything to this file too.")
@json_option
def effect(
    *,
    dataset: Path,
    runs: Path,
    before: dt.datetime | None,
    against: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Tell how far corrections of labels moved every judge's AUROC.

    Macro AUROC before and after over the producers that count in both, the change with its 95 % interval, clustered
    and paired, its p after Holm, and the ranks. Judges that were told labels are left out.
    """
    from alignbench.atomic import write_atomically
    from alignbench.labelling.assisted.corrections import effect_of
    from alignbench.store import Dataset

    other = None if against is None else Dataset.open(against)
    said = effect_of(Dataset.open(dataset), runs, until=before, against=other)
    if out is not None:
        text = json.dumps(said, ensure_ascii=False, allow_nan=False, indent=2) + "\n"

        def write(path: Path) -> None:
            path.write_text(text, encoding="utf-8")

        write_atomically(out, write)
    say(said, _lines(said), as_json=as_json)


def _lines(said: Json) -> Iterator[str]:
    yield f"before: {said['before']}; labels that are others now: {said['changed']:,}"
    if said["labels"]:
        yield from ("", *aligned([["producer", "from", "to", "sentences"], *map(_label_row, said["labels"])]))
    yield from ("", *aligned([["judge", "before", "after", "change", "95 %", "p (Holm)", "rank"], *_judges(said)]), "")
    yield f"AUROC: mean over {', '.join(said['producers'])}"
    if said["producers_left_out"]:
        yield f"not in the means, for lack of sentences of a class: {', '.join(said['producers_left_out'])}"
    yield from (f"{one['name']}: {one['reason']}" for one in said["judges"] if one["reason"])
    yield from (f"left out: {name}: {reason}" for name, reason in said["left_out"].items())
    yield from (f"left out: {reason}" for reason in said["refused"].values())
    yield from said["says"]


def _label_row(change: Json) -> list[str]:
    return [change["producer"], change["from"] or "none", change["to"] or "none", f"{change['sentences']:,}"]


def _judges(said: Json) -> Iterator[Sequence[str]]:
    for one in said["judges"]:
        interval = "" if one["low"] is None else f"{one['low']:+.4f} to {one['high']:+.4f}"
        rank = "control" if one["control"] is not None else " → ".join(map(_rank, one["rank"].values()))
        numbers = (_number(one["before"], ".4f"), _number(one["after"], ".4f"), _number(one["delta"], "+.4f"))
        yield [one["name"], *numbers, interval, _number(one["p_holm"], ".3g"), rank]


def _rank(held: Json) -> str:
    if held["low"] is None:
        return "none"
    return str(held["low"]) if held["low"] == held["high"] else f"{held['low']}-{held['high']}"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
