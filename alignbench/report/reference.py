"""Own judges beside those of a published table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from alignbench.report.listings import Listing
from alignbench.report.table import NONE, WARNING, Row, Table, decimals

Json = Mapping[str, Any]

ELSEWHERE = "published, not run here"
HERE = "run here"
SELF = "*"

_NOT_THE_SAME = (
    "producers are matched by name alone; published judges saw the sentences of the paper with prompts that are not "
    "public, own judges those of this dataset"
)


def reference_listing(results: Json) -> Listing:
    """Own judges and published ones; empty where the evaluation had no published table beside it."""
    if results.get("reference") is None:
        return Listing(Table("", (), (), (), ()), [])
    return Listing(reference_table(results), list(_records(results)))


def reference_table(results: Json) -> Table:
    """A row a judge: own ones by falling AUROC, published ones by falling average, then own blind controls.

    Args:
        results: Of an evaluation with a reference.

    Returns:
        A column for each producer of the published table; an en dash where this dataset lacks the producer.
    """
    reference = results["reference"]
    own = [_own(judge, results) for judge in results["judges"]]
    published = sorted(reference["judges"], key=lambda judge: -float(judge["average"]))
    rows = (
        *(row for row in own if not row.is_control),
        *(_published(judge, reference["producers"]) for judge in published),
        *(row for row in own if row.is_control),
    )
    columns = ("judge", "size", "where", "average")
    title = f"{results['dataset']['name']} beside {reference['title']} ({reference['source']})"
    return Table(title, columns, tuple(reference["producers"]), rows, tuple(_notes(results)), frozenset(columns[-1:]))


def _own(judge: Json, results: Json) -> Row:
    producers, written = results["reference"]["producers"], _written_by(judge["name"], results)
    figures = [judge["by_producer"].get(producer) for producer in producers]
    values = [figure["value"] for figure in figures if figure is not None and figure["value"] is not None]
    average = sum(values) / len(values) if len(values) == len(producers) else None
    grouped = (_figure(figure, is_self=each in written) for each, figure in zip(producers, figures, strict=True))
    return Row((judge["name"], "", HERE, _said(average)), tuple(grouped), judge["control"] is not None)


def _written_by(judge: str, results: Json) -> set[str]:
    """The producers that are the judge itself, where the evaluation looked for them."""
    own = (results.get("self_preference") or {}).get("own", {}).get(judge, {})
    return {producer for producer, level in own.items() if level == "self"}


def _published(judge: Json, producers: list[str]) -> Row:
    cells = (judge["name"], judge["parameters"] or "", ELSEWHERE, _said(judge["average"]))
    grouped = (
        _said(judge["by_producer"][producer]) + (SELF if producer == judge["self_producer"] else "")
        for producer in producers
    )
    return Row(cells, tuple(grouped), is_control=False)


def _said(value: float | None) -> str:
    return NONE if value is None else decimals(value, 3)


def _figure(figure: Json | None, *, is_self: bool) -> str:
    if figure is None or figure["value"] is None:
        return NONE
    return _said(figure["value"]) + (WARNING if figure["reason"] else "") + (SELF if is_self else "")


def _notes(results: Json) -> Iterator[str]:
    reference = results["reference"]
    yield "AUROC of each producer; the average is the plain mean over these producers"
    yield f"{SELF} a judge on captions of its own"
    yield _NOT_THE_SAME
    figures = [judge["by_producer"].get(each) for judge in results["judges"] for each in reference["producers"]]
    if not any(figures):
        yield f"{NONE} this dataset has none of these producers"
    if any(figure and figure["value"] is not None and figure["reason"] for figure in figures):
        yield f"{WARNING} rests on little: the leaderboard says on what"
    for said in reference.get("deviations", ()):
        printed, mean = (decimals(said[name], 3) for name in ("printed", "mean"))
        yield f"{said['judge']}: the average is printed as {printed}, but the mean of the row is {mean}"
    yield reference["note"]
    yield results["signature"]


def _records(results: Json) -> Iterator[dict[str, Any]]:
    reference = results["reference"]
    for judge in results["judges"]:
        for producer in reference["producers"]:
            figure = judge["by_producer"].get(producer) or {}
            yield {
                "judge": judge["name"],
                "parameters": None,
                "published": False,
                "producer": producer,
                **{name: figure.get(name) for name in ("value", "low", "high", "reason")},
            }
    for judge in reference["judges"]:
        for producer, value in judge["by_producer"].items():
            said = {"judge": judge["name"], "parameters": judge["parameters"], "published": True}
            yield said | {"producer": producer, "value": value, "low": None, "high": None, "reason": None}
