"""How good tracks are against truth: HOTA, CLEAR MOT and identity measures.

HOTA is of Luiten et al. (IJCV 2021), CLEAR MOT of Bernardin and Stiefelhagen (2008), IDF1 of
Ristani et al. (ECCV workshops 2016); figures agree with TrackEval's to its printed digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from .association import assign, overlap
from .table import BoxTable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ALPHAS = np.arange(1, 20) / 20
"""Least overlaps at which HOTA is measured."""
IOU = 0.5
"""Least overlap of CLEAR MOT and of the identity measures."""
TOLERANCE = np.finfo(float).eps


@dataclass(frozen=True)
class TrackScore:
    """Counts over one or more sequences, from which the measures come; add them to combine.

    Args:
        true, found: boxes of the truth and of the tracks.
        detected: ``(19,)`` matched boxes at each of `ALPHAS`.
        associated: ``(19,)`` sum over those of how far their two tracks are the same, 0..1.
        matched, switches: matched boxes and changes of identity of CLEAR MOT.
        identified: boxes that the best one-to-one mapping of ids gets right.
    """

    true: int = 0
    found: int = 0
    detected: Floats = field(default_factory=lambda: np.zeros(len(ALPHAS)))
    associated: Floats = field(default_factory=lambda: np.zeros(len(ALPHAS)))
    matched: int = 0
    switches: int = 0
    identified: int = 0

    def __add__(self, other: TrackScore) -> TrackScore:
        return TrackScore(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(TrackScore))
        )

    @property
    def deta(self) -> float:
        """Detection accuracy of HOTA, 0..1."""
        return float(self._detection().mean())

    @property
    def assa(self) -> float:
        """Association accuracy of HOTA, 0..1."""
        return float(self._association().mean())

    @property
    def hota(self) -> float:
        """Geometric mean of both at each overlap, averaged, 0..1."""
        return float(np.sqrt(self._detection() * self._association()).mean())

    @property
    def mota(self) -> float:
        """1 less misses, false boxes and switches a true box; at most 1, may be negative."""
        errors = self.true + self.found - 2 * self.matched + self.switches
        return 1 - errors / self.true if self.true else 0.0

    @property
    def idf1(self) -> float:
        """``2 identified / (true + found)``, 0..1."""
        return 2 * self.identified / max(1, self.true + self.found)

    def _detection(self) -> Floats:
        return self.detected / np.maximum(1, self.true + self.found - self.detected)

    def _association(self) -> Floats:
        return self.associated / np.maximum(1, self.detected)


def score_tracks(truth: BoxTable, found: BoxTable) -> TrackScore:
    """Holds the tracks of one sequence against its truth; no id may be twice in a frame."""
    sequence = _Sequence(truth, found)
    detected, associated = sequence.hota()
    matched, switches = sequence.clear()
    return TrackScore(
        len(truth),
        len(found),
        detected,
        associated,
        matched,
        switches,
        best_mapping(sequence.together()),
    )


def best_mapping(together: NDArray[np.floating]) -> int:
    """Boxes that the best one-to-one mapping of ids gets right.

    Args:
        together: ``(T, F)``, frames in which the boxes of a true and of a found id match.
    """
    rows, columns = assign(together, 0.5)
    return int(together[rows, columns].sum())


class _Sequence:
    """Overlaps of a sequence frame by frame, with ids counted from 0."""

    def __init__(self, truth: BoxTable, found: BoxTable) -> None:
        self._true_ids, self._true_count = _counted(truth.ids)
        self._found_ids, self._found_count = _counted(found.ids)
        frames = np.intersect1d(truth.frames, found.frames)
        rows, columns = _rows_of(truth.frames, frames), _rows_of(found.frames, frames)
        self._frames = [
            (
                self._true_ids[row],
                self._found_ids[column],
                overlap(truth.boxes[row], found.boxes[column]),
            )
            for row, column in zip(rows, columns, strict=True)
        ]

    def hota(self) -> tuple[Floats, Floats]:
        """Matched boxes and their associations at each of `ALPHAS`."""
        potential = self._zeros()
        for true, found, iou in self._frames:
            union = iou.sum(0)[None, :] + iou.sum(1)[:, None] - iou
            potential[np.ix_(true, found)] += iou / np.maximum(union, TOLERANCE)
        both = self._true_count[:, None] + self._found_count[None, :]
        alignment = potential / (both - potential)
        matches = np.zeros((len(ALPHAS), *both.shape))
        for true, found, iou in self._frames:
            rows, columns = assign(alignment[np.ix_(true, found)] * iou, TOLERANCE)
            enough = iou[rows, columns] >= ALPHAS[:, None] - TOLERANCE
            matches[:, true[rows], found[columns]] += enough
        return matches.sum((1, 2)), (matches**2 / np.maximum(1, both - matches)).sum((1, 2))

    def clear(self) -> tuple[int, int]:
        """Matched boxes and switches; a pair of the frame before stays together if it can."""
        matched = switches = 0
        before, ever = (np.full(len(self._true_count), -1) for _ in range(2))
        for true, found, iou in self._frames:
            enough = iou >= IOU - TOLERANCE
            kept = before[true][:, None] == found[None, :]
            rows, columns = assign(np.where(enough, iou + 1000 * kept, 0), TOLERANCE)
            who, by = true[rows], found[columns]
            matched += len(who)
            switches += int(((ever[who] >= 0) & (ever[who] != by)).sum())
            ever[who] = by
            before[:] = -1
            before[who] = by
        return matched, switches

    def together(self) -> Floats:
        """``(T, F)``, frames in which a true and a found id overlap enough."""
        counts = self._zeros()
        for true, found, iou in self._frames:
            counts[np.ix_(true, found)] += iou >= IOU
        return counts

    def _zeros(self) -> Floats:
        return np.zeros((len(self._true_count), len(self._found_count)))


def _counted(ids: Ints) -> tuple[Ints, Floats]:
    """Ids counted from 0, and how often each occurs."""
    _, index, counts = np.unique(ids, return_inverse=True, return_counts=True)
    return index.reshape(-1).astype(np.int64), counts.astype(np.float64)


def _rows_of(frames: Ints, wanted: Ints) -> Iterator[Ints]:
    """Rows of each wanted frame, in the order in which they stand."""
    order = np.argsort(frames, kind="stable")
    first = np.searchsorted(frames[order], wanted, "left")
    last = np.searchsorted(frames[order], wanted, "right")
    return (order[a:b] for a, b in zip(first, last, strict=True))
