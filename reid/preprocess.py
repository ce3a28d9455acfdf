"""The one way from a crop to the network's input, in training and at run time alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def to_input(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """`image` resized to ``size = (height, width)`` pixels, bilinear (section III-A).

    Colours stay ``uint8`` BGR; mean and deviation are applied inside the network's file.
    """
    import cv2

    resized = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8)
