"""One camera of a watch: its frames into a session, its results into the gallery."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock

import numpy as np

from storage import Claim, Gallery, Session
from tracker import Observation

from ..engine import Engine
from ..frame import Frame
from ..patience import MOST_UNSAVED
from ..runs import CameraRun
from ..site import Camera
from .address import Address
from .camera import DELAYS, LiveCamera

COMMIT_SECONDS = 0.25
"""Of capture time after which a camera's results are stored."""
SESSION = "live "
"""What the content of a live camera's session begins with."""

Wanted = dict[str, tuple[Camera, Address]]
"""Cameras by name, with their addresses filled in."""

Put = Callable[[int, str, Sequence[Observation]], None]
"""Given a track's id, its camera and observations of it that were stored."""


@dataclass
class WatchedCamera:
    """What the worker keeps of a camera; only its thread uses it, but for `close`.

    Args:
        asked: how it was asked for. claim: that it has on the gallery. put: given what is stored.

    Attributes:
        last_turn: when it was last asked for a frame, on the monotonic clock.
        closed: whether it is over, and others may watch the camera.
    """

    asked: tuple[Camera, Address]
    camera: LiveCamera
    claim: Claim
    put: Put
    last_turn: float = 0.0
    closed: bool = False
    _closing: Lock = field(default_factory=Lock)
    _run: CameraRun | None = None
    _epoch: int = 0
    _first: int = 0
    _lost_before: int = 0
    _times: deque[float] = field(default_factory=lambda: deque(maxlen=DELAYS))

    def next(self, engine: Engine) -> tuple[CameraRun, Frame] | None:
        """The newest frame, if there is a new one, and the run that it belongs to.

        Raises:
            StorageError: a session can't be begun; the frame is passed over.
        """
        self.last_turn = time.monotonic()
        frame = self.camera.take()
        if frame is None:
            return None
        if self._run is None or self._epoch != self.camera.epoch:
            self.store(engine.gallery, last=True)
            session = self._begin(engine.gallery, frame)
            tracker = engine.tracker(self.camera.camera, session)
            self._run = CameraRun(self.camera.camera, session, tracker, engine.settings)
            self._epoch, self._first = self.camera.epoch, frame.index
            self._lost_before = self.camera.lost
        self._times.append(frame.time)
        return self._run, replace(frame, index=frame.index - self._first)

    def is_due(self) -> bool:
        """Whether there is something that should be stored now."""
        if self._run is None or not self._times:
            return False
        idle = time.monotonic() - self.last_turn > COMMIT_SECONDS
        return idle or self._run.wants_commit(self._times[-1])

    def store(self, gallery: Gallery, last: bool = False) -> None:
        """Stores what is not stored yet; with `last`, the session is over.

        Raises:
            StorageError: it can't be; what was to be stored waits for the next call.
        """
        run, camera = self._run, self.camera
        if run is None:
            return
        run.lost = camera.lost - self._lost_before
        newest = self._times[-1] if self._times else None
        stored = run.commit(gallery, "stopped" if last else "running", newest)
        camera.delays.extend((time.time() - np.array(self._times)).tolist())
        self._times.clear()
        if last:
            self._run = None
        for track, observations in stored.items():
            self.put(track, camera.camera, observations)

    def spare_memory(self) -> int:
        """Gives up what waits to be stored, if it is too much; returns how many observations."""
        if self._run is None or self._run.unsaved <= MOST_UNSAVED:
            return 0
        self._times.clear()
        return self._run.drop()

    def close(self) -> None:
        """Ends the camera, then gives it back; from any thread, more than once does no harm."""
        with self._closing:
            self.camera.close()
            self.claim.close()
            self.closed = True

    def _begin(self, gallery: Gallery, frame: Frame) -> Session:
        """A new session; earlier ones that were killed are set down as stopped."""
        name = self.camera.camera
        for old in gallery.sessions([name]):
            if old.state == "running" and old.content.startswith(SESSION):
                gallery.append(old.id, old.position, old.frames_lost, [], "stopped")
        shown = self.camera.address.shown
        content = f"{SESSION}{uuid.uuid4().hex}"
        return gallery.begin_session(name, shown, content, frame.time, 0.0)
