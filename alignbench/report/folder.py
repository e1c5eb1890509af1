"""Writes a report: the results, their tables and figures, every score, and the page to look at."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignbench.atomic import storage_errors, write_atomically
from alignbench.report import formats
from alignbench.report.leaderboard import error_types, leaderboard
from alignbench.report.table import interval
from alignbench.report.tables import NAMES, listings, tables_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from alignbench.evaluate import Evaluation

PAGE, FIGURES, TABLES, SCORES = "report.html", "figures", "tables", "scores.parquet"
SENTENCES = 200
_NEEDED = ("jinja2", "matplotlib")
_FORMATS = ("csv", "md", "tex")


def write_report(evaluation: Evaluation, out: Path, *, page: bool = True, sentences: int = SENTENCES) -> list[str]:
    """Write everything that a report consists of into the folder `out`.

    `results.json`; `leaderboard` and `error_types` as .csv, .md and .tex; the other tables in the same way under
    `tables`; `scores.parquet`; with a page, `figures/NAME.svg` and `.pdf` and `report.html`. What an earlier report
    left there and this one has not is removed, so that all files of a folder agree.

    Args:
        evaluation: What `alignbench.evaluate.evaluation_of` returned.
        out: Made where missing; files of these names are replaced.
        page: Whether to draw figures and write the page, which takes matplotlib and jinja2; without it neither is
            imported.
        sentences: How many sentences the page shows at most.

    Returns:
        A line for what could not be written for want of a package, with what to install.

    Raises:
        DatasetError: The dataset cannot be read.
        StorageError: The disk refused a write.
    """
    from alignbench.report.scores import write_scores

    texts = _texts(evaluation.results)
    for name, text in texts.items():
        _write(out / name, text)
    _remove_others(out / TABLES, [Path(name).name for name in texts])
    write_scores(evaluation, out / SCORES)
    lacking = [name for name in _NEEDED if find_spec(name) is None] if page else []
    if page and not lacking:
        _write_page(evaluation, out, sentences)
        return []
    _remove_page(out)
    return [_advice(lacking)] if lacking else []


def _texts(results: Mapping[str, Any]) -> dict[str, str]:
    overall, by_type = leaderboard(results), error_types(results, interval)
    texts = {
        "results.json": json.dumps(results, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        "leaderboard.csv": formats.leaderboard_csv(results),
        "leaderboard.md": formats.markdown(overall),
        "leaderboard.tex": formats.latex(overall),
        "error_types.csv": formats.error_types_csv(results),
        "error_types.md": formats.markdown(by_type),
        "error_types.tex": formats.latex(by_type),
    }
    for name, found in listings(results):
        texts[f"{TABLES}/{name}.csv"] = formats.records_csv(found.records, results["signature"])
        texts[f"{TABLES}/{name}.md"] = formats.markdown(found.table)
        texts[f"{TABLES}/{name}.tex"] = formats.latex(found.table)
    return texts


def _write_page(evaluation: Evaluation, out: Path, sentences: int) -> None:
    from alignbench.report.figures import write_figures
    from alignbench.report.page import page

    drawn = write_figures(evaluation.results, out / FIGURES).drawn
    _remove_others(out / FIGURES, [f"{one.name}.{kind}" for one in drawn for kind in ("svg", "pdf")])
    _write(out / PAGE, page(evaluation, drawn, tables_of(evaluation.results), sentences))


def _remove_page(out: Path) -> None:
    _remove_others(out / FIGURES, ())
    with storage_errors(out / PAGE):
        (out / PAGE).unlink(missing_ok=True)


def _remove_others(folder: Path, kept: Collection[str]) -> None:
    # Only files that a report could have written: what people put beside them stays.
    from alignbench.report.figures import FIGURES as DRAWN

    ours = {f"{name}.{kind}" for name in (*NAMES, *DRAWN) for kind in (*_FORMATS, "svg", "pdf")}
    with storage_errors(folder):
        for path in sorted(folder.glob("*")):
            if path.name in ours and path.name not in kept:
                path.unlink()
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _advice(lacking: Collection[str]) -> str:
    return (
        f"no figures and no {PAGE}: that takes {' and '.join(lacking)}, not installed here; "
        "run `pip install 'alignbench[report]'`, then the same command again"
    )


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda partial: _put(partial, text))


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
