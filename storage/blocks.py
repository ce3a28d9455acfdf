"""Vectors in memory, laid out so that a comparison reads only what it compares.

Rows of one level stand together. A segment holds some of them in blocks, one a sub-vector, each
contiguous, with the norm of each prefix; a query of level q reads the first ``min(q, k)`` blocks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SEGMENT = 1 << 16
"""Rows of a segment: what is computed of one stays in the processor's cache."""

LEAST_NORM = np.float32(1e-12)
"""A vector shorter than this counts as zero."""


class Segment:
    """Up to `room` rows of one level; rows are only ever added, so readers need no lock.

    Args:
        sizes: ``d_1..d_k`` of the level's sub-vectors.

    The arrays below are ``(room, ...)``; `count` rows are filled. Rows stand in the order of their
    observations' ids. `track` is an index into a table of tracks; `inverse` is one over the norm of
    each prefix, 0 for a zero vector.
    """

    def __init__(self, sizes: Sequence[int], room: int = SEGMENT) -> None:
        self.sizes = tuple(sizes)
        self.room, self.count = room, 0
        self.observation = np.empty(room, np.int64)
        self.track = np.empty(room, np.int32)
        self.time = np.empty(room, np.float64)
        self.inverse = np.empty((len(sizes), room), np.float32)
        self.blocks = [np.empty((room, size), np.float32) for size in sizes]
        self._borders = np.cumsum([0, *sizes])

    def add(
        self,
        observation: NDArray[np.int64],
        track: NDArray[np.int32],
        time: NDArray[np.float64],
        prefixes: NDArray[np.float32],
    ) -> int:
        """Appends rows as far as there is room; returns how many it took."""
        taken = min(len(observation), self.room - self.count)
        here = slice(self.count, self.count + taken)
        self.observation[here] = observation[:taken]
        self.track[here] = track[:taken]
        self.time[here] = time[:taken]
        squared = np.zeros(taken, np.float32)
        for k, block in enumerate(self.blocks):
            part = block[here]
            part[:] = prefixes[:taken, self._borders[k] : self._borders[k + 1]]
            squared += np.einsum("ij,ij->i", part, part)
            self.inverse[k, here] = _inverse(np.sqrt(squared))
        self.count += taken
        return taken

    def only(self, keep: NDArray[np.bool_]) -> Segment:
        """The rows of a mask ``(count,)``, as a segment of just their number."""
        rows = np.flatnonzero(keep)
        out = Segment(self.sizes, len(rows))
        out.count = len(rows)
        out.observation, out.time = self.observation[rows], self.time[rows]
        out.track, out.inverse = self.track[rows], self.inverse[:, rows]
        out.blocks = [block[rows] for block in self.blocks]
        return out

    def distances(
        self, query: NDArray[np.float32], level: int, rows: NDArray[np.int64] | slice
    ) -> NDArray[np.float32]:
        """Normalised distances of some rows to queries of one level, ``float32 (N, Q)``.

        Args:
            query: ``float32 (Q, d)``, at level `level`.
        """
        compared = min(level, len(self.blocks))
        prefix = query[:, : self._borders[compared]]
        theirs = _inverse(np.linalg.norm(prefix, axis=1))
        scaled = (prefix * theirs[:, None]).T
        dot = self.blocks[0][rows] @ scaled[: self._borders[1]]
        for k in range(1, compared):
            dot += self.blocks[k][rows] @ scaled[self._borders[k] : self._borders[k + 1]]
        mine = self.inverse[compared - 1, rows][:, None]
        dot *= np.float32(-2) * mine
        dot += (mine > 0).astype(np.float32) + (theirs > 0)
        out: NDArray[np.float32] = np.maximum(dot, 0, out=dot)
        return out


class Group:
    """All rows of one level."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = tuple(sizes)
        self._segments: list[Segment] = []

    def add(
        self,
        observation: NDArray[np.int64],
        track: NDArray[np.int32],
        time: NDArray[np.float64],
        prefixes: NDArray[np.float32],
    ) -> None:
        """Appends rows whose vectors are ``float32 (N, length of the level)``."""
        done = 0
        while done < len(observation):
            if not self._segments or self._segments[-1].count == self._segments[-1].room:
                self._segments.append(Segment(self._sizes))
            done += self._segments[-1].add(
                observation[done:], track[done:], time[done:], prefixes[done:]
            )

    def drop(self, dead: NDArray[np.bool_]) -> None:
        """Forgets the rows of tracks that a table over track indexes marks."""
        kept = []
        for segment in self._segments:
            keep = ~dead[segment.track[: segment.count]]
            if keep.all():
                kept.append(segment)
            elif keep.any():
                kept.append(segment.only(keep))
        self._segments = kept

    def filled(self) -> list[tuple[Segment, int]]:
        """The segments and how many rows each has by now."""
        return [(segment, segment.count) for segment in self._segments]


def _inverse(norm: NDArray[np.float32]) -> NDArray[np.float32]:
    """One over each norm, 0 for that of a zero vector."""
    alive = norm > LEAST_NORM
    out = np.zeros(norm.shape, np.float32)
    np.divide(np.float32(1), norm, out=out, where=alive)
    return out
