"""The picture that flows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """One picture of one camera.

    Args:
        camera: its name. index: in the source, from 0. time: of capture, UTC in float seconds.
        image: ``uint8 (H, W, 3)`` BGR.
    """

    camera: str
    index: int
    time: float
    image: NDArray[np.uint8]
