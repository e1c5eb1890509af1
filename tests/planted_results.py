"""Complete results, as results.json has them, with planted numbers; for tests of what shows them."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

Json = dict[str, Any]

TYPES = ("attribute", "object", "illusion", "direction", "number", "text", "location", "relation", "other")
INDICES = ("0", "1", "2", "3", "4", "5+")
CAPTIONERS = ("lantern-caption", "harbour-caption", "quill-caption", "tern-caption")
IMAGE_MODELS = ("lantern-paint", "easel-paint")
TOO_SMALL = "few-caption"
NOTHING = "no producer has 10 correct and 10 incorrect sentences here"
NO_RUN = "no run of this judge with captions shuffled is here; run `alignbench judge --context shuffled-caption`"
HOSTILE = (
    "<script>alert(1)</script>",
    "cost $5 and $6_000 \\frac{a}{b}",
    "quotes \" and ' & ampersand",
    "emoji \N{ROCKET}\N{FAMILY} judge",
    "שופט מימין לשמאל",
    "a-very-long-name-of-a-judge-that-nobody-would-type/" + "x" * 80,
    "new\nline\tand \x07 bell",
    "汉字 評価モデル",
    "</svg><img src=x onerror=alert(1)>",
)


class Planted(NamedTuple):
    """A judge: its macro AUROC, the producers that are its own and what 1,000 sentences take."""

    name: str
    family: str | None
    auroc: float
    own: Mapping[str, str] = {}
    control: str | None = None
    seconds: float | None = None
    dollars: float | None = None


PLANTED = (
    Planted("lantern-70b", "lantern", 0.842, {"lantern-caption": "self", "lantern-paint": "family"}, None, 910.0, 4.2),
    Planted("harbour-32b", "harbour", 0.824, {"harbour-caption": "self"}, None, 402.0, 2.6),
    Planted("lantern-7b", "lantern", 0.771, {"lantern-caption": "family", "lantern-paint": "family"}, None, 88.0, 0.42),
    Planted("both (mean-rank)", None, 0.766, {}, None, 490.0, 3.02),
    Planted("quill-8b", "quill", 0.713, {"quill-caption": "self"}, None, 61.0, 0.31),
    Planted("clip-large", None, 0.588, {}, None, 3.1, 0.004),
    Planted("ngram", None, 0.561, {}, "ngram"),
    Planted("lantern-7b (blank)", "lantern", 0.55, {}, "blank", 80.0, 0.4),
    Planted("constant", None, 0.5, {}, "constant"),
)


def planted_results(planted: Sequence[Planted] = PLANTED, producers: Sequence[str] | None = None) -> Json:
    """The results of these judges, every analysis filled; the same bytes every time.

    Args:
        planted: Judges by falling AUROC, then controls.
        producers: Four captioners and two image models.
    """
    rng = np.random.default_rng(20)
    names = list(producers or (*CAPTIONERS, *IMAGE_MODELS))
    judges = [_judge(one, place, names, rng) for place, one in enumerate(planted)]
    results = {
        "schema_version": 1,
        "signature": "alignbench 0.1.0; dataset planted 1.0 0123456789ab; judges 07fd35; seed 0; 2000 replicates",
        "dataset": _dataset(names),
        "seed": 0,
        "replicates": 2000,
        "judges": judges,
        "comparisons": _comparisons(planted, rng),
        "self_preference": _self_preference(planted, judges, names, rng),
        "reference": _reference(names),
        "refused": {"bec798f1-0123456789ab": "half: it is not finished; run `alignbench judge ...` as before"},
        "runs_of_other_datasets": 1,
    }
    return copy.deepcopy(results)


def one_judge() -> Json:
    """A single judge without anybody to compare it with."""
    return planted_results(PLANTED[:1])


def hostile_results() -> Json:
    """Judges and producers whose names are markup, mathematics, other scripts or far too long."""
    planted = [one._replace(name=name) for one, name in zip(PLANTED, HOSTILE, strict=True)]
    producers = [f"{name} {place}" for place, name in enumerate(HOSTILE[:6])]
    renamed = dict(zip((*CAPTIONERS, *IMAGE_MODELS), producers, strict=True))
    planted = [one._replace(own={renamed[name]: level for name, level in one.own.items()}) for one in planted]
    return planted_results(planted, producers)


def nothing_results(results: Json | None = None) -> Json:
    """The results of a dataset on which nothing is defined: every number null, with its reason."""
    nothing = _emptied(results or planted_results())
    for judge in nothing["judges"]:
        judge |= {
            "roc": None,
            "localization": None,
            "filter": [],
            "rank": {"low": None, "high": None, "reason": NOTHING},
        }
        judge["bounds"] = {"low": None, "high": None}
        judge["usage"] = dict.fromkeys(judge["usage"])
        judge["calibration"] |= {"bins": [], "reason": "scores are no probabilities"}
        judge["position_bias"]["says"] = []
        judge["coverage"], judge["failures"] = 0.0, {"failed": 5000}
    preference = nothing["self_preference"]
    for said in preference["directions"].values():
        said |= {"effects": [], "residual_sd": None, "reason": "fewer than 3 judges"}
    preference["says"], preference["own"] = [], {}
    nothing["reference"] = None
    nothing["dataset"]["error_types"] = dict.fromkeys(TYPES, 0)
    return nothing


def bare_results() -> Json:
    """Results as they were before there were analyses beside the leaderboard."""
    results = planted_results()
    later = (
        "average_precision tpr_at_fpr roc win_rate sensitivity calibration filter position_bias localization".split()
    )
    for judge in results["judges"]:
        for name in later:
            del judge[name]
    return {name: said for name, said in results.items() if name not in ("self_preference", "reference")}


def figure(value: float | None, half: float = 0.02, reason: str | None = None, **more: Any) -> Json:
    """A number with its interval; without one the reason is needed."""
    if value is None:
        return {"value": None, "low": None, "high": None, "reason": reason or NOTHING} | more
    return {"value": value, "low": value - half, "high": value + 1.1 * half, "reason": reason} | more


def share(value: float, half: float = 0.02, reason: str | None = None, **more: Any) -> Json:
    """The same, cut to what a share can be."""
    said = figure(min(max(value, 0.0), 1.0), half, reason, **more)
    return said | {"low": max(said["low"], 0.0), "high": min(said["high"], 1.0)}


def effect(value: float | None, half: float = 0.02, reason: str | None = None) -> Json:
    """A difference or slope with its p-value."""
    p = None if value is None else 2 * (1 - NormalDist().cdf(abs(value) / (half / 1.96)))
    return figure(value, half, reason, se=None if value is None else half / 1.96, p=p, clusters=350, n=4869)


def _emptied(said: Any) -> Any:
    # The same tree with every figure null; other lists and strings stay.
    if isinstance(said, dict):
        if "delta" in said:
            return (
                said | dict.fromkeys(("delta", "low", "high", "p", "p_holm", "se", "detectable")) | {"reason": NOTHING}
            )
        if {"value", "low", "high", "reason"} <= said.keys():
            gone = dict.fromkeys(said.keys() & {"value", "low", "high", "se", "p", "p_holm", "p_min"})
            kept = {name: said[name] for name in said.keys() & {"fpr"}}
            return {name: _emptied(part) for name, part in said.items()} | gone | kept | {"reason": NOTHING}
        return {name: _emptied(part) for name, part in said.items()}
    if isinstance(said, list):
        return [_emptied(part) for part in said]
    return None if isinstance(said, float) else said


def _dataset(producers: Sequence[str]) -> Json:
    sizes: Json = {name: {"correct": 700, "incorrect": 150, "in_macro": True} for name in producers}
    counts = dict(zip(TYPES, (271, 160, 136, 30, 63, 51, 160, 105, 0), strict=True))
    return {
        "name": "planted",
        "version": "1.0",
        "digest": "0123456789abcdef" * 4,
        "shown_digest": "fedcba9876543210" * 4,
        "images": 500,
        "images_missing": 0,
        "pairs": 900,
        "sentences": 5130,
        "correct": 4206,
        "incorrect": 904,
        "unknown": 12,
        "unlabelled": 8,
        "clusters": 350,
        "producers": sizes | {TOO_SMALL: {"correct": 6, "incorrect": 4, "in_macro": False}},
        "error_types": counts,
    }


def _cell(value: float, half: float = 0.03, reason: str | None = None) -> Json:
    return share(value, half, reason, se=half / 1.96, n_correct=700, n_incorrect=150, clusters=132, df=131)


def _judge(planted: Planted, place: int, producers: Sequence[str], rng: np.random.Generator) -> Json:
    def around(spread: float) -> float:
        return 0.0 if planted.control == "constant" else float(rng.normal(scale=spread))

    less = {"self": 0.09, "family": 0.05}
    by_producer = {
        name: _cell(planted.auroc - less.get(planted.own.get(name, ""), 0.0) + around(0.03)) for name in producers
    }
    by_producer[TOO_SMALL] = _cell(planted.auroc, 0.2, "too few: 4 clusters hold the rarer class")
    by_type = {name: _cell(planted.auroc + around(0.06)) for name in TYPES}
    by_type["number"] = _cell(planted.auroc + around(0.06), 0.1, "too few: 12 clusters hold the rarer class")
    by_type["other"] = figure(None, se=None, n_correct=4206, n_incorrect=0, clusters=0, df=0)
    is_control = planted.control is not None
    return {
        "judge_id": f"{place:x}7fd35b3d8a9",
        "name": planted.name,
        "family": planted.family,
        "control": planted.control,
        "coverage": 0.981 if place == 4 else 1.0,
        "failures": {"refused": 97} if place == 4 else {},
        "truncated": 12 if place == 5 else 0,
        "auroc": _cell(planted.auroc, 0.014),
        "bounds": {"low": planted.auroc - 0.01 * (place == 4), "high": planted.auroc + 0.01 * (place == 4)},
        "by_producer": by_producer,
        "by_error_type": by_type,
        "by_index": {name: _cell(planted.auroc + around(0.02), 0.04) for name in INDICES},
        "usage": _usage(planted),
        "rank": _rank(place, is_control),
        "average_precision": share(0.2 + 1.2 * max(planted.auroc - 0.5, 0), n_correct=4206, n_incorrect=904)
        | {"chance": 0.18},
        "tpr_at_fpr": share(0.05 + 1.4 * max(planted.auroc - 0.5, 0), fpr=0.05),
        "roc": _roc(planted.auroc),
        "win_rate": share(1 - place / len(PLANTED), 0.05),
        "sensitivity": _sensitivity(planted.auroc),
        "calibration": _calibration(place),
        "filter": _filters(planted.auroc),
        "position_bias": _position_bias(planted, place, rng),
        "localization": _localization(producers, planted.auroc) if place in (0, 1) else None,
    } | _ensemble(planted)


def _usage(planted: Planted) -> Json:
    tokens = {"input_tokens": 450906, "cached_tokens": None, "output_tokens": 4879}
    sums = {"seconds": None if planted.seconds is None else 4.879 * planted.seconds}
    sums |= {"cost_usd": None if planted.dollars is None else 4.879 * planted.dollars}
    return sums | tokens | {"seconds_per_1000": planted.seconds, "cost_usd_per_1000": planted.dollars}


def _rank(place: int, is_control: bool) -> Json:
    if is_control or place == 4:
        return {"low": None, "high": None, "reason": "a blind control" if is_control else "coverage under 99%"}
    low, high = {0: (1, 2), 1: (1, 2), 2: (3, 4), 3: (3, 4), 5: (5, 5)}.get(place, (place, place))
    return {"low": low, "high": high, "reason": None}


def _ensemble(planted: Planted) -> Json:
    if not planted.name.startswith("both"):
        return {}
    members = [{"judge_id": "27fd35b3d8a9", "name": "lantern-7b"}, {"judge_id": "47fd35b3d8a9", "name": "quill-8b"}]
    gain = {"best_member": "lantern-7b", "delta": -0.005, "low": -0.012, "high": 0.003, "p": 0.2, "n": 5013}
    return {"rule": "mean-rank", "members": members, "gain": gain | {"reason": None}}


def _roc(auroc: float) -> Json:
    normal, shift = NormalDist(), 2**0.5 * NormalDist().inv_cdf(auroc)
    fpr = [step / 100 for step in range(101)]
    inner = [normal.cdf(normal.inv_cdf(one) + shift) for one in fpr[1:-1]]
    return {"fpr": fpr, "tpr": [0.0, *inner, 1.0]}


def _sensitivity(auroc: float) -> list[Json]:
    rules = ("unknown as incorrect", "unknown as correct", "agreement at least 0.75", "agreement at least 1")
    changed = (-0.012, 0.004, 0.021, 0.035)
    said = [
        _cell(auroc + by, 0.016) | {"rule": rule, "n_correct": 4206 - 300 * place, "n_incorrect": 916 - 90 * place}
        for place, (rule, by) in enumerate(zip(rules, changed, strict=True))
    ]
    return [{"rule": one.pop("rule")} | one for one in said]


def _calibration(place: int) -> Json:
    if place == 5:
        reason = "the scores leave 0 to 1, so they are no probabilities"
        return {"ece": figure(None, reason=reason), "brier": figure(None, reason=reason), "bins": [], "reason": reason}
    edges = np.linspace(0, 1, 11)
    bins = [
        {
            "low": float(low),
            "high": float(high),
            "mean_score": float((low + high) / 2),
            "share_correct": float(0.3 + 0.6 * (low + high) / 2),
            "share_low": float(0.26 + 0.6 * (low + high) / 2),
            "share_high": float(0.34 + 0.6 * (low + high) / 2),
            "n": int(100 + 900 * high),
        }
        for low, high in itertools.pairwise(edges)
    ]
    bins[2] |= {"mean_score": None, "share_correct": None, "share_low": None, "share_high": None, "n": 0}
    return {"ece": share(0.06 + 0.01 * place), "brier": share(0.14 + 0.01 * place), "bins": bins, "reason": None}


def _filters(auroc: float) -> list[Json]:
    kept = {0.85: 0.9, 0.9: 0.72, 0.95: 0.41}
    said = [
        {
            "precision": wanted,
            "threshold": wanted - 0.1,
            "achieved": share(wanted - 0.004, 0.01),
            "kept": share(part * auroc, 0.02),
            "base_rate": 0.823,
            "reason": None,
        }
        for wanted, part in kept.items()
    ]
    reason = "no threshold reaches this precision on the half it is picked on"
    never = {"precision": 0.99, "threshold": None, "achieved": figure(None, reason=reason)}
    return [*said, never | {"kept": figure(None, reason=reason), "base_rate": 0.823, "reason": reason}]


def _position_bias(planted: Planted, place: int, rng: np.random.Generator) -> Json:
    scale, falls = (0.3, 0.01) if place == 5 else (1.0, 0.02 if place < 3 else 0.0)
    levels = {"correct": 0.88, "incorrect": 0.62 - 0.4 * (planted.auroc - 0.5)}
    by_index: Json = {
        label: {
            index: figure(scale * (level - falls * step + float(rng.normal(scale=0.008))), 0.03 * scale, n=600)
            for step, index in enumerate(INDICES)
        }
        for label, level in levels.items()
    }
    by_index["incorrect"]["5+"] = figure(None, n=3)
    is_shuffled = place in (0, 2)
    said: Json = {name: effect(None, reason=NO_RUN) for name in ("presentation",)}
    context = {
        name: effect(0.011 * sign if is_shuffled else None, 0.01, None if is_shuffled else NO_RUN)
        for name, sign in (("auroc", 1), ("correct", 2), ("incorrect", -1))
    }
    if is_shuffled:
        said = {"presentation": effect(-0.012, 0.006)}
    return {
        "by_index": by_index,
        "correct": share(0.5 + 4 * falls * (place != 5), 0.02),
        "incorrect": share(0.5 + 5 * falls * (place != 5), 0.03),
        "slope": effect(-falls, 0.006),
        "content": effect(-0.008, 0.005),
        **said,
        "context": context,
        "says": ["Sentences shown first get higher scores than the same sentences shown later."] if is_shuffled else [],
    }


def _localization(producers: Sequence[str], auroc: float) -> Json:
    cell = {"average_precision": share(auroc - 0.45, 0.04), "span_f1": share(auroc - 0.5, 0.04)}
    kinds = {
        name: {"average_precision": share(auroc - 0.48, 0.06), "recall": share(auroc - 0.4, 0.06)} for name in TYPES
    }
    kinds["other"] = {"average_precision": figure(None), "recall": figure(None)}
    return {
        "definition": "Average precision over the characters of incorrect sentences; spans match at IoU 0.5.",
        "average_precision": share(auroc - 0.46, 0.03),
        "span_f1": share(auroc - 0.5, 0.03),
        "precision": share(auroc - 0.55, 0.03),
        "recall": share(auroc - 0.4, 0.03),
        "flagged_correct": share(0.12, 0.01),
        "by_producer": {name: copy.deepcopy(cell) for name in producers},
        "by_error_type": kinds,
        "unparsable": 17,
    }


def _comparisons(planted: Sequence[Planted], rng: np.random.Generator) -> list[Json]:
    judges = [one for one in planted if one.control is None]
    controls = [one for one in planted if one.control is not None]
    pairs = [(a, b) for place, a in enumerate(judges) for b in judges[place + 1 :]]
    pairs += [(a, b) for a in judges for b in controls]
    said = []
    for a, b in pairs:
        delta = a.auroc - b.auroc + float(rng.normal(scale=0.001))
        p = 2 * (1 - NormalDist().cdf(abs(delta) / 0.008))
        ends = {"delta": delta, "low": delta - 0.016, "high": delta + 0.016, "reason": None}
        more = {"p": p, "se": 0.008, "df": 131, "clusters": 350, "n": 5013, "p_holm": min(1.0, 20 * p)}
        said.append({"a": a.name, "b": b.name} | ends | more | {"detectable": 0.031})
    return said


def _self_preference(
    planted: Sequence[Planted], judges: Sequence[Json], producers: Sequence[str], rng: np.random.Generator
) -> Json:
    real = [(one, judge) for one, judge in zip(planted, judges, strict=True) if one.control is None]
    matrix: Json = {
        one.name: {name: judge["by_producer"][name]["value"] for name in producers} | {TOO_SMALL: None}
        for one, judge in real
    }
    normalised = {
        judge: {
            name: None if value is None else value / np.mean([v for v in row.values() if v is not None]).item()
            for name, value in row.items()
        }
        for judge, row in matrix.items()
    }
    leniency = {
        judge: {name: None if value is None else 0.5 + float(rng.normal(scale=0.05)) for name, value in row.items()}
        for judge, row in matrix.items()
    }
    sides = {"image_to_text": list(producers)[:4], "text_to_image": list(producers)[4:]}
    return {
        "matrix": matrix,
        "normalised": normalised,
        "scores_on_incorrect": leniency,
        "own": {one.name: dict(one.own) for one, _ in real if one.own},
        "directions": {name: _preferences(real, those) for name, those in sides.items()},
        "says": ["These are associations: a judge and a producer may share a blind spot without any preference."],
    }


def _preferences(real: Sequence[tuple[Planted, Json]], producers: Sequence[str]) -> Json:
    effects = []
    for one, _ in real:
        for level in ("self", "family"):
            own = [name for name in producers if one.own.get(name) == level]
            if own:
                said = effect(-0.08 if level == "self" else -0.04, 0.035)
                effects.append(
                    {"judge": one.name, "level": level, "producers": own}
                    | {name: said[name] for name in ("value", "low", "high", "reason", "se", "p")}
                    | {"p_holm": min(1.0, 4 * said["p"]), "leniency": effect(0.05, 0.03)}
                )
    if not effects:
        gone = {
            "value": None,
            "low": None,
            "high": None,
            "p": None,
            "p_min": None,
            "reason": "no judge has an own cell",
        }
        return {
            "effects": [],
            "pooled": {"auroc": gone, "leniency": dict(gone)},
            "residual_sd": None,
            "reason": "no judge has an own cell",
        }
    pooled = {"value": -0.061, "low": -0.095, "high": -0.027, "p": 0.017, "p_min": 0.008, "reason": None}
    lenient = pooled | {"value": 0.048, "low": 0.01, "high": 0.086, "p": 0.033}
    return {
        "effects": effects,
        "pooled": {"auroc": pooled, "leniency": lenient},
        "residual_sd": 0.021,
        "reason": None,
    }


def _reference(producers: Sequence[str]) -> Json:
    shared = [f"published-{place}" for place in range(4)]
    judges = [
        {
            "name": name,
            "parameters": parameters,
            "by_producer": {producer: level + 0.02 * place for place, producer in enumerate(shared)},
            "average": level + 0.03,
            "self_producer": "published-1" if name == "Published-A" else None,
        }
        for name, parameters, level in (("Published-A", "400B", 0.74), ("Published-B", None, 0.62))
    ]
    normalised = {one["name"]: {p: v / one["average"] for p, v in one["by_producer"].items()} for one in judges}
    return {
        "name": "alignbench-2511.20515",
        "title": "AlignBench, AUROC by captioner",
        "source": "arXiv 2511.20515, Table 2",
        "note": "published, not run here",
        "producers": shared,
        "judges": judges,
        "normalised": normalised,
    }
