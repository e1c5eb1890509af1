"""What an ensemble is made of, and what it gains over its best member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alignbench.analysis.ensemble import digest_of
from alignbench.evaluate.judges import Judged

KIND = "ensemble"
_NOTHING = {"best_member": None, "delta": None, "low": None, "high": None, "p": None, "n": 0}


def ensemble_entries(judged: Sequence[Judged], comparisons: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What results.json adds to the entry of each ensemble, by its name.

    Args:
        judged: All judges.
        comparisons: What `alignbench.evaluate.comparisons.compare` says of them.

    Returns:
        `{"rule", "members": [{"judge_id", "name"}], "gain": {"best_member", "delta", "low", "high", "p", "n",
        "reason"}}`.
        The gain is the paired difference to the member with the highest macro AUROC on the n sentences that the
        ensemble scored, which all members scored. That member is chosen on the same sentences, so its AUROC is if
        anything too high and the gain too small. It is null where a member's run is not here or has changed since.
    """
    ensembles = [one for one in judged if one.run.spec.kind == KIND]
    by_id = {one.run.judge_id: one for one in judged}
    return {one.run.name: _entry(one, by_id, comparisons) for one in ensembles}


def _entry(ensemble: Judged, by_id: Mapping[str, Judged], comparisons: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    options = ensemble.run.spec.options
    ids: list[str] = options["members"]
    reason = _why_no_gain(by_id, dict(zip(ids, options["scores"], strict=True)))
    names = {judge_id: by_id[judge_id].run.name for judge_id in ids if judge_id in by_id}
    gain = _NOTHING | {"reason": reason} if reason else _gain(ensemble.run.name, list(names.values()), comparisons)
    members = [{"judge_id": judge_id, "name": names.get(judge_id)} for judge_id in ids]
    return {"rule": options["rule"], "members": members, "gain": gain}


def _why_no_gain(by_id: Mapping[str, Judged], digests: Mapping[str, str]) -> str | None:
    for judge_id, digest in digests.items():
        if judge_id not in by_id:
            return f"no run of its member {judge_id} is here"
        member = by_id[judge_id].run
        if digest_of(member.scores()) != digest:
            return f"its member {member.name} has scored again since; run `alignbench ensemble` again"
    return None


def _gain(name: str, members: Sequence[str], comparisons: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    differences = [found for member in members for found in comparisons if {found["a"], found["b"]} == {name, member}]
    if any(found["delta"] is None for found in differences):
        return _NOTHING | {"reason": differences[0]["reason"]}
    gains = [_over(name, found) for found in differences]
    # All are on the sentences that the ensemble scored, so the smallest lead is that over the highest AUROC.
    return min(gains, key=lambda gain: float(gain["delta"]))


def _over(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """A comparison as the lead of `name` over the other."""
    delta, low, high, member = found["delta"], found["low"], found["high"], found["b"]
    if found["b"] == name:
        delta, member = -delta, found["a"]
        low, high = (None, None) if low is None else (-high, -low)
    said = {"best_member": member, "delta": delta, "low": low, "high": high}
    return said | {each: found[each] for each in ("p", "n", "reason")}
