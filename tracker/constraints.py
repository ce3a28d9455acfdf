"""What one person cannot do: be twice in one camera at a time, or walk too fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .tracklet import Tracklet

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Constraints:
    """What the site says about its cameras.

    Args:
        overlapping: pairs of cameras that may see a person at the same moment, all others may not;
            None where nobody says which views overlap, so that any may.
        travel: least seconds from one camera to another, by unordered pair.
    """

    overlapping: frozenset[frozenset[str]] | None = None
    travel: Mapping[frozenset[str], float] = field(default_factory=dict)

    def least_gap(self, a: str, b: str) -> float:
        """Least seconds between a person's tracks in two cameras; minus infinity where any may be.

        In one camera it is just above 0: tracks that touch are of two people.
        """
        pair = frozenset((a, b))
        if a == b:
            return float(np.finfo(np.float64).tiny)
        if pair in self.travel:
            return self.travel[pair]
        return -np.inf if self.overlapping is None or pair in self.overlapping else 0.0

    def allow(self, a: Tracklet, b: Tracklet) -> bool:
        """Whether one person can be in both tracks."""
        gap = max(a.first - b.last, b.first - a.last)
        return gap >= self.least_gap(a.camera, b.camera)


class Conflicts:
    """The constraints between tracks, which are meant by their place in `tracklets`."""

    def __init__(self, tracklets: Sequence[Tracklet], constraints: Constraints) -> None:
        names = sorted({t.camera for t in tracklets})
        place = {name: i for i, name in enumerate(names)}
        self._camera = np.array([place[t.camera] for t in tracklets], np.int64)
        self._first = np.array([t.first for t in tracklets], np.float64)
        self._last = np.array([t.last for t in tracklets], np.float64)
        self._least = np.array([[constraints.least_gap(a, b) for b in names] for a in names])

    def between(self, a: Indices, b: Indices) -> NDArray[np.bool_]:
        """Whether tracks can't be of one person; `a` and `b` broadcast against each other."""
        gap = np.maximum(
            self._first[a] - self._last[b],
            self._first[b] - self._last[a],
        )
        return np.asarray(gap < self._least[self._camera[a], self._camera[b]])
