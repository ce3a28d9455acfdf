"""The likeliest observations of each person, as rows come up one after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BEST = 3
"""How many of a person's likeliest observations speak for the person.

One lucky crop does not carry a person to the top, and a hundred poor ones do not pull a good match
down; a person with fewer observations is judged by those.
"""


@dataclass(frozen=True)
class Likeliest:
    """What was found so far for some queries.

    Args:
        best: ``float64 (queries, BEST, persons)``, the scores of each person's likeliest rows,
            highest first, -inf past the last.
        first: ``int64 (queries, persons)``, the lowest id of the observations that have the
            highest; no id where there is none.
    """

    best: NDArray[np.float64]
    first: NDArray[np.int64]

    @classmethod
    def of(cls, queries: int, persons: int) -> Likeliest:
        """Without any row."""
        none = np.iinfo(np.int64).max
        return cls(np.full((queries, BEST, persons), -np.inf), np.full((queries, persons), none))

    def add(
        self,
        scores: NDArray[np.float64],
        track: NDArray[np.int32],
        person: NDArray[np.int64],
        observation: NDArray[np.int64],
    ) -> None:
        """Takes in rows.

        Args:
            scores: ``(queries, N)``. track: ``(N,)``. person: of each track. observation: ``(N,)``.
        """
        from . import kernels

        kernels.rise(scores, track, person, observation, self.best, self.first)

    def join(self, other: Likeliest) -> None:
        """Takes in what was found among other rows."""
        from . import kernels

        kernels.join(self.best, self.first, other.best, other.first)
