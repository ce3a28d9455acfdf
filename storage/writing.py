"""Sessions and their results: how rows come into the gallery."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from reid import ModelInfo

from . import counters, reading, schema, vectors
from .backend import Backend
from .crops import Crops, hash_of
from .errors import NotStored, StorageError
from .records import ObservationRow, Session, TrackUpdate

STATES = ("running", "stopped", "done")


def begin_session(
    connection: Connection,
    camera: str,
    source: str,
    content: str,
    start: float,
    fps: float,
    frames: int | None,
) -> Session:
    """The session of this content on this camera, made if it is not there yet."""
    known = reading.sessions(
        connection, schema.Camera.name == camera, schema.Session.content == content
    )
    if known:
        return known[0]
    now = time.time()
    camera_id = connection.scalar(select(schema.Camera.id).where(schema.Camera.name == camera))
    if camera_id is None:
        camera_id = connection.scalar(
            insert(schema.Camera).values(name=camera).returning(schema.Camera.id)
        )
    made = connection.scalar(
        insert(schema.Session)
        .values(
            camera_id=camera_id,
            source=source,
            content=content,
            fps=float(fps),
            start=float(start),
            state="running",
            position=0,
            frames_lost=0,
            frames=frames,
            created=now,
            updated=now,
        )
        .returning(schema.Session.id)
    )
    return reading.sessions(connection, schema.Session.id == made)[0]


def advance(
    connection: Connection,
    session_id: int,
    position: int,
    frames_lost: int,
    state: str,
    checkpoint: str | None,
    failure: str | None,
) -> None:
    """Moves a session on.

    Raises:
        StorageError: no such session or state, or the position would go back.
    """
    if state not in STATES:
        raise StorageError(f"no session state {state!r}: use one of {', '.join(STATES)}")
    old = connection.scalar(select(schema.Session.position).where(schema.Session.id == session_id))
    if old is None:
        raise NotStored(f"no session {session_id}: begin it first")
    if position < old:
        raise StorageError(
            f"session {session_id} is at frame {old} and can't go back to {position}: "
            "another program may be writing it"
        )
    connection.execute(
        update(schema.Session)
        .where(schema.Session.id == session_id)
        .values(
            position=int(position),
            frames_lost=int(frames_lost),
            state=state,
            checkpoint=checkpoint,
            failure=failure,
            updated=time.time(),
        )
    )


class Batch:
    """Track updates as rows, checked and encoded before the database is touched.

    `hashes` and `vectors` are row by row, `pictures` by hash.

    Args:
        tracks: new observations; a track may come in several updates.
        position: frames that will be committed; each observation's frame lies below it.
        model: the gallery's, None while it has none (then no vectors may come).

    Raises:
        StorageError: a frame, level, number or vector that can't be.
    """

    def __init__(
        self,
        tracks: Sequence[TrackUpdate],
        *,
        position: int,
        model: ModelInfo | None,
    ) -> None:
        merged: dict[int, list[ObservationRow]] = {}
        for update_ in tracks:
            merged.setdefault(int(update_.number), []).extend(update_.observations)
        self.tracks = {number: rows for number, rows in merged.items() if rows}
        self.vectors: list[bytes | None] = []
        self.hashes: list[str | None] = []
        self.pictures: dict[str, bytes] = {}
        for row in self.rows:
            numbers = (row.time, *row.box, row.score, row.quality)
            if not all(map(isfinite, numbers)):
                raise StorageError(f"frame {row.frame} has a box or time that is not a number")
            sha = None if row.crop is None else hash_of(row.crop)
            self.hashes.append(sha)
            if sha is not None and row.crop is not None:
                self.pictures[sha] = row.crop
            if not 0 <= row.frame < position:
                raise StorageError(f"frame {row.frame} is not among the first {position} frames")
            if row.level < 1 or (model is not None and row.level > model.levels.m):
                raise StorageError(f"level {row.level} is not one of the gallery's model")
            if row.vector is None:
                self.vectors.append(None)
            elif model is None:
                raise StorageError("the gallery has no model yet: open it with the embedder's")
            else:
                self.vectors.append(vectors.encode(row.vector, row.level, model))

    @property
    def rows(self) -> list[ObservationRow]:
        """All observations, track by track."""
        return [row for rows in self.tracks.values() for row in rows]


def add(
    connection: Connection,
    session_id: int,
    batch: Batch,
    crops: Crops,
    model_id: int | None,
    backend: Backend,
) -> dict[int, int]:
    """Writes the rows of a batch and its pictures; returns the tracks' ids by their numbers."""
    rows = batch.rows
    if not rows:
        return {}
    _add_crops(connection, {sha: len(jpeg) for sha, jpeg in batch.pictures.items()})
    crops.add(connection, batch.pictures)
    ids = _settle_tracks(connection, session_id, batch.tracks, backend)
    owners = [ids[number] for number, own in batch.tracks.items() for _ in own]
    observations = _insert(
        connection,
        backend,
        "observation",
        [
            {
                "track_id": owner,
                "frame": int(row.frame),
                "time": float(row.time),
                "x": float(row.box[0]),
                "y": float(row.box[1]),
                "w": float(row.box[2]),
                "h": float(row.box[3]),
                "score": float(row.score),
                "level": int(row.level),
                "quality": float(row.quality),
                "crop_sha256": sha,
            }
            for owner, row, sha in zip(owners, rows, batch.hashes, strict=True)
        ],
    )
    embedded = [
        {
            "observation_id": observation,
            "model_id": model_id,
            "level": int(row.level),
            "vector": vector,
        }
        for observation, row, vector in zip(observations, rows, batch.vectors, strict=True)
        if vector is not None
    ]
    if embedded:
        backend.make_room(connection, observations)
        connection.execute(insert(schema.Embedding), embedded)
    return ids


