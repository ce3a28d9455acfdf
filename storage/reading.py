"""Sessions, tracks, observations and identities as they are stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, Select, bindparam, func, select

from reid import Embeddings

from . import schema, vectors
from .looks import spread
from .records import Appearance, BoxRow, Session, Sighting, StoredIdentity, StoredTrack

IN_LIST = 20_000
"""The most ids in one query."""


def sessions(connection: Connection, *conditions: Any) -> list[Session]:
    """The sessions that meet all conditions, oldest first."""
    session, camera = schema.Session, schema.Camera
    largest = (
        select(func.coalesce(func.max(schema.Track.number), 0))
        .where(schema.Track.session_id == session.id)
        .scalar_subquery()
    )
    query = (
        select(
            session.id,
            camera.name,
            session.source,
            session.content,
            session.start,
            session.fps,
            session.state,
            session.position,
            session.frames_lost,
            largest + 1,
            session.frames,
            session.checkpoint,
            session.failure,
            session.created,
            session.updated,
        )
        .join(camera)
        .where(*conditions)
        .order_by(session.id)
    )
    return [Session(*row) for row in connection.execute(query)]


def tracks(
    connection: Connection,
    sizes: Sequence[int],
    model_id: int | None,
    looks: int | None,
    *conditions: Any,
) -> list[StoredTrack]:
    """Tracks that meet all conditions, by id, with their vectors of one model.

    Args:
        looks: vectors of a track at most, spread over its time; None for all.
    """
    track, session, observation = schema.Track, schema.Session, schema.Observation
    counted = (
        select(
            observation.track_id,
            func.count().label("n"),
            func.min(observation.level).label("lowest"),
            func.max(observation.level).label("highest"),
        )
        .join(track, observation.track_id == track.id)
        .join(session, track.session_id == session.id)
        .join(schema.Camera, session.camera_id == schema.Camera.id)
        .where(*conditions)
        .group_by(observation.track_id)
        .subquery()
    )
    link = schema.IdentityLink
    heads: Sequence[Any] = connection.execute(
        select(
            track.id,
            track.session_id,
            schema.Camera.name,
            track.number,
            track.first,
            track.last,
            track.identity_id,
            link.evidence,
            counted.c.n,
            counted.c.lowest,
            counted.c.highest,
        )
        .join(session, track.session_id == session.id)
        .join(schema.Camera, session.camera_id == schema.Camera.id)
        .join(counted, counted.c.track_id == track.id)
        .outerjoin(link, (link.track_id == track.id) & (link.identity_id == track.identity_id))
        .where(*conditions)
        .order_by(track.id)
    ).all()
    owners, times, every = _embedded(connection, sizes, model_id, looks, conditions)
    starts = np.searchsorted(owners, [head[0] for head in heads], "left")
    ends = np.searchsorted(owners, [head[0] for head in heads], "right")
    return [
        StoredTrack(*(*head, every[start:end], times[start:end]))
        for head, start, end in zip(heads, starts, ends, strict=True)
    ]


def _embedded(
    connection: Connection,
    sizes: Sequence[int],
    model_id: int | None,
    looks: int | None,
    conditions: Sequence[Any],
) -> tuple[NDArray[np.int64], NDArray[np.float64], Embeddings]:
    """Tracks, times and embeddings of observations with a vector, by track and time."""
    if looks == 0:
        return np.zeros(0, np.int64), np.zeros(0), Embeddings.empty(sizes)
    track, session, observation = schema.Track, schema.Session, schema.Observation
    embedding = schema.Embedding
    rows = connection.execute(
        select(
            observation.track_id,
            observation.id,
            observation.time,
            observation.quality,
        )
        .join(embedding, embedding.observation_id == observation.id)
        .join(track, observation.track_id == track.id)
        .join(session, track.session_id == session.id)
        .join(schema.Camera, session.camera_id == schema.Camera.id)
        .where(embedding.model_id == model_id, *conditions)
        .order_by(observation.track_id, observation.time, observation.id)
    ).all()
    owners = np.array([row[0] for row in rows], np.int64)
    ids = np.array([row[1] for row in rows], np.int64)
    times = np.array([row[2] for row in rows], np.float64)
    quality = np.array([row[3] for row in rows], np.float64)
    if looks is not None and len(owners):
        starts = np.flatnonzero(np.diff(owners, prepend=-1))
        pieces = zip(starts, [*starts[1:], len(owners)], strict=True)
        kept = np.concatenate([a + spread(times[a:b], quality[a:b], looks) for a, b in pieces])
        owners, ids = owners[kept], ids[kept]
        times, quality = times[kept], quality[kept]
    levels, found = _vectors(connection, sizes, model_id, ids.tolist())
    return owners, times, Embeddings(found, levels, quality.astype(np.float32), tuple(sizes))


def _vectors(
    connection: Connection, sizes: Sequence[int], model_id: int | None, ids: Sequence[int]
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Levels and vectors of observations."""
    levels = np.zeros(len(ids), np.int8)
    found = np.zeros((len(ids), sum(sizes)), np.float32)
    for i in range(0, len(ids), IN_LIST):
        part = ids[i : i + IN_LIST]
        rows = connection.execute(_stored(), {"model": model_id, "ids": part})
        stored = {row[0]: row for row in rows}
        own = [stored[one] for one in part]
        levels[i : i + IN_LIST] = [row[1] for row in own]
        found[i : i + IN_LIST] = vectors.decode(
            [row[2] for row in own], levels[i : i + IN_LIST], sizes
        )
    return levels, found


