"""A watch from its site file: opened, followed where the file is edited, and ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event

from reid import Embedder
from storage import Gallery

from ..detect import Detector
from ..errors import CallError, PipelineError
from ..site import Site, read_site
from .links import Links
from .memory import return_large_blocks
from .server import HealthServer
from .states import CameraState
from .station import Station
from .telling import Listener, Teller
from .watching import Crew, Watch, WatchHealth

TURN_SECONDS = 0.5
"""How often the site file is looked at, and `show` called."""


def watch(
    site: Path,
    gallery: str | Path = "nearfar.db",
    *,
    detector: str | Path | None = None,
    embedder: str | Path | None = None,
    device: str = "auto",
    listen: str | None = None,
    frames: bool | None = None,
    ray: str | None = None,
    tell: Listener,
    show: Callable[[WatchHealth], None],
    stop: Event,
    reload: Event,
) -> None:
    """Watches the cameras of a site file until `stop` is set, or all were files and have ended.

    Args:
        gallery: path or URL, made if it is not there.
        detector, embedder: weights; those that ship if None. device: ``auto``, ``cpu``, ``cuda``.
        listen: ``HOST:PORT`` for the health over HTTP; none if None. frames: whether the newest
            frames are served there too; if None, where only this machine can reach them.
        ray: address of a Ray cluster whose nodes watch the cameras, or ``local``.
        tell: told each change, from any thread. show: called twice a second.
        reload: has the site file be read again when set; it is too when it was edited.

    Raises:
        PipelineError, ReidError, StorageError: one line that says what, which and what to do.
    """
    return_large_blocks()
    edited = _edited(site)
    known = read_site(site)
    _require_sources(known, site)
    if ray is not None and "://" not in str(gallery):
        raise CallError(
            "each node writes the gallery: give one on a server, postgresql://HOST/NAME"
        )
    model = Embedder.load(embedder, device)
    eyes = None if ray is not None else Detector.load(detector, device)
    with Gallery.open(gallery, model=model.info, create=True) as opened:

        def crew(links: Links, teller: Teller) -> Crew:
            if eyes is not None:
                return Station(eyes, model, opened, links.put, teller)
            from ..cluster import Models
            from .nodes import Nodes

            models = Models(detector, embedder, device)
            return Nodes(str(ray), models, str(gallery), links, teller)

        running = Watch(known, site.parent.absolute(), opened, model, tell, crew)
        server: HealthServer | None = None
        try:
            if listen is not None:
                server = HealthServer(listen, running.health, running.frames, frames)
            tell({"event": "start", "cameras": len(running.health().cameras)})
            while not stop.wait(TURN_SECONDS) and running.failure is None:
                before, edited = edited, _edited(site)
                if edited != before or reload.is_set():
                    reload.clear()
                    _read_again(site, running, tell)
                health = running.health()
                show(health)
                if all(c.state is CameraState.ENDED for c in health.cameras):
                    break
        finally:
            if server is not None:
                server.close()
            running.close()
        if running.failure is not None:
            raise running.failure


def _read_again(site: Path, running: Watch, tell: Listener) -> None:
    """Follows a site file that was edited; one with mistakes is told of and not followed."""
    try:
        known = read_site(site)
        _require_sources(known, site)
        running.change(known)
        tell({"event": "site", "problem": None})
    except PipelineError as error:
        tell({"event": "site", "problem": str(error)})


def _require_sources(site: Site, path: Path) -> None:
    if not any(camera.source for camera in site.cameras.values()):
        raise CallError(f"{path} has no camera with a source: nothing to watch")


def _edited(site: Path) -> tuple[int, int, int] | None:
    """What changes when a file is edited or replaced."""
    try:
        found = site.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
