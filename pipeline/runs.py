"""One camera's state in a run: its tracker, what is not stored yet, where a later run goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage import Gallery, ObservationRow, Session, TrackUpdate
from tracker import Observation, State, Track, Tracker

from .crops import part_of
from .detect import Detections
from .errors import SourceError
from .frame import Frame
from .reading import Reader
from .settings import EmbedSettings, Settings
from .sources import Source

LEAST_CROP = (12, 4)
"""Height and width in pixels below which a box is not embedded."""

RECENT = 10
"""Observations of a track that stay in memory once they are stored."""

CHECKPOINT = 1
"""Version of what a run leaves for the next one; others are not understood."""


@dataclass(frozen=True)
class Seen:
    """What a detector found in one frame.

    Args:
        index, time: of the frame. size: its height and width in pixels.
        boxes: ``float32 (N, 4)`` x, y, w, h in pixels. scores: ``float32 (N,)``.
    """

    index: int
    time: float
    size: tuple[int, int]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]


def seen_in(frame: Frame, detections: Detections) -> Seen:
    """What a detector found in a frame, without its picture."""
    height, width = frame.image.shape[:2]
    return Seen(frame.index, frame.time, (height, width), detections.boxes, detections.scores)


class CameraRun:
    """One camera's state in a run: tracker, and what is not committed yet.

    Args:
        camera: its name. session: that its results go to.

    Attributes:
        position: frames that are done. boxes: of tracks, in this run. lost: frames, over all runs.
    """

    def __init__(self, camera: str, session: Session, tracker: Tracker, settings: Settings) -> None:
        self.camera, self.session, self.tracker = camera, session, tracker
        self.position = session.position
        self.lost = session.frames_lost
        self.boxes = 0
        self._settings = settings
        self._committed_at = float("-inf")
        self._unsaved: dict[int, list[Observation]] = {}
        self._crops: dict[tuple[int, int], bytes] = {}
        self._embedded: dict[int, float] = {}
        self._tracks: dict[int, Track] = {}
        self._ids: dict[int, int] = {}
        self._seen: list[tuple[int, tuple[float, float, float, float]]] = []

    @property
    def seen(self) -> list[tuple[int | None, tuple[float, float, float, float]]]:
        """The boxes of the newest frame, by the ids of their tracks; None for one that is not
        stored yet."""
        return [(self._ids.get(number), box) for number, box in self._seen]

    def follow(self, seen: Seen) -> list[tuple[int, Observation]]:
        """Takes a frame's detections to the tracker and notes the observations.

        Returns:
            Numbers of tracks and their newest observations, of which embeddings are wanted.
        """
        self.position = seen.index + 1
        if self._committed_at == float("-inf"):
            self._committed_at = seen.time
        tracks = self.tracker.update(seen.index, seen.time, seen.boxes, seen.scores, seen.size)
        self._seen = [(track.number, track.last.box) for track in tracks]
        self.boxes += len(tracks)
        due = []
        for track in tracks:
            self._tracks[track.number] = track
            if track.number in self._unsaved or track.number in self._embedded:
                self._unsaved.setdefault(track.number, []).append(track.last)
            else:
                self._unsaved[track.number] = list(track.observations)
            if self._is_due(track, seen.size, self._settings.embed):
                self._embedded[track.number] = track.last.time
                due.append((track.number, track.last))
        return due

    def keep(
        self, number: int, observation: Observation, vector: NDArray[np.float32], crop: bytes
    ) -> None:
        """Adds the embedding and the picture of an observation of a track that `follow` named."""
        observation.vector = vector
        self._crops[number, observation.frame] = crop

    def wants_commit(self, time: float) -> bool:
        """Whether enough capture time has passed since the last commit."""
        return time - self._committed_at >= self._settings.commit_seconds

    def commit(
        self,
        gallery: Gallery,
        state: str,
        time: float | None = None,
        checkpoint: str | None = None,
        failure: str | None = None,
    ) -> dict[int, list[Observation]]:
        """Stores what is not stored yet, in one transaction with the position.

        Returns:
            The observations that were stored, by the ids of their tracks.
        """
        updates = [
            TrackUpdate(number, [self._row(number, o) for o in observations])
            for number, observations in self._unsaved.items()
        ]
        ids = gallery.append(
            self.session.id, self.position, self.lost, updates, state, checkpoint, failure
        )
        stored = {ids[number]: observations for number, observations in self._unsaved.items()}
        self._ids |= ids
        self._forget()
        if time is not None:
            self._committed_at = time
        return stored

    @property
    def unsaved(self) -> int:
        """Observations that wait to be stored."""
        return sum(map(len, self._unsaved.values()))

    def drop(self) -> int:
        """Gives up what waits to be stored; returns how many observations."""
        dropped = self.unsaved
        self._forget()
        return dropped

    def _forget(self) -> None:
        """Lets go of what waited to be stored, and of what is over."""
        self._settle()
        self._unsaved, self._crops = {}, {}

    def _settle(self) -> None:
        """Keeps in mind no more than what the frames to come need."""
        for number in self._unsaved:
            self._embedded.setdefault(number, float("-inf"))
        recent = max(RECENT, self._settings.tracker.confirm)
        for number, track in list(self._tracks.items()):
            if track.state is State.ENDED:
                del self._tracks[number]
                self._embedded.pop(number, None)
                self._ids.pop(number, None)
            else:
                del track.observations[1:-recent]

    def _is_due(self, track: Track, size: tuple[int, int], settings: EmbedSettings) -> bool:
        newest = track.last
        left, top, right, bottom = part_of(size, newest.box)
        if bottom - top < LEAST_CROP[0] or right - left < LEAST_CROP[1]:
            return False
        if newest.quality < settings.quality:
            return False
        last = self._embedded.get(track.number, float("-inf"))
        age = newest.time - track.observations[0].time
        return newest.time - last >= max(settings.every, settings.slower * age) - 1e-6

    def _row(self, number: int, o: Observation) -> ObservationRow:
        crop = self._crops.get((number, o.frame))
        return ObservationRow(o.frame, o.time, o.box, o.score, o.level, o.quality, o.vector, crop)


class FileRun(CameraRun):
    """One recording's state in a run, and its reader once it is opened.

    Attributes:
        done: whether it was read to its end. read_before: whether an earlier run had done so.
        failure: why it can't be read any further.
    """

    def __init__(
        self, source: Source, session: Session, tracker: Tracker, settings: Settings
    ) -> None:
        super().__init__(source.camera, session, tracker, settings)
        self.source = source
        self.read_before = self.done = session.state == "done"
        self.failure: str | None = None
        if not self.done and session.checkpoint:
            self._restore(json.loads(session.checkpoint))
        self.reader: Reader | None = None

    def open(self) -> None:
        """Begins to read, behind the last committed frame."""
        self.reader = Reader(self.source, self.position, self._settings.fps)

    def next(self) -> Frame | None:
        """The next frame; None at the end, or where the source can't be read any further."""
        try:
            return self.reader.next() if self.reader else None
        except SourceError as error:
            self.failure = str(error)
            return None

    def store(self, gallery: Gallery, state: str, time: float | None = None) -> None:
        """Commits, with the frames that were lost so far and where the next run goes on."""
        self.lost = self.source.lost
        checkpoint = None if state == "done" else self.checkpoint()
        self.commit(gallery, state, time, checkpoint, self.failure)

    def checkpoint(self) -> str:
        """What the next run needs to go on as if this one had."""
        self._settle()
        return json.dumps(
            {
                "version": CHECKPOINT,
                "tracker": self.tracker.state(),
                "embedded": list(self._embedded.items()),
            }
        )

    def _restore(self, checkpoint: dict[str, Any]) -> None:
        """Goes on from a `checkpoint`; one of another version is not understood, and tracks end."""
        if checkpoint["version"] == CHECKPOINT:
            self.tracker.restore(checkpoint["tracker"])
            self._tracks = dict(self.tracker.tracks)
            self._embedded = dict(checkpoint["embedded"])

    def end(self) -> str:
        """Notes that the source was read to its end, or failed; returns the session's state."""
        self.done = self.failure is None
        return "done" if self.done else "stopped"

    def close(self) -> None:
        """Ends the reader."""
        if self.reader:
            self.reader.close()
