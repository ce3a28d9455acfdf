"""What flows in and out of a gallery.

Times are UTC in float seconds; boxes are x, y, w, h in pixels of the frame; levels are 1..m,
larger is sharper; evidence is in nats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid import Embeddings, ModelInfo

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class ObservationRow:
    """One box of one track, to be stored.

    Args:
        frame: index in the source, below the position it is stored with.
        time: of capture, UTC seconds.
        box: x, y, w, h in pixels of the frame.
        score: of the detector, 0..1.
        level: 1..m of the gallery's model.
        quality: 0..1.
        vector: ``float32 (d,)``, zero past the level's prefix, or None when it was not embedded.
        crop: a JPEG file's bytes, or None.
    """

    frame: int
    time: float
    box: Box
    score: float
    level: int
    quality: float
    vector: NDArray[np.float32] | None = None
    crop: bytes | None = None


@dataclass(frozen=True)
class TrackUpdate:
    """New observations of the track that the tracker calls `number` in this session."""

    number: int
    observations: Sequence[ObservationRow]


@dataclass(frozen=True)
class Session:
    """One run over one source.

    `position` frames are committed: a run that continues starts at that index. Its tracker numbers
    new tracks from `next_number` on, since the numbers below are taken, or from its `checkpoint`.
    `frames` are how many the source should have, `failure` is why the last run could not go on,
    `created` when the session began and `updated` when something was last stored, UTC seconds.
    """

    id: int
    camera: str
    source: str
    content: str
    start: float
    fps: float
    state: str
    position: int
    frames_lost: int
    next_number: int
    frames: int | None = None
    checkpoint: str | None = None
    failure: str | None = None
    created: float = 0.0
    updated: float = 0.0


@dataclass(frozen=True)
class StoredTrack:
    """A track with the observations that were embedded.

    `count`, `lowest` and `highest` (level) are over all observations; `embeddings` and `times`
    ``float64 (N,)`` are the embedded ones in order of time, rounded to fp16. `evidence` (nats)
    holds the track to its `identity`; both are None for a track without identity.
    """

    id: int
    session: int
    camera: str
    number: int
    first: float
    last: float
    identity: int | None
    evidence: float | None
    count: int
    lowest: int
    highest: int
    embeddings: Embeddings
    times: NDArray[np.float64]


@dataclass(frozen=True)
class Sighting:
    """A stored observation; `crop` is the hash of its picture, for `Gallery.crop`."""

    id: int
    track: int
    camera: str
    frame: int
    time: float
    box: Box
    score: float
    level: int
    quality: float
    crop: str | None


@dataclass(frozen=True)
class BoxRow:
    """One box of one frame, for writing results."""

    frame: int
    identity: int | None
    track: int
    box: Box
    score: float


@dataclass(frozen=True)
class Appearance:
    """Where and when an identity was seen; `best` is its best picture there, if any was kept."""

    camera: str
    first: float
    last: float
    best: Sighting | None


@dataclass(frozen=True)
class StoredIdentity:
    """A person: the ids of its tracks and one appearance a camera, both in order of time."""

    id: int
    tracks: tuple[int, ...]
    appearances: tuple[Appearance, ...]
    first: float
    last: float


@dataclass(frozen=True)
class SearchHit:
    """One identity that a search found, or one track that has none (`identity` is None).

    `log_odds` (nats) is the mean over the three likeliest observations; `probability` is that of
    this person among all that passed the filters and "none of them" (`storage.ranking.posterior`).
    `level` is where the best observation was compared, `distance` (0..4) its distance.
    `appearances` are all of the identity, whatever the filters of the search.
    """

    identity: int | None
    probability: float
    log_odds: float
    level: int
    distance: float
    best: Sighting
    appearances: tuple[Appearance, ...]


@dataclass(frozen=True)
class SearchPage:
    """Some hits of a search, likeliest first.

    `persons` were compared in all; `next` asks for the page that follows, None after the last.
    """

    hits: tuple[SearchHit, ...]
    persons: int
    next: str | None


@dataclass(frozen=True)
class GalleryInfo:
    """Counts and sizes (bytes); `first` and `last` are None for a gallery without observations."""

    cameras: int
    sessions: int
    tracks: int
    observations: int
    embeddings: int
    crops: int
    identities: int
    database_bytes: int
    crop_bytes: int
    model: ModelInfo | None
    schema: str
    first: float | None
    last: float | None
