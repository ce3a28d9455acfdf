"""From distances of single observations to a ranking of persons."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from reid import Calibration, Embeddings, ModelInfo

from .errors import StorageError
from .evidence import Evidence
from .finding import Whose
from .limits import Limits
from .mirror import View
from .passing import Some, passing
from .ranking import NOBODY, Found, merged
from .records import SearchPage
from .showing import Best, shown
from .threads import spread

SHARPENED = 1 << 13
"""Rows that are compared in full after a first pass over the first sub-vector."""

PIECE = 1 << 16
"""Rows that a thread compares at a time."""

SCORES = 1 << 26
"""Scores that are held at a time; more queries than that allows are looked for in turns."""

NOTHING = SearchPage((), 0, None)
"""What is found where nothing is stored."""


Scores = NDArray[np.floating]
"""Of all rows to each query, ``(queries, room)``; see `Evidence`."""


def found(
    view: View,
    calibration: Calibration,
    queries: Sequence[Embeddings],
    limits: Limits,
    most: int,
    *,
    camera: int | None,
    rough_above: float = inf,
) -> list[Found]:
    """What each query finds among the rows of a view.

    Args:
        most: persons wanted of each query. camera: the id of the limits' camera.
        rough_above: rows above which only the first sub-vector of all is compared, and everything
            of the `SHARPENED` that are likeliest by it.
    """
    some, room = passing(view, limits, camera)
    if not some:
        return [NOBODY] * len(queries)
    at_once = max(1, SCORES // room)
    out: list[Found] = []
    for start in range(0, len(queries), at_once):
        own = queries[start : start + at_once]
        evidence = Evidence(own, calibration)
        if sum(one.count for one in some) > rough_above:
            scores = _rough(some, room, own, evidence, calibration)
        else:
            scores = _compared(some, evidence, evidence.empty(room))
        out += _found(view, some, scores, evidence, most)
    return out


def pages(
    connection: Connection,
    model_id: int,
    calibration: Calibration,
    queries: Sequence[Embeddings],
    parts: Sequence[Sequence[Found]],
    until: int,
    top: int,
    skip: int,
) -> list[SearchPage]:
    """One page of the likeliest persons for each query; see `Gallery.search_page`.

    Args:
        parts: what was found in each part of the gallery, one a query.
        until: the highest id of an observation that was looked at.
    """
    ranked = [merged([part[q] for part in parts], top, skip) for q in range(len(queries))]
    best = [
        list(map(Best, *(a.tolist() for a in (r.owner, r.chance, r.mean, r.observation))))
        for r in ranked
    ]
    return [
        SearchPage(hits, own.persons, f"{until}.{skip + top}" if skip + top < own.persons else None)
        for hits, own in zip(
            shown(connection, model_id, queries, calibration, best), ranked, strict=True
        )
    ]


def require_fit(queries: Sequence[Embeddings], model: ModelInfo) -> None:
    """Raises StorageError for an empty query, and for one of another model."""
    for query in queries:
        if query.sizes != model.sizes:
            raise StorageError(
                f"the query has sub-vectors {query.sizes}, the gallery's model {model.name} has "
                f"{model.sizes}: embed the picture with the gallery's model"
            )
        if not len(query):
            raise StorageError("nothing to search for: give at least one embedding")


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


def _compared(some: list[Some], evidence: Evidence, scores: Scores) -> Scores:
    """Fills in the scores of the rows, and returns them.

    The longest pieces come first, so that no thread is left alone with one.
    """
    pieces = [piece for one in some for piece in one.pieces(PIECE)]
    spread(
        lambda piece: evidence.scores(piece[0], piece[1], scores[:, piece[2]]),
        sorted(pieces, key=lambda piece: -piece[0].level),
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
    view: View, some: list[Some], scores: Scores, evidence: Evidence, most: int
) -> list[Found]:
    """The persons of each query by the scores of the rows."""
    whose = Whose.of(view, some, scores.shape[1] == view.room)
    tasks = [(row, *piece) for row in scores for piece in whose.layered.pieces()]
    first = spread(lambda task: task[1].first(task[0][None], task[2]), tasks)
    each = len(tasks) // len(scores)
    turns = [(row, first[q * each : (q + 1) * each]) for q, row in enumerate(scores)]
    return spread(lambda turn: whose.found(*turn, evidence, most), turns)
