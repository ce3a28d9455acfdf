"""What a gallery needs of an embedder to move to its model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from reid import Embedder


def embedding(
    embedder: Embedder,
) -> Callable[[Sequence[bytes], Sequence[int]], NDArray[np.float32]]:
    """JPEG files and levels in, ``float32 (N, d)`` out, zero past each level's prefix."""

    def embed(pictures: Sequence[bytes], levels: Sequence[int]) -> NDArray[np.float32]:
        crops = [
            np.asarray(cv2.imdecode(np.frombuffer(p, np.uint8), cv2.IMREAD_COLOR), np.uint8)
            for p in pictures
        ]
        return embedder.embed(crops, levels=list(levels)).vectors

    return embed
