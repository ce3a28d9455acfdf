"""`watch`: live cameras in, the newest frame of each first; identities and alerts as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from reid import Embedder
from storage import Alert, Gallery, GalleryInfo, GalleryModelMismatch, StorageError

from ..errors import SourceError
from ..reindexing import embedding
from ..site import Site
from .address import resolve
from .broker import Broker
from .frames import Pictures
from .links import Links
from .outbox import Messages, Outbox, Receiver, facts
from .states import CameraHealth, StationHealth
from .telling import Listener, Teller
from .watched import Wanted
from .webhook import Hook


@dataclass(frozen=True)
class WatchHealth:
    """A watch at one moment.

    Args:
        rate: frames a second that go through the stages. busy: when the worker last came round,
            seconds ago. trouble: why the gallery can't be written now. alerts: raised since the
            start. gallery: its size when last counted. gallery_id: see `Gallery.id`.
            held: tracks in memory that new ones can be linked to. messages: of alerts.
    """

    cameras: tuple[CameraHealth, ...]
    rate: float
    busy: float
    trouble: str | None
    alerts: int
    gallery: GalleryInfo | None
    gallery_id: str
    held: int = 0
    messages: Messages = field(default_factory=Messages)

    @property
    def alive(self) -> bool:
        """Whether the worker goes round."""
        return self.busy < 30

    @property
    def ready(self) -> bool:
        """Whether frames come in and results go out."""
        seen = any(not c.stale for c in self.cameras)
        return self.alive and self.trouble is None and (seen or not self.cameras)


class Crew(Protocol):
    """Who watches the cameras: a `Station` of this process, or `Nodes` of a cluster.

    `failure` is what ended the work, None as long as it goes on.
    """

    failure: Exception | None

    @property
    def frames(self) -> Pictures:
        """The newest frames of the cameras."""
        ...

    def start(self, wanted: Wanted) -> None:
        """Begins; raises PipelineError or StorageError where it can't."""
        ...

    def change(self, wanted: Wanted) -> None:
        """Has the cameras be others; raises PipelineError where it can't."""
        ...

    def health(self) -> StationHealth:
        """How everything is now."""
        ...

    def close(self) -> None:
        """Finishes what is in hand, stores it and ends all cameras."""
        ...


class Watch:
    """Watches the cameras of a site until it is closed.

    The crew reads and stores; linking and alerts go on beside it, each in a thread.

    Args:
        gallery: opened for writing by the caller, who closes it. folder: of the site file.
        tell: told each change, from any thread.
        crew: given who links and who is told, returns who watches.

    Raises:
        PipelineError: a secret is missing. GalleryClaimed: another program watches a camera.
    """

    def __init__(
        self,
        site: Site,
        folder: Path,
        gallery: Gallery,
        embedder: Embedder,
        tell: Listener,
        crew: Callable[[Links, Teller], Crew],
    ) -> None:
        self._folder, self._tell = folder, Teller(tell)
        self._failure: Exception | None = None
        self._gallery_id = gallery.id
        gallery.watchlist.renew(embedding(embedder))
        self._links = Links(gallery, embedder.info, site, self._linker_says)
        receivers = _receivers(site, folder)
        self._crew = crew(self._links, self._tell)
        self._crew.start(_wanted(site, folder))
        self._outbox = Outbox(gallery, receivers, self._tell)
        self._links.start()

    @property
    def failure(self) -> Exception | None:
        """What ended the work, None as long as it goes on."""
        return self._failure or self._crew.failure or self._tell.failure

    @property
    def frames(self) -> Pictures:
        """The newest frames of the cameras."""
        return self._crew.frames

    def change(self, site: Site) -> None:
        """Adds, removes and changes cameras as another site says; the others go on untouched.

        Raises:
            PipelineError: a secret is missing; nothing is changed.
        """
        wanted, receivers = _wanted(site, self._folder), _receivers(site, self._folder)
        self._crew.change(wanted)
        self._outbox.receivers = receivers
        self._links.change(site)

    def health(self) -> WatchHealth:
        """How everything is now."""
        seen = self._crew.health()
        return WatchHealth(
            cameras=seen.cameras,
            rate=seen.rate,
            busy=seen.busy,
            trouble=seen.trouble or self._links.trouble,
            alerts=self._links.alerts,
            gallery=self._links.info,
            gallery_id=self._gallery_id,
            held=self._links.held,
            messages=self._outbox.messages,
        )

    def close(self) -> None:
        """Finishes what is in hand, stores it, links it and ends all cameras."""
        self._crew.close()
        self._links.close()
        self._outbox.close()

    def _linker_says(self, news: Alert | Exception) -> None:
        if isinstance(news, Alert):
            self._outbox.wake.set()
            told = facts(news)
            self._tell({"event": "alert", "seen_at": told.pop("time"), **told})
        elif isinstance(news, StorageError) and not isinstance(news, GalleryModelMismatch):
            self._tell.rarely("gallery", "link", str(news))
        else:
            self._failure = news


def _wanted(site: Site, folder: Path) -> Wanted:
    found: Wanted = {}
    for name, camera in site.cameras.items():
        if camera.source:
            with _named(f"camera {name}"):
                found[name] = camera, resolve(camera.source, folder)
    return found


def _receivers(site: Site, folder: Path) -> tuple[Receiver, ...]:
    alerts = site.alerts
    found: list[Receiver] = []
    if alerts.webhook is not None:
        with _named("alerts.webhook"):
            found.append(Hook.of(alerts.webhook, folder))
    if alerts.mqtt is not None:
        with _named("alerts.mqtt"):
            found.append(Broker.of(alerts.mqtt, folder))
    return tuple(found)


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Says whose address is wrong."""
    try:
        yield
    except SourceError as error:
        raise SourceError(f"{what}: {error}") from None
