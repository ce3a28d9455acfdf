"""`watch`: live cameras in, the newest frame of each first; identities and alerts as they come."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import Any

import numpy as np

from reid import Embedder, ReidError
from storage import (
    Alert,
    Claim,
    Gallery,
    GalleryInfo,
    GalleryModelMismatch,
    StorageError,
)
from tracker import TrackerError

from ..detect import Detector
from ..engine import CameraRun, Engine
from ..errors import PipelineError
from ..frame import Frame
from ..reindexing import embedding
from ..settings import Settings
from ..site import Camera, Site
from .address import Address, resolve
from .camera import LiveCamera
from .links import Links
from .states import CameraHealth, CameraState
from .webhook import Messenger, Receiver, facts

BATCH = 8
"""Frames, each of another camera, that go through the stages at once."""
COMMIT_SECONDS = 0.25
"""Of capture time after which a camera's results are stored."""
MOST_UNSAVED = 5000
"""Observations of a camera that wait in memory while the gallery can't be written."""
RATE_SECONDS = 10.0
"""Over which rates and delays are told."""

Tell = Callable[[dict[str, Any]], None]
"""Told what happens, as plain values: an ``event`` and what belongs to it."""


@dataclass(frozen=True)
class WatchHealth:
    """A watch at one moment.

    Args:
        rate: frames a second that go through the stages. busy: when the worker last came round,
            seconds ago. trouble: why the gallery can't be written now. alerts: raised since the
            start. gallery: its size when last counted.
    """

    cameras: tuple[CameraHealth, ...]
    rate: float
    busy: float
    trouble: str | None
    alerts: int
    gallery: GalleryInfo | None

    @property
    def alive(self) -> bool:
        """Whether the worker goes round."""
        return self.busy < 30

    @property
    def ready(self) -> bool:
        """Whether frames come in and results go out."""
        seen = any(not c.stale for c in self.cameras)
        return self.alive and self.trouble is None and (seen or not self.cameras)


@dataclass
class _Watched:
    """A camera that is watched: how it was asked for, and its state."""

    asked: tuple[Camera, Address]
    camera: LiveCamera
    claim: Claim
    run: CameraRun | None = None
    epoch: int = 0
    first: int = 0
    lost_before: int = 0
    last_turn: float = 0.0
    times: list[float] = field(default_factory=list)


