"""How much a gallery holds, and whether it holds together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select

from reid import ModelInfo, ReidError

from . import schema, vectors
from .crops import Crops
from .database import REVISIONS, Database
from .errors import GalleryDamaged
from .records import GalleryInfo


def info(connection: Connection, database: Database, model: ModelInfo | None) -> GalleryInfo:
    """Counts, sizes and the range of times."""

    def count(table: type[schema.Base]) -> int:
        return connection.scalar(select(func.count()).select_from(table)) or 0

    first, last = connection.execute(
        select(func.min(schema.Track.first), func.max(schema.Track.last))
    ).one()
    living = select(func.count(schema.Identity.id)).where(schema.Identity.ended.is_(None))
    return GalleryInfo(
        cameras=count(schema.Camera),
        sessions=count(schema.Session),
        tracks=count(schema.Track),
        observations=count(schema.Observation),
        embeddings=count(schema.Embedding),
        crops=count(schema.Crop),
        identities=connection.scalar(living) or 0,
        database_bytes=database.backend.size(connection),
        crop_bytes=int(connection.scalar(select(func.sum(schema.Crop.bytes))) or 0),
        model=model,
        schema=REVISIONS[-1],
        first=first,
        last=last,
    )


def check(database: Database, crops: Crops) -> list[str]:
    """See `Gallery.check`."""
    try:
        with database.read() as connection:
            found = problems(connection, database, crops)
        stray = leftovers(database, crops)
    except GalleryDamaged as error:
        return [str(error)]
    return [*found, *(f"no row names the crop {file}" for file in stray)]


def leftovers(database: Database, crops: Crops) -> list[Path]:
    """Files of crops that no row names.

    What is written meanwhile may look like one at first; the second look sees its row.
    """
    with database.read() as connection:
        found = crops.leftovers(connection)
    if not found:
        return []
    with database.read() as connection:
        return sorted(set(found) & set(crops.leftovers(connection)))


def problems(connection: Connection, database: Database, crops: Crops) -> list[str]:
    """What is wrong with a gallery, one line each; empty when all is well."""
    pages, keys = database.backend.problems(connection)
    return pages or [
        *keys,
        *_models(connection),
        *_vectors(connection),
        *_tracks(connection),
        *_sessions(connection),
        *_identities(connection),
        *_tombstones(connection),
        *_crops(connection, crops),
    ]


def _models(connection: Connection) -> Iterator[str]:
    model = schema.Model
    active = 0
    for row in connection.execute(select(model.fingerprint, model.info, model.active)):
        active += row.active
        try:
            told = ModelInfo.from_json(row.info).fingerprint
        except ReidError as error:
            yield f"model {row.fingerprint}: {error}"
            continue
        if told != row.fingerprint:
            yield f"model {row.fingerprint} says that it is {told}"
    if active > 1:
        yield f"{active} models are in use at once"


def _tombstones(connection: Connection) -> Iterator[str]:
    stone, track, person = schema.Tombstone, schema.Track, schema.Identity
    again = select(track.id).join(stone, (stone.kind == "track") & (stone.gone == track.id))
    yield from _each(connection, again, "track {0} was removed, and is there")
    ended = person.ended.is_(None)
    alive = select(person.id).join(stone, (stone.kind == "identity") & (stone.gone == person.id))
    yield from _each(connection, alive.where(ended), "identity {0} was erased, and is in use")


def _vectors(connection: Connection) -> Iterator[str]:
    embedding, model = schema.Embedding, schema.Model
    kinds = connection.execute(
        select(
            model.fingerprint,
            model.info,
            embedding.level,
            func.length(embedding.vector),
            func.count(),
            func.min(embedding.observation_id),
        )
        .join(model, embedding.model_id == model.id)
        .group_by(model.id, embedding.level, func.length(embedding.vector))
    )
    for fingerprint, described, level, length, count, first in kinds:
        try:
            sizes = ModelInfo.from_json(described).sizes
        except ReidError:
            continue  # `_models` says so
        if not 1 <= level <= len(sizes):
            yield f"{count} vectors of model {fingerprint} have level {level}, first {first}"
        elif length != vectors.lengths(sizes)[level - 1] * vectors.STORED.itemsize:
            yield (
                f"{count} vectors of model {fingerprint} at level {level} have {length} bytes, "
                f"the first is of observation {first}"
            )
    observation = schema.Observation
    other = (
        select(observation.id, observation.level, embedding.level)
        .join(embedding, embedding.observation_id == observation.id)
        .where(embedding.level != observation.level)
    )
    yield from _each(connection, other, "observation {0}: at level {1}, its vector at level {2}")


def _tracks(connection: Connection) -> Iterator[str]:
    track, observation = schema.Track, schema.Observation
    wrong = (
        select(track.id)
        .outerjoin(observation, observation.track_id == track.id)
        .group_by(track.id, track.first, track.last)
        .having(
            or_(
                func.count(observation.id) == 0,
                func.min(observation.time) != track.first,
                func.max(observation.time) != track.last,
            )
        )
    )
    yield from _each(connection, wrong, "track {0}: its times are not those of its observations")


def _sessions(connection: Connection) -> Iterator[str]:
    session, track, observation = schema.Session, schema.Track, schema.Observation
    wrong = (
        select(session.id, session.position, func.max(observation.frame))
        .join(track, track.session_id == session.id)
        .join(observation, observation.track_id == track.id)
        .group_by(session.id, session.position)
        .having(func.max(observation.frame) >= session.position)
    )
    yield from _each(connection, wrong, "session {0}: at frame {1}, but frame {2} has boxes")


def _identities(connection: Connection) -> Iterator[str]:
    track, identity, link = schema.Track, schema.Identity, schema.IdentityLink
    ended = (
        select(track.id, identity.id)
        .join(identity, track.identity_id == identity.id)
        .where(identity.ended.is_not(None))
    )
    yield from _each(connection, ended, "track {0}: its identity {1} has ended")
    loose = (
        select(track.id, track.identity_id)
        .outerjoin(link, (link.track_id == track.id) & (link.identity_id == track.identity_id))
        .where(track.identity_id.is_not(None), link.id.is_(None))
    )
    yield from _each(connection, loose, "track {0}: nothing links it to its identity {1}")


def _crops(connection: Connection, crops: Crops) -> Iterator[str]:
    for sha, size in connection.execute(select(schema.Crop.sha256, schema.Crop.bytes)):
        try:
            if len(crops.read(connection, sha)) != size:
                yield f"crop {sha} has not the {size} bytes of its row"
        except GalleryDamaged as error:
            yield str(error)


def _each(connection: Connection, query: Select[*tuple[Any, ...]], line: str) -> Iterator[str]:
    for row in connection.execute(query):
        yield line.format(*row)
