"""Whether the numbers hold under other readings of the labels."""

from __future__ import annotations

from alignbench.report.figures.dots import Series, dot_groups, groups_height, middle
from alignbench.report.figures.labels import width_of
from alignbench.report.figures.sheet import (
    Absent,
    Entry,
    Json,
    Sheet,
    Sketch,
    ends,
    first_note,
    grid,
    judges_of,
    keys_height,
    labels_of,
)
from alignbench.report.figures.style import INK, SIZE, Look, look

_MOST = 12
_BOTTOM = 0.42
_AS_IT_IS = "as in the leaderboard"
_NOTHING = {"value": None, "low": None, "high": None, "reason": "not computed"}


def draw(results: Json) -> Sketch | Absent:
    """A group a judge, a dot a rule of what counts as correct."""
    judges = [judge for judge in judges_of(results) if _rules(judge)]
    if not judges:
        return Absent("the labels can be read in one way only: no sentence is unknown and none has votes")
    shown, labels = judges[:_MOST], labels_of(results)
    rules = list(dict.fromkeys(rule for judge in shown for rule in _rules(judge)))
    series = [Series(Look(INK, "o", "-"), _AS_IT_IS, [judge["auroc"] for judge in shown])]
    series += [
        Series(look(place + 1), rule, [_rules(judge).get(rule, _NOTHING) for judge in shown])
        for place, rule in enumerate(rules)
    ]
    top, height = keys_height(len(series)) + 0.06, groups_height(len(shown), len(series))
    sheet = Sheet(top + height + _BOTTOM)
    sheet.keys(0.0, [Entry(one.look, one.label) for one in series], lined=False)
    left = width_of((labels[judge["name"]] for judge in shown), SIZE) + 0.16
    axes = sheet.panel(left, top, sheet.width - left - 0.12, height)
    dot_groups(axes, series)
    axes.set_xlim(*ends([figure for one in series for figure in one.figures]))
    axes.set_xlabel("AUROC, mean over producers")
    grid(axes, "x")
    for place, judge in enumerate(shown):
        sheet.say(left - 0.08, top + middle(place, len(series)), labels[judge["name"]], align="right")
    caption = (
        "Macro AUROC under other rules: sentences labelled unknown counted as one of the two labels, or only sentences "
        f"on which annotators agree. Bars are 95% intervals; {results['dataset']['unknown']:,} sentences are unknown. "
        f"Numbers that rest on other sentences may differ for that reason alone.{first_note(len(shown), len(judges))}"
    )
    return Sketch(sheet.figure, "Sensitivity to the labels", caption, labels.shown)


def _rules(judge: Json) -> dict[str, Json]:
    return {each["rule"]: each for each in judge.get("sensitivity") or () if each["value"] is not None}
