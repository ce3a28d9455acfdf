"""How what is looked for is held against rows in memory: distances, then log-odds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid import Calibration, Embeddings

from .blocks import Segment, inverse_of

BEYOND_BOUND = 1e-9
"""Weight of the evidence beyond the calibration's bound: it orders what reaches the bound."""

Rows = NDArray[np.int64] | slice


@dataclass(frozen=True)
class Side:
    """What looks are when held against rows of one level.

    Args:
        compared: ``(R,)``, sub-vectors that are compared.
        parts: one a sub-vector, ``float32 (R_j, d_j)``: of the looks that fill it, scaled so that
            their compared prefix has length one.
        factor, offset, slope: ``(R,)``, log-odds are ``offset + factor * product``, where the row
            has length one, and less by `slope` where it is zero.
    """

    compared: NDArray[np.int64]
    parts: list[NDArray[np.float32]]
    factor: NDArray[np.float32]
    offset: NDArray[np.float32]
    slope: NDArray[np.float32]


class Evidence:
    """How some queries, each of one person, are held against rows.

    A row's evidence is the mean of its log-odds over the query's looks, weighted by their quality,
    each within the calibration's bound; beyond the bound it counts `BEYOND_BOUND`.

    Args:
        queries: at least one; each holds one or more looks of one person.

    Attributes:
        queries, looks: how many there are.
    """

    def __init__(self, queries: Sequence[Embeddings], calibration: Calibration) -> None:
        every = Embeddings.concatenate(queries)
        order = np.argsort(-every.levels, kind="stable")
        self._looks = every[order]
        self._owner = np.repeat(np.arange(len(queries)), [len(query) for query in queries])[order]
        self._weights = np.concatenate([weights_of(query) for query in queries])[order]
        self.queries, self.looks = len(queries), len(every)
        self._calibration = calibration
        parts = [self._parts(level) for level in range(1, self._looks.levels[0] + 1)]
        self._sides = [
            self._side(level, *parts[min(level, len(parts)) - 1])
            for level in range(1, len(every.sizes) + 1)
        ]

    def scores(self, segment: Segment, rows: Rows) -> NDArray[np.float64]:
        """The evidence of some rows of a segment for each query, nats: ``(queries, N)``."""
        from . import kernels

        side = self._sides[segment.level - 1]
        inverse = segment.inverse[:, rows]
        products = np.zeros((self.looks, inverse.shape[1]), np.float32)
        for part, block in zip(side.parts, segment.blocks, strict=False):
            kernels.add_products(block[rows].view(np.uint16), part, products[: len(part)])
        out = np.zeros((self.queries, inverse.shape[1]))
        kernels.weigh(
            products,
            side.compared,
            inverse,
            side.factor,
            side.offset,
            side.slope,
            self._calibration.bound,
            BEYOND_BOUND,
            self._owner,
            self._weights,
            out,
        )
        return out

    def _parts(self, level: int) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        """Of looks against rows of a level: one over the norm of each prefix, and `Side.parts`."""
        compared = np.minimum(self._looks.levels, level)
        borders = np.cumsum([0, *self._looks.sizes])
        inside = np.arange(borders[-1]) < borders[compared][:, None]
        prefix = np.where(inside, self._looks.vectors, 0)
        inverse = inverse_of(np.linalg.norm(prefix, axis=1))
        prefix *= inverse[:, None]
        return inverse, [
            np.ascontiguousarray(prefix[compared > k, borders[k] : borders[k + 1]])
            for k in range(compared[0])
        ]

    def _side(
        self, level: int, inverse: NDArray[np.float32], parts: list[NDArray[np.float32]]
    ) -> Side:
        levels = self._looks.levels.astype(np.int64)
        slope = self._calibration.slope[levels - 1, level - 1]
        intercept = self._calibration.intercept[levels - 1, level - 1]
        squared = np.float32(1) + (inverse > 0)
        compared = np.minimum(levels, level)
        return Side(compared, parts, np.float32(-2) * slope, intercept + slope * squared, slope)


def weights_of(query: Embeddings) -> NDArray[np.float64]:
    """What each look counts; they sum to one."""
    weights = query.quality.astype(np.float64)
    if weights.sum() <= 0:
        weights = np.ones(len(query))
    return weights / weights.sum()
