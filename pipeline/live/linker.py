"""Linking as it goes: tracks of the last hours in memory, linked anew as evidence comes in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reid import Calibration, Embeddings
from storage import Gallery, spread
from tracker import Constraints, LinkSettings, Observation, Tracklet, link

from ..linking import LOOKS

MEMORY_SECONDS = 6 * 3600.0
"""How long a track can be linked to others after it was last seen."""
MOST_TRACKS = 150
"""Tracks that are linked at once, those last seen."""
MATURE_LOOKS = 2
"""Looks that make a track mature; one that has ended with fewer counts as mature too."""
ENDED_SECONDS = 3.0
"""How long a track is unseen when it counts as ended."""


@dataclass
class LiveTrack:
    """What is remembered of a track: its times, and looks spread over them.

    Args:
        id: in the gallery. camera: its name. first, last: UTC in seconds.
        times, quality, levels, vectors: of its looks, in order of time.
    """

    id: int
    camera: str
    first: float
    last: float
    times: list[float] = field(default_factory=list)
    quality: list[float] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)
    vectors: list[NDArray[np.float32]] = field(default_factory=list)

    def see(self, observations: Iterable[Observation]) -> int:
        """Takes in new observations; returns how many looks they brought."""
        before = len(self.times)
        for o in observations:
            self.first, self.last = min(self.first, o.time), max(self.last, o.time)
            if o.vector is not None:
                self._look(o.time, o.quality, o.level, o.vector)
        return len(self.times) - before

    def recall(self, times: NDArray[np.float64], looks: Embeddings) -> None:
        """Takes in stored looks."""
        rows = zip(times, looks.quality, looks.levels, looks.vectors, strict=True)
        for time, quality, level, vector in rows:
            self._look(float(time), float(quality), int(level), vector)

    def looks(self, sizes: Sequence[int], most: int = LOOKS) -> Embeddings:
        """At most so many looks, spread over its time; those that are left out are forgotten once
        there are twice as many."""
        kept = spread(np.array(self.times), np.array(self.quality), most).tolist()
        if len(self.times) > 2 * most:
            for name in ("times", "quality", "levels", "vectors"):
                setattr(self, name, [getattr(self, name)[i] for i in kept])
            kept = list(range(len(kept)))
        if not kept:
            return Embeddings.empty(sizes)
        return Embeddings(
            np.stack([self.vectors[i] for i in kept]),
            np.array([self.levels[i] for i in kept], np.int8),
            np.array([self.quality[i] for i in kept], np.float32),
            tuple(sizes),
        )

    def is_mature(self, now: float) -> bool:
        """Whether there is enough to tell whose it is."""
        over = now - self.last > ENDED_SECONDS
        return len(self.times) >= MATURE_LOOKS or (over and bool(self.times))

    def _look(self, time: float, quality: float, level: int, vector: NDArray[np.float32]) -> None:
        self.times.append(time)
        self.quality.append(quality)
        self.levels.append(level)
        self.vectors.append(vector)


class LiveLinker:
    """Links the tracks of the last hours; what was stored by an earlier run counts too.

    Args:
        gallery: opened for writing. sizes: of the model's sub-vectors. now: UTC in seconds.
    """

    def __init__(
        self,
        gallery: Gallery,
        calibration: Calibration,
        sizes: Sequence[int],
        constraints: Constraints,
        settings: LinkSettings,
        now: float,
    ) -> None:
        self.constraints = constraints
        self._gallery, self._calibration = gallery, calibration
        self._sizes, self._settings = sizes, settings
        self._saved: frozenset[frozenset[int]] = frozenset()
        self._changed = False
        self.tracks: dict[int, LiveTrack] = {}
        for t in gallery.tracks(looks=LOOKS, after=now - MEMORY_SECONDS):
            self.tracks[t.id] = LiveTrack(t.id, t.camera, t.first, t.last)
            self.tracks[t.id].recall(t.times, t.embeddings)

    def see(self, track: int, camera: str, observations: Sequence[Observation]) -> None:
        """Takes in observations that were stored."""
        if track not in self.tracks:
            time = observations[0].time
            self.tracks[track] = LiveTrack(track, camera, time, time)
        if self.tracks[track].see(observations):
            self._changed = True

    def link(self, now: float) -> bool:
        """Links anew if there is new evidence, and stores what changed; whether anything did.

        Raises:
            StorageError: it can't be stored; the next call tries again.
        """
        self._forget(now)
        if not self._changed:
            return False
        mature = [t for t in self.tracks.values() if t.is_mature(now)]
        self._changed = len(mature) < len(self.tracks)
        tracklets = [
            Tracklet(t.id, t.camera, t.first, t.last, t.looks(self._sizes)) for t in mature
        ]
        identities = link(tracklets, self._calibration, self.constraints, self._settings)
        groups = frozenset(frozenset(identity.tracks) for identity in identities)
        if groups == self._saved:
            return False
        assignments = {track: i for i, one in enumerate(identities) for track in one.tracks}
        support = {track: one.support(track) for one in identities for track in one.tracks}
        try:
            self._gallery.save_identities(assignments, support)
        except Exception:
            self._changed = True
            raise
        self._saved = groups
        return True

    def _forget(self, now: float) -> None:
        """Lets go of tracks that are too old or too many."""
        by_age = sorted(self.tracks.values(), key=lambda t: t.last)
        spare = len(by_age) - MOST_TRACKS
        for i, track in enumerate(by_age):
            if i < spare or now - track.last > MEMORY_SECONDS:
                del self.tracks[track.id]
