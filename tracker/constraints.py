"""What one person cannot do, be twice in one camera at a time or walk too fast, and what people
said of who is who."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .growing import with_room
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


@dataclass(frozen=True)
class Judgements:
    """What people said of tracks, by their keys; it stands above evidence and site.

    Args:
        person: who a track shows, a number above 0. Tracks of one person stay together, tracks of
            two stay apart.
        apart: pairs of tracks that do not show one person.
    """

    person: Mapping[int, int] = field(default_factory=dict)
    apart: Collection[tuple[int, int]] = ()


class Conflicts:
    """What keeps tracks apart; they are meant by small numbers that the caller gives.

    Two of them are apart where any span of the one and any of the other are.
    """

    def __init__(self, constraints: Constraints) -> None:
        self._constraints = constraints
        self._cameras: dict[str, int] = {}
        self._least = np.zeros((0, 0))
        self._person = np.zeros(0, np.int64)
        self._begin, self._end = np.zeros(0), np.zeros(0)
        self._start, self._count = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._camera, self._first, self._last = np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
        self._used = 0
        self._apart: dict[int, set[int]] = {}

    def put(self, track: int, tracklet: Tracklet, person: int = 0) -> None:
        """Takes in a track, or what it has become; `person` is who it shows, 0 if nobody said."""
        spans = tracklet.spans
        self._person, self._begin, self._end, self._start, self._count = (
            with_room(a, track + 1)
            for a in (self._person, self._begin, self._end, self._start, self._count)
        )
        if self._count[track] != len(spans):
            self._start[track], self._count[track] = self._used, len(spans)
            self._used += len(spans)
            self._camera, self._first, self._last = (
                with_room(a, self._used) for a in (self._camera, self._first, self._last)
            )
        self._know(span.camera for span in spans)
        self._person[track] = person
        self._begin[track] = min(span.first for span in spans)
        self._end[track] = max(span.last for span in spans)
        for row, span in enumerate(spans, int(self._start[track])):
            self._camera[row] = self._cameras[span.camera]
            self._first[row], self._last[row] = span.first, span.last

    def part(self, track: int, others: Iterable[int]) -> None:
        """Keeps a track apart from others for good."""
        for other in others:
            self._apart.setdefault(track, set()).add(other)
            self._apart.setdefault(other, set()).add(track)

    def drop(self, track: int) -> None:
        """Forgets what was said of a track."""
        for other in self._apart.pop(track, ()):
            self._apart[other].discard(track)

    def between(self, a: Indices, b: Indices) -> NDArray[np.bool_]:
        """Whether tracks can't be of one person; `a` and `b` broadcast against each other."""
        a, b = np.broadcast_arrays(a, b)
        told = self._person[a] * self._person[b] * (self._person[a] - self._person[b])
        found = np.asarray(told != 0)
        gap = np.maximum(self._begin[a] - self._end[b], self._begin[b] - self._end[a])
        near = np.flatnonzero(gap < self._least.max(initial=0))
        found.flat[near[self._meet(a.flat[near], b.flat[near])]] = True
        if self._apart:
            named = np.fromiter(self._apart, np.int64)
            for place in np.flatnonzero(np.isin(a, named) & np.isin(b, named)):
                if int(b.flat[place]) in self._apart[int(a.flat[place])]:
                    found.flat[place] = True
        return found

    def _meet(self, a: Indices, b: Indices) -> Indices:
        """Places of the pairs with spans that one person can't have, ``(pairs,)`` each."""
        wide = self._count[b]
        many = self._count[a] * wide
        pair = np.repeat(np.arange(len(a)), many)
        nth = np.arange(len(pair)) - np.repeat(np.cumsum(many) - many, many)
        i = self._start[a][pair] + nth // wide[pair]
        j = self._start[b][pair] + nth % wide[pair]
        gap = np.maximum(self._first[i] - self._last[j], self._first[j] - self._last[i])
        return np.asarray(pair[gap < self._least[self._camera[i], self._camera[j]]])

    def _know(self, cameras: Iterable[str]) -> None:
        """Makes room for cameras that are new."""
        before = len(self._cameras)
        for camera in cameras:
            self._cameras.setdefault(camera, len(self._cameras))
        if len(self._cameras) > before:
            gap = self._constraints.least_gap
            self._least = np.array([[gap(a, b) for b in self._cameras] for a in self._cameras])
