"""What the notes below a leaderboard say of ensembles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alignbench.report.differences import signed_interval

Json = Mapping[str, Any]

_CHOSEN = "chosen on the same sentences, so the gain is if anything too small"


def ensemble_notes(judges: Sequence[Json]) -> list[str]:
    """A line for each ensemble among the judges of results.json: its members, and its gain over the best of them."""
    return [_note(judge) for judge in judges if "members" in judge]


def _note(judge: Json) -> str:
    members = ", ".join(member["name"] or member["judge_id"] for member in judge["members"])
    return f"{judge['name']}: ensemble of {members} ({judge['rule'].replace('-', ' ')}); {_gain(judge['gain'])}"


def _gain(gain: Json) -> str:
    if gain["delta"] is None:
        return f"no gain to tell: {gain['reason']}"
    lead = signed_interval(gain["delta"], gain["low"], gain["high"])
    return f"{lead} over its best member {gain['best_member']} ({_CHOSEN})"
