"""`WatchList`: persons to look for, and the alerts that they raised."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, func, insert, select, update

from reid import Embeddings, ModelInfo

from . import audit, counters, schema, vectors
from .database import Database
from .errors import NotStored, StorageError

CHANGES = "watch list"
"""Counts the changes of who is looked for."""


@dataclass(frozen=True)
class Wanted:
    """A person to look for; `added` is UTC in seconds."""

    id: int
    name: str
    added: float
    looks: Embeddings


@dataclass(frozen=True)
class Alert:
    """Somebody who is looked for was seen.

    `time` is of the observation that raised it, `seen` of the last one of the visit, UTC in
    seconds; `identity` is who the gallery takes the person for now. `log_odds` and the `least` that
    was asked for in nats; `crop` the hash of its picture, for `Gallery.crop`. `state`: ``kept``
    (nobody is to be told), ``waiting``, ``sent`` or ``given up``; `trouble` with the last try.
    """

    id: int
    wanted: str
    camera: str
    track: int
    identity: int | None
    time: float
    seen: float
    log_odds: float
    least: float
    crop: str | None
    state: str
    attempts: int
    due: float
    trouble: str | None


Embed = Callable[[Sequence[bytes], Sequence[int]], NDArray[np.float32]]
"""JPEG files and levels in, ``float32 (N, d)`` out, zero past each level's prefix."""


