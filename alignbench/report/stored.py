"""Reads the results that `alignbench evaluate` has written to a report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from alignbench.errors import UsageError

FILE = "results.json"
_NEEDED = ("signature", "dataset", "seed", "replicates", "judges", "comparisons")


def read_results(report: Path) -> dict[str, Any]:
    """What results.json in the folder `report` says.

    Raises:
        UsageError: There is none, or it is not one of ours.
    """
    path = report / FILE
    again = f"run `alignbench evaluate DATASET RUNS --out {report}`"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        what = f"has no {FILE}" if report.is_dir() else "is no folder"
        raise UsageError(f"{report} {what}, so it is no report; {again} first") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text; {again} again") from error
    try:
        results = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}; {again} again") from error
    missing = [name for name in _NEEDED if not isinstance(results, dict) or name not in results]
    if missing:
        raise UsageError(f"{path} holds no results of alignbench: it lacks {', '.join(missing)}; {again} again")
    found: dict[str, Any] = results
    return found
