"""Live cameras and the watch list."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import Any

from pipeline import PipelineError
from pipeline.engine import encode
from pipeline.live.asking import ask
from pipeline.live.wanted import add_looks
from reid import Embeddings
from storage import Alert, Gallery

from .errors import ConsoleError
from .models import (
    AlertOut,
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


def watchlist(gallery: Gallery) -> WatchListOut:
    """Who is looked for, and the alerts."""
    return WatchListOut(
        persons=[
            WantedOut(name=p.name, added=p.added, pictures=len(p.looks))
            for p in gallery.watchlist.persons()
        ],
        alerts=[_alert(a) for a in reversed(gallery.watchlist.alerts())],
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


def live(gallery: Gallery, watch: str | None) -> LiveOut:
    """What the cameras see.

    Args:
        watch: HOST:PORT at which the watch tells of its health; None to do without.
    """
    status, trouble = _status(watch)
    people: dict[str, list[LiveSeen]] = defaultdict(list)
    newest = gallery.browse.newest(PEOPLE)
    identities = gallery.browse.identity_of([s.track for s in newest])
    for sighting in newest:
        people[sighting.camera].append(
            LiveSeen(seen=Seen.of(sighting), identity=identities.get(sighting.track))
        )
    told = {c["camera"]: c for c in status["cameras"]} if status else {}
    tiles = []
    for camera in sorted({*people, *told}):
        known = told.get(camera, {})
        facts = {k: known.get(k) for k in ("state", "reason", "stale", "age", "delay")}
        tiles.append(Tile(camera=camera, people=people[camera], **facts))
    alerts = [_alert(a) for a in gallery.watchlist.alerts()[-ALERTS:]]
    return LiveOut(watch=status is not None, trouble=trouble, tiles=tiles, alerts=alerts[::-1])


def mark(found: LiveOut) -> str:
    """Changes whenever what is shown does."""
    return hashlib.sha256(found.model_dump_json().encode()).hexdigest()[:16]


def _status(watch: str | None) -> tuple[dict[str, Any] | None, str | None]:
    if watch is None:
        return None, None
    try:
        status = ask(watch)
    except PipelineError as error:
        return None, str(error)
    return status, status.get("trouble") or None


def _alert(alert: Alert) -> AlertOut:
    facts = {k: getattr(alert, k) for k in AlertOut.model_fields if k != "crop"}
    return AlertOut(**facts, crop=f"/api/v1/crops/{alert.crop}" if alert.crop else None)
