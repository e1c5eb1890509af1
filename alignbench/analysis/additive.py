"""Two-way additive fits: what a cell would be if nothing were at work but its row and its column."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from alignbench.metrics import BoolArray, FloatArray

_ZERO = 1e-9
"""What counts as 0 among eigenvalues and weights, whose natural size is 1."""


class Weights(NamedTuple):
    """How a contrast, freed of rows and columns, is made of cells; any of the leading axes may be missing.

    Attributes:
        weights: (..., J, P) so that the sum of weights times cells is the contrast of the cells minus the same
            contrast of what an additive fit predicts for them. Weights of cells that neither are in the contrast nor
            were fitted are 0, and so are the sums of the weights of every row and of every column.
        identified: (...,) whether the fitted cells say what every row and column of the contrast is; where they do
            not, the weights mean nothing.
    """

    weights: FloatArray
    identified: BoolArray


def additive_weights(contrast: FloatArray, fitted: BoolArray) -> Weights:
    """Solve for the weights by which cells make up a contrast of residuals of a least-squares fit row + column.

    The fit is linear in the cells, so the contrast is a weighted sum of them, and its influence by cluster is the
    same sum of their influences. With X the dummies of rows and columns of the fitted cells and c the contrast, the
    weights are c - X (X'X)^+ X'c; c has its estimate where X'c lies in the range of X'X.

    Args:
        contrast: (..., J, P) how much each residual counts; those of cells outside the fit, as a rule.
        fitted: (..., J, P) the cells that rows and columns are fitted to, each counting alike.
    """
    cells = fitted.astype(np.float64)
    gram, sums = _gram(cells), _sums(contrast)[..., None]
    effects = np.linalg.pinv(gram, _ZERO, hermitian=True) @ sums
    missed = np.abs(gram @ effects - sums).max(axis=(-2, -1))
    weights = contrast - cells * _crossed(effects[..., 0], contrast.shape[-2])
    return Weights(np.where(np.abs(weights) < _ZERO, 0.0, weights), np.asarray(missed < math.sqrt(_ZERO), np.bool_))


def interaction_weights(weights: FloatArray, cells: FloatArray, fitted: BoolArray) -> FloatArray | None:
    """The weights where the fit may bend as well: row + column + k * row * column, with one k for all cells.

    This is the one degree of freedom for non-additivity of Tukey (1949, Biometrics 5:232-242). The product of row and
    column is taken from the additive fit as given, so that the rest stays linear in the cells.

    Args:
        weights: (..., J, P) of identified contrasts, from `additive_weights`.
        cells: (J, P) finite where fitted.
        fitted: (J, P)

    Returns:
        (..., J, P), or null where the fitted cells leave nothing over to tell a bend from chance, or do not bend.
    """
    effects, df = _fit(cells, fitted)
    product = np.outer(effects[: cells.shape[0]], effects[cells.shape[0] :])
    bend = np.where(fitted, product - _crossed(_fit(product, fitted)[0], cells.shape[0]), 0.0)
    size = float(np.square(bend).sum())
    if df < 2 or size <= (_ZERO * np.abs(product).max()) ** 2:
        return None
    crossing = (weights * product).sum(axis=(-2, -1))
    return np.asarray(weights - crossing[..., None, None] * (bend / size), np.float64)


def residual_spread(cells: FloatArray, fitted: BoolArray) -> float | None:
    """The standard deviation of the residuals of an additive fit to the fitted cells, or null where it fits any cells.

    The sum of their squares is divided by the number of cells less the rank of the fit.

    Args:
        cells: (J, P) finite where fitted.
        fitted: (J, P)
    """
    effects, df = _fit(cells, fitted)
    if df < 1:
        return None
    residuals = (cells - _crossed(effects, cells.shape[0]))[fitted]
    return math.sqrt(float(np.square(residuals).sum()) / df)


def _fit(cells: FloatArray, fitted: BoolArray) -> tuple[FloatArray, int]:
    # The effects of rows and columns, (J + P,), and how many fitted cells are left over.
    gram = _gram(fitted.astype(np.float64))
    effects = np.linalg.pinv(gram, _ZERO, hermitian=True) @ _sums(np.where(fitted, cells, 0.0))
    return effects, int(fitted.sum()) - int(np.linalg.matrix_rank(gram, hermitian=True))


def _sums(cells: FloatArray) -> FloatArray:
    # (..., J + P): X'cells, the sums of rows and of columns.
    return np.concatenate([cells.sum(axis=-1), cells.sum(axis=-2)], axis=-1)


def _crossed(effects: FloatArray, n_rows: int) -> FloatArray:
    # (..., J, P): row + column of every cell.
    rows, columns = effects[..., :n_rows], effects[..., n_rows:]
    return rows[..., :, None] + columns[..., None, :]


def _gram(cells: FloatArray) -> FloatArray:
    # (..., J + P, J + P): X'X, how often each row and column, and both of each pair of them, are fitted.
    n_rows, n_columns = cells.shape[-2:]
    gram = np.zeros((*cells.shape[:-2], n_rows + n_columns, n_rows + n_columns))
    gram[..., :n_rows, n_rows:] = cells
    gram[..., n_rows:, :n_rows] = np.swapaxes(cells, -2, -1)
    places = np.arange(n_rows + n_columns)
    gram[..., places, places] = _sums(cells)
    return gram
