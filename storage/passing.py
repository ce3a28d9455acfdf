"""Rows in memory that pass the limits of a search."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .blocks import Segment
from .evidence import Rows
from .limits import EVERYTHING, Limits
from .mirror import View


@dataclass(frozen=True)
class Some:
    """Rows of a segment that pass the limits; `place` is of their scores among those of all."""

    segment: Segment
    rows: Rows
    count: int
    place: int

    def pieces(self, size: int) -> list[tuple[Segment, Rows, slice]]:
        """In pieces of so many rows: the segment, its rows, the places of their scores."""
        out = []
        for start in range(0, self.count, size):
            stop = min(start + size, self.count)
            rows = self.rows if isinstance(self.rows, slice) else self.rows[start:stop]
            if isinstance(rows, slice):
                rows = slice(rows.start + start, rows.start + stop)
            out.append((self.segment, rows, slice(self.place + start, self.place + stop)))
        return out

    def observations(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The ids of the observations of scores."""
        at = places - self.place
        return self.segment.observation[at if isinstance(self.rows, slice) else self.rows[at]]


def passing(view: View, limits: Limits, camera: int | None) -> tuple[list[Some], int]:
    """Rows that pass, and how many places their scores take.

    Where all rows pass, each has the place that it has in the view, else they stand close together.

    Args:
        camera: the id of the limits' camera.
    """
    if limits.until is not None and limits.until >= view.last:
        limits = replace(limits, until=None)
    if limits == EVERYTHING:
        return everything(view), view.room
    allowed = _allowed(view, camera, limits.identity)
    some, place = [], 0
    for part in view.filled:
        segment = part.segment
        if limits.min_level is not None and segment.level < limits.min_level:
            continue
        count = part.count
        if limits.until is not None:
            count = int(np.searchsorted(segment.observation[:count], limits.until, "right"))
        time = segment.time[:count]
        passed = []
        if allowed is not None:
            passed.append(allowed[segment.track[:count]])
        if limits.after is not None:
            passed.append(time >= limits.after)
        if limits.before is not None:
            passed.append(time <= limits.before)
        keep = np.logical_and.reduce(passed) if passed else np.True_
        rows: Rows = slice(0, count) if keep.all() else np.flatnonzero(keep)
        count = count if isinstance(rows, slice) else len(rows)
        if count:
            some.append(Some(segment, rows, count, place))
            place += count
    if place < sum(part.count for part in view.filled):
        return some, place
    return everything(view), view.room


def everything(view: View) -> list[Some]:
    """All rows."""
    return [Some(p.segment, slice(0, p.count), p.count, p.place) for p in view.filled]


def observations(some: list[Some], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The ids of the observations of scores."""
    starts = np.array([one.place for one in some])
    at = np.searchsorted(starts, places, "right") - 1
    out = np.empty(len(places), np.int64)
    for i in np.unique(at):
        own = at == i
        out[own] = some[i].observations(places[own])
    return out


def _allowed(view: View, camera: int | None, identity: int | None) -> NDArray[np.bool_] | None:
    """A table over track indexes: whether its rows pass; None when all do."""
    allowed: NDArray[np.bool_] | None = None
    if camera is not None:
        allowed = view.camera == camera
    if identity is not None:
        own = view.owners[view.person] == identity
        allowed = own if allowed is None else allowed & own
    return allowed
