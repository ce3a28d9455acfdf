"""`watch`: live cameras in, the newest frame of each first; identities and alerts as they come."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import Any

from reid import Embedder
from storage import (
    Alert,
    Gallery,
    GalleryClaimed,
    GalleryInfo,
    GalleryModelMismatch,
    StorageError,
)

from ..detect import Detector
from ..engine import Engine
from ..errors import DetectorError, PipelineError
from ..frame import Frame
from ..reindexing import embedding
from ..runs import CameraRun
from ..settings import Settings
from ..site import Camera, Site
from .address import Address, resolve
from .broker import Broker
from .camera import LiveCamera
from .frames import Frames
from .links import Links
from .outbox import Outbox, Receiver, facts
from .states import CameraHealth, CameraState
from .watched import COMMIT_SECONDS, WatchedCamera
from .webhook import Hook

BATCH = 8
"""Frames, each of another camera, that go through the stages at once."""
TOLD_SECONDS = 60.0
"""Between two messages of the same trouble."""
RATE_SECONDS = 10.0
"""Over which the rate is told."""
KEEP_SECONDS = 30.0
"""Between two looks whether the cameras are still claimed."""

Tell = Callable[[dict[str, Any]], None]
"""Told what happens, as plain values: an ``event`` and what belongs to it."""


@dataclass(frozen=True)
class WatchHealth:
    """A watch at one moment.

    Args:
        rate: frames a second that go through the stages. busy: when the worker last came round,
            seconds ago. trouble: why the gallery can't be written now. alerts: raised since the
            start. gallery: its size when last counted. held: tracks in memory that new ones can
            be linked to.
    """

    cameras: tuple[CameraHealth, ...]
    rate: float
    busy: float
    trouble: str | None
    alerts: int
    gallery: GalleryInfo | None
    held: int = 0

    @property
    def alive(self) -> bool:
        """Whether the worker goes round."""
        return self.busy < 30

    @property
    def ready(self) -> bool:
        """Whether frames come in and results go out."""
        seen = any(not c.stale for c in self.cameras)
        return self.alive and self.trouble is None and (seen or not self.cameras)


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
    ) -> None:
        settings = Settings(commit_seconds=COMMIT_SECONDS)
        self._engine = Engine(detector, embedder, gallery, site, settings)
        self._gallery, self._folder, self._listener = gallery, folder, tell
        self._arrived, self._stop = Event(), Event()
        self._lock = Lock()
        self._watched: dict[str, WatchedCamera] = {}
        self._closing: list[LiveCamera] = []
        self._sites: SimpleQueue[Site] = SimpleQueue()
        self._steps: deque[tuple[float, int]] = deque()
        self._round = time.monotonic()
        self._trouble: str | None = None
        self._kept_at = time.monotonic()
        self._told: dict[tuple[str, str], float] = {}
        self.failure: Exception | None = None
        self.frames = Frames()
        gallery.watchlist.renew(embedding(embedder))
        self._links = Links(gallery, embedder.info, site, self._linker_says)
        receivers = _receivers(site, folder)
        try:
            self._change(site)
        except BaseException:
            self._end_cameras()
            raise
        self._outbox = Outbox(gallery, receivers)
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
        self._outbox.receivers = _receivers(site, self._folder)
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
            held=self._links.held,
        )

    def close(self) -> None:
        """Finishes what is in hand, stores it, links it and ends all cameras."""
        self._stop.set()
        self._arrived.set()
        self._worker.join()
        self._links.close()
        self._outbox.close()
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
                self._keep_claims()
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
            self._watched[name] = WatchedCamera((camera, address), live, claim, self._links.put)

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
        self.frames.drop(name)
        self._tell({"event": "camera", "camera": name, "state": "removed", "reason": ""})

    def _step(self) -> None:
        """Takes the newest frames through the stages, of those first who waited longest."""
        waiting = [w for w in self._watched.values() if w.camera.has_new]
        waiting.sort(key=lambda w: w.last_turn)
        if len(waiting) > BATCH:
            self._arrived.set()
        going: list[tuple[WatchedCamera, tuple[CameraRun, Frame]]] = []
        for watched in waiting[:BATCH]:
            try:
                taken = watched.next(self._engine)
            except StorageError as error:
                self._in_trouble("store", error)
                continue
            if taken is not None:
                going.append((watched, taken))
        try:
            self._engine.step([taken for _, taken in going])
        except DetectorError:  # before any tracker saw a frame: one of them may be to blame
            going = [one for one in going if self._well_alone(one[1])]
        for watched, (run, frame) in going:
            watched.camera.processed += 1
            self.frames.put(frame, run.seen)
        if going:
            now = time.monotonic()
            self._steps.append((now, len(going)))
            while now - self._steps[0][0] > RATE_SECONDS:
                self._steps.popleft()

    def _well_alone(self, one: tuple[CameraRun, Frame]) -> bool:
        """Takes one frame through the stages; whether that went well."""
        try:
            self._engine.step([one])
        except DetectorError as error:
            camera = one[0].camera
            self._tell_rarely("stages", camera, f"{camera}: {error}")
            return False
        return True

    def _store(self, last: bool = False) -> None:
        for watched in list(self._watched.values()):
            if last or watched.is_due():
                self._store_one(watched, last)

    def _keep_claims(self) -> None:
        """Has the claims on the cameras taken again where the gallery's server lost them."""
        if time.monotonic() - self._kept_at < KEEP_SECONDS:
            return
        self._kept_at = time.monotonic()
        try:
            for watched in self._watched.values():
                watched.claim.keep()
        except GalleryClaimed:
            raise
        except StorageError as error:
            self._in_trouble("claim", error)

    def _store_one(self, watched: WatchedCamera, last: bool = False) -> None:
        try:
            watched.store(self._gallery, last)
        except GalleryModelMismatch:
            raise
        except StorageError as error:
            self._in_trouble("store", error)
            if dropped := watched.spare_memory():
                camera = watched.camera.camera
                self._tell_rarely("gallery", camera, f"{dropped} boxes of {camera} dropped")
            return
        if self._trouble is not None:
            self._trouble = None
            self._kept_at = float("-inf")

    def _tell(self, event: dict[str, Any]) -> None:
        try:
            self._listener(event)
        except Exception as error:  # in whatever thread this is: the watch ends, and says why
            self.failure = error

    def _tell_rarely(self, event: str, where: str, problem: str) -> None:
        now = time.monotonic()
        if now - self._told.get((event, where), float("-inf")) > TOLD_SECONDS:
            self._told[event, where] = now
            self._tell({"event": event, "problem": problem})

    def _in_trouble(self, where: str, error: StorageError) -> None:
        self._trouble = str(error)
        self._tell_rarely("gallery", where, str(error))

    def _linker_says(self, news: Alert | Exception) -> None:
        if isinstance(news, Alert):
            self._outbox.wake.set()
            self._tell({"event": "alert", **facts(news)})
        elif isinstance(news, StorageError) and not isinstance(news, GalleryModelMismatch):
            self._in_trouble("link", news)
        else:
            self.failure = news

    def _camera_says(self, camera: str, state: CameraState, reason: str) -> None:
        self._tell({"event": "camera", "camera": camera, "state": str(state), "reason": reason})


def _receivers(site: Site, folder: Path) -> tuple[Receiver, ...]:
    alerts = site.alerts
    hook = () if alerts.webhook is None else (Hook.of(alerts.webhook, folder),)
    broker = () if alerts.mqtt is None else (Broker.of(alerts.mqtt, folder),)
    return (*hook, *broker)
