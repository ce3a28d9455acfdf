"""How the camera moved since the last frame, told from the people alone: what all do at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

REACH = 1.0
"""Heights of a person that a camera may move the picture between two frames."""
ALIKE = 0.25
"""Share of its height by which a box may differ from the person it is taken for."""
SPREAD = 0.07
"""Deviation, in heights of a person, of the moves of people about that of the camera."""
MARGIN = 0.7
"""People more that a move must explain than standing still does."""
TIE = 1e-6
"""Support by which moves must differ to be told apart, beyond what rounding of time does."""
MOST = 100
"""Votes that are counted at most, evenly over all."""


def sway(expected: Floats, boxes: Floats) -> Floats:
    """The move that brings the most people from where they are expected to where boxes are.

    Each likely pair of a person and a box votes for the move between them. A camera that stands
    still, and people who turn or stop one by one, leave the vote for no move at the top.

    Args:
        expected: ``(N, 4)`` centre x, centre y, w, h where motion leads. boxes: ``(M, 4)``, seen.

    Returns:
        ``float64 (2,)`` in pixels; zeros unless a move explains clearly more.
    """
    still = np.zeros(2)
    if len(expected) < 2 or len(boxes) < 2:
        return still
    x = boxes[:, 0] - expected[:, None, 0]
    y = boxes[:, 1] - expected[:, None, 1]
    height = expected[:, None, 3]
    near = np.maximum(np.abs(x), np.abs(y)) < REACH * height
    near &= np.abs(boxes[:, 3] - height) < ALIKE * height
    votes = np.stack([x[near], y[near]], axis=1)
    votes = votes[:: 1 + len(votes) // MOST]
    spread = SPREAD * np.median(expected[:, 3])
    candidates = np.concatenate([still[None], votes])
    x, y = (candidates[:, None, axis] - votes[:, axis] for axis in (0, 1))
    agreement = np.exp((x * x + y * y) / (-2 * spread**2))
    support = agreement.sum(axis=1)
    best = int((support >= support.max() - TIE).argmax())
    if support[best] <= support[0] + MARGIN + TIE:
        return still
    return np.asarray(agreement[best] @ votes / support[best])
