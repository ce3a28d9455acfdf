"""Rows in memory that pass the limits of a search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .blocks import Segment
from .evidence import Rows
from .limits import Limits
from .mirror import View


@dataclass(frozen=True)
class Some:
    """Rows of a segment that pass the limits."""

    segment: Segment
    rows: Rows
    count: int

    def pieces(self, size: int) -> list[Some]:
        """In pieces of so many rows."""
        return [self._part(a, min(a + size, self.count)) for a in range(0, self.count, size)]

    def at(self, places: NDArray[np.int64]) -> Some:
        """Those that stand at some places among them."""
        rows = self.rows.start + places if isinstance(self.rows, slice) else self.rows[places]
        return Some(self.segment, rows, len(rows))

    def _part(self, start: int, stop: int) -> Some:
        rows = self.rows
        if isinstance(rows, slice):
            return Some(self.segment, slice(rows.start + start, rows.start + stop), stop - start)
        return Some(self.segment, rows[start:stop], stop - start)


def passing(view: View, limits: Limits, camera: int | None) -> list[Some]:
    """Rows that pass.

    Args:
        camera: the id of the limits' camera.
    """
    allowed = _allowed(view, camera, limits.identity)
    some = []
    for part in view.filled:
        segment, count = part.segment, part.count
        if limits.min_level is not None and segment.level < limits.min_level:
            continue
        if limits.until is not None and limits.until < segment.observation[count - 1]:
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
        if keep.all():
            some.append(Some(segment, slice(0, count), count))
        else:
            rows = np.flatnonzero(keep)
            some.append(Some(segment, rows, len(rows)))
    return [one for one in some if one.count]


def _allowed(view: View, camera: int | None, identity: int | None) -> NDArray[np.bool_] | None:
    """A table over track indexes: whether its rows pass; None when all do."""
    allowed: NDArray[np.bool_] | None = None
    if camera is not None:
        allowed = view.camera == camera
    if identity is not None:
        own = view.owners[view.person] == identity
        allowed = own if allowed is None else allowed & own
    return allowed