class Watch:
    """Watches the cameras of a site until it is closed.

    Everything that belongs to a run (trackers, sessions, what is not stored) lives in one thread,
    the worker; linking and alerts in another; each camera in its own. `failure` is what ended the
    work, None as long as it goes on.

    Args:
        gallery: opened for writing by the caller, who closes it. folder: of the site file.
        tell: told each change, from any thread.

    Raises:
        PipelineError: a secret is missing. GalleryClaimed: another program watches a camera.
    """

    def __init__(
        self,
        site: Site,
        folder: Path,
        gallery: Gallery,
        detector: Detector,
        embedder: Embedder,
        tell: Tell,
        settings: Settings | None = None,
    ) -> None:
        settings = replace(settings or Settings(), commit_seconds=COMMIT_SECONDS)
        self._engine = Engine(detector, embedder, gallery, site, settings)
        self._gallery, self._folder, self._tell = gallery, folder, tell
        self._arrived, self._stop = Event(), Event()
        self._lock = Lock()
        self._watched: dict[str, _Watched] = {}
        self._closing: list[LiveCamera] = []
        self._sites: SimpleQueue[Site] = SimpleQueue()
        self._steps: deque[tuple[float, int]] = deque(maxlen=1000)
        self._round = time.monotonic()
        self._trouble: str | None = None
        self.failure: Exception | None = None
        gallery.watchlist.renew(embedding(embedder))
        self._links = Links(gallery, embedder.info, site, settings.link, self._linker_says)
        receiver = _receiver(site, folder)
        try:
            self._change(site)
        except BaseException:
            self._end_cameras()
            raise
        self._messenger = Messenger(gallery, receiver)
        self._links.start()
        self._worker = Thread(target=self._work, name="worker", daemon=True)
        self._worker.start()

    def change(self, site: Site) -> None:
        """Adds, removes and changes cameras as another site says; the others go on untouched.

        Raises:
            PipelineError: a secret is missing; nothing is changed.
        """
        for camera in site.cameras.values():
            if camera.source:
                resolve(camera.source, self._folder)
        self._messenger.receiver = _receiver(site, self._folder)
        self._sites.put(site)
        self._arrived.set()

    def health(self) -> WatchHealth:
        """How everything is now."""
        with self._lock:
            watched = [w.camera for w in self._watched.values()]
        now = time.monotonic()
        recent = [n for at, n in list(self._steps) if now - at < RATE_SECONDS]
        return WatchHealth(
            cameras=tuple(camera.health() for camera in watched),
            rate=sum(recent) / RATE_SECONDS,
            busy=now - self._round,
            trouble=self._trouble,
            alerts=self._links.alerts,
            gallery=self._links.info,
        )

    def close(self) -> None:
        """Finishes what is in hand, stores it, links it and ends all cameras."""
        self._stop.set()
        self._arrived.set()
        self._worker.join()
        self._links.close()
        self._messenger.close()
        self._end_cameras()

    def _end_cameras(self) -> None:
        watched = list(self._watched.values())
        for camera in (*(w.camera for w in watched), *self._closing):
            camera.stop()
        for camera in (*(w.camera for w in watched), *self._closing):
            camera.close()
        for w in watched:
            w.claim.close()

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                self._arrived.wait(0.1)
                self._arrived.clear()
                self._round = time.monotonic()
                while not self._sites.empty():
                    self._change_live(self._sites.get())
                self._step()
                self._store()
            self._store(last=True)
        except Exception as error:
            self.failure = error

    def _change_live(self, site: Site) -> None:
        try:
            self._change(site)
        except (PipelineError, StorageError) as error:
            self._tell({"event": "site", "problem": str(error)})

    def _change(self, site: Site) -> None:
        """Has the cameras be those of `site`."""
        wanted = {
            name: (camera, resolve(camera.source, self._folder))
            for name, camera in site.cameras.items()
            if camera.source
        }
        for name, watched in list(self._watched.items()):
            if wanted.get(name) != watched.asked:
                self._remove(name)
        self._engine.site = site
        self._links.change(site)
        for name, (camera, address) in wanted.items():
            if name not in self._watched:
                self._add(name, camera, address)

    def _add(self, name: str, camera: Camera, address: Address) -> None:
        claim = self._gallery.claim(name)
        live = LiveCamera(
            name,
            address,
            arrived=self._arrived,
            tell=self._camera_says,
            transport=camera.transport,
            fps=camera.fps,
        )
        with self._lock:
            self._watched[name] = _Watched((camera, address), live, claim)

    def _remove(self, name: str) -> None:
        watched = self._watched[name]
        self._store_one(watched, last=True)
        watched.camera.stop()
        with self._lock:
            del self._watched[name]
        self._closing = [c for c in self._closing if not c.closed]
        self._closing.append(watched.camera)
        Thread(target=watched.camera.close, daemon=True).start()
        watched.claim.close()
        self._tell({"event": "camera", "camera": name, "state": "removed", "reason": ""})

    def _step(self) -> None:
        """Takes the newest frames through the stages, of those first who waited longest."""
        waiting = [w for w in self._watched.values() if w.camera.waiting is not None]
        waiting.sort(key=lambda w: w.last_turn)
        going: list[_Watched] = []
        frames: list[tuple[CameraRun, Frame]] = []
        for watched in waiting[:BATCH]:
            watched.last_turn = time.monotonic()
            frame = watched.camera.take()
            run = None if frame is None else self._run_of(watched, frame)
            if frame is not None and run is not None:
                going.append(watched)
                frames.append((run, replace(frame, index=frame.index - watched.first)))
                watched.times.append(frame.time)
        if len(waiting) > BATCH:
            self._arrived.set()
        try:
            self._engine.step(frames)
        except (PipelineError, ReidError, TrackerError) as error:
            self._tell({"event": "stages", "problem": str(error)})
            return
        for watched in going:
            watched.camera.processed += 1
        self._steps.append((time.monotonic(), len(frames)))

    def _run_of(self, watched: _Watched, frame: Frame) -> CameraRun | None:
        """The run that a frame belongs to; a new one where the clock was set back."""
        camera = watched.camera
        if watched.run is not None and watched.epoch == camera.epoch:
            return watched.run
        if watched.run is not None:
            self._store_one(watched, last=True)
        try:
            session = self._begin(camera, frame)
        except StorageError as error:
            self._in_trouble(error)
            return None
        tracker = self._engine.tracker(camera.camera, session)
        watched.run = CameraRun(camera.camera, session, tracker, self._engine.settings)
        watched.epoch, watched.first, watched.times = camera.epoch, frame.index, []
        watched.lost_before = camera.lost
        return watched.run

    def _begin(self, camera: LiveCamera, frame: Frame) -> Any:
        """A new session; earlier ones that were killed are set down as stopped."""
        gallery = self._gallery
        for old in gallery.sessions([camera.camera]):
            if old.state == "running" and old.content.startswith("live "):
                gallery.append(old.id, old.position, old.frames_lost, [], "stopped")
        shown = camera.address.shown
        content = f"live {uuid.uuid4().hex}"
        return gallery.begin_session(camera.camera, shown, content, frame.time, 0.0)

    def _store(self, last: bool = False) -> None:
        for watched in list(self._watched.values()):
            self._store_one(watched, last)

    def _store_one(self, watched: _Watched, last: bool = False) -> None:
        """Stores what a camera saw, if it is time to."""
        run, camera = watched.run, watched.camera
        if run is None:
            return
        idle = time.monotonic() - watched.last_turn > COMMIT_SECONDS
        if not last and not (watched.times and (idle or run.wants_commit(watched.times[-1]))):
            return
        run.lost = camera.lost - watched.lost_before
        try:
            stored = run.commit(
                self._gallery,
                "stopped" if last else "running",
                watched.times[-1] if watched.times else None,
            )
        except GalleryModelMismatch:
            raise
        except StorageError as error:
            self._in_trouble(error)
            if run.unsaved > MOST_UNSAVED:
                self._tell({"event": "gallery", "problem": f"{run.drop()} boxes were dropped"})
            return
        self._trouble = None
        camera.delays.extend((time.time() - np.array(watched.times)).tolist())
        watched.times = []
        for track, observations in stored.items():
            self._links.put(track, camera.camera, observations)
        if last:
            watched.run = None

    def _in_trouble(self, error: StorageError) -> None:
        if self._trouble is None:
            self._tell({"event": "gallery", "problem": str(error)})
        self._trouble = str(error)

    def _linker_says(self, news: Alert | Exception) -> None:
        if isinstance(news, Alert):
            self._messenger.wake.set()
            self._tell({"event": "alert", **facts(news)})
        elif isinstance(news, StorageError) and not isinstance(news, GalleryModelMismatch):
            self._in_trouble(news)
        else:
            self.failure = news

    def _camera_says(self, camera: str, state: CameraState, reason: str) -> None:
        self._tell({"event": "camera", "camera": camera, "state": str(state), "reason": reason})


def _receiver(site: Site, folder: Path) -> Receiver | None:
    webhook = site.alerts.webhook
    return None if webhook is None else Receiver.of(webhook, folder)
