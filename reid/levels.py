"""Levels of resolution: what the height of a person in pixels is worth.

A level is an ``int`` k in 1..m; **larger is sharper**, as in the paper (section III-B).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .errors import ReidError

HYSTERESIS = 0.15
"""How far, in octaves, a height must pass a border before a track changes its level."""


@dataclass(frozen=True)
class LevelSet:
    """The heights in pixels that the levels 1..m stand for, ascending.

    Args:
        heights: one height a level, e.g. ``(32, 64, 128, 256)``; ``heights[k - 1]`` is level k.

    Raises:
        ReidError: when the heights are not positive and strictly ascending.
    """

    heights: tuple[int, ...]

    def __post_init__(self) -> None:
        ascending = all(a < b for a, b in zip(self.heights, self.heights[1:], strict=False))
        if not self.heights or self.heights[0] <= 0 or not ascending:
            raise ReidError(
                f"level heights must be positive and ascending (32, 64, 128); got {self.heights}"
            )

    @property
    def m(self) -> int:
        """The number of levels; also the sharpest level."""
        return len(self.heights)

    def level_of(self, height: float, previous: int | None = None) -> int:
        """The level of a person `height` pixels tall: the nearest on a log scale.

        Args:
            height: pixels of the picture as the camera saw it, before any resizing.
            previous: the level of the same track a moment ago; it is kept until the height
                passes the border by `HYSTERESIS` octaves, so that a person on the border
                does not flicker.

        Returns:
            A level in 1..m; heights outside the set fall to its ends.
        """
        if not height > 0:
            raise ReidError(f"a person's height must be above 0 px, got {height}")
        octave = math.log2(height)
        nearest = 1
        for k in range(1, self.m):
            if octave > self._border(k):
                nearest = k + 1
        if previous is not None and abs(previous - nearest) == 1:
            border = self._border(min(previous, nearest))
            if abs(octave - border) < HYSTERESIS:
                return previous
        return nearest

    def _border(self, k: int) -> float:
        """The border between level k and k + 1, in octaves of a pixel."""
        return (math.log2(self.heights[k - 1]) + math.log2(self.heights[k])) / 2
