"""From distances of single observations to a ranking of persons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from reid import Calibration, Embeddings

from . import reading, schema
from .blocks import Segment
from .errors import NotStored, StorageError
from .mirror import View
from .records import SearchHit, SearchPage

BEST = 3
"""How many of a person's likeliest observations speak for the person.

One lucky crop does not carry a person to the top, and a hundred poor ones do not pull a good match
down; a person with fewer observations is judged by those.
"""

BEYOND_BOUND = 1e-9
"""Weight of the evidence beyond the calibration's bound: it orders what reaches the bound."""


NOTHING = SearchPage((), 0, None)
"""What is found where nothing is stored."""


@dataclass(frozen=True)
class Limits:
    """Which observations a search looks at; None is no limit.

    Args:
        camera: a name. identity: a number. after, before: UTC seconds, both included.
        until: the highest id of an observation, so that later rows change nothing.
    """

    camera: str | None = None
    identity: int | None = None
    after: float | None = None
    before: float | None = None
    min_level: int | None = None
    until: int | None = None


@dataclass(frozen=True)
class Rows:
    """Rows of a segment that pass the limits."""

    segment: Segment
    level: int
    rows: NDArray[np.int64] | slice
    count: int

    @property
    def track(self) -> NDArray[np.int32]:
        """Their tracks, indexes into the view's tables."""
        return self.segment.track[self.rows]

    def row(self, i: int) -> int:
        """Where the i-th stands in the segment."""
        return i if isinstance(self.rows, slice) else int(self.rows[i])


