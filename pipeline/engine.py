"""The one way through the house: detect, track, embed on demand, store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from threading import Event
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from reid import Embedder
from storage import Gallery, Session
from tracker import Observation, Tracker

from .crops import cut_out, encode
from .detect import Detector
from .errors import SourceError
from .frame import Frame
from .outputs import iso
from .patience import Patience
from .runs import CameraRun, FileRun, seen_in
from .settings import Settings
from .site import Site
from .sources import Source

Progress = Callable[[str, int, int | None], None]
"""Told the camera, the frames done and the frames in all (None where unknown)."""

Tell = Callable[[str], None]
"""Told in one line what a person should know."""

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


class Engine:
    """Takes frames of several cameras through detection, tracking, embedding and storage.

    Args:
        detector, embedder, gallery: opened by the caller, who closes the gallery.
        site: native scales and input sizes of cameras.
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
            sizes = [self.site.input_size(run.camera) for run, _ in going]
            found = self.detector.detect([frame.image for _, frame in going], sizes)
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