class WatchList:
    """Who is looked for in one gallery; who is added and removed stands in its audit log.

    Args:
        actor: who is at work, for the audit log. model, model_id: of the gallery.
    """

    def __init__(
        self, database: Database, actor: str, model: ModelInfo | None, model_id: int | None
    ) -> None:
        self._database, self._actor = database, actor
        self._model, self._model_id = model, model_id

    @property
    def changes(self) -> int:
        """A number that grows when somebody is added or removed."""
        with self._database.read() as connection:
            return counters.count_of(connection, CHANGES)

    def add(self, name: str, looks: Embeddings, pictures: Sequence[bytes]) -> None:
        """Adds a person, or pictures of one who is there.

        Args:
            looks: of the gallery's model. pictures: their JPEG files, in the same order.

        Raises:
            StorageError: no name, no pictures, or a gallery without a model.
        """
        if self._model is None or self._model_id is None:
            raise StorageError("the gallery has no model yet: open it with the embedder's")
        if not name.strip() or not name.isprintable():
            raise StorageError("a person to look for needs a name of printable characters")
        if not len(looks):
            raise StorageError(f"no picture of {name}: give at least one")
        table = schema.Wanted
        with self._database.write() as connection:
            known = connection.scalar(select(table.id).where(table.name == name))
            if known is None:
                row = {"name": name, "added": time.time()}
                known = connection.scalar(insert(table).returning(table.id), row)
            rows = [
                {
                    "wanted_id": known,
                    "model_id": self._model_id,
                    "level": int(level),
                    "vector": vectors.encode(vector, int(level), self._model),
                    "jpeg": jpeg,
                }
                for vector, level, jpeg in zip(looks.vectors, looks.levels, pictures, strict=True)
            ]
            connection.execute(insert(schema.WantedLook), rows)
            self._changed(connection, "watch list add", {"person": known, "pictures": len(rows)})

    def remove(self, name: str) -> None:
        """Looks for a person no more; pictures and vectors go, alerts stay.

        Raises:
            StorageError: nobody of this name is on the list.
        """
        table = schema.Wanted
        with self._database.write() as connection:
            known = connection.scalar(select(table.id).where(table.name == name))
            if known is None:
                names = ", ".join(connection.scalars(select(table.name).order_by(table.name)))
                raise NotStored(f"no {name!r} on the watch list: it has {names or 'nobody'}")
            connection.execute(delete(table).where(table.id == known))
            self._changed(connection, "watch list remove", {"person": known})

    def persons(self) -> list[Wanted]:
        """All persons, by name, with the looks of the gallery's model."""
        person, look = schema.Wanted, schema.WantedLook
        with self._database.read() as connection:
            people = connection.execute(
                select(person.id, person.name, person.added).order_by(person.name)
            ).all()
            rows = connection.execute(
                select(look.wanted_id, look.level, look.vector)
                .where(look.model_id == self._model_id)
                .order_by(look.id)
            ).all()
        sizes = self._model.sizes if self._model else (0,)
        found = []
        for key, name, added in people:
            own = [row for row in rows if row.wanted_id == key]
            levels = np.array([row.level for row in own], np.int8)
            decoded = vectors.decode([row.vector for row in own], levels, sizes)
            looks = Embeddings(decoded, levels, np.ones(len(own), np.float32), tuple(sizes))
            found.append(Wanted(key, name, added, looks))
        return found

    def renew(self, embed: Embed) -> int:
        """Embeds pictures anew whose vectors are of an earlier model; returns how many."""
        look = schema.WantedLook
        if self._model is None:
            return 0
        with self._database.read() as connection:
            rows = connection.execute(
                select(look.id, look.level, look.jpeg).where(look.model_id != self._model_id)
            ).all()
        if not rows:
            return 0
        made = embed([row.jpeg for row in rows], [row.level for row in rows])
        with self._database.write() as connection:
            for row, vector in zip(rows, made, strict=True):
                encoded = vectors.encode(vector, row.level, self._model)
                connection.execute(
                    update(look)
                    .where(look.id == row.id)
                    .values(model_id=self._model_id, vector=encoded)
                )
        return len(rows)

    def raise_alert(
        self,
        wanted: str,
        track: int,
        time: float,
        log_odds: float,
        least: float,
        crop: str | None,
        *,
        send: bool,
    ) -> Alert:
        """Keeps a new alert; `send` says whether somebody is to be told. See `Alert`.

        Raises:
            StorageError: no such track.
        """
        table = schema.Alert
        with self._database.write() as connection:
            camera = connection.scalar(
                select(schema.Session.camera_id)
                .join(schema.Track, schema.Track.session_id == schema.Session.id)
                .where(schema.Track.id == track)
            )
            if camera is None:
                raise NotStored(f"no track {track} in the gallery: nothing to alert of")
            row = {
                "wanted": wanted,
                "camera_id": camera,
                "track_id": track,
                "time": time,
                "seen": time,
                "log_odds": log_odds,
                "least": least,
                "crop": crop,
                "state": "waiting" if send else "kept",
                "attempts": 0,
                "due": 0.0,
            }
            made = connection.scalar(insert(table).returning(table.id), row)
            return _alerts(connection, table.id == made)[0]

    def still_seen(self, alert: int, time: float) -> None:
        """Notes that the visit of an alert lasts."""
        self._update(alert, seen=time)

    def sent(self, alert: int) -> None:
        """Notes that the message of an alert arrived."""
        self._update(alert, state="sent", attempts=schema.Alert.attempts + 1, trouble=None)

    def failed(self, alert: int, trouble: str, due: float | None) -> None:
        """Notes that it did not, and when to try again; never if `due` is None."""
        state = {"state": "given up"} if due is None else {"due": due}
        self._update(alert, attempts=schema.Alert.attempts + 1, trouble=trouble, **state)

    def waiting(self, now: float) -> list[Alert]:
        """Alerts whose message is due, oldest first."""
        table = schema.Alert
        with self._database.read() as connection:
            return _alerts(connection, table.state == "waiting", table.due <= now)

    def unsent(self) -> tuple[int, int]:
        """How many alerts' messages wait to be sent, and how many were given up."""
        state = schema.Alert.state
        query = select(state, func.count()).where(state != "sent").group_by(state)
        with self._database.read() as connection:
            found = dict(connection.execute(query).tuples().all())
        return found.get("waiting", 0), found.get("given up", 0)

    def alerts(self, *, since: float | None = None, last: int | None = None) -> list[Alert]:
        """All alerts, or some of them, oldest first.

        Args:
            since: those whose visit lasted until then or later, UTC seconds.
            last: as many of the newest at most.
        """
        condition = [] if since is None else [schema.Alert.seen >= since]
        with self._database.read() as connection:
            return _alerts(connection, *condition, last=last)

    def tracks_since(self, since: float) -> int:
        """How many tracks began at or after a time, UTC seconds."""
        query = select(func.count()).select_from(schema.Track).where(schema.Track.first >= since)
        with self._database.read() as connection:
            return connection.scalar(query) or 0

    def _update(self, alert: int, **values: object) -> None:
        table = schema.Alert
        with self._database.write() as connection:
            connection.execute(update(table).where(table.id == alert).values(**values))

    def _changed(self, connection: Connection, action: str, facts: dict[str, object]) -> None:
        counters.count_up(connection, CHANGES)
        audit.append(connection, self._actor, action, facts)


def _alerts(connection: Connection, *conditions: object, last: int | None = None) -> list[Alert]:
    table, camera, track = schema.Alert, schema.Camera, schema.Track
    rows: Sequence[Any] = connection.execute(
        select(
            table.id,
            table.wanted,
            camera.name,
            table.track_id,
            track.identity_id,
            table.time,
            table.seen,
            table.log_odds,
            table.least,
            table.crop,
            table.state,
            table.attempts,
            table.due,
            table.trouble,
        )
        .join(camera, table.camera_id == camera.id)
        .join(track, table.track_id == track.id)
        .where(*conditions)  # type: ignore[arg-type]
        .order_by(table.id.desc())
        .limit(last)
    ).all()
    return [Alert(*row) for row in reversed(rows)]
