"""The whole flow offline: generate the scenes benchmark, add the photographs, judge, evaluate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignbench.evaluate import Evaluation, evaluation_of
from alignbench.exchange.table import import_table
from alignbench.registry import build_judge, load_module
from alignbench.report.folder import write_report
from alignbench.report.tables import print_leaderboard
from alignbench.run import run_judge
from alignbench.store import Dataset

if TYPE_CHECKING:
    from rich.console import Console

Meter = Callable[[Any], None]
Metering = Callable[[str, str], AbstractContextManager[Meter]]

EMBEDDED_JUDGES = ("scenes-a", "scenes-b", "scenes-clip")
# The image controls go with the better VLM: what it scores without the right image is what words alone give away.
CONTROLS: Sequence[tuple[str, str | None]] = (
    ("scenes-a", "shuffled"),
    ("scenes-a", "blank"),
    ("ngram", None),
    ("length", None),
    ("index", None),
    ("constant", None),
)
_PHOTOGRAPHS = Path(__file__).resolve().parent / "embedded" / "photographs"
_RECIPE = ("recipes", "scenes.yaml")


@dataclass(frozen=True, slots=True)
class DemoPaths:
    """What the demo makes below its folder."""

    out: Path

    @property
    def scenes(self) -> Path:
        """The offline benchmark."""
        return self.out / "scenes"

    @property
    def photographs(self) -> Path:
        """The dataset of real photographs."""
        return self.out / "photographs"

    def runs(self, dataset: str) -> Path:
        """The runs over a dataset."""
        return self.out / "runs" / dataset

    def report(self, dataset: str) -> Path:
        """The report on a dataset."""
        return self.out / "reports" / dataset


def run_demo(out: Path, console: Console, metering: Metering) -> dict[str, Any]:
    """Make everything that is not there yet and print both leaderboards; an interrupted demo goes on where it stopped.

    Args:
        out: Folder for datasets, runs and reports.
        console: Where the leaderboards go.
        metering: Makes a progress meter from a title and a unit.

    Returns:
        The results of both datasets by name.
    """
    paths = DemoPaths(out)
    recipe = Path(str(load_module("generation").__file__)).parent.joinpath(*_RECIPE)
    with metering("generate scenes", "rows") as update:
        load_module("generation.pipeline").generate(recipe, paths.scenes, progress=update)
    if not paths.photographs.exists():
        import_table(_PHOTOGRAPHS / "photographs.jsonl", _PHOTOGRAPHS / "images", paths.photographs)
    evaluations = {
        "scenes": _judged(paths, "scenes", [*((name, None) for name in EMBEDDED_JUDGES), *CONTROLS], metering),
        "photographs": _judged(paths, "photographs", [(name, None) for name in EMBEDDED_JUDGES], metering),
    }
    for name, evaluation in evaluations.items():
        for advice in write_report(evaluation, paths.report(name)):
            console.print(advice, highlight=False, soft_wrap=True)
        print_leaderboard(evaluation.results, console)
    console.print(_next_commands(paths), highlight=False, soft_wrap=True)
    return {name: evaluation.results for name, evaluation in evaluations.items()}


def _judged(paths: DemoPaths, name: str, judges: Sequence[tuple[str, str | None]], metering: Metering) -> Evaluation:
    dataset = Dataset.open(paths.out / name)
    for reference, control in judges:
        title = f"judge {name} with {reference}" + (f" ({control})" if control else "")
        with metering(title, "sentences") as update:
            run_judge(dataset, build_judge(reference), paths.runs(name), control=control, progress=update)
    return evaluation_of(dataset, paths.runs(name))


def _next_commands(paths: DemoPaths) -> str:
    scenes, runs = paths.scenes, paths.runs("scenes")
    return "\n".join(
        (
            "",
            f"reports: {paths.report('scenes')} and {paths.report('photographs')}",
            "next, with a model of your own (any CLIP of open_clip, any vision-language model of transformers):",
            f"  alignbench judge {scenes} --judge local_vlm:PATH_OR_ID --out {runs}",
            f"  alignbench evaluate {scenes} {runs} --out {paths.report('scenes')}",
            "and with pictures of your own (a table with the columns image and caption):",
            "  alignbench import table MY.csv --images FOLDER --out my-dataset",
            "  alignbench judge my-dataset --judge local_vlm:PATH_OR_ID --out my-runs",
        )
    )
