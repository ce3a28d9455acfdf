"""Which pairs of tracks are worth a look at all their observations, and who looks like whom."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reid import Calibration

from .constraints import Conflicts, Indices
from .evidence import Evidence
from .growing import with_room

ROWS, COLUMNS = 1024, 4096
"""Tracks in one block of the search: its scores take 16 MB."""

RIVALS = slice(8, 32)
"""Ranks of the partners that tell how common a track's looks are; the first are left out, since
they may be of the same person."""


class Shortlist:
    """Each track's `most` likeliest others that the constraints allow, by exact search.

    A track stands for itself with the mean of its observations; two of them are compared at the
    lower of their highest levels, and the calibration of these levels puts all on one scale.

    Args:
        among: how many tracks there are in all, if more than it is given.
    """

    def __init__(
        self,
        evidence: Evidence,
        conflicts: Conflicts,
        calibration: Calibration,
        most: int,
        among: int = 0,
    ) -> None:
        self._evidence, self._conflicts = evidence, conflicts
        self._calibration, self._most, self._among = calibration, most, among
        self._score = np.zeros((0, most), np.float32)
        self._partner = np.zeros((0, most), np.int32)
        self._common = np.zeros(0)
        self._tracks = 0

    def look(self, fresh: Indices) -> tuple[Indices, Indices, Indices]:
        """Looks for the partners of fresh tracks among all, and for theirs among the fresh ones.

        Args:
            fresh: tracks that are new or changed, in ascending order.

        Returns:
            i and j of the pairs with a fresh track, i < j, in ascending order; each is among the
            likeliest of i or of j. All tracks whose list changed.
        """
        n = int(fresh.max()) + 1
        self._score, self._partner = with_room(self._score, n), with_room(self._partner, n)
        self._common = with_room(self._common, n)
        self._score[fresh], self._partner[fresh] = -np.inf, -1
        self._tracks = int((self._evidence.top > 0).sum())
        old = np.ones(len(self._evidence.top), bool)
        old[fresh] = False
        changed = set(fresh.tolist())
        for level in range(1, len(self._evidence.sizes) + 1):
            for rows, columns, score, offset in self._blocks(level, fresh):
                known = old[columns]
                if known.any():
                    turned = np.ascontiguousarray(score[:, known].T)
                    changed |= self._add(columns[known], rows, turned, offset)
                self._add(rows, columns, score, offset)
        touched = np.array(sorted(changed), np.int64)
        self._common[touched] = self._rivals(touched)
        return *self._pairs(touched, old), touched

    def drop(self, tracks: Indices) -> None:
        """Takes tracks out of the lists of others; their places are free for tracks that come, and
        how common a track's looks are stays as it was until its list changes again."""
        rows = np.flatnonzero(np.isin(self._partner, tracks).any(axis=1))
        gone = np.isin(self._partner[rows], tracks)
        score = np.where(gone, -np.inf, self._score[rows])
        order = np.argsort(-score, axis=1, kind="stable")
        self._score[rows] = np.take_along_axis(score, order, axis=1)
        partner = np.where(gone, -1, self._partner[rows])
        self._partner[rows] = np.take_along_axis(partner, order, axis=1)

    def rivals(self, tracks: Indices) -> NDArray[np.float64]:
        """How common the looks of tracks are: mean log-odds of their `RIVALS`, in nats; where there
        are too few, the absent ones count as the least likely.

        It is no more than chance gives among n tracks if the evidence is calibrated (x nats or more
        come by chance once in e^x pairs of people): what lies above are tracks of one person who
        comes by often.
        """
        chance = np.log(2 * max(self._tracks, self._among) / (RIVALS.start + RIVALS.stop))
        return np.asarray(np.minimum(self._common[tracks], chance))

    def _blocks(
        self, level: int, fresh: Indices
    ) -> Iterator[tuple[Indices, Indices, NDArray[np.float32], float]]:
        """Blocks of the pairs whose lower highest level is `level`: rows, columns, and scores that
        with an offset are log-odds."""
        top, means = self._evidence.top, self._evidence.means(level)
        for a in range(level, len(self._evidence.sizes) + 1):
            rows = fresh[top[fresh] == a]
            if not len(rows):
                continue
            for b in range(level, len(self._evidence.sizes) + 1) if a == level else (level,):
                columns = np.flatnonzero(top == b)
                slope = self._calibration.slope[a - 1, b - 1]
                offset = float(self._calibration.intercept[a - 1, b - 1] + 2 * slope)
                for some in _slices(rows, ROWS):
                    left = means[some] * (-2 * slope)
                    for others in _slices(columns, COLUMNS):
                        yield some, others, left @ means[others].T, offset

    def _add(
        self, rows: Indices, columns: Indices, score: NDArray[np.float32], offset: float
    ) -> set[int]:
        """Takes in the pairs of a block; returns the rows whose list changed.

        Rows that have their number of partners take only what beats the worst of them, so that
        all but the first blocks cost one comparison a pair.
        """
        needed = self._score[rows, -1] - offset
        for r in np.flatnonzero(np.isneginf(needed)):
            score[r, self._conflicts.between(rows[r], columns)] = -np.inf
            if len(columns) > self._most:
                needed[r] = np.nextafter(np.partition(score[r], -self._most)[-self._most], -np.inf)
        row, column = np.divmod(np.flatnonzero(score > needed[:, None]), len(columns))
        free = ~self._conflicts.between(rows[row], columns[column])
        row, column = row[free], column[free]
        self._merge(rows[row], columns[column], score[row, column] + np.float32(offset))
        return set(rows[np.unique(row)].tolist())

    def _merge(self, rows: Indices, partners: Indices, score: NDArray[np.float32]) -> None:
        touched = np.unique(rows)
        rows = np.concatenate([np.repeat(touched, self._most), rows])
        partners = np.concatenate([self._partner[touched].ravel(), partners])
        score = np.concatenate([self._score[touched].ravel(), score])
        order = np.lexsort((partners, -score, rows))
        rows, partners, score = rows[order], partners[order], score[order]
        rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
        kept = rank < self._most
        self._score[rows[kept], rank[kept]] = score[kept]
        self._partner[rows[kept], rank[kept]] = partners[kept]

    def _pairs(self, touched: Indices, old: NDArray[np.bool_]) -> tuple[Indices, Indices]:
        """Pairs of a track and one of its partners, not both of them old, each once."""
        place, rank = np.nonzero(self._partner[touched] >= 0)
        i, j = touched[place], self._partner[touched[place], rank].astype(np.int64)
        new = ~(old[i] & old[j])
        i, j = i[new], j[new]
        base = int(max(i.max(initial=0), j.max(initial=0))) + 1
        low, high = np.divmod(np.unique(np.minimum(i, j) * base + np.maximum(i, j)), base)
        return low, high

    def _rivals(self, tracks: Indices) -> NDArray[np.float64]:
        """Mean log-odds of the partners of ranks `RIVALS`, each within ``-bound..bound``; of a part
        of the tracks, what these ranks would have among all if it is chance that makes them."""
        bound = self._calibration.bound
        odds = np.full((len(tracks), RIVALS.stop), -bound, np.float64)
        width = min(RIVALS.stop, self._most)
        odds[:, :width] = np.clip(self._score[tracks, :width], -bound, bound)
        if self._among <= self._tracks:
            return np.asarray(odds[:, RIVALS].mean(axis=1))
        last = min(RIVALS.stop, self._tracks - 1)
        if last <= RIVALS.start:
            return np.full(len(tracks), np.inf)
        rarer = self._tracks / self._among * (RIVALS.start + RIVALS.stop) / (RIVALS.start + last)
        return np.asarray(odds[:, RIVALS.start : last].mean(axis=1) - np.log(rarer))


def _slices(indices: Indices, size: int) -> Iterator[Indices]:
    return (indices[i : i + size] for i in range(0, len(indices), size))
