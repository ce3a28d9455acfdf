"""What the linker knows of a track."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from reid import Embeddings


@dataclass(frozen=True)
class Tracklet:
    """One person in one camera for a while.

    Args:
        key: unique among the tracklets. camera: its name. first, last: UTC in seconds.
        embeddings: some observations of the track, not copies of each other.
    """

    key: int
    camera: str
    first: float
    last: float
    embeddings: Embeddings


def by_content(tracklet: Tracklet) -> tuple[str, float, float, bytes, int]:
    """Sort key that puts tracklets in one order however they are numbered or given: camera, times,
    a digest of the vectors; the key decides between equal ones alone."""
    vectors = np.ascontiguousarray(tracklet.embeddings.vectors)
    digest = hashlib.blake2b(vectors.data, digest_size=16).digest()
    return tracklet.camera, tracklet.first, tracklet.last, digest, tracklet.key
