"""What is said of the persons that a search found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from reid import Calibration, Embeddings
from reid.embeddings import unit

from . import reading, schema
from .records import Appearance, SearchHit


@dataclass(frozen=True)
class Best:
    """A person that was found, by the likeliest observation.

    Args:
        owner: the identity's id; of a track without one, minus the track's.
        chance: of being the one who is looked for. mean: of the likeliest observations, nats.
        observation: the likeliest one.
    """

    owner: int
    chance: float
    mean: float
    observation: int


def shown(
    connection: Connection,
    model_id: int,
    queries: Sequence[Embeddings],
    calibration: Calibration,
    found: Sequence[Sequence[Best]],
) -> list[tuple[SearchHit, ...]]:
    """The hits of each query with what the database knows of them."""
    if not any(found):
        return [()] * len(queries)
    track = schema.Track
    owners = {best.owner for own in found for best in own}
    ids = {best.observation for own in found for best in own}
    pictures, looks = reading.looked_at(connection, queries[0].sizes, model_id, tuple(ids))
    place = {picture.id: at for at, picture in enumerate(pictures)}
    known, lone = [o for o in owners if o > 0], [-o for o in owners if o < 0]
    seen = alone = dict[int, tuple[Appearance, ...]]()
    if known:
        seen = reading.appearances_of(connection, track.identity_id, known)
    if lone:
        alone = reading.appearances_of(connection, track.id, lone)
    unbounded = Calibration(calibration.intercept, calibration.slope, float("inf"))
    out = []
    for query, own in zip(queries, found, strict=True):
        likeliest = looks[[place[best.observation] for best in own]]
        hits = []
        for best, distance, level in zip(own, *_nearest(query, unbounded, likeliest), strict=True):
            hits.append(
                SearchHit(
                    identity=best.owner if best.owner > 0 else None,
                    probability=best.chance,
                    log_odds=best.mean,
                    level=level,
                    distance=distance,
                    best=pictures[place[best.observation]],
                    appearances=seen[best.owner] if best.owner > 0 else alone[-best.owner],
                )
            )
        out.append(tuple(hits))
    return out


def _nearest(
    query: Embeddings, unbounded: Calibration, best: Embeddings
) -> tuple[list[float], list[int]]:
    """The distance of each observation to the query's likeliest look, and the level of that pair.

    Each as if it were alone: the product of matrices in `reid.distances` would differ in the last
    digit.
    """
    borders = np.cumsum([0, *query.sizes])
    compared = np.minimum(query.levels[:, None], best.levels[None, :])
    distance = np.zeros(compared.shape, np.float32)
    for k in np.unique(compared).tolist():
        mine, theirs = (unit(one.vectors[:, : borders[k]]) for one in (query, best))
        product = np.einsum("id,jd->ij", mine, theirs)
        squared = (mine**2).sum(1)[:, None] + (theirs**2).sum(1)[None] - 2 * product
        distance = np.where(compared == k, np.maximum(squared, 0), distance)
    likeliest = unbounded.log_odds(distance, query.levels, best.levels).argmax(0)
    every = np.arange(len(best))
    return distance[likeliest, every].tolist(), compared[likeliest, every].tolist()
