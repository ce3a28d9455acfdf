"""What watches cameras in one process: it reads, finds and stores; linking is for others."""

from __future__ import annotations

import time
from collections import deque
from queue import SimpleQueue
from threading import Event, Lock, Thread

from reid import Embedder
from storage import Gallery, GalleryClaimed, GalleryModelMismatch, StorageError

from ..detect import Detector
from ..engine import Engine
from ..errors import DetectorError
from ..frame import Frame
from ..runs import CameraRun
from ..settings import Settings
from ..site import Site
from .camera import LiveCamera
from .frames import Frames
from .memory import return_what_is_free
from .states import CameraState, StationHealth, absent
from .telling import Teller
from .watched import COMMIT_SECONDS, Put, Wanted, WatchedCamera

BATCH = 8
"""Frames, each of another camera, that go through the stages at once."""
RATE_SECONDS = 10.0
"""Over which the rate is told."""
KEEP_SECONDS = 30.0
"""Between two looks whether the cameras are still claimed, and at memory."""
CLAIM_SECONDS = 0.5
"""Between two tries to get cameras that somebody else has."""


class Station:
    """Watches cameras from `start` until it is closed.

    Everything that belongs to a run (trackers, sessions, what is not stored) lives in one thread,
    the worker; each camera in its own. `failure` is what ended the work, None as long as it goes
    on; it then has let go of its cameras.

    Args:
        gallery: opened for writing by the caller, who closes it.
        put: given what was stored, by the worker. tell: told each change, from any thread.
        lease: seconds after which it lets go of its cameras, until `renew` is called again; if
            None, it keeps them.
    """

    def __init__(
        self,
        detector: Detector,
        embedder: Embedder,
        gallery: Gallery,
        put: Put,
        tell: Teller,
        lease: float | None = None,
    ) -> None:
        settings = Settings(commit_seconds=COMMIT_SECONDS)
        self._engine = Engine(detector, embedder, gallery, settings=settings)
        self._gallery, self._put, self._tell = gallery, put, tell
        self._lease, self._over = lease, False
        self._arrived, self._stop = Event(), Event()
        self._lock = Lock()
        self._watched: dict[str, WatchedCamera] = {}
        self._wanted: Wanted = {}
        self._waiting: Wanted = {}
        self._reasons: dict[str, str] = {}
        self._closing: dict[str, WatchedCamera] = {}
        self._changes: SimpleQueue[Wanted] = SimpleQueue()
        self._steps: deque[tuple[float, int]] = deque()
        self._round = self._kept_at = self._renewed_at = time.monotonic()
        self._tried_at = float("-inf")
        self._trouble: str | None = None
        self.failure: Exception | None = None
        self.frames = Frames()
        self._worker = Thread(target=self._work, name="worker", daemon=True)

    def start(self, wanted: Wanted) -> None:
        """Begins.

        Raises:
            GalleryClaimed: another program watches a camera.
        """
        try:
            self._follow(wanted)
            for name in wanted:
                self._add(name)
        except BaseException:
            self._end()
            raise
        self._worker.start()

    def change(self, wanted: Wanted) -> None:
        """Adds, removes and changes cameras; the others go on untouched. One that another program
        watches is waited for."""
        self._changes.put(wanted)
        self._arrived.set()

    def renew(self) -> None:
        """Lets it keep its cameras for another lease."""
        self._renewed_at = time.monotonic()

    def health(self) -> StationHealth:
        """How everything is now."""
        with self._lock:
            watched = [w.camera for w in self._watched.values()]
            missing = [
                absent(name, address.shown, self._reasons.get(name, ""))
                for name, (_, address) in self._waiting.items()
                if name not in self._watched
            ]
        now = time.monotonic()
        recent = [n for at, n in list(self._steps) if now - at < RATE_SECONDS]
        return StationHealth(
            cameras=(*(camera.health() for camera in watched), *missing),
            rate=sum(recent) / RATE_SECONDS,
            busy=now - self._round,
            trouble=self._trouble,
        )

    def close(self) -> None:
        """Finishes what is in hand, stores it and ends all cameras."""
        self._stop.set()
        self._arrived.set()
        self._worker.join()

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                self._arrived.wait(0.1)
                self._arrived.clear()
                self._round = time.monotonic()
                while not self._changes.empty():
                    self._follow(self._changes.get())
                if self._is_over() != self._over:
                    self._over = not self._over
                    self._follow(self._wanted)
                self._add_waiting()
                self._step()
                self._store()
                self._look_after()
        except Exception as error:
            self.failure = error
        finally:
            self._end()

    def _end(self) -> None:
        """Ends all cameras, stores what is in hand, gives the claims back."""
        every = [*self._watched.values(), *self._closing.values()]
        for watched in every:
            watched.camera.stop()
        try:
            for watched in self._watched.values():
                self._store_one(watched, last=True)
        except Exception as error:
            self.failure = self.failure or error
        for watched in every:
            watched.close()

    def _is_over(self) -> bool:
        """Whether the lease is."""
        return self._lease is not None and self._round - self._renewed_at > self._lease

    def _follow(self, wanted: Wanted) -> None:
        """Lets go of cameras that are not wanted as they are, and notes those that are missing."""
        self._wanted = wanted
        if self._over:
            wanted = {}
        gone = [name for name, w in self._watched.items() if wanted.get(name) != w.asked]
        for name in gone:
            self._watched[name].camera.stop()
        with self._lock:  # before they are removed: at no moment is a wanted camera in neither
            going_on = self._watched.keys() - gone
            self._waiting = {n: a for n, a in wanted.items() if n not in going_on}
        for name in gone:
            self._remove(name)
        self._engine.site = Site(cameras={name: camera for name, (camera, _) in wanted.items()})
        with self._lock:
            self._reasons = {n: r for n, r in self._reasons.items() if n in self._waiting}
        self._tried_at = float("-inf")

    def _add_waiting(self) -> None:
        """Tries to get the cameras that are missing."""
        if not self._waiting or time.monotonic() - self._tried_at < CLAIM_SECONDS:
            return
        self._tried_at = time.monotonic()
        self._closing = {n: w for n, w in self._closing.items() if not w.closed}
        for name in [n for n in self._waiting if n not in self._closing]:
            try:
                self._add(name)
            except GalleryClaimed as error:
                if name not in self._reasons:
                    self._camera_says(name, CameraState.WAITING, str(error))
                self._reasons[name] = str(error)
            except StorageError as error:
                self._in_trouble("claim", error)
                return

    def _add(self, name: str) -> None:
        camera, address = self._waiting[name]
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
            self._watched[name] = WatchedCamera((camera, address), live, claim, self._put)
            del self._waiting[name]
            self._reasons.pop(name, None)

    def _remove(self, name: str) -> None:
        watched = self._watched[name]
        self._store_one(watched, last=True)
        with self._lock:
            del self._watched[name]
        self._closing[name] = watched
        Thread(target=watched.close, daemon=True).start()
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
            self._tell.rarely("stages", camera, f"{camera}: {error}")
            return False
        return True

    def _store(self) -> None:
        for watched in self._watched.values():
            if watched.is_due():
                self._store_one(watched)

    def _look_after(self) -> None:
        """Has the claims on the cameras taken again where the gallery's server lost them, and
        memory that is free go back to the system."""
        if time.monotonic() - self._kept_at < KEEP_SECONDS:
            return
        self._kept_at = time.monotonic()
        return_what_is_free()
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
                self._tell.rarely("gallery", camera, f"{dropped} boxes of {camera} dropped")
            return
        if self._trouble is not None:
            self._trouble = None
            self._kept_at = float("-inf")

    def _in_trouble(self, where: str, error: StorageError) -> None:
        self._trouble = str(error)
        self._tell.rarely("gallery", where, str(error))

    def _camera_says(self, camera: str, state: CameraState, reason: str) -> None:
        self._tell({"event": "camera", "camera": camera, "state": str(state), "reason": reason})
