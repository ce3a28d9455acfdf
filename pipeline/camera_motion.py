"""How a moving camera moved from one frame to the next, seen in the background."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH = 480
"""Width in pixels at which frames are compared."""
POINTS = 300
LEAST = 12
"""Points that must be found again for a motion to be believed."""


class CameraMotion:
    """Takes the frames of one camera in order."""

    def __init__(self) -> None:
        self._before: NDArray[np.uint8] | None = None

    def update(
        self, image: NDArray[np.uint8], people: NDArray[np.floating]
    ) -> NDArray[np.float64] | None:
        """Compares a frame with the one before.

        Args:
            image: ``uint8 (H, W, 3)`` BGR.
            people: ``(N, 4)`` boxes x, y, w, h in pixels of the frame, which move by themselves.

        Returns:
            ``float64 (2, 3)``, where points of the last frame lie in this one; None at the first
            frame, after a change of size, and where too little is found again.
        """
        scale = WIDTH / image.shape[1]
        size = (WIDTH, max(1, round(image.shape[0] * scale)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
        before, self._before = self._before, grey
        if before is None or before.shape != grey.shape:
            return None
        still = np.full(grey.shape, 255, np.uint8)
        for x, y, w, h in np.asarray(people, np.float64).reshape(-1, 4) * scale:
            still[max(0, int(y)) : max(0, int(y + h)), max(0, int(x)) : max(0, int(x + w))] = 0
        points = cv2.goodFeaturesToTrack(before, POINTS, 0.01, 8, mask=still)
        if points is None:
            return None
        found, ok, _ = cv2.calcOpticalFlowPyrLK(before, grey, points, np.zeros_like(points))
        again = ok[:, 0] == 1
        if again.sum() < LEAST:
            return None
        affine, _ = cv2.estimateAffinePartial2D(points[again], found[again])
        if affine is None:
            return None
        affine[:, 2] /= scale
        return np.asarray(affine, np.float64)
