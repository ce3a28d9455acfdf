"""Vectors in memory, laid out so that a comparison reads only what it compares.

Rows of one level stand together. A segment holds some of them in blocks, one a sub-vector, each
contiguous and in fp16 as stored, with the norm of each prefix; a query of level q reads the first
``min(q, k)`` blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SEGMENT = 1 << 16
"""Rows of a segment."""

LINE = 64
"""Bytes of a line of the processor's cache."""

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
        self.blocks = [aligned(room, size) for size in sizes]

    @property
    def level(self) -> int:
        """Of its rows."""
        return len(self.sizes)

    def add(
        self,
        observation: NDArray[np.int64],
        track: NDArray[np.int32],
        time: NDArray[np.float64],
        prefixes: NDArray[np.float16],
    ) -> int:
        """Appends rows as far as there is room; returns how many it took."""
        taken = min(len(observation), self.room - self.count)
        here = slice(self.count, self.count + taken)
        self.observation[here] = observation[:taken]
        self.track[here] = track[:taken]
        self.time[here] = time[:taken]
        squared, start = np.zeros(taken, np.float32), 0
        for k, block in enumerate(self.blocks):
            part = np.ascontiguousarray(prefixes[:taken, start : start + block.shape[1]])
            start += block.shape[1]
            block[here] = part
            wide = widened(part)
            squared += np.einsum("ij,ij->i", wide, wide)
            self.inverse[k, here] = inverse_of(np.sqrt(squared))
        self.count += taken
        return taken

    def only(self, keep: NDArray[np.bool_]) -> Segment:
        """The rows of a mask ``(count,)``, as a segment of just their number."""
        rows = np.flatnonzero(keep)
        out = Segment(self.sizes, len(rows))
        out.count = len(rows)
        out.observation, out.time = self.observation[rows], self.time[rows]
        out.track, out.inverse = self.track[rows], self.inverse[:, rows]
        for block, own in zip(self.blocks, out.blocks, strict=True):
            np.take(block, rows, axis=0, out=own)
        return out


@dataclass(frozen=True)
class Filled:
    """A segment at one moment: its first `count` rows."""

    segment: Segment
    count: int


class Segments:
    """All rows, in the order in which their segments were begun.

    Args:
        sizes: ``d_1..d_m`` of the model.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = tuple(sizes)
        self._all: list[Segment] = []
        self._open: dict[int, Segment] = {}

    def add(
        self,
        level: int,
        observation: NDArray[np.int64],
        track: NDArray[np.int32],
        time: NDArray[np.float64],
        prefixes: NDArray[np.float16],
    ) -> None:
        """Appends rows of one level, whose vectors are ``float16 (N, length of the level)``."""
        done = 0
        while done < len(observation):
            segment = self._open.get(level)
            if segment is None or segment.count == segment.room:
                segment = self._open[level] = Segment(self._sizes[:level])
                self._all.append(segment)
            done += segment.add(observation[done:], track[done:], time[done:], prefixes[done:])

    def drop(self, dead: NDArray[np.bool_]) -> None:
        """Forgets the rows of tracks that a table over track indexes marks."""
        kept = []
        for segment in self._all:
            keep = ~dead[segment.track[: segment.count]]
            if keep.all():
                kept.append(segment)
            elif keep.any():
                kept.append(segment.only(keep))
        self._all = kept
        self._open = {level: one for level, one in self._open.items() if one in kept}

    def filled(self) -> tuple[Filled, ...]:
        """What there is by now."""
        return tuple(Filled(segment, segment.count) for segment in self._all)


def aligned(rows: int, size: int) -> NDArray[np.float16]:
    """Room for a matrix ``float16 (rows, size)`` that begins with a line of the cache.

    Reading is a third slower where each row lies across two lines more than it must.
    """
    room = np.empty(2 * rows * size + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + 2 * rows * size].view(np.float16).reshape(rows, size)


def widened(block: NDArray[np.float16]) -> NDArray[np.float32]:
    """A contiguous matrix in float32."""
    from . import kernels

    out = np.empty(block.shape, np.float32)
    kernels.widen(block.view(np.uint16), out)
    return out


def inverse_of(norm: NDArray[np.float32]) -> NDArray[np.float32]:
    """One over each norm, 0 for that of a zero vector."""
    alive = norm > LEAST_NORM
    out = np.zeros(norm.shape, np.float32)
    np.divide(np.float32(1), norm, out=out, where=alive)
    return out
