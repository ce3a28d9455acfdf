"""Calibrated evidence that tracks show one person, from all pairs of their observations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reid import Calibration, Embeddings
from reid.embeddings import Floats, prefix_lengths

from .errors import TrackerError

Indices = NDArray[np.int64]

BLOCK = 1_000_000
"""Pairs of observations that are compared at once."""


class Evidence:
    """Log-odds between tracks, which are meant by their place in `parts`.

    The mean over all pairs of observations, weighed by quality, counts once for each independent
    look: the square root of the smaller number of observations, at most `witnesses`.

    Vectors are zero past their level, so one product over all dimensions is the product over the
    part that both fill; dividing by the lengths of that part gives the cosine.

    Args:
        parts: the observations of each track, n of them, each with one row or more.

    Raises:
        TrackerError: when they come from models with other sub-vector sizes.
    """

    def __init__(
        self, parts: Sequence[Embeddings], calibration: Calibration, witnesses: float
    ) -> None:
        self._parts = parts
        self._calibration, self._witnesses = calibration, witnesses
        self.sizes = parts[0].sizes
        if other := next((p.sizes for p in parts if p.sizes != self.sizes), None):
            raise TrackerError(
                f"tracks of two models, sub-vectors {self.sizes} and {other}: embed all with one"
            )
        self.count = np.array([len(p) for p in parts], np.int64)
        self.top = np.array([p.levels.max() for p in parts], np.int64)
        self._start = np.concatenate([[0], np.cumsum(self.count)])
        self._level = np.concatenate([p.levels for p in parts]).astype(np.int64) - 1
        self._quality = np.concatenate([p.quality for p in parts])
        self._inverse = np.concatenate([_inverse_norms(p) for p in parts])

    def between(self, a: Indices, b: Indices) -> NDArray[np.float64]:
        """Evidence of all pairs of tracks, in nats, ``(len(a), len(b))``."""
        step = max(1, BLOCK // int(self.count[a].max() * self.count[b].sum()))
        parts = [self._block(a[i : i + step], b) for i in range(0, len(a), step)]
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _block(self, a: Indices, b: Indices) -> NDArray[np.float64]:
        rows, columns = self._rows(a), self._rows(b)
        product = self._vectors(a) @ self._vectors(b).T
        row_level, column_level = self._level[rows], self._level[columns]
        shared = np.minimum(row_level[:, None], column_level[None, :])
        scale = self._inverse[rows[:, None], shared] * self._inverse[columns[None, :], shared]
        distance = np.maximum(2 - 2 * product * scale, 0)
        table = self._calibration
        odds = table.log_odds(
            distance, (row_level + 1).astype(np.int8), (column_level + 1).astype(np.int8)
        )
        weight = self._quality[rows][:, None] * self._quality[columns][None, :] + 1e-6
        starts = [np.cumsum(self.count[s]) - self.count[s] for s in (a, b)]
        sums = [
            np.add.reduceat(np.add.reduceat(x, starts[0], axis=0), starts[1], axis=1)
            for x in (odds * weight, weight)
        ]
        fewer = np.minimum(self.count[a][:, None], self.count[b][None, :])
        looks = np.minimum(self._witnesses, np.sqrt(fewer))
        return np.asarray(looks * (sums[0] / sums[1]), np.float64)

    def level(self, a: int, b: int) -> int:
        """Level of the best comparison between two tracks."""
        return int(min(self.top[a], self.top[b]))

    def means(self, tracks: Indices, level: int) -> Floats:
        """Mean of the unit prefixes at `level` of each track, over the observations that fill it,
        weighed by quality, ``float32 (len(tracks), d_1 + ... + d_level)``; the product of two
        means is the mean cosine of their observations' pairs."""
        length = int(prefix_lengths(self.sizes)[level - 1])
        out = np.empty((len(tracks), length), np.float32)
        for i, t in enumerate(tracks):
            rows = slice(self._start[t], self._start[t + 1])
            weight = (self._quality[rows] + 1e-6) * (self._level[rows] >= level - 1)
            scale = self._inverse[rows, level - 1] * (weight / weight.sum())
            out[i] = scale.astype(np.float32) @ self._parts[t].vectors[:, :length]
        return out

    def _vectors(self, tracks: Indices) -> Floats:
        return np.concatenate([self._parts[t].vectors for t in tracks])

    def _rows(self, tracks: Indices) -> Indices:
        counts = self.count[tracks]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.asarray(np.repeat(self._start[tracks], counts) + within, np.int64)


def _inverse_norms(part: Embeddings) -> Floats:
    """One over the length of each prefix of each row, ``float32 (N, m)``."""
    edges = np.concatenate([[0], prefix_lengths(part.sizes)[:-1]])
    squares = np.cumsum(np.add.reduceat(part.vectors**2, edges, axis=1), axis=1)
    return np.asarray(1 / np.maximum(np.sqrt(squares), 1e-12), np.float32)
