"""Judges crossed with producers: for every cell its AUROC, its mean ranks, and whether it is the judge's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alignbench.cells import comparable
from alignbench.clustered import mean_influence
from alignbench.families import Families
from alignbench.metrics import BoolArray, FloatArray, normalised_ranks
from alignbench.panel import Panel
from alignbench.scored import Scored
from alignbench.types import ModelRef


class Contender(NamedTuple):
    """A judge whose preferences are asked for: no blind control and no ensemble.

    Attributes:
        name: For people.
        model: What it is.
        score: (n,) of the sentences of the panel, NaN where missing.
        scored: Its AUROC of each producer.
    """

    name: str
    model: ModelRef
    score: FloatArray
    scored: Scored


class Ground(NamedTuple):
    """What a number rests on: so many clusters and so many sentences."""

    clusters: int
    n: int


@dataclass(frozen=True, slots=True)
class Crossed:
    """J judges by P producers.

    Attributes:
        contenders: The judges.
        panel: What they judged.
        ranks: Of each judge the normalised ranks of the scores that it gave.
        kinship: (J, P) a `Kinship` where a producer is the judge's own, else empty.
        usable: (J, P) the cells with enough scored sentences of each class.
        aurocs: (J, P) NaN where undefined.
        incorrect: (J, P) the mean normalised rank of incorrect sentences, NaN where there are none.
        lenience: (J, P) that less the mean normalised rank of correct sentences.
    """

    contenders: Sequence[Contender]
    panel: Panel
    ranks: Sequence[FloatArray]
    kinship: NDArray[np.str_]
    usable: BoolArray
    aurocs: FloatArray
    incorrect: FloatArray
    lenience: FloatArray

    def numbers(self, values: FloatArray) -> dict[str, dict[str, float | None]]:
        """(J, P) values by name of judge and producer, NaN as null."""
        cells = [[None if np.isnan(value) else float(value) for value in row] for row in values]
        return {
            one.name: dict(zip(self.panel.producers, row, strict=True))
            for one, row in zip(self.contenders, cells, strict=True)
        }

    def words(self, words: NDArray[np.str_]) -> dict[str, dict[str, str]]:
        """(J, P) words by name of judge and producer, empty ones left out."""
        return {
            one.name: {producer: str(word) for producer, word in zip(self.panel.producers, row, strict=True) if word}
            for one, row in zip(self.contenders, words, strict=True)
        }

    def influences(self, weights: FloatArray) -> FloatArray:
        """How much each cluster moves weighted sums of cells, the ranks taken as given.

        Args:
            weights: (e, J, P) of each sum; 0 where a cell is not usable.

        Returns:
            (2, e, m) of the sums of AUROCs and of leniences; NaN where one cluster holds a whole class of a cell.
        """
        n_clusters = self.panel.stratum.size
        influences = np.zeros((2, len(weights), n_clusters))
        for judge, producer in np.argwhere(weights.any(axis=0)).tolist():
            weight = weights[:, judge, producer]
            moved = weight != 0
            contender, ranks = self.contenders[judge], self.ranks[judge]
            cluster, cells = self.panel.cluster[~np.isnan(contender.score)], contender.scored.cells
            correct, incorrect = (
                mean_influence(ranks[rows], cluster[rows], n_clusters)
                for rows in (cells.correct_in(producer), cells.incorrect_in(producer))
            )
            influences[0, moved] += np.outer(weight[moved], contender.scored.influence([producer]))
            influences[1, moved] += np.outer(weight[moved], incorrect - correct)
        return influences

    def ground(self, cells: BoolArray) -> Ground:
        """What the (J, P) cells, at least one, rest on.

        The clusters are those that hold the rarer class of a judge's cells, of the judge with the fewest of them; the
        sentences are those of all.
        """
        clusters, n = [], 0
        for judge in np.flatnonzero(cells.any(axis=1)).tolist():
            scored, chosen = self.contenders[judge].scored, np.flatnonzero(cells[judge])
            clusters.append(scored.support(chosen.tolist()).distinct)
            n += int((scored.cells.n_correct() + scored.cells.n_incorrect())[chosen].sum())
        return Ground(min(clusters), n)


def crossed(contenders: Sequence[Contender], panel: Panel, families: Families) -> Crossed:
    """Measure every cell."""
    shape = (len(contenders), len(panel.producers))
    ranks = [normalised_ranks(each.score)[~np.isnan(each.score)] for each in contenders]
    correct, incorrect = np.full(shape, np.nan), np.full(shape, np.nan)
    for judge, producer in np.ndindex(shape):
        cells = contenders[judge].scored.cells
        for means, rows in ((correct, cells.correct_in(producer)), (incorrect, cells.incorrect_in(producer))):
            if rows.size:
                means[judge, producer] = ranks[judge][rows].mean()
    kinship = [[families.kinship(each.model, model) or "" for model in panel.models] for each in contenders]
    return Crossed(
        contenders,
        panel,
        ranks,
        np.array(kinship, np.str_).reshape(shape),
        np.array([comparable(each.scored.cells) for each in contenders], np.bool_).reshape(shape),
        np.array([each.scored.aurocs for each in contenders], np.float64).reshape(shape),
        incorrect,
        incorrect - correct,
    )
