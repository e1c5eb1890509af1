"""The tables beside the leaderboard: finding errors, calibration, filtering, localisation, labels, differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from alignbench.report.listings import (
    NAMED,
    Line,
    Listing,
    figure,
    lines_of,
    listing,
    matrix,
    number,
    text,
)
from alignbench.report.marks import OWN_NOTE, chance, change, own_mark, share
from alignbench.report.table import decimals

Json = Mapping[str, Any]

_CLUSTERS = "brackets: 95% intervals by cluster (images, prompts)"
_AS_IT_IS = "as in the leaderboard"
_PARTS = ("value", "low", "high", "reason", "n_correct", "n_incorrect")


def by_producer(results: Json) -> Listing:
    """The AUROC of each judge on each producer."""
    own = (results.get("self_preference") or {}).get("own") or {}
    groups = {
        judge["name"]: {
            name: {"own": own.get(judge["name"], {}).get(name)} | cell for name, cell in judge["by_producer"].items()
        }
        for judge in results["judges"]
    }
    sizes = results["dataset"]["producers"]
    small = [name for name, size in sizes.items() if not size["in_macro"]]
    held = ", ".join(f"{name} {size['correct']:,}, {size['incorrect']:,}" for name, size in sizes.items())
    notes = [
        "AUROC: how often a correct sentence outscores an incorrect one of the same producer",
        f"sentences (correct, incorrect): {held}",
        *([f"not in the mean over producers, for too few sentences: {', '.join(small)}"] if small else []),
        *([OWN_NOTE] if own else []),
        _CLUSTERS,
    ]
    return matrix("AUROC by producer", results, groups, _said_of_own, notes, over="producer")


def _said_of_own(cell: Json | None) -> str:
    return share(cell) + own_mark(cell)


def detection(results: Json) -> Listing:
    """How well incorrect sentences are found, and how often a judge wins."""
    columns = (
        *NAMED,
        figure("average precision", "average_precision", lambda judge: judge.get("average_precision")),
        figure("caught at 5% flagged", "tpr_at_fpr", lambda judge: judge.get("tpr_at_fpr")),
        figure("win rate", "win_rate", lambda judge: judge.get("win_rate")),
    )
    notes = (
        "average precision: of finding the incorrect sentences, lowest scores first; mean over producers",
        *_chance(results),
        "caught at 5% flagged: the share of incorrect sentences below the score that flags 5% of the correct ones",
        "win rate: the share of contests with another judge on a producer that the judge wins by AUROC, ties one half",
        "the win rate depends on which judges are in the pool, so it compares with no other report",
        _CLUSTERS,
    )
    return listing("finding the incorrect sentences", results, columns, lines_of(results), notes)


def _chance(results: Json) -> list[str]:
    said = [(judge.get("average_precision") or {}).get("chance") for judge in results["judges"]]
    known = [decimals(value, 2) for value in said if value is not None]
    return [f"a judge that knows nothing gets an average precision of about {known[0]}"] if known else []


def calibration(results: Json) -> Listing:
    """How far scores are from being probabilities."""
    columns = (
        *NAMED,
        figure("ECE", "ece", lambda judge: (judge.get("calibration") or {}).get("ece")),
        figure("Brier score", "brier", lambda judge: (judge.get("calibration") or {}).get("brier")),
    )
    notes = (
        "ECE: the mean distance between score and share of correct sentences, over groups of like scores; 0 is best",
        "Brier score: the mean squared distance between score and label (correct 1, incorrect 0); 0 is best",
        "a judge can rank well and be calibrated badly; these two need scores between 0 and 1",
        _CLUSTERS,
    )
    return listing("calibration", results, columns, lines_of(results), notes)


def filtering(results: Json) -> Listing:
    """What remains of the captions if one keeps the sentences above a threshold."""
    lines = [
        Line({"name": judge["name"]} | said, judge["control"] is not None)
        for judge in results["judges"]
        for said in judge.get("filter") or ()
    ]
    columns = (
        *NAMED,
        number("wanted", "wanted", lambda said: said["precision"], lambda value: decimals(value, 2)),
        number("threshold", "threshold", lambda said: said["threshold"], lambda value: f"{value:.4g}"),
        figure("achieved", "achieved", lambda said: said["achieved"]),
        figure("kept", "kept", lambda said: said["kept"]),
        number("unfiltered", "unfiltered", lambda said: said["base_rate"], lambda value: decimals(value, 3)),
    )
    notes = (
        "wanted, achieved: the share of the kept sentences that is correct; unfiltered: the same if all are kept",
        "kept: the share of all sentences that scores at least the threshold",
        "the threshold is picked on one half of the clusters; achieved and kept are measured on the other half",
        _CLUSTERS,
    )
    return listing("filtering captions by score", results, columns, lines, notes)


def localization(results: Json) -> Listing:
    """How well judges point at the wrong words."""
    lines = [Line(judge, judge["control"] is not None) for judge in results["judges"] if judge.get("localization")]
    names = {
        "average precision": "average_precision",
        "span F1": "span_f1",
        "span precision": "precision",
        "span recall": "recall",
        "correct sentences marked": "flagged_correct",
    }
    columns = (
        *NAMED,
        *(figure(header, name, _marked(name)) for header, name in names.items()),
        number("unparsable", "unparsable", _marked("unparsable"), lambda value: f"{value:,}"),
    )
    definitions = dict.fromkeys(line.said["localization"]["definition"] or "" for line in lines)
    notes = (
        *filter(None, definitions),
        "correct sentences marked: the share of correct sentences in which a judge marks any word",
        _CLUSTERS,
    )
    return listing("localisation of the wrong words", results, columns, lines, notes)


def _marked(name: str) -> Callable[[Json], Any]:
    return lambda judge: judge["localization"].get(name)


def localization_types(results: Json) -> Listing:
    """The average precision of the marked words by error type."""
    return _localized(results, "by_error_type", "error type")


def localization_producers(results: Json) -> Listing:
    """The average precision of the marked words by producer."""
    return _localized(results, "by_producer", "producer")


def _localized(results: Json, name: str, over: str) -> Listing:
    groups = {
        judge["name"]: {header: said["average_precision"] for header, said in judge["localization"][name].items()}
        for judge in results["judges"]
        if judge.get("localization")
    }
    notes = ("average precision of the marked words, as the table of localisation defines it", _CLUSTERS)
    title = f"localisation by {over}"
    return matrix(title, results, groups, share, notes, over=over.replace(" ", "_"))


def sensitivity(results: Json) -> Listing:
    """The macro AUROC under other readings of the labels."""
    groups = {
        judge["name"]: {_AS_IT_IS: judge["auroc"]}
        | {said["rule"]: {part: said[part] for part in _PARTS} for said in judge["sensitivity"]}
        for judge in results["judges"]
        if judge.get("sensitivity")
    }
    notes = (
        "macro AUROC with sentences labelled unknown as one of the two labels, or only where annotators agree",
        "another reading rests on other sentences, and its number may differ for that reason alone",
        _CLUSTERS,
    )
    return matrix("sensitivity to the labels", results, groups, share, notes, over="reading")


def comparisons(results: Json) -> Listing:
    """Every judge against every other, and against every blind control."""
    controls = {judge["name"] for judge in results["judges"] if judge["control"] is not None}
    lines = [Line(said | {"value": said["delta"]}, said["b"] in controls) for said in results["comparisons"]]
    columns = (
        text("judge", lambda said: said["a"]),
        text("against", lambda said: said["b"]),
        figure("difference [95% CI]", "difference", _difference, change),
        number("p", "p", lambda said: said["p"], chance),
        number("p (Holm)", "p_holm", lambda said: said["p_holm"], chance),
        number("detectable", "detectable", lambda said: said["detectable"], lambda value: decimals(value, 3)),
        number("sentences", "sentences", lambda said: said["n"], lambda value: f"{value:,}"),
    )
    notes = (
        "difference: macro AUROC of the judge less that of the other, on the sentences that both scored; paired",
        "p: two-sided, from clustered standard errors",
        "Holm: adjusted for all comparisons between judges, and apart from them for all with blind controls",
        "detectable: the smallest true difference that this comparison would have found with a chance of 80%",
    )
    return listing("differences between judges", results, columns, lines, notes)


def _difference(said: Json) -> Json:
    return {name: said[name] for name in ("value", "low", "high", "reason")}
