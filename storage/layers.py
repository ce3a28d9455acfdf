"""Rows in memory by track, so that the likeliest of each are found without looking around."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .blocks import Filled
from .threads import spread

BEST = 3
"""How many of a person's likeliest observations speak for the person.

One lucky crop does not carry a person to the top, and a hundred poor ones do not pull a good match
down; a person with fewer observations is judged by those.
"""

LEAST = 1 << 15
"""Rows from which a layer is worth its making."""

MOST = 16
"""Layers that are kept before they are made one."""

PIECE = 1 << 16
"""Rows that are looked through at a time: they stay in the processor's cache."""


@dataclass(frozen=True)
class Layer:
    """Some rows in the order of their tracks.

    Args:
        places: ``int64 (N,)``, where each row stands in the array of all scores.
        track: ``int32 (G,)``, of each group of rows. starts: ``int64 (G + 1,)``, where it begins
            in `places`; the last is N.
    """

    places: NDArray[np.int64]
    track: NDArray[np.int32]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, places: NDArray[np.int64], track: NDArray[np.int32]) -> Layer:
        """A layer of rows at these places and of these tracks."""
        key = track.astype(np.int64) << 32
        key |= places
        key.sort()
        owner = (key >> 32).astype(np.int32)
        starts = np.flatnonzero(np.diff(owner, prepend=-1, append=-1))
        key &= 0xFFFFFFFF
        return cls(key, owner[starts[:-1]], starts)

    def pieces(self) -> list[slice]:
        """Its groups in pieces of about `PIECE` rows."""
        borders = np.searchsorted(self.starts, np.arange(0, len(self.places), PIECE))
        borders = np.unique([*borders, len(self.track)])
        return [slice(a, b) for a, b in pairwise(borders)]

    def likely(
        self, scores: NDArray[np.floating], groups: slice
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Places and tracks of the `BEST` highest scores of each track, and of equals among them.

        Args:
            scores: of all rows, ``(room,)``. groups: the tracks to look at.
        """
        starts = self.starts[groups.start : groups.stop + 1]
        places = self.places[starts[0] : starts[-1]]
        starts, counts = starts[:-1] - starts[0], np.diff(starts)
        found = scores[places]
        for _ in range(BEST - 1):
            highest = np.repeat(np.maximum.reduceat(found, starts), counts)
            np.copyto(found, -np.inf, where=found == highest)
        highest = np.repeat(np.maximum.reduceat(found, starts), counts)
        keep = np.flatnonzero((found >= highest) | (found == -np.inf))
        return places[keep], np.repeat(self.track[groups], counts)[keep]


def renewed(layers: tuple[Layer, ...], filled: Sequence[Filled]) -> tuple[Layer, ...]:
    """Layers that hold most rows of `filled`; those that are given hold the first of each part.

    Returns:
        The same layers, or one more, or one of all rows; `Filled.layered` follows.
    """
    fresh = sum(part.count - part.layered for part in filled)
    if fresh < LEAST:
        return layers
    everything = not layers or len(layers) == MOST
    places, tracks = [], []
    for part in filled:
        start = 0 if everything else part.layered
        places.append(part.place + np.arange(start, part.count))
        tracks.append(part.segment.track[start : part.count])
        part.layered = part.count
    new = Layer.of(np.concatenate(places), np.concatenate(tracks))
    return (new,) if everything else (*layers, new)


def likely(
    layers: tuple[Layer, ...], scores: NDArray[np.floating]
) -> list[tuple[NDArray[np.int64], NDArray[np.int32]]]:
    """For each query, places and tracks of rows among which are each track's likeliest `BEST`.

    Only rows in the layers are looked at; the list is empty where there are none.

    Args:
        scores: ``(queries, room)``.
    """
    if not layers:
        return []
    pieces = [(layer, groups) for layer in layers for groups in layer.pieces()]
    tasks = [(row, *piece) for row in scores for piece in pieces]
    found = spread(lambda task: task[1].likely(task[0], task[2]), tasks)
    per_query = [found[at : at + len(pieces)] for at in range(0, len(found), len(pieces))]
    return [
        (np.concatenate([f[0] for f in own]), np.concatenate([f[1] for f in own]))
        for own in per_query
    ]
