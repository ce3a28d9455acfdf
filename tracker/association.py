"""Who is who from one frame to the next: overlap of boxes and the best assignment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


def overlap(
    a: NDArray[np.floating], b: NDArray[np.floating], buffer: float = 0.0
) -> NDArray[np.float64]:
    """Intersection over union of all pairs of boxes.

    Args:
        a, b: ``(N, 4)`` and ``(M, 4)`` boxes x, y, w, h.
        buffer: share of its size by which each box grows on every side first, so that people
            who moved further than their own width still meet their boxes.

    Returns:
        ``float64 (N, M)`` in 0..1.
    """
    ax, ay, aw, ah = _grown(a, buffer)
    bx, by, bw, bh = _grown(b, buffer)
    width = np.minimum((ax + aw)[:, None], bx + bw) - np.maximum(ax[:, None], bx)
    height = np.minimum((ay + ah)[:, None], by + bh) - np.maximum(ay[:, None], by)
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    union = (aw * ah)[:, None] + bw * bh - shared
    return np.where(union > 0, shared / np.maximum(union, 1e-9), 0.0)


def assign(score: NDArray[np.floating], least: float) -> Pairs:
    """The assignment with the highest total score among pairs that score at least `least`.

    Args:
        score: ``(N, M)``, higher is better.
        least: pairs below stay apart.

    Returns:
        Rows and columns of the pairs, ``int64 (K,)`` each.
    """
    if not score.size or score.max() < least:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    import lap

    _, columns, _ = lap.lapjv(-np.ascontiguousarray(score), extend_cost=True, cost_limit=-least)
    rows = np.flatnonzero(columns >= 0)
    return rows, np.asarray(columns, np.int64)[rows]


def covered(boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Share of each box that nearer people hide: those whose feet are lower in the picture.

    Args:
        boxes: ``(N, 4)`` x, y, w, h of one frame.

    Returns:
        ``float64 (N,)`` in 0..1, the largest share that one other box covers.
    """
    if len(boxes) < 2:
        return np.zeros(len(boxes))
    x, y, w, h = np.asarray(boxes, np.float64).T
    width = np.minimum((x + w)[:, None], x + w) - np.maximum(x[:, None], x)
    height = np.minimum((y + h)[:, None], y + h) - np.maximum(y[:, None], y)
    share = np.maximum(width, 0) * np.maximum(height, 0) / np.maximum(w * h, 1e-9)[:, None]
    nearer = (y + h)[None, :] > (y + h)[:, None]
    return np.asarray(np.where(nearer, share, 0).max(axis=1))


def _grown(boxes: NDArray[np.floating], buffer: float) -> tuple[NDArray[np.float64], ...]:
    x, y, w, h = np.asarray(boxes, np.float64).reshape(-1, 4).T
    return x - buffer * w, y - buffer * h, w * (1 + 2 * buffer), h * (1 + 2 * buffer)
