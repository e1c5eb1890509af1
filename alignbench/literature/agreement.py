"""Whether judges that do well here do well elsewhere: their macro AUROC against what others measured of them."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from alignbench.analysis.correlation import correlations
from alignbench.errors import ImportFileError
from alignbench.literature.score_table import ScoreTable
from alignbench.literature.tables import ReferenceTable
from alignbench.metrics import FloatArray
from alignbench.registry import published

Json = Mapping[str, Any]

_NEAREST = 3


class Standing(NamedTuple):
    """A judge with a macro AUROC.

    Attributes:
        name: For people.
        auroc: Or null.
        published: Whether it comes from a published table, and was not run here.
        expected: Whether to say so where the score table lacks it.
    """

    name: str
    auroc: float | None
    published: bool
    expected: bool


def agreement(
    results: Json, scores: ScoreTable, path: Path, reference: ReferenceTable | None, seed: int
) -> dict[str, Any]:
    """Correlate each column of a score table with the judges' macro AUROC.

    A line of the table is of a judge of ours where the names are equal but for case and signs, else of a published
    judge by the name of its row with its size, or by the name that `alignbench list judges` gives it.

    Args:
        results: What results.json says.
        scores: What others measured.
        path: Where that was read, for errors.
        reference: A published table whose judges take part, by its own averages, or null.
        seed: Of the permutation tests.

    Returns:
        `{"correlations": [{"column", "n", "spearman": {"value", "low", "high", "reason", "p"}, "kendall", "pearson",
        "judges": [{"name", "auroc", "score", "published"}]}], "not_in_report": [{"name", "nearest"}], "not_in_scores":
        [{"name", "nearest"}], "without_auroc": [name], "says": [str]}`, the nearest being those without a partner.

    Raises:
        ImportFileError: Two lines are of one judge.
    """
    own = [
        Standing(each["name"], each["auroc"]["value"], published=False, expected=each["control"] is None)
        for each in results["judges"]
    ]
    others = [] if reference is None else _published(reference)
    names = _names(own, others, reference)
    found = _matched(scores, names, path)
    known = [measured for measured in found if measured is not None]
    free = [each for each in (*own, *others) if each not in known]
    lacking = [each.name for each in free if each.expected]
    unknown = [judge for judge, measured in zip(scores.judges, found, strict=True) if measured is None]
    return {
        "correlations": [
            _correlated(column, scores.values[:, place], found, seed) for place, column in enumerate(scores.columns)
        ],
        "not_in_report": _with_nearest(unknown, [each.name for each in free]),
        "not_in_scores": _with_nearest(lacking, unknown),
        "without_auroc": [each.name for each in known if each.auroc is None],
        "says": list(_says(results, reference)),
    }


def _published(reference: ReferenceTable) -> list[Standing]:
    return [Standing(row.label, row.average, published=True, expected=False) for row in reference.judges]


def _names(
    own: Sequence[Standing], others: Sequence[Standing], reference: ReferenceTable | None
) -> dict[str, Standing]:
    """Whom a name means; later ones win."""
    plain = Counter(_plain(each.name) for each in own)
    return {
        **({} if reference is None else _aliases(reference, others)),
        **{_plain(each.name): each for each in others},
        **{_plain(each.name): each for each in own if plain[_plain(each.name)] == 1},
        **{each.name: each for each in own},
    }


def _aliases(reference: ReferenceTable, others: Sequence[Standing]) -> dict[str, Standing]:
    row_of = {(row.name, row.parameters): each for row, each in zip(reference.judges, others, strict=True)}
    return {
        _plain(judge.name): row_of[row.judge, row.parameters]
        for judge in published().values()
        for row in judge.measured
        if row.table == f"arXiv {reference.arxiv}" and (row.judge, row.parameters) in row_of
    }


def _plain(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum()) or name


def _matched(scores: ScoreTable, names: Mapping[str, Standing], path: Path) -> list[Standing | None]:
    found = [names.get(judge, names.get(_plain(judge))) for judge in scores.judges]
    twice = [each for each, count in Counter(found).items() if each is not None and count > 1]
    if twice:
        lines = [judge for judge, each in zip(scores.judges, found, strict=True) if each == twice[0]]
        raise ImportFileError(f"{path}: the lines {', '.join(lines)} are all of the judge {twice[0].name}; keep one")
    return found


def _correlated(column: str, values: FloatArray, found: Sequence[Standing | None], seed: int) -> dict[str, Any]:
    pairs = [
        (each, score)
        for each, score in zip(found, values.tolist(), strict=True)
        if each is not None and each.auroc is not None and not np.isnan(score)
    ]
    auroc = np.array([each.auroc for each, _ in pairs], np.float64)
    said = correlations(auroc, np.array([score for _, score in pairs], np.float64), seed)
    return {
        "column": column,
        "n": said.n,
        "spearman": said.spearman._asdict() | {"p": said.p},
        "kendall": said.kendall._asdict(),
        "pearson": said.pearson._asdict(),
        "judges": [
            {"name": each.name, "auroc": each.auroc, "score": score, "published": each.published}
            for each, score in sorted(pairs, key=lambda pair: -(pair[0].auroc or 0))
        ],
    }


def _with_nearest(names: Iterable[str], known: Sequence[str]) -> list[dict[str, Any]]:
    near: dict[str, list[str]] = {}
    for name in known:
        near.setdefault(_plain(name), []).append(name)
    return [
        {
            "name": name,
            "nearest": [
                each
                for plain in difflib.get_close_matches(_plain(name), near, n=_NEAREST, cutoff=0.6)
                for each in near[plain]
            ],
        }
        for name in names
    ]


def _says(results: Json, reference: ReferenceTable | None) -> Iterable[str]:
    yield (
        "the intervals take judges for a random sample of judges such as these, and the AUROCs for exact; "
        "a correlation over a handful of judges says little"
    )
    if reference is None:
        return
    yield f"published judges take part by the average of {reference.title} (arXiv {reference.arxiv}), not run here"
    counted = {name for name, size in results["dataset"]["producers"].items() if size["in_macro"]}
    if counted != set(reference.producers) and results["judges"]:
        yield "own judges' AUROC is a mean over other producers than that of the published ones: the two may differ"