def _insert(
    connection: Connection, backend: Backend, name: str, rows: Sequence[dict[str, Any]]
) -> range:
    """Inserts rows of a table with the next ids, which it returns.

    To have SQLite number them and say how takes a call a row.
    """
    table = schema.Base.metadata.tables[name]
    first = backend.highest_id(connection, table) + 1
    ids = range(first, first + len(rows))
    backend.raise_id(connection, table, ids[-1])
    numbered = [{"id": id_, **row} for id_, row in zip(ids, rows, strict=True)]
    connection.execute(insert(table), numbered)
    return ids


def _add_crops(connection: Connection, sizes: Mapping[str, int]) -> None:
    if not sizes:
        return
    known = set(
        connection.scalars(select(schema.Crop.sha256).where(schema.Crop.sha256.in_(list(sizes))))
    )
    new = [{"sha256": sha, "bytes": size} for sha, size in sizes.items() if sha not in known]
    if new:
        connection.execute(insert(schema.Crop), new)


def _settle_tracks(
    connection: Connection,
    session_id: int,
    tracks: Mapping[int, Sequence[ObservationRow]],
    backend: Backend,
) -> dict[int, int]:
    """Ids of the tracks by their numbers; makes those that are new, stretches the others' times."""
    track = schema.Track
    known = {
        row.number: row
        for row in connection.execute(
            select(track.id, track.number, track.first, track.last).where(
                track.session_id == session_id, track.number.in_(list(tracks))
            )
        )
    }
    spans = {
        number: (min(float(r.time) for r in rows), max(float(r.time) for r in rows))
        for number, rows in tracks.items()
    }
    stretched = [
        {
            "track": row.id,
            "first_": min(row.first, spans[number][0]),
            "last_": max(row.last, spans[number][1]),
        }
        for number, row in known.items()
    ]
    if stretched:
        connection.execute(
            update(schema.Track.__table__)  # type: ignore[arg-type]
            .where(track.id == bindparam("track"))
            .values(first=bindparam("first_"), last=bindparam("last_")),
            stretched,
        )
    lasting = [end - start for start, end in spans.values()]
    lasting += [row["last_"] - row["first_"] for row in stretched]
    counters.keep_longest(connection, max(lasting))
    ids: dict[int, int] = {number: row.id for number, row in known.items()}
    new = [number for number in tracks if number not in ids]
    if new:
        made = _insert(
            connection,
            backend,
            "track",
            [
                {
                    "session_id": session_id,
                    "number": number,
                    "first": spans[number][0],
                    "last": spans[number][1],
                }
                for number in new
            ],
        )
        ids.update(zip(new, made, strict=True))
    return ids
