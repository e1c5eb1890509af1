"""What judges.json says of the published runs, as far as it can be read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from alignbench.publish.folder.layout import JUDGES


def published_judges(folder: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every published run: the judge's name and its description; none where the file is not there or is damaged."""
    try:
        said = json.loads((folder / JUDGES).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return
    runs = said.get("runs") if isinstance(said, dict) else None
    for place, run in enumerate(runs if isinstance(runs, list) else []):
        if isinstance(run, dict):
            yield str(run.get("name") or run.get("judge_id") or f"run {place + 1}"), run
