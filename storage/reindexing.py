"""From one model's vectors to another's, by the pictures that the gallery keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, exists, func, insert, select, update
from sqlalchemy.orm import aliased

from reid import ModelInfo

from . import audit, schema, vectors
from .errors import StorageError

if TYPE_CHECKING:
    from .gallery import Gallery

BATCH = 64
"""Pictures embedded at a time."""

REMOVED_AT_ONCE = 5000
"""Old vectors that one transaction removes."""

Embed = Callable[[Sequence[bytes], Sequence[int]], NDArray[np.float32]]
"""JPEG files and levels in, ``float32 (N, d)`` out, zero past each level's prefix."""


@dataclass(frozen=True)
class Reindexed:
    """`vectors` the new model has now; `lost` observations had a vector but no picture."""

    vectors: int
    lost: int


def reindex(
    gallery: Gallery,
    model: ModelInfo,
    embed: Embed,
    progress: Callable[[int, int], None] | None = None,
) -> Reindexed:
    """Moves a gallery to a new model; the old vectors serve until the new are complete.

    What was done when it is broken off stays, and the next call goes on from there. Others may
    search and write meanwhile, with the old model; once it is moved they are told to open it again.

    Args:
        gallery: opened for writing; of no use afterwards.
        model: of the embedder; its levels must be those of the gallery's model.
        embed: by the new model.
        progress: told vectors done and in all.

    Raises:
        StorageError: the gallery has no model, or the levels differ.
    """
    old = gallery.model
    if old is None or gallery._model_id is None:
        raise StorageError(f"{gallery._database.name} has no model: process a video first")
    if old.levels != model.levels:
        raise StorageError(
            f"the levels of {model.name} are {model.levels.heights}, the gallery's are "
            f"{old.levels.heights}: process the recordings again into a new gallery"
        )
    if old.fingerprint == model.fingerprint:
        raise StorageError(f"{gallery._database.name} holds vectors of {model.name} already")
    target = _register(gallery, model)
    with gallery._database.read() as connection:
        done = _count(connection, target)
        missing = _missing(gallery._model_id, target).subquery()
        total = done + (connection.scalar(select(func.count()).select_from(missing)) or 0)
    while True:
        count = _step(gallery, model, target, embed)
        if count:
            done += count
            if progress:
                progress(done, max(done, total))
        elif _switch(gallery, target):
            break
    lost = _remove_old(gallery)
    return Reindexed(done, lost)


def _register(gallery: Gallery, model: ModelInfo) -> int:
    table = schema.Model
    with gallery._database.write() as connection:
        known = connection.scalar(select(table.id).where(table.fingerprint == model.fingerprint))
        if known is not None:
            return known
        row = {"fingerprint": model.fingerprint, "info": model.to_json(), "active": False}
        made = connection.scalar(insert(table).returning(table.id), row)
        assert made is not None
        return int(made)


def _missing(source: int, target: int) -> Any:
    """Observations with a picture and a vector of the old model, but none of the new one."""
    observation, old, new = schema.Observation, aliased(schema.Embedding), schema.Embedding
    return (
        select(observation.id, observation.level, observation.crop_sha256)
        .join(old, (old.observation_id == observation.id) & (old.model_id == source))
        .where(
            observation.crop_sha256.is_not(None),
            ~exists().where(new.observation_id == observation.id, new.model_id == target),
        )
        .order_by(observation.id)
    )


def _step(gallery: Gallery, model: ModelInfo, target: int, embed: Embed) -> int:
    """Embeds some pictures; returns how many."""
    assert gallery._model_id is not None
    with gallery._database.read() as connection:
        rows = connection.execute(_missing(gallery._model_id, target).limit(BATCH)).all()
        pictures = [gallery._crops.read(connection, row.crop_sha256) for row in rows]
    if not rows:
        return 0
    levels = [int(row.level) for row in rows]
    made = embed(pictures, levels)
    new = {
        row.id: (level, vectors.encode(vector, level, model))
        for row, level, vector in zip(rows, levels, made, strict=True)
    }
    table, observation = schema.Embedding, schema.Observation
    with gallery._database.write() as connection:
        there = connection.scalars(select(observation.id).where(observation.id.in_(list(new))))
        known = connection.scalars(
            select(table.observation_id).where(
                table.model_id == target, table.observation_id.in_(list(new))
            )
        )
        wanted = set(there) - set(known)
        values = [
            {"observation_id": i, "model_id": target, "level": level, "vector": vector}
            for i, (level, vector) in new.items()
            if i in wanted
        ]
        if values:
            connection.execute(insert(table), values)
    return len(rows)


def _switch(gallery: Gallery, target: int) -> bool:
    """Has the new model serve, unless rows came in meanwhile."""
    assert gallery._model_id is not None
    table = schema.Model
    with gallery._database.write() as connection:
        if connection.execute(_missing(gallery._model_id, target).limit(1)).first() is not None:
            return False
        connection.execute(update(table).values(active=table.id == target))
        facts = {"model": target, "vectors": _count(connection, target)}
        audit.append(connection, gallery._actor, "reindex", facts)
    return True


def _remove_old(gallery: Gallery) -> int:
    """Removes the vectors of the old model; returns how many have no successor."""
    table, other = schema.Embedding, aliased(schema.Embedding)
    old = table.model_id == gallery._model_id
    successor = exists().where(
        other.observation_id == table.observation_id, other.model_id != table.model_id
    )
    with gallery._database.read() as connection:
        lost = connection.scalar(select(func.count()).select_from(table).where(old, ~successor))
    while True:
        with gallery._database.write() as connection:
            some = connection.scalars(
                select(table.observation_id).where(old).limit(REMOVED_AT_ONCE)
            ).all()
            if not some:
                return int(lost or 0)
            connection.execute(delete(table).where(old, table.observation_id.in_(some)))


def _count(connection: Connection, model: int) -> int:
    table = schema.Embedding
    query = select(func.count()).select_from(table).where(table.model_id == model)
    return connection.scalar(query) or 0
