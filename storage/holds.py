"""Legal holds: what they cover can't be removed until they are lifted."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from . import schema
from .errors import NotStored, StorageError


@dataclass(frozen=True)
class LegalHold:
    """A hold on one identity, one camera or, where both are None, the whole gallery.

    `placed` and `lifted` are UTC in seconds; `lifted` is None while it holds.
    """

    id: int
    identity: int | None
    camera: str | None
    reason: str
    placed: float
    lifted: float | None


def place(connection: Connection, identity: int | None, camera: str | None, reason: str) -> int:
    """Makes a hold; returns its number.

    Raises:
        StorageError: no reason, both an identity and a camera, or one that is not there.
    """
    if not reason.strip():
        raise StorageError("a hold needs a reason: say why nothing may be removed")
    if identity is not None and camera is not None:
        raise StorageError("a hold covers an identity, a camera or all: place two holds")
    camera_id = None if camera is None else camera_of(connection, camera)
    if identity is not None and not connection.scalar(
        select(schema.Identity.id).where(schema.Identity.id == identity)
    ):
        raise NotStored(f"no identity {identity} in the gallery: nothing to hold")
    made = connection.scalar(
        insert(schema.Hold)
        .values(identity_id=identity, camera_id=camera_id, reason=reason, placed=time.time())
        .returning(schema.Hold.id)
    )
    assert made is not None
    return made


def lift(connection: Connection, hold: int) -> None:
    """Ends a hold.

    Raises:
        StorageError: no such hold, or it was lifted before.
    """
    changed = connection.execute(
        update(schema.Hold)
        .where(schema.Hold.id == hold, schema.Hold.lifted.is_(None))
        .values(lifted=time.time())
    ).rowcount
    if not changed:
        raise NotStored(f"no hold {hold} that could be lifted: list them first")


def every(connection: Connection) -> list[LegalHold]:
    """All holds, lifted ones too, oldest first."""
    hold, camera = schema.Hold, schema.Camera
    rows = connection.execute(
        select(hold.id, hold.identity_id, camera.name, hold.reason, hold.placed, hold.lifted)
        .outerjoin(camera, hold.camera_id == camera.id)
        .order_by(hold.id)
    )
    return [LegalHold(*row) for row in rows]


def held_tracks(connection: Connection) -> dict[int, int]:
    """Tracks that a hold covers, each with the number of one such hold."""
    hold, track, session = schema.Hold, schema.Track, schema.Session
    rows = connection.execute(
        select(track.id, hold.id)
        .join(session, track.session_id == session.id)
        .join(
            hold,
            (hold.identity_id == track.identity_id)
            | (hold.camera_id == session.camera_id)
            | (hold.identity_id.is_(None) & hold.camera_id.is_(None)),
        )
        .where(hold.lifted.is_(None))
        .order_by(hold.id.desc())
    )
    return dict(rows.tuples().all())


def camera_of(connection: Connection, name: str) -> int:
    """The id of a camera.

    Raises:
        StorageError: there is none of this name.
    """
    camera = schema.Camera
    known = dict(connection.execute(select(camera.name, camera.id)).tuples().all())
    if name not in known:
        names = ", ".join(sorted(known)) or "none"
        raise NotStored(f"no camera {name!r} in the gallery: it knows {names}")
    return known[name]
