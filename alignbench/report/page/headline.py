"""The headline: who is best, as far as it can be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alignbench.report.table import interval
from alignbench.significance import ALPHA

Json = Mapping[str, Any]

GUESSING = 0.5
_MOST_NAMES = 4


def headline(results: Json) -> str:
    """One honest sentence or a few: the best judges, whether anybody can tell them apart, and what blind ones reach."""
    judges = [judge for judge in results["judges"] if judge["control"] is None]
    ranked = [judge for judge in judges if judge["rank"]["low"] is not None]
    if not judges:
        return "Only blind controls were run: there is no judge to rank."
    if not ranked:
        reasons = sorted({judge["rank"]["reason"] or judge["auroc"]["reason"] or "no AUROC" for judge in judges})
        return f"No judge can be ranked here: {'; '.join(reasons)}."
    best = [judge for judge in ranked if judge["rank"]["low"] == 1]
    return " ".join([_best(best, ranked), *_caution(best[0]), *_against_controls(results, best)])


def names(those: Sequence[str]) -> str:
    """Some names, as in `a, b and 3 more`."""
    if len(those) > _MOST_NAMES:
        return f"{', '.join(those[:_MOST_NAMES])} and {len(those) - _MOST_NAMES} more"
    return " and ".join(part for part in (", ".join(those[:-1]), *those[-1:]) if part)


def _best(best: Sequence[Json], ranked: Sequence[Json]) -> str:
    said = f"AUROC {_interval(best[0])}"
    if len(ranked) == 1:
        return f"{best[0]['name']} has {said}; there is no other judge to compare it with."
    if len(best) == 1:
        return (
            f"{best[0]['name']} is the best of {len(ranked)} judges, with {said}: each of the others is worse "
            "(paired test, Holm, 5%)."
        )
    of = "" if len(best) == len(ranked) else f"best {len(best)} of "
    return (
        f"The {of}{len(ranked)} judges cannot be told apart: {names([one['name'] for one in best])}. "
        f"The highest, {best[0]['name']}, has {said}."
    )


def _interval(judge: Json) -> str:
    # Without the mark that points at a note.
    return interval({**judge["auroc"], "reason": None})


def _caution(judge: Json) -> Iterator[str]:
    auroc = judge["auroc"]
    if auroc["low"] is not None and auroc["low"] <= GUESSING <= auroc["high"]:
        yield "Its interval holds .5, which is guessing."
    if auroc["reason"]:
        yield f"Take it as a hint only: {auroc['reason'].removeprefix('too few: ')}."


def _against_controls(results: Json, best: Sequence[Json]) -> list[str]:
    controls = [judge for judge in results["judges"] if judge["control"] is not None]
    known = [control for control in controls if control["auroc"]["value"] is not None]
    if not known:
        return []
    lost = {said["a"] for said in results["comparisons"] if _is_lost(said, {control["name"] for control in controls})}
    blind = names([judge["name"] for judge in best if judge["name"] in lost])
    reached = f"The best blind control, {known[0]['name']}, reaches {_interval(known[0])}."
    return [reached, *([f"Not shown to be better than every blind control: {blind}."] if blind else [])]


def _is_lost(said: Json, controls: set[str]) -> bool:
    is_better = said["p_holm"] is not None and said["p_holm"] < ALPHA and said["delta"] > 0
    return said["b"] in controls and said["delta"] is not None and not is_better
