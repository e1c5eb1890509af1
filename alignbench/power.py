"""How many clusters it takes to tell two judges apart, planned from the results of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scipy import special

from alignbench.errors import UnknownNameError, UsageError
from alignbench.intervals import FEW_CLUSTERS
from alignbench.significance import ALPHA

Json = Mapping[str, Any]

AGAIN = "run `alignbench evaluate DATASET RUNS --out REPORT` again, then this command"
UNPLANNABLE = "cannot be planned from this difference: its interval holds 0"
NO_SE = "the standard error of this difference is not known"

_UNIT = (
    "a cluster is an image, or for text-to-image a prompt, with all its sentences as in this dataset, which has "
    "{clusters:,}; the standard error of a difference falls with the root of their number"
)
_CHANCE = (
    "each number gives a true difference of that size a chance of {power:g}% to be found at the {alpha:g}% level"
    "{tests}, by normal quantiles"
)
_UNCERTAIN = (
    "a difference that was seen is itself uncertain, and too large on average where it was picked for being large: "
    "plan for the nearer end of its interval, or say which difference would matter (--difference)"
)
_FEW = f"fewer than {FEW_CLUSTERS} are too few for these quantiles and for the intervals of a report: take that many"


def clusters_needed(
    results: Json, *, judges: Sequence[str] = (), difference: float | None = None, power: float = 0.8, tests: int = 1
) -> dict[str, Any]:
    """How many clusters, such as these, it takes to tell judges apart.

    The clustered standard error of a paired difference of macro AUROCs falls with the root of the number of clusters,
    so n clusters with the standard error s need n ((z_(1 - alpha / (2 tests)) + z_power) s / d)^2 of them to find a
    difference d with that power.

    Args:
        results: What results.json says.
        judges: Names or ids: one against all judges, or several against each other. By default all judges, without the
            blind controls.
        difference: Of macro AUROCs, to plan for beside those that were seen.
        power: The chance to find a difference that is there.
        tests: How many comparisons share the level, by Bonferroni; Holm never needs more.

    Returns:
        `{"dataset": {"name", "version", "clusters"}, "alpha", "power", "tests", "difference", "pairs": [{"a", "b",
        "delta", "low", "high", "reason", "se", "detectable", "needed": {"seen", "nearer_end", "difference"}}],
        "says"}`. What is needed is `{"clusters", "reason"}`, of which one is null; `difference` is null where none is
        given. `detectable` is the smallest difference that these clusters find with that power.

    Raises:
        UsageError: An argument makes no sense, or the results are of an earlier version.
        UnknownNameError: There is no such judge.
    """
    if not ALPHA < power < 1 or tests < 1 or (difference is not None and not 0 < difference < 1):
        allowed = f"the power between {ALPHA} and 1, tests at least 1, the difference between 0 and 1"
        raise UsageError(f"power {power}, tests {tests} and difference {difference} cannot be planned for: {allowed}")
    chosen, clusters = _chosen(results, judges), results["dataset"].get("clusters")
    if clusters is None or any(not {"se", "low", "high"} <= said.keys() for said in chosen):
        raise UsageError(f"these results are of an earlier version: they say no standard errors; {AGAIN}")
    reach = float(special.ndtri(1 - ALPHA / (2 * tests)) + special.ndtri(power))
    planned = [_pair(said, clusters, reach, difference) for said in chosen]
    return {
        "dataset": {name: results["dataset"].get(name) for name in ("name", "version", "clusters")},
        "alpha": ALPHA,
        "power": power,
        "tests": tests,
        "difference": difference,
        "pairs": planned,
        "says": list(_says(planned, clusters, power, tests)),
    }


def _chosen(results: Json, judges: Sequence[str]) -> list[Json]:
    """The comparisons of the judges that are asked for."""
    names = [_name_of(given, results) for given in judges]
    if len(set(names)) < len(names):
        raise UsageError(f"{', '.join(judges)}: a judge does not differ from itself; give each --judge another name")
    sighted = {judge["name"] for judge in results["judges"] if judge["control"] is None}
    pool = {*names} if len(names) > 1 else sighted | {*names}
    required = {*names} if len(names) == 1 else set()
    chosen = [said for said in results["comparisons"] if required <= {said["a"], said["b"]} <= pool]
    if not chosen:
        said = f"of {' and '.join(names)}" if names else "of judges that are no blind controls"
        among = ", ".join(sorted(judge["name"] for judge in results["judges"]))
        raise UsageError(f"there is no comparison {said} among {among}; judge with another judge, evaluate, then again")
    return chosen


def _name_of(given: str, results: Json) -> str:
    names = {judge["judge_id"]: judge["name"] for judge in results["judges"]}
    if given not in names and given not in names.values():
        raise UnknownNameError.of("judge", given, names.values(), "give --judge one of these names")
    return str(names.get(given, given))


def _pair(said: Json, clusters: int, reach: float, difference: float | None) -> dict[str, Any]:
    se = said["se"] or None
    kept = {name: said[name] for name in ("a", "b", "delta", "low", "high", "reason")}
    needed = {
        "seen": _for_seen(said, se, clusters, reach),
        "nearer_end": _for_nearer_end(said, se, clusters, reach),
        "difference": None if difference is None else _for(difference, said, se, clusters, reach),
    }
    return kept | {"se": se, "detectable": None if se is None else reach * se, "needed": needed}


def _for_seen(said: Json, se: float | None, clusters: int, reach: float) -> dict[str, Any]:
    if said["delta"] == 0:
        return _nothing("no difference was seen")
    return _for(said["delta"], said, se, clusters, reach)


def _for_nearer_end(said: Json, se: float | None, clusters: int, reach: float) -> dict[str, Any]:
    low, high = said["low"], said["high"]
    if low is None:
        return _nothing(said["reason"] or NO_SE)
    if low <= 0 <= high:
        return _nothing(UNPLANNABLE)
    return _for(min(abs(low), abs(high)), said, se, clusters, reach)


def _for(difference: float | None, said: Json, se: float | None, clusters: int, reach: float) -> dict[str, Any]:
    if difference is None or se is None:
        return _nothing(said["reason"] or NO_SE)
    return {"clusters": max(2, math.ceil(clusters * (reach * se / difference) ** 2)), "reason": None}


def _nothing(reason: str) -> dict[str, Any]:
    return {"clusters": None, "reason": reason}


def _says(planned: Sequence[Json], clusters: int, power: float, tests: int) -> Iterator[str]:
    shared = f", shared by {tests:,} tests" if tests > 1 else ""
    yield _CHANCE.format(power=100 * power, alpha=100 * ALPHA, tests=shared)
    yield _UNIT.format(clusters=clusters)
    yield _UNCERTAIN
    counts = [each["clusters"] for pair in planned for each in pair["needed"].values() if each]
    if any(count is not None and count < FEW_CLUSTERS for count in counts):
        yield _FEW
