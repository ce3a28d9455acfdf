"""Mending a gallery as far as what is wrong can be told from the rest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, exists, func, insert, or_, select, update

from . import counters, cutting, schema, settings
from .checks import check
from .crops import Crops, unnamed
from .database import Database


@dataclass(frozen=True)
class Repair:
    """What a repair did and what is still wrong, one line each."""

    done: tuple[str, ...]
    left: tuple[str, ...]


def repair(database: Database, crops: Crops) -> Repair:
    """See `Gallery.repair`."""
    with database.read() as connection:
        pages, _ = database.backend.problems(connection)
    done = [] if pages else mend(database, crops)
    return Repair(tuple(done), tuple(check(database, crops)))


def mend(database: Database, crops: Crops) -> list[str]:
    """Mends what follows from the rest of the gallery; returns what it did, one line each."""
    done = []
    with database.write() as connection:
        crops.clear(connection)
        stray = crops.leftovers(connection)
        for file in stray:
            file.unlink(missing_ok=True)
        if stray:
            done.append(f"removed {len(stray)} files of crops that no row names")
        loose = unnamed(connection, connection.scalars(select(schema.Crop.sha256)))
        crops.doubt(connection, loose)
        for what, statement in _mending():
            count = connection.execute(statement).rowcount
            if count:
                done.append(what.format(count))
        linked = _link(connection)
        if linked:
            done.append(f"linked {linked} tracks to their identities")
        if done and settings.read(connection, cutting.NAME):
            settings.write(connection, cutting.NAME, "")
            done.append("forgot how it was cut into parts: cut it anew")
        counters.count_up(connection, counters.IDENTITIES)
    if loose:
        with database.write() as connection:
            crops.clear(connection)
        done.append(f"removed {len(loose)} crops that no observation names")
    return done


def _mending() -> Iterator[tuple[str, Any]]:
    """Statements that mend rows, each with what to say of the number of rows."""
    track, observation, session = schema.Track, schema.Observation, schema.Session
    for child, key in (
        (schema.Embedding, schema.Embedding.observation_id == observation.id),
        (schema.Picture, schema.Picture.sha256 == schema.Crop.sha256),
        (schema.IdentityLink, schema.IdentityLink.track_id == track.id),
    ):
        what = f"removed {{}} rows of {child.__tablename__} that belong to nothing"
        yield what, delete(child).where(~exists().where(key))
    own = observation.track_id == track.id
    first = select(func.min(observation.time)).where(own).scalar_subquery()
    last = select(func.max(observation.time)).where(own).scalar_subquery()
    empty = ~exists().where(own)
    yield "removed {} tracks without observations", delete(track).where(empty)
    yield (
        "set the times of {} tracks to those of their observations",
        update(track)
        .where(or_(track.first != first, track.last != last))
        .values(first=first, last=last),
    )
    frame = (
        select(func.max(observation.frame))
        .join(track, own)
        .where(track.session_id == session.id)
        .scalar_subquery()
    )
    yield (
        "moved {} sessions on to their last observation",
        update(session).where(session.position <= frame).values(position=frame + 1),
    )
    identity = schema.Identity
    yield (
        "revived {} identities that have tracks",
        update(identity)
        .where(identity.ended.is_not(None), exists().where(track.identity_id == identity.id))
        .values(ended=None),
    )


def _link(connection: Connection) -> int:
    """Links tracks to the identities that they have without a link; returns how many."""
    track, link = schema.Track, schema.IdentityLink
    rows = connection.execute(
        select(track.id, track.identity_id)
        .join(schema.Identity, track.identity_id == schema.Identity.id)
        .outerjoin(link, (link.track_id == track.id) & (link.identity_id == track.identity_id))
        .where(link.id.is_(None))
    ).all()
    now = time.time()
    missing = [
        {
            "track_id": row.id,
            "identity_id": row.identity_id,
            "evidence": 0.0,
            "method": "machine",
            "state": "current",
            "updated": now,
        }
        for row in rows
    ]
    if missing:
        connection.execute(insert(link), missing)
    return len(missing)