@cache
def _stored() -> Select[*tuple[Any, ...]]:
    """Vectors of a ``model`` by ``ids``. Made once, since that takes longer than asking."""
    embedding = schema.Embedding
    return select(embedding.observation_id, embedding.level, embedding.vector).where(
        embedding.model_id == bindparam("model"),
        embedding.observation_id.in_(bindparam("ids", expanding=True)),
    )


def _sightings() -> Select[*tuple[Any, ...]]:
    observation = schema.Observation
    return (
        select(
            observation.id,
            observation.track_id,
            schema.Camera.name,
            observation.frame,
            observation.time,
            observation.x,
            observation.y,
            observation.w,
            observation.h,
            observation.score,
            observation.level,
            observation.quality,
            observation.crop_sha256,
        )
        .join(schema.Track, observation.track_id == schema.Track.id)
        .join(schema.Session, schema.Track.session_id == schema.Session.id)
        .join(schema.Camera, schema.Session.camera_id == schema.Camera.id)
    )


def _sighting(row: Sequence[Any]) -> Sighting:
    number, track, camera, frame, time, x, y, w, h, score, level, quality, crop = row
    return Sighting(number, track, camera, frame, time, (x, y, w, h), score, level, quality, crop)


def present(connection: Connection, tracks: Collection[int]) -> set[int]:
    """Which of some tracks are there."""
    ids, found = sorted(tracks), set[int]()
    for i in range(0, len(ids), IN_LIST):
        some = ids[i : i + IN_LIST]
        found |= set(connection.scalars(select(schema.Track.id).where(schema.Track.id.in_(some))))
    return found


def observations(connection: Connection, track_id: int) -> list[Sighting]:
    """All observations of a track in order of time."""
    query = _sightings().where(schema.Observation.track_id == track_id)
    rows = connection.execute(query.order_by(schema.Observation.time, schema.Observation.id))
    return [_sighting(row) for row in rows]


def sightings(connection: Connection, ids: Iterable[int]) -> dict[int, Sighting]:
    """Observations by their ids."""
    rows = connection.execute(_named(), {"ids": list(ids)})
    return {row[0]: _sighting(row) for row in rows}


@cache
def _named() -> Select[*tuple[Any, ...]]:
    """Observations by ``ids``. Made once, since that takes longer than asking."""
    return _sightings().where(schema.Observation.id.in_(bindparam("ids", expanding=True)))


def looked_at(
    connection: Connection, sizes: Sequence[int], model_id: int, ids: Sequence[int]
) -> tuple[list[Sighting], Embeddings]:
    """Some observations and their embeddings, all of one quality; by id, ascending."""
    ids, rows = sorted(ids), list[Row[*tuple[Any, ...]]]()
    for i in range(0, len(ids), IN_LIST):
        given = {"model": model_id, "ids": ids[i : i + IN_LIST]}
        rows += connection.execute(_embedded_named(), given)
    levels = np.array([row[-2] for row in rows], np.int8)
    found = vectors.decode([row[-1] for row in rows], levels, sizes)
    looks = Embeddings(found, levels, np.ones(len(rows), np.float32), tuple(sizes))
    return [_sighting(row[:-2]) for row in rows], looks


@cache
def _embedded_named() -> Select[*tuple[Any, ...]]:
    """Observations by ``ids``, with level and vector of a ``model``."""
    embedding, observation = schema.Embedding, schema.Observation
    return (
        _sightings()
        .add_columns(embedding.level, embedding.vector)
        .join(embedding, embedding.observation_id == observation.id)
        .where(
            embedding.model_id == bindparam("model"),
            observation.id.in_(bindparam("ids", expanding=True)),
        )
        .order_by(observation.id)
    )


