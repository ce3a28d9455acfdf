"""From distances of single observations to a ranking of persons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from reid import Calibration, Embeddings

from . import schema
from .blocks import Segment
from .errors import NotStored, StorageError
from .evidence import Evidence, Rows
from .layers import likely
from .limits import Limits
from .mirror import View
from .ranking import Found, ranked
from .records import SearchPage
from .showing import Best, shown
from .threads import spread

SHARPENED = 1 << 13
"""Rows that are compared in full after a first pass over the first sub-vector."""

PIECE = 1 << 14
"""Rows that a thread compares at a time."""

SCORES = 1 << 26
"""Scores that are held at a time; more queries than that allows are looked for in turns."""

NOTHING = SearchPage((), 0, None)
"""What is found where nothing is stored."""


Scores = NDArray[np.floating]
"""Of all rows to each query, ``(queries, room)``; see `Evidence`."""

Candidates = tuple[NDArray[np.int64], NDArray[np.int32]]
"""Places of scores, and the tracks of their rows."""


@dataclass(frozen=True)
class Some:
    """Rows of a segment that pass the limits; `place` is of their scores among those of all."""

    segment: Segment
    rows: Rows
    count: int
    place: int

    def pieces(self) -> list[tuple[Segment, Rows, slice]]:
        """In pieces of `PIECE` rows: the segment, its rows, the places of their scores."""
        out = []
        for start in range(0, self.count, PIECE):
            stop = min(start + PIECE, self.count)
            rows = self.rows if isinstance(self.rows, slice) else self.rows[start:stop]
            if isinstance(rows, slice):
                rows = slice(rows.start + start, rows.start + stop)
            out.append((self.segment, rows, slice(self.place + start, self.place + stop)))
        return out

    def row(self, place: int) -> int:
        """Where the row of a score stands in the segment."""
        at = place - self.place
        return at if isinstance(self.rows, slice) else int(self.rows[at])


def search(
    connection: Connection,
    view: View,
    calibration: Calibration,
    queries: Sequence[Embeddings],
    limits: Limits,
    *,
    top: int,
    skip: int = 0,
    rough_above: float = inf,
) -> list[SearchPage]:
    """One page of the likeliest persons for each query; see `Gallery.search_page`.

    Args:
        rough_above: rows above which only the first sub-vector of all is compared, and everything
            of the `SHARPENED` that are likeliest by it.
    """
    until = view.last if limits.until is None else min(limits.until, view.last)
    some, room = _passing(view, limits, _allowed(connection, view, limits), until)
    if not some or not queries:
        return [NOTHING] * len(queries)
    at_once = max(1, SCORES // room)
    found: list[Found] = []
    for start in range(0, len(queries), at_once):
        own = queries[start : start + at_once]
        evidence = Evidence(own, calibration)
        if sum(one.count for one in some) > rough_above:
            scores = _rough(some, room, own, evidence, calibration)
        else:
            scores = _compared(some, evidence, evidence.empty(room))
        found += _found(view, some, scores, evidence, top, skip)
    dimension = sum(queries[0].sizes)
    pages = shown(connection, queries, calibration, [_best(some, own, dimension) for own in found])
    return [
        SearchPage(hits, own.persons, f"{until}.{skip + top}" if skip + top < own.persons else None)
        for hits, own in zip(pages, found, strict=True)
    ]


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
) -> tuple[list[Some], int]:
    """Rows that pass, and how many places their scores take.

    Where all rows pass, each has the place that it has in the view, else they stand close together.
    """
    some, place = [], 0
    for part in view.parts:
        segment = part.segment
        if limits.min_level is not None and segment.level < limits.min_level:
            continue
        count = int(np.searchsorted(segment.observation[: part.count], until, "right"))
        time = segment.time[:count]
        passed = []
        if allowed is not None:
            passed.append(allowed[segment.track[:count]])
        if limits.after is not None:
            passed.append(time >= limits.after)
        if limits.before is not None:
            passed.append(time <= limits.before)
        keep = np.logical_and.reduce(passed) if passed else np.True_
        rows: Rows = slice(0, count) if keep.all() else np.flatnonzero(keep)
        count = count if isinstance(rows, slice) else len(rows)
        if count:
            some.append(Some(segment, rows, count, place))
            place += count
    if place < sum(part.count for part in view.parts):
        return some, place
    return [Some(p.segment, slice(0, p.count), p.count, p.place) for p in view.parts], view.room


def _compared(some: list[Some], evidence: Evidence, scores: Scores) -> Scores:
    """Fills in the scores of the rows, and returns them."""
    spread(
        lambda piece: evidence.scores(piece[0], piece[1], scores[:, piece[2]]),
        [piece for one in some for piece in one.pieces()],
    )
    return scores


def _rough(
    some: list[Some],
    room: int,
    queries: Sequence[Embeddings],
    evidence: Evidence,
    calibration: Calibration,
) -> Scores:
    """Scores by the first sub-vector, and the right ones of those that are likeliest by it."""
    scores = evidence.empty(room)
    scores.fill(-np.inf)
    _compared(some, Evidence([_first_of(query) for query in queries], calibration), scores)
    count = min(SHARPENED, sum(one.count for one in some))
    for query, row in zip(queries, scores, strict=True):
        places = np.flatnonzero(row >= np.partition(row, room - count)[room - count])
        right = Evidence([query], calibration)
        for one in some:
            own = places[(places >= one.place) & (places < one.place + one.count)]
            if not len(own):
                continue
            at = own - one.place
            out = right.empty(len(own))
            right.scores(one.segment, at if isinstance(one.rows, slice) else one.rows[at], out)
            row[own] = (out if out.dtype == row.dtype else right.settled(out))[0]
    return scores


def _first_of(query: Embeddings) -> Embeddings:
    """The first sub-vectors of some looks."""
    first = np.where(np.arange(query.vectors.shape[1]) < query.sizes[0], query.vectors, 0)
    return Embeddings(first, np.ones_like(query.levels), query.quality, query.sizes)


def _found(
    view: View, some: list[Some], scores: Scores, evidence: Evidence, top: int, skip: int
) -> list[Found]:
    """Ranks the persons of each query by the scores of the rows."""
    if scores.shape[1] == view.room:
        rest = [
            Some(p.segment, slice(p.layered, p.count), p.count - p.layered, p.place + p.layered)
            for p in view.parts
        ]
        looked = likely(view.layers, scores)
    else:
        rest, looked = some, []
    places = np.concatenate([np.arange(s.place, s.place + s.count) for s in rest])
    tracks = np.concatenate([s.segment.track[s.rows] for s in rest])
    if looked:
        candidates = [(np.concatenate([p, places]), np.concatenate([t, tracks])) for p, t in looked]
    else:
        candidates = [(places, tracks)] * len(scores)

    def of(query: tuple[NDArray[np.floating], Candidates]) -> Found:
        row, (places, tracks) = query
        return ranked(view, places, tracks, evidence.settled(row[places]), top, skip)

    return spread(of, list(zip(scores, candidates, strict=True)))


def _best(some: list[Some], own: Found, dimension: int) -> list[Best]:
    """The persons of a page with their likeliest observations."""
    starts = np.array([one.place for one in some])
    out = []
    for i, place in enumerate(own.place.tolist()):
        one = some[int(np.searchsorted(starts, place, "right")) - 1]
        row, segment = one.row(place), one.segment
        out.append(
            Best(
                int(own.owner[i]),
                float(own.chance[i]),
                float(own.mean[i]),
                int(segment.observation[row]),
                segment.level,
                segment.vector(row, dimension),
            )
        )
    return out
