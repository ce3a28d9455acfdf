"""What the linker knows of a track, and what it says of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reid import Embeddings


class Span(NamedTuple):
    """A while in one camera; UTC in seconds."""

    camera: str
    first: float
    last: float


@dataclass(frozen=True)
class Tracklet:
    """One person in one camera for a while, or several such tracks that are taken as one.

    Args:
        key: unique among the tracklets. camera: its name. first, last: UTC in seconds.
        embeddings: some observations of the track, not copies of each other.
        also: where else the person was, and when, if it stands for several tracks.
    """

    key: int
    camera: str
    first: float
    last: float
    embeddings: Embeddings
    also: tuple[Span, ...] = ()

    @property
    def spans(self) -> tuple[Span, ...]:
        """All that it stands for."""
        return Span(self.camera, self.first, self.last), *self.also


@dataclass(frozen=True)
class PairEvidence:
    """Why two tracks are, or are not, one person: `log_odds` in nats without the prior, and the
    level of the best comparison."""

    log_odds: float
    level: int


@dataclass(frozen=True)
class Identity:
    """Tracks of one person, by key in ascending order, and the evidence of the pairs of them that
    were compared: all, unless they were linked in parts."""

    tracks: tuple[int, ...]
    evidence: Mapping[tuple[int, int], PairEvidence]

    def support(self, track: int) -> float:
        """Log-odds in nats that hold a track in this identity; 0 when it is alone."""
        pairs = ((min(track, other), max(track, other)) for other in self.tracks)
        return sum(self.evidence[pair].log_odds for pair in pairs if pair in self.evidence)


def by_content(tracklet: Tracklet) -> tuple[str, float, float, bytes, int]:
    """Sort key that puts tracklets in one order however they are numbered or given: camera, times,
    a digest of the vectors; the key decides between equal ones alone."""
    vectors = np.ascontiguousarray(tracklet.embeddings.vectors)
    digest = hashlib.blake2b(vectors.data, digest_size=16).digest()
    return tracklet.camera, tracklet.first, tracklet.last, digest, tracklet.key
