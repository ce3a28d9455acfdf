"""What a file allows and a live camera does not: gaps closed, and boxes made smooth, afterwards."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .kalman import centred
from .table import BoxTable

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SMOOTH = 0.15
"""Deviation in seconds of the kernel that makes boxes smooth."""
REACH = 3.0
"""Deviations to which the kernel reaches."""

Clock = Callable[[Ints], Floats]
"""Seconds of capture of frames, by their numbers."""


def finish(rows: BoxTable, clock: Clock) -> BoxTable:
    """Closes the gaps of each track and makes its boxes smooth.

    Args:
        rows: tracks. clock: of their camera.

    Returns:
        Rows by id and frame, one for each frame from a track's first to its last.
    """
    return smoothed(filled(rows, clock), clock)


def filled(rows: BoxTable, clock: Clock) -> BoxTable:
    """Boxes in the frames that a track misses, on the straight line in time between its own."""
    rows = rows[np.lexsort((rows.frames, rows.ids))]
    missing = np.where(np.diff(rows.ids) == 0, np.diff(rows.frames) - 1, 0)
    before = np.repeat(np.arange(len(missing)), missing)
    first = np.repeat(np.cumsum(missing) - missing, missing)
    frames = rows.frames[before] + 1 + np.arange(len(before)) - first
    start, end = clock(rows.frames[before]), clock(rows.frames[before + 1])
    share = ((clock(frames) - start) / (end - start))[:, None]
    between = (1 - share) * rows.boxes[before] + share * rows.boxes[before + 1]
    added = BoxTable(frames, rows.ids[before], between, np.zeros(len(frames)))
    both = BoxTable.joined((rows, added))
    return both[np.lexsort((both.frames, both.ids))]


def smoothed(rows: BoxTable, clock: Clock, seconds: float = SMOOTH) -> BoxTable:
    """Each box on the line that fits its track's boxes around it best (local regression).

    Args:
        rows: by id and frame. seconds: deviation of the Gaussian kernel.
    """
    time, place = clock(rows.frames), centred(rows.boxes)
    weight, first, second = np.ones(len(rows)), np.zeros(len(rows)), np.zeros(len(rows))
    total, moment = place.copy(), np.zeros_like(place)
    shortest = np.diff(time)[np.diff(rows.ids) == 0].min(initial=np.inf)
    for step in range(1, min(len(rows), int(REACH * seconds / shortest) + 1)):
        for here, there in ((slice(step, None), slice(-step)), (slice(-step), slice(step, None))):
            away = time[there] - time[here]
            w = np.exp(-((away / seconds) ** 2) / 2) * (rows.ids[there] == rows.ids[here])
            weight[here] += w
            first[here] += w * away
            second[here] += w * away**2
            total[here] += w[:, None] * place[there]
            moment[here] += (w * away)[:, None] * place[there]
    spread = weight * second - first**2
    line = spread > 1e-9
    place = total / weight[:, None]
    place[line] = (second[:, None] * total - first[:, None] * moment)[line] / spread[line, None]
    place[:, 2:] = np.maximum(place[:, 2:], 1.0)
    boxes = np.concatenate([place[:, :2] - place[:, 2:] / 2, place[:, 2:]], axis=1)
    return BoxTable(rows.frames, rows.ids, boxes, rows.scores)
