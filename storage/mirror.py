"""A gallery's vectors in memory, kept up with the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BindParameter, Connection, Row, Select, bindparam, func, select

from . import counters, schema, vectors
from .blocks import Filled, Segments
from .parts import WHOLE, Part

CHUNK = 20_000
"""Rows read at a time."""


@dataclass(frozen=True)
class View:
    """What a mirror held at one moment; later changes don't reach it.

    Args:
        filled: the segments, in the order in which they were begun.
        last: the highest id of an observation with a vector.
        camera: ``int64 (T,)``, the id of each track's camera.
        person: ``int64 (T,)``, an index into `owners` for each track.
        owners: ``int64 (P,)`` ascending: identities by id; a track without one stands for itself,
            as minus its id.
        elsewhere: ``bool (P,)``, whether an owner has tracks beyond the mirror's part.
    """

    filled: tuple[Filled, ...]
    last: int
    camera: NDArray[np.int64]
    person: NDArray[np.int64]
    owners: NDArray[np.int64]
    elsewhere: NDArray[np.bool_]


class Mirror:
    """All vectors of one model that a part of the gallery holds, and whose they are.

    It may be refreshed by one thread at a time; views are used without a lock.
    """

    def __init__(self, sizes: Sequence[int], model_id: int, part: Part = WHOLE) -> None:
        self._sizes = tuple(sizes)
        self._model_id = model_id
        self._part = part
        self.segments = Segments(sizes)
        self._last = self._buried = 0
        self._identities = -1
        self._ids = np.zeros(0, np.int64)
        self._identity = np.zeros(0, np.int64)
        self._camera = np.zeros(0, np.int64)
        self._strays = np.zeros(0, np.bool_)
        self._elsewhere = np.zeros(0, np.bool_)
        self._owners = self._person = np.zeros(0, np.int64)
        self._statements = _statements(part)
        self._state: Row[*tuple[Any, ...]] | None = None
        self._view: View | None = None

    def refresh(self, connection: Connection) -> View:
        """Takes in what was stored, linked and removed since the last call."""
        state = connection.execute(_STATE, {"name": counters.IDENTITIES}).one()
        if self._view is None or state != self._state:
            self._view = self._renewed(connection)
            self._state = state
        return self._view

    def _renewed(self, connection: Connection) -> View:
        self._bury(connection)
        self._take_tracks(connection)
        self._take_rows(connection)
        return View(
            self.segments.filled(),
            self._last,
            self._camera,
            self._person,
            self._owners,
            self._elsewhere,
        )

    def _bury(self, connection: Connection) -> None:
        stones = self._statements[0]
        found = connection.execute(stones, {"after": self._buried}).all()
        if not found:
            return
        gone = np.isin(self._ids, [row.gone for row in found if row.kind == "track"])
        if gone.any():
            self.segments.drop(gone)
        self._buried = found[-1].id

    def _take_tracks(self, connection: Connection) -> None:
        """Reads new tracks, and all of them after a change of identities."""
        count = counters.count_of(connection, counters.IDENTITIES)
        newest = int(self._ids[-1]) if len(self._ids) else 0
        after = newest if count == self._identities else 0
        rows = connection.execute(self._statements[1], {"after": after}).all()
        if not rows and count == self._identities:
            return
        table = np.array([(t, i or 0, c, b) for t, i, c, b in rows], np.int64).reshape(-1, 4)
        old, new = table[table[:, 0] <= newest], table[table[:, 0] > newest]
        identity, strays = self._identity.copy(), self._strays.copy()
        at = np.searchsorted(self._ids, old[:, 0])
        identity[at], strays[at] = old[:, 1], old[:, 3]
        self._ids = np.concatenate([self._ids, new[:, 0]])
        self._identity = np.concatenate([identity, new[:, 1]])
        self._camera = np.concatenate([self._camera, new[:, 2]])
        self._strays = np.concatenate([strays, new[:, 3].astype(np.bool_)])
        if count == self._identities and not new[:, 1].any():
            self._add_alone(new[:, 0])
            return
        owner = np.where(self._identity > 0, self._identity, -self._ids)
        self._owners, self._person = np.unique(owner, return_inverse=True)
        self._elsewhere = np.zeros(len(self._owners), np.bool_)
        self._elsewhere[self._person[self._strays]] = True
        self._identities = count

    def _add_alone(self, tracks: NDArray[np.int64]) -> None:
        """New tracks without an identity: their owners come before all others."""
        count = len(tracks)
        self._owners = np.concatenate([-tracks[::-1], self._owners])
        self._elsewhere = np.concatenate([np.zeros(count, np.bool_), self._elsewhere])
        self._person = np.concatenate([self._person + count, np.arange(count)[::-1]])

    def _take_rows(self, connection: Connection) -> None:
        given = {"after": self._last, "model": self._model_id}
        with connection.execute(
            self._statements[2], given, execution_options={"yield_per": CHUNK}
        ) as rows:
            for chunk in rows.partitions():
                self._add(*zip(*chunk, strict=True))

    def _add(
        self,
        ids: Sequence[int],
        owners: Sequence[int],
        times: Sequence[float],
        levels: Sequence[int],
        blobs: Sequence[bytes],
    ) -> None:
        """Takes in all of these rows or, where one is broken, none."""
        track = np.searchsorted(self._ids, np.array(owners)).astype(np.int32)
        observation, time, stored = np.array(ids), np.array(times, np.float64), np.array(levels)
        parts = []
        for level, length in enumerate(vectors.lengths(self._sizes), start=1):
            own = np.flatnonzero(stored == level)
            parts.append((own, vectors.stack([blobs[i] for i in own.tolist()], length)))
        for level, (own, prefixes) in enumerate(parts, start=1):
            self.segments.add(level, observation[own], track[own], time[own], prefixes)
        self._last = ids[-1]


_STATE = select(
    *(
        select(func.max(table.id)).scalar_subquery()
        for table in (schema.Tombstone, schema.Track, schema.Observation)
    ),
    select(schema.Counter.value).where(schema.Counter.name == bindparam("name")).scalar_subquery(),
)
"""What differs after anything was removed, stored or linked."""


def _statements(part: Part) -> tuple[Select[*tuple[Any, ...]], ...]:
    """What was removed, tracks, and rows of a ``model``, each ``after`` an id.

    Made once: that takes longer than asking.
    """
    stone, track, session = schema.Tombstone, schema.Track, schema.Session
    observation, embedding = schema.Observation, schema.Embedding
    after: BindParameter[int] = bindparam("after")
    limits = part.conditions()
    stones = select(stone.id, stone.kind, stone.gone).where(stone.id > after).order_by(stone.id)
    tracks = (
        select(track.id, track.identity_id, session.camera_id, part.goes_beyond())
        .join(session, track.session_id == session.id)
        .where(track.id > after, *limits)
        .order_by(track.id)
    )
    rows = (
        select(
            observation.id,
            observation.track_id,
            observation.time,
            embedding.level,
            embedding.vector,
        )
        .join(embedding, embedding.observation_id == observation.id)
        .where(embedding.model_id == bindparam("model"), observation.id > after)
        .order_by(observation.id)
    )
    if part != WHOLE:
        rows = (
            rows.join(track, observation.track_id == track.id)
            .join(session, track.session_id == session.id)
            .where(*limits)
        )
    return stones, tracks, rows
