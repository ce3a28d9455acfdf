"""What is said of the persons that a search found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from reid import Calibration, Embeddings, distances

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
    ids = sorted({best.observation for own in found for best in own})
    place = {one: at for at, one in enumerate(ids)}
    pictures = reading.sightings(connection, ids)
    looks = reading.looks_of(connection, queries[0].sizes, model_id, ids)
    known, lone = [o for o in owners if o > 0], [-o for o in owners if o < 0]
    seen = alone = dict[int, tuple[Appearance, ...]]()
    if known:
        seen = reading.appearances_of(connection, track.identity_id, known)
    if lone:
        alone = reading.appearances_of(connection, track.id, lone)
    unbounded = Calibration(calibration.intercept, calibration.slope, float("inf"))
    out = []
    for query, own in zip(queries, found, strict=True):
        hits = []
        for best in own:
            distance, level = _nearest(query, unbounded, looks[[place[best.observation]]])
            hits.append(
                SearchHit(
                    identity=best.owner if best.owner > 0 else None,
                    probability=best.chance,
                    log_odds=best.mean,
                    level=level,
                    distance=distance,
                    best=pictures[best.observation],
                    appearances=seen[best.owner] if best.owner > 0 else alone[-best.owner],
                )
            )
        out.append(tuple(hits))
    return out


def _nearest(query: Embeddings, unbounded: Calibration, best: Embeddings) -> tuple[float, int]:
    """The distance to the query's likeliest look, and the level of that pair.

    Of one observation at a time: of several at once it would differ in the last digit.
    """
    distance, compared = distances(query, best)
    at = int(unbounded.log_odds(distance, query.levels, best.levels).argmax())
    return float(distance[at, 0]), int(compared[at, 0])
