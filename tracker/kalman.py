"""Constant-velocity Kalman filter over many boxes at once, in seconds.

Centre, width and height are measured directly and their noises are independent, so the usual
8-dimensional filter is four filters of position and velocity each; all are updated as arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MEASURED = 0.04
"""Deviation of a detector's box, as a share of the box's height."""
ACCELERATION = 0.6
"""Deviation of the acceleration, in heights of the box a second squared."""
FIRST_VELOCITY = 0.4
"""Deviation of the velocity of a new track, in heights of the box a second."""


@dataclass
class Motion:
    """States of N boxes.

    Args:
        position: ``(N, 4)`` centre x, centre y, width, height in pixels.
        velocity: ``(N, 4)`` the same a second.
        pp, pv, vv: ``(N, 4)`` variances of position, covariance, variances of velocity.
    """

    position: Array
    velocity: Array
    pp: Array
    pv: Array
    vv: Array

    @classmethod
    def start(cls, boxes: NDArray[np.floating]) -> Motion:
        """New states from boxes ``(N, 4)`` x, y, w, h; at rest, with an open mind."""
        position = centred(boxes)
        height = position[:, 3:4]
        one = np.ones_like(position)
        return cls(
            position,
            np.zeros_like(position),
            one * (2 * MEASURED * height) ** 2,
            np.zeros_like(position),
            one * (FIRST_VELOCITY * height) ** 2,
        )

    def __len__(self) -> int:
        return len(self.position)

    def __getitem__(self, rows: NDArray[np.generic]) -> Motion:
        return Motion(
            self.position[rows], self.velocity[rows], self.pp[rows], self.pv[rows], self.vv[rows]
        )

    def append(self, other: Motion) -> Motion:
        """Both, one after the other."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Motion(*(np.concatenate(pair) for pair in pairs))

    def predict(self, seconds: float) -> None:
        """Moves all states `seconds` ahead (0 or more)."""
        noise = (ACCELERATION * self.position[:, 3:4]) ** 2
        self.position = self.position + seconds * self.velocity
        self.position[:, 2:] = np.maximum(self.position[:, 2:], 1.0)
        self.pp = self.pp + 2 * seconds * self.pv + seconds**2 * self.vv + noise * seconds**4 / 4
        self.pv = self.pv + seconds * self.vv + noise * seconds**3 / 2
        self.vv = self.vv + noise * seconds**2

    def move(self, affine: NDArray[np.floating]) -> None:
        """Takes all states along with a camera that moved.

        Args:
            affine: ``(2, 3)``, where points of the last frame lie in this one.
        """
        turn = np.asarray(affine, np.float64)
        scale = np.sqrt(abs(np.linalg.det(turn[:, :2])))
        for values in (self.position, self.velocity):
            values[:, :2] = values[:, :2] @ turn[:, :2].T
            values[:, 2:] *= scale
        self.position[:, :2] += turn[:, 2]

    def centre_variances(self) -> Array:
        """``(N, 2)`` of a box's centre about the expected one, in px squared."""
        return self.pp[:, :2] + (MEASURED * self.position[:, 3:4]) ** 2

    def correct(self, rows: NDArray[np.integer], boxes: NDArray[np.floating]) -> None:
        """Takes in the boxes ``(K, 4)`` that were seen for `rows` ``(K,)``."""
        seen = centred(boxes)
        noise = (MEASURED * seen[:, 3:4]) ** 2
        spread = self.pp[rows] + noise
        gain_p, gain_v = self.pp[rows] / spread, self.pv[rows] / spread
        error = seen - self.position[rows]
        self.position[rows] += gain_p * error
        self.velocity[rows] += gain_v * error
        self.vv[rows] -= gain_v * self.pv[rows]
        self.pv[rows] *= 1 - gain_p
        self.pp[rows] *= 1 - gain_p

    def boxes(self) -> Array:
        """``(N, 4)`` x, y, w, h in pixels."""
        p = self.position
        return np.concatenate([p[:, :2] - p[:, 2:] / 2, p[:, 2:]], axis=1)


def centred(boxes: NDArray[np.floating]) -> Array:
    """``(N, 4)`` x, y, w, h to centre x, centre y, w, h."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:]], axis=1)
