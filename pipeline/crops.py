"""Parts of frames, and pictures as files."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray


def part_of(size: tuple[int, int], box: Sequence[float]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a box x, y, w, h in whole pixels of a frame of some size
    (height, width); right and bottom are the first outside."""
    x, y, w, h = box
    left, top = min(max(0, int(x)), size[1]), min(max(0, int(y)), size[0])
    right, bottom = min(max(left, round(x + w)), size[1]), min(max(top, round(y + h)), size[0])
    return left, top, right, bottom


def cut_out(image: NDArray[np.uint8], box: Sequence[float]) -> NDArray[np.uint8]:
    """The part of `image` inside a box x, y, w, h in pixels, cut to the frame."""
    left, top, right, bottom = part_of((image.shape[0], image.shape[1]), box)
    return image[top:bottom, left:right]


def encode(crop: NDArray[np.uint8], quality: int = 90) -> bytes:
    """A picture as the bytes of a JPEG file."""
    return cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def decode(file: bytes) -> NDArray[np.uint8] | None:
    """The picture of a file's bytes, ``uint8 (H, W, 3)`` BGR; None if it is none that can be read,
    or has more pixels or larger sides than OpenCV takes."""
    data = np.frombuffer(file, np.uint8)
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:
        return None
    return None if image is None else image.astype(np.uint8, copy=False)
