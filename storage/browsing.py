"""`Browse`: parts of a gallery, for those who look at it page by page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import func, select

from reid import Embeddings

from . import reading, schema, vectors
from .database import Database
from .errors import NotStored
from .records import Sighting, StoredIdentity, StoredTrack


@dataclass(frozen=True)
class Doubt:
    """A link that the machine is not sure of: `evidence` (nats) holds the track to the identity."""

    track: int
    identity: int
    evidence: float


class Browse:
    """Reads parts of one gallery.

    Args:
        sizes: sub-vector sizes of the gallery's model, whose number is `model_id`.
    """

    def __init__(self, database: Database, sizes: Sequence[int], model_id: int | None) -> None:
        self._database, self._sizes, self._model_id = database, tuple(sizes), model_id

    def sighting(self, observation: int) -> Sighting:
        """One observation.

        Raises:
            StorageError: no such observation.
        """
        with self._database.read() as connection:
            found = reading.sightings(connection, [observation])
        if not found:
            raise NotStored(f"no observation {observation} in the gallery")
        return found[observation]

    def best(self, tracks: Sequence[int]) -> dict[int, Sighting]:
        """The best picture (quality times height) of each track that has one."""
        with self._database.read() as connection:
            seen = reading.appearances_of(connection, schema.Track.id, tracks)
        return {one: own[0].best for one, own in seen.items() if own[0].best is not None}

    def tracks(self, ids: Sequence[int], *, looks: int | None = 0) -> list[StoredTrack]:
        """Tracks by their ids, with so many embeddings of each; see `Gallery.tracks`."""
        found: list[StoredTrack] = []
        with self._database.read() as connection:
            for i in range(0, len(ids), reading.IN_LIST):
                some = schema.Track.id.in_(ids[i : i + reading.IN_LIST])
                found += reading.tracks(connection, self._sizes, self._model_id, looks, some)
        return found

    def embeddings(self, observations: Sequence[int]) -> Embeddings:
        """The stored embeddings of observations, in their order.

        Raises:
            StorageError: one that is not there or has no vector of the model in use.
        """
        observation, embedding = schema.Observation, schema.Embedding
        with self._database.read() as connection:
            rows = {
                row.id: row
                for row in connection.execute(
                    select(observation.id, observation.quality, embedding.level, embedding.vector)
                    .join(embedding, embedding.observation_id == observation.id)
                    .where(embedding.model_id == self._model_id, observation.id.in_(observations))
                )
            }
        for one in observations:
            if one not in rows:
                raise NotStored(f"no observation {one} with a vector in the gallery")
        chosen = [rows[one] for one in observations]
        levels = np.array([row.level for row in chosen], np.int8)
        found = vectors.decode([row.vector for row in chosen], levels, self._sizes)
        quality = np.array([row.quality for row in chosen], np.float32)
        return Embeddings(found, levels, quality, self._sizes)

    def identity(self, identity: int) -> StoredIdentity:
        """One person.

        Raises:
            StorageError: no such identity.
        """
        with self._database.read() as connection:
            found = reading.identities(connection, schema.Track.identity_id == identity)
        if not found:
            raise NotStored(f"no identity {identity} in the gallery")
        return found[0]

    def identities(self, *, above: int = 0, limit: int = 50) -> list[StoredIdentity]:
        """Persons by id, those above a number."""
        track = schema.Track
        with self._database.read() as connection:
            ids = connection.scalars(
                select(track.identity_id)
                .where(track.identity_id > above)
                .distinct()
                .order_by(track.identity_id)
                .limit(limit)
            ).all()
            return reading.identities(connection, track.identity_id.in_(ids)) if ids else []

    def newest(self, per_camera: int) -> list[Sighting]:
        """The newest picture of each of the tracks that ended last, some of each camera.

        Newest first within a camera; cameras by name.
        """
        track, session, observation = schema.Track, schema.Session, schema.Observation
        place = (
            func.row_number()
            .over(partition_by=session.camera_id, order_by=(track.last.desc(), track.id.desc()))
            .label("place")
        )
        ranked = select(track.id, place).join(session, track.session_id == session.id).subquery()
        latest = (
            select(func.max(observation.id))
            .join(ranked, ranked.c.id == observation.track_id)
            .where(ranked.c.place <= per_camera, observation.crop_sha256.is_not(None))
            .group_by(observation.track_id)
        )
        with self._database.read() as connection:
            found = reading.sightings(connection, connection.scalars(latest).all())
        return sorted(found.values(), key=lambda s: (s.camera, -s.time, -s.id))

    def gone(self, tracks: Collection[int]) -> set[int]:
        """Which of some tracks, by their ids, are not in the gallery (any more)."""
        with self._database.read() as connection:
            return set(tracks) - reading.present(connection, tracks)

    def identity_of(self, tracks: Sequence[int]) -> dict[int, int | None]:
        """The identity of each track that is there."""
        track = schema.Track
        with self._database.read() as connection:
            rows = connection.execute(
                select(track.id, track.identity_id).where(track.id.in_(tracks))
            )
            return {row[0]: row[1] for row in rows}

    def doubts(self, limit: int) -> list[Doubt]:
        """Links of the machine between tracks of one person, those with the least evidence first.

        What a person has judged is not among them, nor tracks that are alone in their identity.
        """
        link, track = schema.IdentityLink, schema.Track
        with self._database.read() as connection:
            rows = connection.execute(
                self._unsure(select(link.track_id, link.identity_id, link.evidence))
                .order_by(link.evidence, track.id)
                .limit(limit)
            )
            return [Doubt(*row) for row in rows]

    def doubtful(self) -> int:
        """How many links `doubts` would list in all."""
        with self._database.read() as connection:
            query = self._unsure(select(func.count()).select_from(schema.IdentityLink))
            return connection.scalar(query) or 0

    def _unsure(self, query: Any) -> Any:
        link, track = schema.IdentityLink, schema.Track
        together = (
            select(track.identity_id)
            .where(track.identity_id.is_not(None))
            .group_by(track.identity_id)
            .having(func.count() > 1)
        )
        return query.join(
            track, (track.id == link.track_id) & (track.identity_id == link.identity_id)
        ).where(link.state == "current", link.method == "machine", track.identity_id.in_(together))
