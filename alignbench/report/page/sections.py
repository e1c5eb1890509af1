"""The sections of the page: what each explains, and which figures and tables stand in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from alignbench.report.figures import Drawn
from alignbench.report.page import absences
from alignbench.report.page.grid import Grid, grid_of
from alignbench.report.page.headline import names
from alignbench.report.table import Table

Json = Mapping[str, Any]


class Saying(NamedTuple):
    """A plain sentence about some judges, or about all of them where `whom` is empty."""

    whom: str
    text: str


class Section(NamedTuple):
    """A section as the template shows it.

    Attributes:
        anchor: Its place in the address.
        title: Its heading.
        lead: What its numbers mean.
        sayings: What they say.
        figures: Those about it.
        grids: Tables about it.
        missing: Why something is not there.
    """

    anchor: str
    title: str
    lead: str
    sayings: Sequence[Saying]
    figures: Sequence[Drawn]
    grids: Sequence[Grid]
    missing: Sequence[str]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show but reasons."""
        return not (self.sayings or self.figures or self.grids)


class _Plan(NamedTuple):
    # The figures and tables of these names belong to the section.
    anchor: str
    title: str
    lead: str
    names: tuple[str, ...]
    missing: Callable[[Json], Iterator[str]]


_PLANS = (
    _Plan(
        "leaderboard",
        "Leaderboard",
        "The macro AUROC of each judge with its 95% interval. Judges whose ranks overlap are tied: no paired test "
        "tells them apart after Holm's correction. Blind controls stand below the judges: they do not see the "
        "image, or not the right one, and show what the words alone give away.",
        ("auroc", "leaderboard", "comparisons"),
        absences.of_leaderboard,
    ),
    _Plan(
        "roc",
        "Finding the incorrect sentences",
        "ROC curves: which share of the incorrect sentences a judge catches, against the share of correct ones "
        "that it flags with them. The curve is the mean over producers. Average precision and the share caught "
        "where 5% of the correct sentences are flagged put the same into numbers. The win rate, the share of all "
        "contests on single producers that a judge wins by AUROC, depends on which other judges are in the pool.",
        ("roc", "detection"),
        absences.of_roc,
    ),
    _Plan(
        "producers",
        "Judge by producer",
        "AUROC of every judge on the output of every producer. Cells where both are the same model, or of one "
        "family, are marked.",
        ("producers", "by_producer"),
        absences.of_producers,
    ),
    _Plan(
        "position",
        "Position bias",
        "First sentences of captions are more often correct, so scores are compared within a label. A score that "
        "falls with the index while sentences are shown one by one can only come from their content; what changes "
        "when the same sentences are shuffled is the effect of presentation.",
        ("position", "by_index"),
        absences.of_position,
    ),
    _Plan(
        "self-preference",
        "Self-preference",
        "Whether a judge is worse on the output of its own model or family than its level and that of the producer "
        "let expect. These are associations, not causes: a judge and a producer of one family may share a blind "
        "spot without any preference.",
        ("self_preference", "normalised"),
        absences.of_self_preference,
    ),
    _Plan(
        "error-types",
        "Error types",
        "AUROC of the incorrect sentences of a type against all correct ones of the same producer. A sentence with "
        "several types counts in each.",
        ("error_types",),
        absences.of_error_types,
    ),
    _Plan(
        "calibration",
        "Calibration and filtering",
        "Whether a score can be read as the probability that a sentence is correct, and what remains of a dataset "
        "that is filtered by it. Thresholds are picked on one part of the images and measured on the other.",
        ("calibration", "filter"),
        absences.of_calibration,
    ),
    _Plan(
        "localisation",
        "Localisation",
        "How well judges that mark words mark those that people marked as wrong.",
        ("localization", "localization_types", "localization_producers"),
        absences.of_localization,
    ),
    _Plan(
        "sensitivity",
        "Sensitivity to the labels",
        "The same AUROC where labels are read otherwise: with the unknown sentences counted, or only with "
        "sentences that annotators agree on.",
        ("sensitivity",),
        absences.of_sensitivity,
    ),
    _Plan(
        "cost",
        "Cost",
        "What judging takes, against AUROC. Judges on the Pareto front are those that no other beats in both.",
        ("cost",),
        absences.of_cost,
    ),
    _Plan(
        "reference",
        "Published judges",
        "Numbers of a publication, not run here: other sentences, other labels or other prompts may stand behind "
        "them, so they are in no test and no rank.",
        ("reference",),
        absences.of_reference,
    ),
)
_PLAN_OF = {name: plan for plan in _PLANS for name in plan.names}
_FURTHER = _Plan("further", "Further figures and tables", "", (), lambda _: iter(()))


def sections(results: Json, drawn: Sequence[Drawn], tables: Mapping[str, Table]) -> list[Section]:
    """Every section in order; what belongs to none comes in a last one.

    Args:
        results: What results.json says.
        drawn: Figures, each with its name.
        tables: Tables by name.
    """
    plans = [*_PLANS, _FURTHER] if any(_plan_of(name) is _FURTHER for name in _names(drawn, tables)) else _PLANS
    return [_section(plan, results, drawn, tables) for plan in plans]


def _section(plan: _Plan, results: Json, drawn: Sequence[Drawn], tables: Mapping[str, Table]) -> Section:
    found = Section(
        plan.anchor,
        plan.title,
        plan.lead,
        list(_sayings(plan.anchor, results)),
        [one for one in drawn if _plan_of(one.name) is plan],
        [grid_of(table, results["signature"]) for name, table in tables.items() if _plan_of(name) is plan],
        list(plan.missing(results)),
    )
    return found if found.missing or not found.is_empty else found._replace(missing=[_why_empty(results)])


def _why_empty(results: Json) -> str:
    is_judged = any(judge["control"] is None for judge in results["judges"])
    return "there is no number to show" if is_judged else "only blind controls were run"


def _sayings(anchor: str, results: Json) -> Iterator[Saying]:
    if anchor == "position":
        yield from _positions(results)
    if anchor == "self-preference":
        yield from (Saying("", text) for text in (results.get("self_preference") or {}).get("says", ()))


def _positions(results: Json) -> Iterator[Saying]:
    # What is said of several judges in the same words is said once, after what is said of one alone.
    whom: dict[str, list[str]] = {}
    for judge in results["judges"]:
        if judge["control"] is None:
            for text in judge.get("position_bias", {}).get("says", ()):
                whom.setdefault(text, []).append(judge["name"])
    for name, found in (results.get("shuffled_only") or {}).items():
        for text in found["says"]:
            whom.setdefault(text, []).append(name)
    for text, judges in sorted(whom.items(), key=lambda said: len(said[1])):
        yield Saying(names(judges), text)


def _names(drawn: Sequence[Drawn], tables: Mapping[str, Table]) -> list[str]:
    return [*(one.name for one in drawn), *tables]


def _plan_of(name: str) -> _Plan:
    return _PLAN_OF.get(name, _FURTHER)
