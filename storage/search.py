"""From matches of single observations to a ranking of persons."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from reid import Calibration, Embeddings

from . import reading, schema
from .errors import StorageError
from .mirror import Filter, Mirror
from .records import SearchHit

BEST = 3
"""How many of a person's likeliest observations speak for the person.

One lucky crop does not carry a person to the top, and a hundred poor ones do not pull a good match
down; a person with fewer observations is judged by those.
"""


def search(
    connection: Connection,
    mirror: Mirror,
    calibration: Calibration,
    query: Embeddings,
    *,
    camera: str | None,
    after: float | None,
    before: float | None,
    min_level: int | None,
    top: int,
) -> list[SearchHit]:
    """The likeliest persons; see `Gallery.search`."""
    owner, camera_of, cameras = _tables(connection)
    allowed = None
    if camera is not None:
        if camera not in cameras:
            known = ", ".join(sorted(cameras)) or "none"
            raise StorageError(f"no camera {camera!r} in the gallery: it knows {known}")
        allowed = camera_of == cameras[camera]
    found = mirror.match(query, calibration, Filter(allowed, after, before, min_level or 1))
    if not len(found.track):
        return []
    rows, starts = best_rows(owner[found.track], found.log_odds, found.raw)
    counts = np.diff([*starts, len(rows)])
    score = np.add.reduceat(found.log_odds[rows].astype(np.float64), starts) / counts
    raw = np.add.reduceat(found.raw[rows].astype(np.float64), starts) / counts
    chance = posterior(score)
    ranked = np.lexsort((-raw, -score))[:top]
    lead = rows[starts[ranked]]
    persons = owner[found.track[lead]]
    pictures = reading.sightings(connection, found.observation[lead].tolist())
    seen = reading.appearances(
        connection,
        schema.Track.identity_id,
        schema.Track.identity_id.in_(persons[persons > 0].tolist()),
    )
    alone = reading.appearances(
        connection, schema.Track.id, schema.Track.id.in_((-persons[persons < 0]).tolist())
    )
    return [
        SearchHit(
            identity=int(person) if person > 0 else None,
            probability=float(chance[i]),
            log_odds=float(score[i]),
            level=int(found.level[row]),
            distance=float(found.distance[row]),
            best=pictures[int(found.observation[row])],
            appearances=seen[int(person)] if person > 0 else alone[int(-person)],
        )
        for i, row, person in zip(ranked, lead, persons, strict=True)
    ]


def posterior(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of each of N persons to be the one who is looked for, by their log-odds ``(N,)``.

    Before the look, the person is as likely to be none of them as to be one of them, and each of
    them as likely as the next; the rest of the sum to one is the probability of "unknown".
    """
    likelihood = np.exp(score)
    share: NDArray[np.float64] = likelihood / (len(score) + likelihood.sum())
    return share


def best_rows(
    person: NDArray[np.int64], score: NDArray[np.float32], raw: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The `BEST` likeliest rows of each person, likeliest first, and where each person starts."""
    order = np.lexsort((-raw, -score, person))
    change = np.flatnonzero(np.diff(person[order])) + 1
    starts = np.concatenate([[0], change])
    place = np.arange(len(order)) - np.repeat(starts, np.diff([*starts, len(order)]))
    kept = place < BEST
    return order[kept], np.flatnonzero(place[kept] == 0)


def _tables(
    connection: Connection,
) -> tuple[NDArray[np.int64], NDArray[np.int64], dict[str, int]]:
    """Over track ids: the identity, or minus the track's id where it has none; the camera's id."""
    track = schema.Track
    rows = connection.execute(
        select(track.id, track.identity_id, schema.Session.camera_id).join(
            schema.Session, track.session_id == schema.Session.id
        )
    ).all()
    size = max((row[0] for row in rows), default=0) + 1
    owner, camera = np.zeros(size, np.int64), np.zeros(size, np.int64)
    for track_id, identity, camera_id in rows:
        owner[track_id] = -track_id if identity is None else identity
        camera[track_id] = camera_id
    names = connection.execute(select(schema.Camera.name, schema.Camera.id)).tuples().all()
    return owner, camera, dict(names)
