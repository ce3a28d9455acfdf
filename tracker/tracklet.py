"""What the linker knows of a track, and what it says of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
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


@dataclass(frozen=True)
class PairEvidence:
    """Why two tracks are, or are not, one person: `log_odds` in nats without the prior, and the
    level of the best comparison."""

    log_odds: float
    level: int


@dataclass(frozen=True)
class Identity:
    """Tracks of one person, by key in ascending order, and the evidence of each linked pair."""

    tracks: tuple[int, ...]
    evidence: Mapping[tuple[int, int], PairEvidence]

    def support(self, track: int) -> float:
        """Log-odds in nats that hold a track in this identity; 0 when it is alone."""
        return sum(
            self.evidence[min(track, other), max(track, other)].log_odds
            for other in self.tracks
            if other != track
        )


def by_content(tracklet: Tracklet) -> tuple[str, float, float, bytes, int]:
    """Sort key that puts tracklets in one order however they are numbered or given: camera, times,
    a digest of the vectors; the key decides between equal ones alone."""
    vectors = np.ascontiguousarray(tracklet.embeddings.vectors)
    digest = hashlib.blake2b(vectors.data, digest_size=16).digest()
    return tracklet.camera, tracklet.first, tracklet.last, digest, tracklet.key
