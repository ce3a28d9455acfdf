"""The thread that links what the worker stored, and looks for those on the watch list."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Event, Thread

from reid import ModelInfo
from storage import Alert, Gallery, GalleryInfo, StorageError
from tracker import Observation

from ..site import Site
from .alerts import Alarm
from .linker import SAID_SECONDS, LiveLinker

LINK_SECONDS = 0.4
"""Between two rounds of linking."""
COUNT_SECONDS = 60.0
"""Between two counts of what the gallery holds; longer where counting takes long."""


class Links:
    """Takes in stored observations from another thread.

    Args:
        gallery: opened for writing. say: told alerts, and errors (the next round tries again).

    Attributes:
        alerts: raised so far. info: the gallery's size when last counted.
        trouble: why the last round failed, None if it went well.
    """

    def __init__(
        self,
        gallery: Gallery,
        model: ModelInfo,
        site: Site,
        say: Callable[[Alert | Exception], None],
    ) -> None:
        now = time.time()
        self.alerts = 0
        self.info: GalleryInfo | None = None
        self.trouble: str | None = None
        self._gallery, self._say = gallery, say
        self._calibration, self._calibrated_at = gallery.calibration, now
        self._linker = LiveLinker(
            gallery, self._calibration, model.sizes, site.constraints, site.link, now
        )
        self._alarm = Alarm(gallery, self._calibration, model.sizes, site.alerts, self._raised, now)
        self._fresh: set[int] = set()
        self._unheard: dict[str, float] = {}
        self._news: SimpleQueue[tuple[int, str, Sequence[Observation]]] = SimpleQueue()
        self._stop = Event()
        self._thread = Thread(target=self._run, name="linker", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def put(self, track: int, camera: str, observations: Sequence[Observation]) -> None:
        """Hands over observations of a track that were stored."""
        self._news.put((track, camera, observations))

    def recall(self, camera: str, since: float) -> None:
        """Has what was stored of a camera's tracks seen at or after a time (UTC seconds) taken from
        the gallery, where nobody is left to hand it over."""
        self._unheard[camera] = since

    def change(self, site: Site) -> None:
        """Keeps to what another site says of links and alerts from now on."""
        self._linker.change(site.constraints, site.link)
        self._alarm.settings = site.alerts

    @property
    def held(self) -> int:
        """Tracks in memory that new ones can be linked to."""
        return len(self._linker.tracks)

    def close(self) -> None:
        """Links what was handed over so far, then ends."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        count_at = float("-inf")
        over = False
        while not over:
            over = self._stop.wait(LINK_SECONDS)
            try:
                self._round(time.time())
                self.trouble = None
                if time.monotonic() > count_at and not over:
                    began = time.monotonic()
                    self.info = self._gallery.info()
                    took = time.monotonic() - began
                    count_at = time.monotonic() + max(COUNT_SECONDS, 50 * took)
            except Exception as error:
                self.trouble = str(error)
                self._say(error)
                if not isinstance(error, StorageError):
                    return

    def _round(self, now: float) -> None:
        for camera, since in list(self._unheard.items()):
            self._fresh |= self._linker.recall(camera, since)
            del self._unheard[camera]
        while True:
            try:
                number, camera, observations = self._news.get_nowait()
            except Empty:
                break
            self._linker.see(number, camera, observations)
            if any(o.vector is not None for o in observations):
                self._fresh.add(number)
        self._recalibrate(now)
        self._linker.link(now)
        self._alarm.refresh(now)
        self._fresh &= self._linker.tracks.keys()
        for track in [self._linker.tracks[number] for number in sorted(self._fresh)]:
            if track.is_mature(now):
                self._alarm.look(track)
                self._fresh.remove(track.id)

    def _recalibrate(self, now: float) -> None:
        """Learns of another calibration that was kept in the gallery."""
        if abs(now - self._calibrated_at) < SAID_SECONDS:
            return
        self._calibrated_at, found = now, self._gallery.calibration
        if found.to_json() != self._calibration.to_json():
            self._calibration = self._alarm.calibration = found
            self._linker.recalibrate(found)

    def _raised(self, alert: Alert) -> None:
        self.alerts += 1
        self._say(alert)
