"""Calibrated evidence that tracks show one person, from all pairs of their observations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reid import Calibration, Embeddings
from reid.embeddings import Floats, prefix_lengths

from .errors import TrackerError
from .growing import with_room

Indices = NDArray[np.int64]

BLOCK = 1_000_000
"""Pairs of observations that are compared at once."""


class _Looks(NamedTuple):
    """Observations of a track: level counted from 0; `inverse` is one over the length of each
    prefix, ``float32 (N, m)``."""

    vectors: Floats
    level: Indices
    quality: Floats
    inverse: Floats


class Evidence:
    """Log-odds between tracks, which are meant by small numbers that the caller gives.

    The mean over all pairs of observations, weighed by quality, counts once for each independent
    look: the square root of the smaller number of observations, at most `witnesses`.

    Vectors are zero past their level, so one product over all dimensions is the product over the
    part that both fill; dividing by the lengths of that part gives the cosine.
    """

    def __init__(self, calibration: Calibration, witnesses: float) -> None:
        self._calibration, self._witnesses = calibration, witnesses
        self.sizes: tuple[int, ...] = ()
        self._looks: dict[int, _Looks] = {}
        self.top = np.zeros(0, np.int64)
        self._count = np.zeros(0, np.int64)
        self._means: list[Floats] = []

    def expect(self, parts: Iterable[Embeddings]) -> None:
        """Checks that observations are of one model, that which the first ones were of.

        Raises:
            TrackerError: when they come from models with other sub-vector sizes; then nothing
                changes.
        """
        sizes = self.sizes
        for part in parts:
            sizes = sizes or part.sizes
            if part.sizes != sizes:
                raise TrackerError(
                    f"tracks of two models, sub-vectors {sizes} and {part.sizes}: "
                    "embed all with one"
                )
        if not self.sizes:
            self.sizes = sizes
            self._means = [np.zeros((0, n), np.float32) for n in prefix_lengths(sizes)]

    def put(self, track: int, part: Embeddings) -> None:
        """Takes in the observations of a track, one or more of the model that is expected, or what
        they have become."""
        self.top, self._count = with_room(self.top, track + 1), with_room(self._count, track + 1)
        self._means = [with_room(means, track + 1) for means in self._means]
        level = part.levels.astype(np.int64) - 1
        looks = _Looks(part.vectors, level, part.quality, _inverse_norms(part))
        self._looks[track] = looks
        self.top[track], self._count[track] = level.max() + 1, len(part)
        for k, means in enumerate(self._means[: self.top[track]]):
            weight = (looks.quality + 1e-6) * (level >= k)
            scale = looks.inverse[:, k] * (weight / weight.sum())
            means[track] = scale.astype(np.float32) @ looks.vectors[:, : means.shape[1]]

    def drop(self, track: int) -> None:
        """Forgets a track."""
        del self._looks[track]
        self.top[track] = 0

    def between(self, a: Indices, b: Indices) -> NDArray[np.float64]:
        """Evidence of all pairs of tracks, in nats, ``(len(a), len(b))``."""
        step = max(1, BLOCK // int(self._count[a].max() * self._count[b].sum()))
        parts = [self._block(a[i : i + step], b) for i in range(0, len(a), step)]
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _block(self, a: Indices, b: Indices) -> NDArray[np.float64]:
        rows, columns = self._all(a), self._all(b)
        shared = np.minimum(rows.level[:, None], columns.level[None, :])
        scale = np.take_along_axis(rows.inverse, shared, axis=1)
        scale = scale * np.take_along_axis(columns.inverse, shared.T, axis=1).T
        distance = np.maximum(2 - 2 * (rows.vectors @ columns.vectors.T) * scale, 0)
        odds = self._calibration.log_odds(
            distance, (rows.level + 1).astype(np.int8), (columns.level + 1).astype(np.int8)
        )
        weight = rows.quality[:, None] * columns.quality[None, :] + 1e-6
        starts = [np.cumsum(self._count[s]) - self._count[s] for s in (a, b)]
        sums = [
            np.add.reduceat(np.add.reduceat(x, starts[0], axis=0), starts[1], axis=1)
            for x in (odds * weight, weight)
        ]
        return np.asarray(self.looks(a, b) * (sums[0] / sums[1]), np.float64)

    def looks(self, a: Indices, b: Indices) -> NDArray[np.float64]:
        """How many independent looks the pairs of tracks count for, ``(len(a), len(b))``."""
        fewer = np.minimum(self._count[a][:, None], self._count[b][None, :])
        return np.asarray(np.minimum(self._witnesses, np.sqrt(fewer)))

    def level(self, a: int, b: int) -> int:
        """Level of the best comparison between two tracks."""
        return int(min(self.top[a], self.top[b]))

    def means(self, level: int) -> Floats:
        """Mean of the unit prefixes at `level` of each track that fills it, over the observations
        that do, weighed by quality, ``float32 (tracks, d_1 + ... + d_level)``; the product of two
        means is the mean cosine of their observations' pairs."""
        return self._means[level - 1]

    def _all(self, tracks: Indices) -> _Looks:
        of = [self._looks[t] for t in tracks.tolist()]
        return of[0] if len(of) == 1 else _Looks(*map(np.concatenate, zip(*of, strict=True)))


def _inverse_norms(part: Embeddings) -> Floats:
    """One over the length of each prefix of each row, ``float32 (N, m)``."""
    edges = np.concatenate([[0], prefix_lengths(part.sizes)[:-1]])
    squares = np.cumsum(np.add.reduceat(part.vectors**2, edges, axis=1), axis=1)
    return np.asarray(1 / np.maximum(np.sqrt(squares), 1e-12), np.float32)
