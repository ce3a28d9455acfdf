"""One person in one camera for a while: observations in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray


class State(Enum):
    """Where a track stands in its life."""

    TENTATIVE = "tentative"
    TRACKED = "tracked"
    LOST = "lost"
    ENDED = "ended"


@dataclass
class Observation:
    """A person seen in one frame.

    Args:
        frame: index in the source, from 0. time: of capture, UTC in seconds.
        box: x, y, w, h in pixels of the frame. score: of the detector, 0..1.
        height: what the pixels are worth, the height in pixels of the whole person; more than the
            box's own where the frame's edge cuts it.
        level: 1..m, larger is sharper. quality: 0..1, as evidence.
        vector: ``float32 (d,)``, zero past the level's length; None where none was asked for.
    """

    frame: int
    time: float
    box: tuple[float, float, float, float]
    score: float
    height: float
    level: int
    quality: float
    vector: NDArray[np.float32] | None = None


@dataclass
class Track:
    """Observations of one person in one camera, in order of time.

    Args:
        camera: its name. number: unique in the camera's session, from 1, never used again.
    """

    camera: str
    number: int
    state: State = State.TENTATIVE
    observations: list[Observation] = field(default_factory=list)

    @property
    def last(self) -> Observation:
        """The newest observation."""
        return self.observations[-1]
