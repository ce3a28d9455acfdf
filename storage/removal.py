"""Removing tracks for good: one person's, or those that are too old or too many."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, case, delete, exists, func, insert, select, update

from . import counters, holds, schema
from .crops import Crops, unnamed
from .errors import GalleryHeld, NotStored

Id = TypeVar("Id", int, str)

ROW_BYTES = 300
"""What an observation takes beside its picture and vector, with its share of the indexes."""

IN_LIST = 5000
"""The most ids in one statement."""


@dataclass(frozen=True)
class Removed:
    """What was removed, or would be; `held` tracks were spared by a legal hold."""

    tracks: int
    observations: int
    crops: int
    held: int = 0

    def __add__(self, other: Removed) -> Removed:
        return Removed(
            self.tracks + other.tracks,
            self.observations + other.observations,
            self.crops + other.crops,
            self.held + other.held,
        )


@dataclass(frozen=True)
class Candidate:
    """A track that is to go; `bytes` of its pictures, vectors and rows."""

    track: int
    observations: int
    bytes: int


def remove_identity(connection: Connection, crops: Crops, identity: int) -> Removed:
    """Removes all that is known of a person but its number.

    Raises:
        GalleryHeld: a legal hold covers the person or one of its tracks.
        StorageError: no such identity, or it was erased before.
    """
    person, link = schema.Identity, schema.IdentityLink
    known = connection.scalar(select(person.id).where(person.id == identity))
    stone = schema.Tombstone
    gone = connection.scalar(
        select(stone.id).where(stone.kind == "identity", stone.gone == identity)
    )
    if known is None or gone is not None:
        raise NotStored(f"no identity {identity} in the gallery: it may have been erased before")
    tracks = connection.scalars(
        select(schema.Track.id).where(schema.Track.identity_id == identity)
    ).all()
    held = holds.held_tracks(connection)
    for hold in holds.every(connection):
        whole = hold.identity is None and hold.camera is None
        if hold.lifted is None and (hold.identity == identity or whole):
            _refuse(identity, hold.id)
    for track in tracks:
        if track in held:
            _refuse(identity, held[track])
    removed = remove_tracks(connection, crops, tracks)
    connection.execute(delete(link).where(link.identity_id == identity))
    now = time.time()
    connection.execute(
        update(person).where(person.id == identity, person.ended.is_(None)).values(ended=now)
    )
    connection.execute(insert(stone).values(kind="identity", gone=identity, time=now))
    counters.count_up(connection, counters.IDENTITIES)
    return removed


def remove_tracks(connection: Connection, crops: Crops, tracks: Collection[int]) -> Removed:
    """Removes tracks with all that hangs on them.

    The files of their pictures are in doubt afterwards: clear them in a transaction of their own,
    once this one is committed.
    """
    observation, track, person = schema.Observation, schema.Track, schema.Identity
    crops.clear(connection)
    now, count = time.time(), 0
    hashes: set[str] = set()
    owners: set[int] = set()
    for some in _parts(sorted(tracks)):
        seen = connection.execute(
            select(observation.crop_sha256).where(observation.track_id.in_(some))
        ).all()
        count += len(seen)
        hashes |= {row[0] for row in seen if row[0] is not None}
        owned = select(track.identity_id).where(track.id.in_(some), track.identity_id.is_not(None))
        owners |= set(connection.scalars(owned))
        connection.execute(delete(track).where(track.id.in_(some)))
        connection.execute(
            insert(schema.Tombstone), [{"kind": "track", "gone": t, "time": now} for t in some]
        )
    for some in _parts(sorted(owners)):
        empty = ~exists().where(track.identity_id == person.id)
        connection.execute(
            update(person)
            .where(person.id.in_(some), person.ended.is_(None), empty)
            .values(ended=now)
        )
    crops.doubt(connection, sorted(hashes))
    return Removed(len(tracks), count, len(unnamed(connection, hashes)))


def candidates(
    connection: Connection, camera: str | None, before: float | None, keep_bytes: int | None
) -> tuple[list[Candidate], int]:
    """Tracks that retention lets go, oldest first, and how many more a legal hold keeps.

    A recording without a date (its session starts at 0) counts as if it had begun when its session
    did.

    Args:
        camera: only this camera's tracks count and go; None for all.
        before: tracks that ended before this time go, UTC seconds.
        keep_bytes: of the rest, the oldest go until pictures, vectors and rows take no more.
    """
    track, session = schema.Track, schema.Session
    observation, embedding, crop = schema.Observation, schema.Embedding, schema.Crop
    ended = track.last + case((session.start == 0, session.created), else_=0.0)
    query = (
        select(
            track.id,
            ended,
            func.count(observation.id),
            func.coalesce(func.sum(crop.bytes), 0),
        )
        .join(session, track.session_id == session.id)
        .join(observation, observation.track_id == track.id)
        .outerjoin(crop, observation.crop_sha256 == crop.sha256)
        .group_by(track.id, track.last, session.start, session.created)
        .order_by(ended, track.id)
    )
    if camera is not None:
        query = query.where(session.camera_id == holds.camera_of(connection, camera))
    if keep_bytes is None and before is not None:
        query = query.where(ended < before)
    vectors: dict[int, int] = {}
    if keep_bytes is not None:
        sizes = connection.execute(
            select(observation.track_id, func.sum(func.length(embedding.vector)))
            .join(embedding, embedding.observation_id == observation.id)
            .group_by(observation.track_id)
        )
        vectors = {track_id: int(size) for track_id, size in sizes}
    rows = [
        (Candidate(i, n, int(size) + vectors.get(i, 0) + n * ROW_BYTES), last)
        for i, last, n, size in connection.execute(query)
    ]
    held = holds.held_tracks(connection)
    left = sum(one.bytes for one, _ in rows)
    going, spared = [], 0
    for one, last in rows:
        old = before is not None and last < before
        big = keep_bytes is not None and left > keep_bytes
        if not (old or big):
            continue
        if one.track in held:
            spared += 1
            continue
        going.append(one)
        left -= one.bytes
    return going, spared


def pictures_of(connection: Connection, tracks: Collection[int]) -> int:
    """How many pictures would go with some tracks: those that nothing else names."""
    observation = schema.Observation
    sha: Any = observation.crop_sha256
    named = select(sha, func.count()).group_by(sha)
    going: Counter[str] = Counter()
    for some in _parts(sorted(tracks)):
        for picture, times in connection.execute(
            named.where(observation.track_id.in_(some), sha.is_not(None))
        ):
            going[picture] += times
    count = 0
    for pictures in _parts(sorted(going)):
        every = connection.execute(named.where(sha.in_(pictures)))
        count += sum(going[picture] == times for picture, times in every)
    return count


def batches(going: Sequence[Candidate], rows: int) -> Iterator[list[int]]:
    """Tracks in groups of at most so many observations, but for a track that has more alone."""
    some: list[int] = []
    count = 0
    for one in going:
        if some and count + one.observations > rows:
            yield some
            some, count = [], 0
        some.append(one.track)
        count += one.observations
    if some:
        yield some


def _refuse(identity: int, hold: int) -> None:
    raise GalleryHeld(
        f"identity {identity} is under legal hold {hold}: nothing of it may be removed until that "
        "is lifted"
    )


def _parts(ids: Sequence[Id]) -> Iterator[Sequence[Id]]:
    for i in range(0, len(ids), IN_LIST):
        yield ids[i : i + IN_LIST]