class Evidence:
    """How a query of one person is held against a row.

    A row's evidence is the mean of its log-odds over the query's rows, weighted by their quality,
    each within the calibration's bound; beyond the bound it counts `BEYOND_BOUND`.
    """

    def __init__(self, query: Embeddings, calibration: Calibration) -> None:
        weights = query.quality if query.quality.sum() > 0 else np.ones_like(query.quality)
        self._weights = (weights / weights.sum()).astype(np.float64)
        self._query = query
        self._bound = calibration.bound
        self._unbounded = Calibration(calibration.intercept, calibration.slope, float("inf"))

    def of(self, some: Rows) -> NDArray[np.float64]:
        """The evidence of each row, nats."""
        raw, _ = self._raw(some, some.rows)
        bounded = np.clip(raw, -self._bound, self._bound)
        out: NDArray[np.float64] = bounded @ self._weights + BEYOND_BOUND * (raw @ self._weights)
        return out

    def best(self, some: Rows, row: int) -> tuple[float, int]:
        """Of one row: the distance to the query's likeliest row, and the level of that pair."""
        raw, distance = self._raw(some, np.array([row]))
        at = int(raw[0].argmax())
        return float(distance[0, at]), min(int(self._query.levels[at]), some.level)

    def _raw(
        self, some: Rows, rows: NDArray[np.int64] | slice
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        levels = self._query.levels
        kinds = np.unique(levels)
        if len(kinds) == 1:
            distance = some.segment.distances(self._query.vectors, int(kinds[0]), rows)
        else:
            parts = [(np.flatnonzero(levels == kind), int(kind)) for kind in kinds]
            count = some.count if isinstance(rows, slice) else len(rows)
            distance = np.empty((count, len(levels)), np.float32)
            for at, kind in parts:
                distance[:, at] = some.segment.distances(self._query.vectors[at], kind, rows)
        level = np.array([some.level], np.int8)
        return self._unbounded.log_odds(distance, level, levels), distance


def search(
    connection: Connection,
    view: View,
    calibration: Calibration,
    query: Embeddings,
    limits: Limits,
    *,
    top: int,
    skip: int = 0,
) -> SearchPage:
    """One page of the likeliest persons; see `Gallery.search_page`."""
    until = view.last if limits.until is None else min(limits.until, view.last)
    found = _passing(view, limits, _allowed(connection, view, limits), until)
    if not found:
        return NOTHING
    evidence = Evidence(query, calibration)
    score = np.concatenate([evidence.of(some) for some in found])
    person = np.concatenate([view.person[some.track] for some in found])
    lead, mean = likeliest(person, score, len(view.owners))
    present = np.flatnonzero(lead >= 0)
    chance = posterior(mean[present])
    ranked = np.lexsort((view.owners[present], -mean[present]))[skip : skip + top]
    ends = np.cumsum([some.count for some in found])
    hits = []
    for i in ranked.tolist():
        at = int(lead[present[i]])
        part = int(np.searchsorted(ends, at, "right"))
        row = found[part].row(at - int(ends[part]) + found[part].count)
        hits.append((i, found[part], row))
    shown = _shown(connection, view.owners[present], chance, mean[present], evidence, hits)
    more = f"{until}.{skip + top}" if skip + top < len(present) else None
    return SearchPage(tuple(shown), len(present), more)


def place_of(page: str | None) -> tuple[int | None, int]:
    """The last observation and the hits to pass over that the name of a page stands for.

    Raises:
        StorageError: no such name.
    """
    if page is None:
        return None, 0
    until, dot, skip = page.partition(".")
    if not (dot and until.isdecimal() and skip.isdecimal()):
        raise StorageError(f"no page {page!r}: give the `next` of the page before")
    return int(until), int(skip)


def likeliest(
    person: NDArray[np.int64], score: NDArray[np.float64], persons: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Each person's likeliest row (-1 for none) and the mean score of its `BEST` likeliest.

    Args:
        person: ``(N,)`` in 0..persons - 1, whose row it is. score: ``(N,)``; it is used up.

    Returns:
        Two arrays ``(persons,)``.
    """
    lead = np.full(persons, -1, np.int64)
    total, count = np.zeros(persons), np.zeros(persons)
    for place in range(BEST):
        best = np.full(persons, -np.inf)
        np.maximum.at(best, person, score)
        rows = np.flatnonzero(score == best[person])[::-1]
        first = np.full(persons, -1, np.int64)
        first[person[rows]] = rows  # of equal rows the first is written last
        alive = best > -np.inf
        if not alive.any():
            break
        total[alive] += best[alive]
        count += alive
        score[first[alive]] = -np.inf
        if place == 0:
            lead[alive] = first[alive]
    return lead, total / np.maximum(count, 1)


def posterior(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of each of N persons to be the one who is looked for, by their log-odds ``(N,)``.

    Before the look, the person is as likely to be none of them as to be one of them, and each of
    them as likely as the next; the rest of the sum to one is the probability of "unknown".
    """
    likelihood = np.exp(score)
    share: NDArray[np.float64] = likelihood / (len(score) + likelihood.sum())
    return share


def _allowed(connection: Connection, view: View, limits: Limits) -> NDArray[np.bool_] | None:
    """A table over track indexes: whether its rows pass; None when all do."""
    allowed: NDArray[np.bool_] | None = None
    if limits.camera is not None:
        camera = schema.Camera
        known = dict(connection.execute(select(camera.name, camera.id)).tuples().all())
        if limits.camera not in known:
            names = ", ".join(sorted(known)) or "none"
            raise NotStored(f"no camera {limits.camera!r} in the gallery: it knows {names}")
        allowed = view.camera == known[limits.camera]
    if limits.identity is not None:
        own = view.owners[view.person] == limits.identity
        if not own.any():
            raise NotStored(f"no identity {limits.identity} in the gallery: search lists them")
        allowed = own if allowed is None else allowed & own
    return allowed


def _passing(
    view: View, limits: Limits, allowed: NDArray[np.bool_] | None, until: int
) -> list[Rows]:
    found = []
    for level, group in enumerate(view.groups, start=1):
        if limits.min_level is not None and level < limits.min_level:
            continue
        for segment, filled in group:
            count = int(np.searchsorted(segment.observation[:filled], until, "right"))
            time = segment.time[:count]
            passed = []
            if allowed is not None:
                passed.append(allowed[segment.track[:count]])
            if limits.after is not None:
                passed.append(time >= limits.after)
            if limits.before is not None:
                passed.append(time <= limits.before)
            keep = np.logical_and.reduce(passed) if passed else np.True_
            if keep.all():
                some = Rows(segment, level, slice(0, count), count)
            else:
                rows = np.flatnonzero(keep)
                some = Rows(segment, level, rows, len(rows))
            if some.count:
                found.append(some)
    return found


def _shown(
    connection: Connection,
    owners: NDArray[np.int64],
    chance: NDArray[np.float64],
    mean: NDArray[np.float64],
    evidence: Evidence,
    hits: list[tuple[int, Rows, int]],
) -> list[SearchHit]:
    track = schema.Track
    persons = [int(owners[i]) for i, _, _ in hits]
    best = [int(some.segment.observation[row]) for _, some, row in hits]
    pictures = reading.sightings(connection, best)
    seen = reading.appearances(
        connection, track.identity_id, track.identity_id.in_([p for p in persons if p > 0])
    )
    alone = reading.appearances(connection, track.id, track.id.in_([-p for p in persons if p < 0]))
    out = []
    for (i, some, row), person, observation in zip(hits, persons, best, strict=True):
        distance, level = evidence.best(some, row)
        out.append(
            SearchHit(
                identity=person if person > 0 else None,
                probability=float(chance[i]),
                log_odds=float(mean[i]),
                level=level,
                distance=distance,
                best=pictures[observation],
                appearances=seen[person] if person > 0 else alone[-person],
            )
        )
    return out
