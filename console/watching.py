"""Live cameras and the watch list."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from threading import Lock
from typing import Any
from urllib.parse import quote

from pipeline import PipelineError
from pipeline.crops import encode
from pipeline.live.asking import ask, frames_of, picture_of
from pipeline.live.wanted import add_looks
from reid import Embeddings
from storage import Gallery

from .errors import ConsoleError
from .models import (
    AlertOut,
    LiveBox,
    LiveFrame,
    LiveOut,
    LiveSeen,
    Seen,
    Tile,
    WantedDone,
    WantedIn,
    WantedOut,
    WatchListOut,
)
from .state import Console

PEOPLE = 5
"""People on a camera's tile."""
ALERTS = 5
"""Alerts beside the tiles."""
EVERY = 1.0
"""Seconds between two looks of open live pages."""


def watchlist(gallery: Gallery) -> WatchListOut:
    """Who is looked for, and the alerts."""
    return WatchListOut(
        persons=[
            WantedOut(name=p.name, added=p.added, pictures=len(p.looks))
            for p in gallery.watchlist.persons()
        ],
        alerts=[AlertOut.of(a) for a in reversed(gallery.watchlist.alerts())],
    )


def look_for(console: Console, gallery: Gallery, body: WantedIn, who: str) -> WantedDone:
    """Adds a person to the watch list, or pictures of one who is there.

    Raises:
        ConsoleError: no picture, or a frame of which nobody was picked.
        StorageError: an observation that is not there, a name that can't be.
    """
    looks: list[Embeddings] = []
    pictures: list[bytes] = []
    if body.query is not None:
        query = console.query(body.query, who)
        if query.embedding is None:
            raise ConsoleError(f"{len(query.people)} people are in this picture: pick one")
        looks.append(query.embedding)
        pictures.append(encode(query.image))
    if body.like:
        looks.append(gallery.browse.embeddings(body.like))
        for one in body.like:
            crop = gallery.browse.sighting(one).crop
            if crop is None:
                raise ConsoleError(f"no picture of observation {one} is kept", 404)
            pictures.append(gallery.crop(crop))
    if not looks:
        raise ConsoleError("nobody to look for: give a query, or observations with like")
    added = add_looks(gallery, body.name, Embeddings.concatenate(looks), pictures)
    return WantedDone(name=body.name, pictures=added.pictures, can_alert=added.can_alert)


class Live:
    """What the cameras see; looked up once for all who ask within a moment.

    Args:
        watch: HOST:PORT at which the watch tells of its health; None to do without.
    """

    def __init__(self, gallery: Gallery, watch: str | None) -> None:
        self._gallery, self._watch = gallery, watch
        self._lock = Lock()
        self._found: LiveOut | None = None
        self._at = float("-inf")
        self._pictures: dict[str, tuple[int, bytes]] = {}

    def now(self) -> LiveOut:
        """Not older than `EVERY`."""
        with self._lock:
            if self._found is None or time.monotonic() - self._at > EVERY / 2:
                self._found = self._look()
                self._at = time.monotonic()
            return self._found

    def picture(self, camera: str, number: int) -> bytes:
        """A frame that `now` told of, as a JPEG; fetched once for all who look.

        Raises:
            ConsoleError: there is no such frame, or it is gone.
        """
        held = self._pictures.get(camera)
        if held is not None and held[0] == number:
            return held[1]
        told = {t.camera for t in self.now().tiles if t.frame is not None}
        found = picture_of(self._watch, camera, number) if self._watch and camera in told else None
        if found is None:
            raise ConsoleError(f"no frame {number} of {camera}, or it is gone", 404)
        self._pictures[camera] = number, found
        return found

    def _look(self) -> LiveOut:
        status, trouble = self._status()
        frames = frames_of(self._watch) if status and self._watch else {}
        people: dict[str, list[LiveSeen]] = defaultdict(list)
        newest = self._gallery.browse.newest(PEOPLE)
        shown = [b["track"] for f in frames.values() for b in f["boxes"] if b["track"]]
        identities = self._gallery.browse.identity_of([*(s.track for s in newest), *shown])
        for sighting in newest:
            seen = LiveSeen(seen=Seen.of(sighting), identity=identities.get(sighting.track))
            people[sighting.camera].append(seen)
        told = {c["camera"]: c for c in status["cameras"]} if status else {}
        tiles = [
            _tile(
                camera,
                told.get(camera),
                people[camera],
                _frame(camera, frames[camera], identities) if camera in frames else None,
            )
            for camera in {*people, *told}
        ]
        alerts = [AlertOut.of(a) for a in self._gallery.watchlist.alerts(last=ALERTS)]
        return LiveOut(
            watch=status is not None,
            trouble=trouble,
            tiles=sorted(tiles, key=lambda tile: tile.camera),
            alerts=alerts[::-1],
        )

    def _status(self) -> tuple[dict[str, Any] | None, str | None]:
        """What the watch of this gallery says, and what is wrong."""
        if self._watch is None:
            return None, None
        try:
            status = ask(self._watch)
        except PipelineError as error:
            return None, str(error)
        if status.get("gallery_id") != self._gallery.id:
            return None, f"the watch at {self._watch} writes another gallery"
        return status, status.get("trouble") or None


def mark(found: LiveOut) -> str:
    """Changes whenever what is shown does, but not with each new frame."""
    shown = found.model_dump_json(exclude={"tiles": {"__all__": {"newest", "delay", "frame"}}})
    framed = [tile.camera for tile in found.tiles if tile.frame]
    return hashlib.sha256(f"{shown} {framed}".encode()).hexdigest()[:16]


def frames(found: LiveOut) -> dict[str, dict[str, Any]]:
    """The newest frame of each camera that shows one, as plain values."""
    return {tile.camera: tile.frame.model_dump() for tile in found.tiles if tile.frame}


def _tile(
    camera: str, told: dict[str, Any] | None, people: list[LiveSeen], frame: LiveFrame | None
) -> Tile:
    if told is None:
        return Tile(camera=camera, people=people, frame=frame)
    return Tile(
        camera=camera,
        state=told["state"],
        reason=told["reason"],
        stale=told["stale"],
        newest=None if told["age"] is None else time.time() - told["age"],
        delay=told["delay"],
        people=people,
        frame=frame,
    )


def _frame(camera: str, told: dict[str, Any], identities: dict[int, int | None]) -> LiveFrame:
    return LiveFrame(
        number=told["frame"],
        time=told["time"],
        width=told["width"],
        height=told["height"],
        picture=f"/api/v1/live/{quote(camera, safe='')}/frames/{told['frame']}",
        boxes=[
            LiveBox(box=b["box"], track=b["track"], identity=identities.get(b["track"]))
            for b in told["boxes"]
        ],
    )
