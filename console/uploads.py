"""Pictures that people send: bounded in bytes and pixels before they are decoded."""

from __future__ import annotations

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline import crops

from .errors import ConsoleError

MOST_BYTES = 20 * 2**20
MOST_PIXELS = 50_000_000
UNREADABLE = "this is no picture that can be read: send a JPEG or PNG"
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")


def decode(data: bytes) -> NDArray[np.uint8]:
    """A picture file's bytes as ``uint8 (H, W, 3)`` BGR.

    Only the header is read before size and kind are known to be harmless.

    Raises:
        ConsoleError: too many bytes or pixels, an animation, or no picture that can be read.
    """
    if len(data) > MOST_BYTES:
        raise ConsoleError(f"the picture has more than {MOST_BYTES // 2**20} MB", 413)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as head:
                width, height = head.size
                frames = getattr(head, "n_frames", 1)
    except Exception as error:  # parsers of broken files raise what they like
        raise ConsoleError(UNREADABLE, 415) from error
    if width * height > MOST_PIXELS:
        raise ConsoleError(
            f"the picture has {width} x {height} pixels, more than {MOST_PIXELS // 10**6} million",
            413,
        )
    if frames > 1:
        raise ConsoleError("this is an animation: send one picture of it", 415)
    image = crops.decode(data)
    if image is None:
        raise ConsoleError(UNREADABLE, 415)
    return image
