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


def upright(image: NDArray[np.uint8], degrees: int) -> NDArray[np.uint8]:
    """A decoded picture as it is to be shown.

    Args:
        image: ``uint8 (H, W, 3)``. degrees: by which the recording says that it is to be turned,
            anticlockwise; phones write it. Of what is no quarter turn the nearest is taken.
    """
    quarters = round(degrees / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarters)) if quarters else image
