"""Linking as it goes: tracks of the last hours in memory, linked anew as evidence comes in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reid import Calibration, Embeddings
from storage import Gallery, Judgements, NotStored, spread
from tracker import Constraints, Linker, LinkSettings, Observation, Tracklet

from ..linking import LOOKS, judgements

MEMORY_SECONDS = 24 * 3600.0
"""How long a track can be linked to others after it was last seen."""
MOST_TRACKS = 2000
"""Tracks that are linked at once, those last seen."""
MATURE_LOOKS = 2
"""Looks that make a track mature; one that has ended with fewer counts as mature too."""
SAID_SECONDS = 30.0
"""How often it is asked what people said of identities, and what was removed."""
ENDED_SECONDS = 3.0
"""How long a track is unseen when it counts as ended."""


@dataclass
class LiveTrack:
    """What is remembered of a track: its times, and looks spread over them.

    Args:
        id: in the gallery. camera: its name. first, last: UTC in seconds.
        times, quality, levels, vectors: of its looks, in order of time; vectors as the gallery
            stores them, so that a restart goes on with the very same.
    """

    id: int
    camera: str
    first: float
    last: float
    times: list[float] = field(default_factory=list)
    quality: list[float] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)
    vectors: list[NDArray[np.float16]] = field(default_factory=list)

    def see(self, observations: Iterable[Observation]) -> int:
        """Takes in new observations; returns how many looks they brought."""
        before = len(self.times)
        for o in observations:
            self.first, self.last = min(self.first, o.time), max(self.last, o.time)
            if o.vector is not None:
                self._look(o.time, o.quality, o.level, o.vector)
        return len(self.times) - before

    def recall(self, times: NDArray[np.float64], looks: Embeddings) -> int:
        """Takes in stored looks; returns how many of them are new."""
        before = len(self.times)
        rows = zip(times, looks.quality, looks.levels, looks.vectors, strict=True)
        for time, quality, level, vector in rows:
            self._look(float(time), float(quality), int(level), vector)
        return len(self.times) - before

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
            np.stack([self.vectors[i] for i in kept], dtype=np.float32, casting="safe"),
            np.array([self.levels[i] for i in kept], np.int8),
            np.array([self.quality[i] for i in kept], np.float32),
            tuple(sizes),
        )

    def is_mature(self, now: float) -> bool:
        """Whether there is enough to tell whose it is."""
        over = now - self.last > ENDED_SECONDS
        return len(self.times) >= MATURE_LOOKS or (over and bool(self.times))

    def _look(self, time: float, quality: float, level: int, vector: NDArray[np.float32]) -> None:
        if self.times and time <= self.times[-1]:  # it is known: looks come in order of time
            return
        self.times.append(time)
        self.quality.append(quality)
        self.levels.append(level)
        self.vectors.append(vector.astype(np.float16))


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
        self._gallery, self._calibration = gallery, calibration
        self._sizes, self._constraints, self._settings = sizes, constraints, settings
        self.tracks: dict[int, LiveTrack] = {}
        self._grown: set[int] = set()
        self._unsaved: dict[int, tuple[int, float]] = {}
        self._kept_to: tuple[Judgements, Constraints, LinkSettings] | None = None
        for t in gallery.tracks(looks=LOOKS, after=now - MEMORY_SECONDS):
            self.tracks[t.id] = LiveTrack(t.id, t.camera, t.first, t.last)
            self.tracks[t.id].recall(t.times, t.embeddings)
        self._begin(now)

    def change(self, constraints: Constraints, settings: LinkSettings) -> None:
        """Keeps to other constraints and settings from the next round on."""
        if (constraints, settings) != (self._constraints, self._settings):
            self._constraints, self._settings = constraints, settings
            self._said_at = float("-inf")

    def recalibrate(self, calibration: Calibration) -> None:
        """Weighs evidence by another calibration from the next round on."""
        self._calibration, self._kept_to, self._said_at = calibration, None, float("-inf")

    def see(self, track: int, camera: str, observations: Sequence[Observation]) -> None:
        """Takes in observations that were stored."""
        if track not in self.tracks:
            time = observations[0].time
            self.tracks[track] = LiveTrack(track, camera, time, time)
        if self.tracks[track].see(observations):
            self._grown.add(track)

    def recall(self, camera: str, since: float) -> set[int]:
        """Takes in from the gallery what it has of a camera's tracks seen at or after a time (UTC
        seconds); returns the tracks with new looks.

        Raises:
            StorageError: it can't be read.
        """
        grown = set()
        for t in self._gallery.tracks([camera], looks=LOOKS, after=since):
            track = self.tracks.setdefault(t.id, LiveTrack(t.id, t.camera, t.first, t.last))
            track.last = max(track.last, t.last)
            if track.recall(t.times, t.embeddings):
                grown.add(t.id)
        self._grown |= grown
        return grown

    def link(self, now: float) -> bool:
        """Links what grew to the rest, and stores what changed; whether anything did.

        Raises:
            StorageError: it can't be stored; the next call tries again.
        """
        self._forget(now)
        if now - self._said_at > SAID_SECONDS or now < self._said_at:
            self._drop(self._gallery.browse.gone(self.tracks))
            self._begin(now)
        ready = [self.tracks[t] for t in self._grown if self.tracks[t].is_mature(now)]
        self._grown -= {track.id for track in ready}
        for group in self._linker.update(self._tracklet(track) for track in ready):
            for track in group.tracks:
                self._unsaved[track] = group.tracks[0], group.support[track]
        if not self._unsaved:
            return False
        try:
            self._save()
        except NotStored:  # some were purged since it was last asked
            self._drop(self._gallery.browse.gone(self.tracks))
            self._save()
        return True

    def _save(self) -> None:
        self._gallery.save_identities(
            {track: group for track, (group, _) in self._unsaved.items()},
            {track: support for track, (_, support) in self._unsaved.items()},
        )
        self._unsaved = {}

    def _begin(self, now: float) -> None:
        """Begins with the identities that are stored, if people said something new."""
        said = self._gallery.people.judgements()
        fresh = (said, self._constraints, self._settings)
        self._said_at = now
        if fresh == self._kept_to:
            return
        self._kept_to = fresh
        stored = list(self._gallery.tracks(looks=0, after=now - MEMORY_SECONDS))
        self._linker = Linker(
            self._calibration, self._constraints, self._settings, judgements(self._gallery, stored)
        )
        held = {t.id: t.identity for t in stored}
        known = [t for t in self.tracks.values() if held.get(t.id) is not None]
        self._linker.start(map(self._tracklet, known), held)
        self._grown |= {t.id for t in self.tracks.values() if t.times} - {t.id for t in known}

    def _tracklet(self, track: LiveTrack) -> Tracklet:
        looks = track.looks(self._sizes)
        return Tracklet(track.id, track.camera, track.first, track.last, looks)

    def _forget(self, now: float) -> None:
        """Lets go of tracks that are too old or too many."""
        by_age = sorted(self.tracks.values(), key=lambda t: t.last)
        spare = len(by_age) - MOST_TRACKS
        self._drop(
            {t.id for i, t in enumerate(by_age) if i < spare or now - t.last > MEMORY_SECONDS}
        )

    def _drop(self, tracks: Collection[int]) -> None:
        for track in tracks:
            del self.tracks[track]
            self._grown.discard(track)
            self._unsaved.pop(track, None)
        if tracks:
            self._linker.forget(tracks)
