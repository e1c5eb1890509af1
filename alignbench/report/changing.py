"""What `alignbench compare` says, as blocks of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from alignbench.report.differences import signed
from alignbench.report.table import NONE, interval

Json = Mapping[str, Any]


_SHORT = 24


class Block(NamedTuple):
    """A title, a table whose first row is its header, and lines below it."""

    title: str
    rows: Sequence[Sequence[str]]
    lines: Sequence[str] = ()


def change_blocks(said: Json) -> Iterator[Block]:
    """What to print, block by block; what has not changed is left out.

    Args:
        said: What `alignbench.compare.compare_reports` returned.
    """
    changed = {**said["dataset"], **said["settings"]}
    rows = [(name, _plain(each["a"]), _plain(each["b"])) for name, each in changed.items()]
    if rows:
        yield Block("DATASET AND SETTINGS", [("", "before", "after"), *rows])
    yield Block("JUDGES", _judge_rows(said["judges"]), list(_lone_judges(said)))
    producers = list(_producer_rows(said["judges"]))
    if producers:
        yield Block(
            "AUROC BY PRODUCER, WHERE IT CHANGED", [("judge, producer", "before", "after", "change"), *producers]
        )
    if said["labels"] is not None and any(said["labels"][name] for name in _LABELS):
        yield Block("LABELS", [], list(_label_lines(said["labels"])))
    for judge in said["judges"]:
        if judge["flips"] is not None and judge["flips"]["first"]:
            yield Block(f"FLIPPED: {judge['name']['b']}", [], list(_flip_lines(judge["flips"])))


_LABELS = ("correct_to_incorrect", "incorrect_to_correct", "only_in_a", "only_in_b")


def _judge_rows(judges: Sequence[Json]) -> list[Sequence[str]]:
    header = ("judge", "AUROC before", "after", "change", "rank", "coverage", "now rejected", "now accepted")
    return [header, *(_judge_row(judge) for judge in judges)] if judges else []


def _judge_row(judge: Json) -> Sequence[str]:
    auroc, name, found = judge["auroc"], judge["name"], judge["flips"]
    flipped = [NONE if found is None else f"{sum(found[kind].values()):,}" for kind in ("now_rejected", "now_accepted")]
    return (
        name["b"] if name["a"] == name["b"] else f"{name['b']} (was {name['a']})",
        interval(auroc["a"]),
        interval(auroc["b"]),
        signed(auroc["change"]),
        _arrow(*(_rank(judge["rank"][side]) for side in "ab")),
        _arrow(*(f"{judge['coverage'][side]:.1%}" for side in "ab")),
        *flipped,
    )


def _lone_judges(said: Json) -> Iterator[str]:
    for side, when in (("only_in_a", "before"), ("only_in_b", "after")):
        for judge in said[side]:
            other = judge["same_name"]
            twin = f"; the other report has {other} of this name, another judge by its id" if other else ""
            yield f"only {when}: {judge['name']} ({judge['judge_id']}){twin}"
    for judge in said["judges"]:
        failed = [_failed(judge["failures"][side]) for side in "ab"]
        if failed[0] != failed[1]:
            yield f"without a score: {judge['name']['b']}: {' -> '.join(failed)}"


def _producer_rows(judges: Sequence[Json]) -> Iterator[Sequence[str]]:
    for judge in judges:
        for name, each in judge["producers"].items():
            yield f"{judge['name']['b']}, {name}", interval(each["a"]), interval(each["b"]), signed(each["change"])


def _label_lines(labels: Json) -> Iterator[str]:
    yield (
        f"{labels['correct_to_incorrect']:,} correct are now incorrect, {labels['incorrect_to_correct']:,} incorrect "
        f"are now correct, {labels['only_in_a']:,} are no longer labelled, {labels['only_in_b']:,} are labelled now"
    )
    yield from (f"{each['a']} -> {each['b']}: {_sentence(each)}" for each in labels["first"])
    yield from _rest(labels["correct_to_incorrect"] + labels["incorrect_to_correct"], labels["first"])


def _flip_lines(found: Json) -> Iterator[str]:
    for kind, what in (("now_rejected", "now rejected"), ("now_accepted", "now accepted")):
        yield f"{what}: {', '.join(f'{count:,} {label}' for label, count in found[kind].items())}"
    for each in found["first"]:
        what = "now rejected" if each["rejected"]["b"] else "now accepted"
        score = each["score"]
        yield f"{what}, {each['label']}, {score['a']:.3g} -> {score['b']:.3g}: {_sentence(each)}"
    total = sum(sum(found[kind].values()) for kind in ("now_rejected", "now_accepted"))
    yield from _rest(total, found["first"])


def _rest(total: int, named: Sequence[Json]) -> Iterator[str]:
    if total > len(named):
        yield f"{total - len(named):,} more: --limit N names N"


def _sentence(each: Json) -> str:
    said = f"{each['sentence_id']}  {each['text']}" if each.get("text") else str(each["sentence_id"])
    # A text may hold what a terminal obeys.
    return "".join(character if character.isprintable() else " " for character in said)


def _failed(failures: Json) -> str:
    return ", ".join(f"{count:,} {status}" for status, count in failures.items()) or "none"


def _rank(rank: Json) -> str:
    if rank["low"] is None:
        return NONE
    return f"{rank['low']}" if rank["low"] == rank["high"] else f"{rank['low']}{NONE}{rank['high']}"


def _arrow(before: str, after: str) -> str:
    return after if before == after else f"{before} -> {after}"


def _plain(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return NONE if value is None else str(value)[:_SHORT]
