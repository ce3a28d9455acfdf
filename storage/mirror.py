"""The vectors of a gallery in memory, laid out so that a search reads only what it compares.

Rows are grouped by level. A group of level k holds k blocks, one a sub-vector, each contiguous, and
the norm of each of its k prefixes; a query of level q reads the first ``min(q, k)`` blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from reid import Calibration, Embeddings

from . import schema, vectors

CHUNK = 20_000
"""Rows read at a time."""


class Growing:
    """An array that rows are added to; room is kept so that adding is cheap."""

    def __init__(self, width: int | None, dtype: type[np.generic]) -> None:
        self._room = np.empty((0,) if width is None else (0, width), dtype)
        self._n = 0

    def add(self, rows: NDArray[np.generic]) -> None:
        """Appends rows."""
        needed = self._n + len(rows)
        if needed > len(self._room):
            room = np.empty(
                (max(needed, len(self._room) * 9 // 8), *self._room.shape[1:]), self._room.dtype
            )
            room[: self._n] = self.rows
            self._room = room
        self._room[self._n : needed] = rows
        self._n = needed

    @property
    def rows(self) -> NDArray:
        """What was added so far, without a copy."""
        return self._room[: self._n]


class Group:
    """The rows of one level: what they are of, their sub-vectors, their prefixes' norms."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.observation = Growing(None, np.int64)
        self.track = Growing(None, np.int64)
        self.time = Growing(None, np.float64)
        self.norms = Growing(len(sizes), np.float32)
        self.blocks = [Growing(size, np.float32) for size in sizes]
        self._borders = np.cumsum([0, *sizes])

    def add(
        self,
        observation: Sequence[int],
        track: Sequence[int],
        time: Sequence[float],
        prefixes: NDArray[np.float32],
    ) -> None:
        """Appends rows whose vectors are ``float32 (N, length of the level)``."""
        self.observation.add(np.array(observation))
        self.track.add(np.array(track))
        self.time.add(np.array(time))
        squared = np.empty((len(prefixes), len(self.blocks)), np.float32)
        for k, block in enumerate(self.blocks):
            part = prefixes[:, self._borders[k] : self._borders[k + 1]]
            block.add(part)
            squared[:, k] = (part**2).sum(1)
        self.norms.add(np.sqrt(squared.cumsum(1)))

    def distances(
        self, query: NDArray[np.float32], level: int, rows: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        """Normalised distances of some rows (None: all) to queries of one level, ``(N, Q)``.

        Args:
            query: ``float32 (Q, d)``, at level `level`.
        """
        compared = min(level, len(self.blocks))
        dot: NDArray[np.float32] | None = None
        for k in range(compared):
            block = self.blocks[k].rows if rows is None else self.blocks[k].rows[rows]
            part = block @ query[:, self._borders[k] : self._borders[k + 1]].T
            dot = part if dot is None else dot + part
        assert dot is not None
        norms = self.norms.rows[:, compared - 1]
        mine = norms if rows is None else norms[rows]
        theirs = np.linalg.norm(query[:, : self._borders[compared]], axis=1)
        scale = np.maximum(mine, np.float32(1e-12))[:, None] * np.maximum(theirs, np.float32(1e-12))
        alive = (mine > 0)[:, None].astype(np.float32) + (theirs > 0)
        return np.maximum(alive - 2 * dot / scale, 0).astype(np.float32)


@dataclass(frozen=True)
class Filter:
    """Which rows a search looks at; None is no limit. `tracks` is a table over track ids."""

    tracks: NDArray[np.bool_] | None = None
    after: float | None = None
    before: float | None = None
    min_level: int = 1

    def rows(self, group: Group) -> NDArray[np.int64] | None:
        """The rows of a group that pass; None when there is nothing to check."""
        keep: NDArray[np.bool_] | None = None
        for limit, test in (
            (self.tracks, lambda limit: limit[group.track.rows]),
            (self.after, lambda limit: group.time.rows >= limit),
            (self.before, lambda limit: group.time.rows <= limit),
        ):
            if limit is not None:
                passed = test(limit)
                keep = passed if keep is None else keep & passed
        return None if keep is None else np.flatnonzero(keep)


@dataclass(frozen=True)
class Matches:
    """Rows that were compared with a query, all arrays ``(N,)``.

    `log_odds` is within the calibration's bound, `raw` is not and orders those that reach it.
    `distance` and `level` are of the row of the query that came out likeliest.
    """

    observation: NDArray[np.int64]
    track: NDArray[np.int64]
    log_odds: NDArray[np.float32]
    raw: NDArray[np.float32]
    distance: NDArray[np.float32]
    level: NDArray[np.int8]

    @classmethod
    def concatenate(cls, parts: Sequence[Matches]) -> Matches:
        """All rows in order."""

        def joined(name: str) -> NDArray:
            return np.concatenate([np.zeros(0, np.int8), *(getattr(p, name) for p in parts)])

        return cls(*map(joined, ("observation", "track", "log_odds", "raw", "distance", "level")))


class Mirror:
    """All vectors of one model."""

    def __init__(self, sizes: Sequence[int], model_id: int) -> None:
        self._sizes = tuple(sizes)
        self._model_id = model_id
        self._last = 0
        self._groups = [Group(sizes[:k]) for k in range(1, len(sizes) + 1)]

    def refresh(self, connection: Connection) -> None:
        """Takes in the rows that were stored since the last call."""
        observation, embedding = schema.Observation, schema.Embedding
        rows = connection.execution_options(yield_per=CHUNK).execute(
            select(
                observation.id,
                observation.track_id,
                observation.time,
                embedding.level,
                embedding.vector,
            )
            .join(embedding, embedding.observation_id == observation.id)
            .where(embedding.model_id == self._model_id, observation.id > self._last)
            .order_by(observation.id)
        )
        for chunk in rows.partitions():
            for level, length in enumerate(vectors.lengths(self._sizes), start=1):
                own = [row for row in chunk if row[3] == level]
                if own:
                    ids, tracks, times, _, blobs = zip(*own, strict=True)
                    self._groups[level - 1].add(ids, tracks, times, vectors.stack(blobs, length))
            self._last = chunk[-1][0]

    def match(self, query: Embeddings, calibration: Calibration, which: Filter) -> Matches:
        """Compares every row that passes the filter with all rows of a query of one person.

        A row's evidence is the mean over the query's rows, weighted by their quality.
        """
        weights = query.quality if query.quality.sum() > 0 else np.ones_like(query.quality)
        weights = weights / weights.sum()
        unbounded = Calibration(calibration.intercept, calibration.slope, float("inf"))
        found = []
        for level, group in enumerate(self._groups, start=1):
            if level < which.min_level:
                continue
            rows = which.rows(group)
            track = group.track.rows if rows is None else group.track.rows[rows]
            if not len(track):
                continue
            distance = np.empty((len(track), len(query)), np.float32)
            for q in np.unique(query.levels):
                at = np.flatnonzero(query.levels == q)
                distance[:, at] = group.distances(query.vectors[at], int(q), rows)
            levels = np.full(len(track), level, np.int8)
            raw = unbounded.log_odds(distance, levels, query.levels)
            best = raw.argmax(1)
            index = np.arange(len(track))
            observation = group.observation.rows
            found.append(
                Matches(
                    observation if rows is None else observation[rows],
                    track,
                    np.clip(raw, -calibration.bound, calibration.bound) @ weights,
                    raw @ weights,
                    distance[index, best],
                    np.minimum(query.levels[best], level).astype(np.int8),
                )
            )
        return Matches.concatenate(found)
