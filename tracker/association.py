"""Who is who from one frame to the next: overlap of boxes and the best assignment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UNLIKELY = 2.5
"""Deviations from the expected centre at which a box counts 0.6 of its overlap."""

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


def overlap(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Intersection over union of all pairs of boxes.

    Args:
        a, b: ``(N, 4)`` and ``(M, 4)`` boxes x, y, w, h.

    Returns:
        ``float64 (N, M)`` in 0..1.
    """
    ax, ay, aw, ah = np.asarray(a, np.float64).reshape(-1, 4).T[:, :, None]
    bx, by, bw, bh = np.asarray(b, np.float64).reshape(-1, 4).T
    width = np.minimum(ax + aw, bx + bw) - np.maximum(ax, bx)
    height = np.minimum(ay + ah, by + bh) - np.maximum(ay, by)
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    return shared / np.maximum(aw * ah + bw * bh - shared, 1e-9)


def affinity(
    centres: NDArray[np.float64],
    variances: NDArray[np.float64],
    boxes: NDArray[np.float64],
    buffers: NDArray[np.float64],
) -> NDArray[np.float64]:
    """How well boxes fit to where tracks are expected.

    The overlap of the boxes, grown so that people who moved further than their own width still
    meet them (Yang et al., WACV 2023), times that of their upper and lower edges to the power of
    3/2, since people side by side differ there (Yang et al., AAAI 2024), less where the box lies
    further from the expected centre than the filter finds likely.

    Args:
        centres: ``(N, 4)`` expected centre x, centre y, w, h. variances: ``(N, 2)`` of the centre.
        boxes: ``(M, 4)`` centre x, centre y, w, h.
        buffers: ``(N,)`` share of its size by which the boxes of a pair grow on every side.

    Returns:
        ``float64 (N, M)`` in 0..1.
    """
    grow = 0.5 + buffers[:, None]
    away = np.abs(centres[:, None, :2] - boxes[:, :2])
    near = away < grow[:, None] * (centres[:, None, 2:] + boxes[:, 2:])
    rows, columns = np.nonzero(near[:, :, 0] & near[:, :, 1])
    away = away[rows, columns]
    a, b = grow[rows] * centres[rows, 2:], grow[rows] * boxes[columns, 2:]
    sides = np.minimum(a + b - away, 2 * np.minimum(a, b))
    shared = sides[:, 0] * sides[:, 1]
    iou = shared / (4 * (a[:, 0] * a[:, 1] + b[:, 0] * b[:, 1]) - shared)
    h, bh = centres[rows, 3], boxes[columns, 3]
    height = np.maximum(np.minimum((h + bh) / 2 - away[:, 1], np.minimum(h, bh)), 0)
    vertical = height / (h + bh - height)
    unlikely = (away**2 / variances[rows]).sum(axis=1) / UNLIKELY**2
    fit = np.zeros((len(centres), len(boxes)))
    fit[rows, columns] = iou * vertical * np.sqrt(vertical) * np.exp(-unlikely / 2)
    return fit


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


def covered_by(boxes: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """Share of each box that nearer people hide: those whose feet are lower in the picture.

    Args:
        boxes, others: ``(N, 4)`` and ``(M, 4)`` boxes x, y, w, h of one frame.

    Returns:
        ``float64 (N,)`` in 0..1, the largest share that one other box covers.
    """
    x, y, w, h = np.asarray(boxes, np.float64).reshape(-1, 4).T[:, :, None]
    ox, oy, ow, oh = np.asarray(others, np.float64).reshape(-1, 4).T
    width = np.minimum(x + w, ox + ow) - np.maximum(x, ox)
    height = np.minimum(y + h, oy + oh) - np.maximum(y, oy)
    share = np.maximum(width, 0) * np.maximum(height, 0) / np.maximum(w * h, 1e-9)
    return np.where(oy + oh > y + h, share, 0).max(axis=1, initial=0.0)
