"""Agreement between annotators and what is known of each, as rows of text and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from alignbench.report.formats import records_csv
from alignbench.report.marks import mark_notes, share
from alignbench.report.table import NONE

Json = Mapping[str, Any]

NOTHING = "no sentence has two votes, so there is no agreement to measure; give sentences to a second annotator"
_FIGURES = {
    "fleiss_kappa": "Fleiss kappa",
    "krippendorff_alpha": "Krippendorff alpha",
    "mean_agreement": "mean P",
    "chance_agreement": "chance P_e",
    "span_f1": "span F1",
    "span_f1_typed": "F1, same type",
}
_OF_ANNOTATORS = {"agreement": "agrees with most others", "kappa": "kappa with another", "span_f1": "span F1"}
_WITH_PARTS = ("longest_run", "hasty", "burst", "same_marks", "twin")
_PUBLISHED = {"kappa": "fleiss_kappa", "P_bar": "mean_agreement", "P_e": "chance_agreement"}


def agreement_rows(said: Json) -> list[Sequence[str]]:
    """A header, a row of all sentences, then one a producer and one an error type.

    Args:
        said: What `alignbench.labelling.agreement.figures.agreement_of` returned.
    """
    rows = [_row(name, figures) for name, figures in _groups(said)]
    return [("", "sentences", "votes", *_FIGURES.values()), *rows]


def agreement_notes(said: Json) -> list[str]:
    """Where the votes come from, and what dashes and daggers stand for."""
    sources = said["sentences_from"]
    notes = ["votes: " + ", ".join(f"{number:,} sentences from {name}" for name, number in sources.items() if number)]
    published = said["published_pi"]
    if published["compared"]:
        notes.append(f"published P_i: {published['different']:,} of {published['compared']:,} differ from the counts")
    figures = [figures.get(name) for _, figures in _groups(said) for name in _FIGURES]
    return [*notes, "95% intervals over images or prompts", *mark_notes(figures)]


def annotator_rows(annotators: Sequence[Json]) -> list[Sequence[str]]:
    """A header and a row an annotator.

    Args:
        annotators: What `alignbench.labelling.agreement.annotators.annotators_of` returned.
    """
    labels = list(annotators[0]["labels"]) if annotators else []
    header = ("annotator", "votes", *labels, "median s", *_OF_ANNOTATORS.values(), "suspicions")
    return [header, *(_annotator_row(each) for each in annotators)]


def suspicion_lines(annotators: Iterable[Json]) -> list[str]:
    """A sentence a suspicion, for whoever coordinates the annotators."""
    return [f"{each['annotator']} {one['says']}" for each in annotators for one in each["suspicions"]]


def fleiss_by_model_csv(said: Json) -> str:
    """Fleiss' kappa of every producer, in the layout of the file of this name that AlignBench (2511.20515) published.

    Its columns are model, N_items, kappa, P_bar and P_e; what is undefined stays blank.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "N_items", *_PUBLISHED])
    for name, figures in said["by_producer"].items():
        values = [figures[figure]["value"] for figure in _PUBLISHED.values()]
        writer.writerow([name, figures["fleiss_kappa"]["sentences"], *values])
    return text.getvalue()


def annotators_csv(annotators: Sequence[Json], signature: str) -> str:
    """A row an annotator, with all digits; the suspicions are sentences in one cell."""
    return records_csv([_record(each) for each in annotators], signature)


def _groups(said: Json) -> list[tuple[str, Json]]:
    return [("all", said), *said["by_producer"].items(), *said["by_error_type"].items()]


def _row(name: str, figures: Json) -> Sequence[str]:
    first = figures["fleiss_kappa"]
    return (name, f"{first['sentences']:,}", f"{first['votes']:,}", *(share(figures.get(each)) for each in _FIGURES))


def _annotator_row(each: Json) -> Sequence[str]:
    seconds = NONE if each["seconds"] is None else f"{each['seconds']:.1f}"
    labels = [f"{part:.0%}" for part in each["labels"].values()]
    figures = [share(each[name]) for name in _OF_ANNOTATORS]
    return (each["annotator"], f"{each['votes']:,}", *labels, seconds, *figures, str(len(each["suspicions"])))


def _record(each: Json) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for name, part in each.items():
        if isinstance(part, Mapping):
            record |= {f"{name}_{inner}": value for inner, value in part.items()}
        elif name == "suspicions":
            record[name] = "; ".join(one["says"] for one in part)
        elif part is not None or name not in _WITH_PARTS:
            record[name] = part
    return record
