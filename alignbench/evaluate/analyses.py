"""What the analyses add to the entry of each judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alignbench.analysis.calibration import calibration
from alignbench.analysis.detection import detection
from alignbench.analysis.filtering import filters
from alignbench.analysis.sensitivity import sensitivity, variants
from alignbench.analysis.win_rate import win_rates
from alignbench.evaluate.grids import Grids
from alignbench.evaluate.judges import Judged
from alignbench.evaluate.localizations import localization_entry
from alignbench.panel import Panel
from alignbench.resample import Draws
from alignbench.store import Dataset

CONTROLS_COMPETE_NOT = "a blind control takes no part in the contests"


def analyses_of(
    dataset: Dataset, panel: Panel, judged: Sequence[Judged], grids: Grids, draws: Draws
) -> dict[str, dict[str, Any]]:
    """By the name of each judge: how it detects, how its number hangs on labels, what its scores mean, where it points.

    Args:
        dataset: What was judged.
        panel: Its labelled sentences.
        judged: All judges and controls.
        grids: The cells of the panel.
        draws: Those that all intervals rest on.
    """
    rules, won = variants(dataset, panel), _win_rates(judged, grids)
    return {
        one.run.name: {
            **detection(panel, one.score, draws),
            "win_rate": won[one.run.name],
            "sensitivity": sensitivity(one.run.scores(), rules),
            "calibration": calibration(panel, one.score, draws),
            "filter": filters(panel, one.score, draws.seed),
            "localization": localization_entry(dataset, panel, one.run, draws),
        }
        for one in judged
    }


def _win_rates(judged: Sequence[Judged], grids: Grids) -> Mapping[str, dict[str, Any]]:
    rivals = [one for one in judged if one.run.control is None]
    won = win_rates([one.run.name for one in rivals], [one.overall for one in rivals], grids.overall.comparable)
    nothing = {"value": None, "low": None, "high": None, "reason": CONTROLS_COMPETE_NOT, "n": 0}
    return {one.run.name: won.get(one.run.name, nothing) for one in judged}
