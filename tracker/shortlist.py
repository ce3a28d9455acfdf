"""Which pairs of tracks are worth a look at all their observations, and who looks like whom."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reid import Calibration

from .constraints import Conflicts, Indices
from .evidence import Evidence

ROWS, COLUMNS = 1024, 4096
"""Tracks in one block of the search: its scores take 16 MB."""

RIVALS = slice(8, 32)
"""Ranks of the partners that tell how common a track's looks are; the first are left out, since
they may be of the same person."""


def shortlist(
    tracks: Indices, evidence: Evidence, conflicts: Conflicts, calibration: Calibration, most: int
) -> tuple[Indices, Indices, NDArray[np.float64]]:
    """The `most` likeliest others of some tracks that the constraints allow, by exact search.

    A track stands for itself with the mean of its observations; two of them are compared at the
    lower of their highest levels, and the calibration of these levels puts all on one scale.

    Args:
        tracks: whose partners among all are wanted, in ascending order.

    Returns:
        i and j of the pairs, i < j, in ascending order; each is among the likeliest of i or of j.
        For each of `tracks`, the mean log-odds of its `RIVALS`, in nats; where it has too few
        partners, the absent ones count as the least likely. It is no more than chance gives among n
        tracks if the evidence is calibrated (x nats or more come by chance once in e^x pairs of
        people): what lies above are tracks of one person who comes by often.
    """
    n = int((evidence.top > 0).sum())
    nearest = _Nearest(tracks, max(min(most, n - 1), 1), conflicts)
    for level in range(1, len(evidence.sizes) + 1):
        _search(level, tracks, evidence, calibration, nearest)
    chance = np.log(2 * n / (RIVALS.start + RIVALS.stop))
    return *nearest.pairs(), np.minimum(nearest.rivals(calibration.bound), chance)


def _search(
    level: int, tracks: Indices, evidence: Evidence, calibration: Calibration, nearest: _Nearest
) -> None:
    """All pairs whose lower highest level is `level`."""
    means = evidence.means(level)
    for a in range(level, len(evidence.sizes) + 1):
        places = np.flatnonzero(evidence.top[tracks] == a)
        if not len(places):
            continue
        for b in range(level, len(evidence.sizes) + 1) if a == level else (level,):
            columns = np.flatnonzero(evidence.top == b)
            slope = calibration.slope[a - 1, b - 1]
            offset = float(calibration.intercept[a - 1, b - 1] + 2 * slope)
            for some in _slices(places, ROWS):
                left = means[tracks[some]] * (-2 * slope)
                for others in _slices(columns, COLUMNS):
                    nearest.add(some, others, left @ means[others].T, offset)


def _slices(indices: Indices, size: int) -> Iterator[Indices]:
    return (indices[i : i + size] for i in range(0, len(indices), size))


class _Nearest:
    """The `most` best allowed partners of each of some tracks so far, best first."""

    def __init__(self, tracks: Indices, most: int, conflicts: Conflicts) -> None:
        self._tracks, self._most, self._conflicts = tracks, most, conflicts
        self._score = np.full((len(tracks), most), -np.inf, np.float32)
        self._partner = np.full((len(tracks), most), -1, np.int64)

    def add(
        self, places: Indices, columns: Indices, score: NDArray[np.float32], offset: float
    ) -> None:
        """Takes in the pairs of a block; `score` plus `offset` is their log-odds.

        Rows that have their number of partners take only what beats the worst of them, so that
        all but the first blocks cost one comparison a pair.

        Args:
            places: of the rows' tracks. columns: tracks.
        """
        rows = self._tracks[places]
        needed = self._score[places, -1] - offset
        for r in np.flatnonzero(np.isneginf(needed)):
            score[r, self._conflicts.between(rows[r], columns)] = -np.inf
            if len(columns) > self._most:
                needed[r] = np.nextafter(np.partition(score[r], -self._most)[-self._most], -np.inf)
        hits = np.flatnonzero(score > needed[:, None])
        row, column = np.divmod(hits, len(columns))
        free = ~self._conflicts.between(rows[row], columns[column])
        row, column = row[free], column[free]
        self._merge(places[row], columns[column], score[row, column] + np.float32(offset))

    def _merge(self, places: Indices, partners: Indices, score: NDArray[np.float32]) -> None:
        touched = np.unique(places)
        places = np.concatenate([np.repeat(touched, self._most), places])
        partners = np.concatenate([self._partner[touched].ravel(), partners])
        score = np.concatenate([self._score[touched].ravel(), score])
        order = np.lexsort((partners, -score, places))
        places, partners, score = places[order], partners[order], score[order]
        rank = np.arange(len(places)) - np.searchsorted(places, places)
        kept = rank < self._most
        self._score[places[kept], rank[kept]] = score[kept]
        self._partner[places[kept], rank[kept]] = partners[kept]

    def pairs(self) -> tuple[Indices, Indices]:
        """All pairs kept, each once, (i, j) with i < j."""
        place, rank = np.nonzero(self._partner >= 0)
        i, j = self._tracks[place], self._partner[place, rank]
        base = int(max(i.max(initial=0), j.max(initial=0))) + 1
        low, high = np.divmod(np.unique(np.minimum(i, j) * base + np.maximum(i, j)), base)
        return low, high

    def rivals(self, bound: float) -> NDArray[np.float64]:
        """Mean log-odds of the partners of ranks `RIVALS`, each within ``-bound..bound``."""
        odds = np.full((len(self._score), RIVALS.stop), -bound, np.float64)
        width = min(RIVALS.stop, self._most)
        odds[:, :width] = np.clip(self._score[:, :width], -bound, bound)
        return np.asarray(odds[:, RIVALS].mean(axis=1))
