"""Boxes of one camera as columns: what MOTChallenge text holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class BoxTable:
    """Boxes with the frame and the track that they belong to, a row each.

    Args:
        frames, ids: ``int64 (N,)``. boxes: ``float64 (N, 4)`` x, y, w, h in pixels.
        scores: ``float64 (N,)`` of the detector, 0 where no detection was.
    """

    frames: NDArray[np.int64]
    ids: NDArray[np.int64]
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]

    @classmethod
    def joined(cls, tables: Iterable[BoxTable]) -> BoxTable:
        """The rows of one table after the other."""
        none = cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0))
        columns = zip(none._columns(), *(t._columns() for t in tables), strict=True)
        return cls(*(np.concatenate(parts) for parts in columns))

    def __getitem__(self, rows: NDArray[np.generic]) -> BoxTable:
        return BoxTable(*(column[rows] for column in self._columns()))

    def __len__(self) -> int:
        return len(self.frames)

    def _columns(self) -> tuple[NDArray[np.generic], ...]:
        return self.frames, self.ids, self.boxes, self.scores
