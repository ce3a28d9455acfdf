"""The one way through the house: detect, track, embed on demand, store."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from threading import Event
from time import perf_counter
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from reid import Embedder
from storage import Gallery, ObservationRow, Session, TrackUpdate
from tracker import Observation, State, Track, Tracker

from .detect import Detections, Detector
from .errors import SourceError
from .frame import Frame
from .outputs import iso
from .patience import Patience
from .reading import Reader
from .settings import EmbedSettings, Settings
from .site import Site
from .sources import Source

Progress = Callable[[str, int, int | None], None]
"""Told the camera, the frames done and the frames in all (None where unknown)."""

Tell = Callable[[str], None]
"""Told in one line what a person should know."""

LEAST_CROP = (12, 4)
"""Height and width in pixels below which a box is not embedded."""

RECENT = 10
"""Observations of a track that stay in memory once they are stored."""

CHECKPOINT = 1
"""Version of what a run leaves for the next one; others are not understood."""

SAME_START = 1e-3
"""Seconds that two starts of one recording may differ."""


def silent(_: str) -> None:
    """Tells nobody."""


@dataclass
class Tally:
    """What a run did: frames, boxes of tracks and embeddings; seconds by stage."""

    frames: int = 0
    boxes: int = 0
    embeddings: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time inside to a stage."""
        start = perf_counter()
        yield
        self.seconds[name] += perf_counter() - start


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
    """One recording's state in a run, and its reader once it is opened."""

    def __init__(
        self, source: Source, session: Session, tracker: Tracker, settings: Settings
    ) -> None:
        super().__init__(source.camera, session, tracker, settings)
        self.source = source
        self.done = session.state == "done"
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


class Engine:
    """Takes frames of several cameras through detection, tracking, embedding and storage.

    Args:
        detector, embedder, gallery: opened by the caller, who closes the gallery.
        site: native scales of cameras.
    """

    def __init__(
        self,
        detector: Detector,
        embedder: Embedder,
        gallery: Gallery,
        site: Site | None = None,
        settings: Settings | None = None,
    ) -> None:
        self.detector, self.embedder, self.gallery = detector, embedder, gallery
        self.site, self.settings = site or Site(), settings or Settings()
        self.tally = Tally()

    def run(
        self,
        sources: Sequence[Source],
        progress: Progress | None = None,
        stop: Event | None = None,
        tell: Tell = silent,
    ) -> list[FileRun]:
        """Reads all sources to their ends, or until `stop` is set.

        While the gallery is full, locked or out of reach, it goes on for `patience.MOST_UNSAVED`
        observations a camera and then waits; `tell` is told.

        A source that is known by its content goes on behind the last committed frame; one that
        was done is not read again. One that can't be read to its end stops there, with its
        `failure`, and the others go on. Whatever ends the run, what was committed stays.

        Returns:
            One run a source, closed and committed.
        """
        runs: list[FileRun] = []
        self._patience = Patience(self.settings.patience, tell, stop)
        try:
            for source in sources:
                runs.append(self.begin(source))
            active = [r for r in runs if not r.done]
            for run in active:
                run.open()
            while active and not (stop and stop.is_set()):
                active = self._step(active, progress)
            for run in active:
                self._store(run, "stopped")
        finally:
            for run in runs:
                run.close()
            self.tally.boxes = sum(run.boxes for run in runs)
        return runs

    def begin(self, source: Source) -> FileRun:
        """What goes on with a source where the gallery's last run over it left off.

        Raises:
            SourceError: the source is stored with another start.
        """
        session = self.gallery.begin_session(
            source.camera,
            source.path.name,
            source.content(),
            source.start,
            source.fps,
            source.count,
        )
        if abs(session.start - source.start) > SAME_START:
            raise SourceError(
                f"{source.path} is stored for camera {source.camera} with the start "
                f"{iso(session.start)}, not {iso(source.start)}: use the same site file or "
                "another gallery"
            )
        tracker = self.tracker(source.camera, session)
        return FileRun(source, session, tracker, self.settings)

    def tracker(self, camera: str, session: Session) -> Tracker:
        """The tracker of a camera, whose numbers go on behind those of its session."""
        return Tracker(
            camera,
            self.embedder.info.levels,
            self.settings.tracker,
            session.next_number,
            self.site.native_scale(camera),
        )

    def _step(self, active: list[FileRun], progress: Progress | None) -> list[FileRun]:
        """One frame of each active camera; returns the cameras that go on."""
        going: list[tuple[FileRun, Frame]] = []
        with self.tally.stage("decode"):
            frames = [run.next() for run in active]
        with self.tally.stage("store"):
            for run, frame in zip(active, frames, strict=True):
                if frame is None:
                    self._store(run, run.end())
                else:
                    going.append((run, frame))
        self.step(going)
        with self.tally.stage("store"):
            for run, frame in going:
                if run.wants_commit(frame.time):
                    self._store(run, "running", frame.time)
        for run, frame in going:
            if progress:
                progress(run.camera, frame.index + 1, run.source.count)
        return [run for run, _ in going]

    def _store(self, run: FileRun, state: str, time: float | None = None) -> None:
        """Stores a run's results, now or, while it goes on, with a later call."""
        unsaved = run.unsaved if state == "running" else inf
        self._patience.store(lambda: run.store(self.gallery, state, time), unsaved)

    def step(self, going: Sequence[tuple[CameraRun, Frame]]) -> None:
        """Takes one frame of each of some cameras through detection, tracking and embedding."""
        if not going:
            return
        with self.tally.stage("detect"):
            found = self.detector.detect([frame.image for _, frame in going])
        due: list[tuple[CameraRun, NDArray[np.uint8], int, Observation]] = []
        with self.tally.stage("track"):
            for (run, frame), detections in zip(going, found, strict=True):
                seen = seen_in(frame, detections)
                due += [(run, frame.image, *wanted) for wanted in run.follow(seen)]
        with self.tally.stage("embed"):
            crops = [cut_out(image, o.box) for _, image, _, o in due]
            vectors = self.embedder.embed(crops, levels=[o.level for *_, o in due]).vectors
            for (run, _, number, o), crop, vector in zip(due, crops, vectors, strict=True):
                run.keep(number, o, vector, encode(crop, self.settings.embed.crop_quality))
        self.tally.frames += len(going)
        self.tally.embeddings += len(due)


def seen_in(frame: Frame, detections: Detections) -> Seen:
    """What a detector found in a frame, without its picture."""
    height, width = frame.image.shape[:2]
    return Seen(frame.index, frame.time, (height, width), detections.boxes, detections.scores)


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