def boxes(connection: Connection, session_id: int) -> list[BoxRow]:
    """All boxes of a session, by frame and track."""
    observation, track = schema.Observation, schema.Track
    rows = connection.execute(
        select(
            observation.frame,
            track.identity_id,
            track.id,
            observation.x,
            observation.y,
            observation.w,
            observation.h,
            observation.score,
        )
        .join(track, observation.track_id == track.id)
        .where(track.session_id == session_id)
        .order_by(observation.frame, track.id)
    )
    return [BoxRow(frame, who, of, (x, y, w, h), s) for frame, who, of, x, y, w, h, s in rows]


def identities(connection: Connection, *conditions: Any) -> list[StoredIdentity]:
    """The identities whose tracks meet all conditions, by id."""
    track = schema.Track
    who: Any = track.identity_id
    rows = connection.execute(
        select(who, track.id, track.first, track.last)
        .where(who.is_not(None), *conditions)
        .order_by(who, track.first, track.id)
    )
    members = defaultdict(list)
    for identity, track_id, first, last in rows:
        members[identity].append((track_id, first, last))
    seen = appearances(connection, who, who.is_not(None), *conditions)
    return [
        StoredIdentity(
            id=identity,
            tracks=tuple(t for t, _, _ in own),
            appearances=seen[identity],
            first=min(first for _, first, _ in own),
            last=max(last for _, _, last in own),
        )
        for identity, own in members.items()
    ]


def appearances(
    connection: Connection, owner: Any, *conditions: Any
) -> dict[int, tuple[Appearance, ...]]:
    """Per owner (a column of the track) one appearance a camera, in order of time.

    The best picture is the one with the largest product of quality and height.
    """
    return _appearances(connection, *_best_and_spans(owner, *conditions))


def appearances_of(
    connection: Connection, owner: Any, owners: Iterable[int]
) -> dict[int, tuple[Appearance, ...]]:
    """As `appearances`, of some owners."""
    return _appearances(connection, *_of_owners(owner), list(owners))


@cache
def _of_owners(owner: Any) -> tuple[Select[*tuple[Any, ...]], Select[*tuple[Any, ...]]]:
    return _best_and_spans(owner, owner.in_(bindparam("owners", expanding=True)))


def _best_and_spans(
    owner: Any, *conditions: Any
) -> tuple[Select[*tuple[Any, ...]], Select[*tuple[Any, ...]]]:
    """Per owner and camera, which observation has the best picture; first and last time."""
    track, session, camera = schema.Track, schema.Session, schema.Camera
    observation = schema.Observation
    rank = (
        func.row_number()
        .over(
            partition_by=(owner, session.camera_id),
            order_by=((observation.quality * observation.h).desc(), observation.id),
        )
        .label("rank")
    )
    ranked = (
        select(owner.label("owner"), camera.name, observation.id, rank)
        .select_from(observation)
        .join(track, observation.track_id == track.id)
        .join(session, track.session_id == session.id)
        .join(camera, session.camera_id == camera.id)
        .where(observation.crop_sha256.is_not(None), *conditions)
        .subquery()
    )
    best = select(ranked.c.owner, ranked.c.name, ranked.c.id).where(ranked.c.rank == 1)
    spans = (
        select(owner, camera.name, func.min(track.first), func.max(track.last))
        .select_from(track)
        .join(session, track.session_id == session.id)
        .join(camera, session.camera_id == camera.id)
        .where(*conditions)
        .group_by(owner, camera.name)
        .order_by(func.min(track.first), camera.name)
    )
    return best, spans


def _appearances(
    connection: Connection,
    best: Select[*tuple[Any, ...]],
    spans: Select[*tuple[Any, ...]],
    owners: list[int] | None = None,
) -> dict[int, tuple[Appearance, ...]]:
    given = {} if owners is None else {"owners": owners}
    named = {(row[0], row[1]): row[2] for row in connection.execute(best, given)}
    pictures: dict[int, Sighting] = {}
    ids = list(named.values())
    for i in range(0, len(ids), IN_LIST):
        pictures |= sightings(connection, ids[i : i + IN_LIST])
    out: dict[int, list[Appearance]] = defaultdict(list)
    for who, name, first, last in connection.execute(spans, given):
        picture = named.get((who, name))
        out[who].append(
            Appearance(name, first, last, pictures[picture] if picture is not None else None)
        )
    return {who: tuple(own) for who, own in out.items()}
