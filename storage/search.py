"""From distances of single observations to a ranking of persons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from reid import Calibration, Embeddings, ModelInfo

from .errors import StorageError
from .evidence import Evidence
from .likeliest import Likeliest
from .limits import Limits
from .mirror import View
from .passing import Some, passing
from .ranking import NOBODY, Found, found_in, merged
from .records import SearchPage
from .showing import Best, shown
from .threads import cores, spread

SHARPENED = 1 << 13
"""Rows that are compared in full after a first pass over the first sub-vector."""

PIECE = 1 << 16
"""Rows, times looks, that a thread compares at a time: what it adds up stays near the core."""

LEAST = 1 << 12
"""Rows that a thread compares at a time, however many looks there are."""

PLACES = 1 << 24
"""Scores, and places among the likeliest of each person, that are held at a time; more queries than
that allows are looked for in turns."""

NOTHING = SearchPage((), 0, None)
"""What is found where nothing is stored."""


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
    some = passing(view, limits, camera)
    if not some:
        return [NOBODY] * len(queries)
    rows = sum(one.count for one in some)
    rough = rows > rough_above
    at_once = max(1, PLACES // (rows if rough else len(view.owners) * cores()))
    out: list[Found] = []
    for start in range(0, len(queries), at_once):
        own = queries[start : start + at_once]
        if rough:
            likeliest = _rough(view, some, own, calibration)
        else:
            likeliest = _exact(view, some, Evidence(own, calibration))
        out += [
            found_in(view, best, first, most)
            for best, first in zip(likeliest.best, likeliest.first, strict=True)
        ]
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


def _pieces(some: list[Some], looks: int) -> list[Some]:
    """The rows in pieces; the longest come first, so that no thread is left alone with one."""
    size = max(LEAST, PIECE // looks)
    return sorted((p for one in some for p in one.pieces(size)), key=lambda p: -p.segment.level)


def _exact(view: View, some: list[Some], evidence: Evidence) -> Likeliest:
    """The likeliest rows of each person for each query."""
    pieces = _pieces(some, evidence.looks)

    def scores(at: int) -> NDArray[np.float64]:
        return evidence.scores(pieces[at].segment, pieces[at].rows)

    return _gathered(view, pieces, evidence.queries, scores)


def _rough(
    view: View, some: list[Some], queries: Sequence[Embeddings], calibration: Calibration
) -> Likeliest:
    """As `_exact`, but all rows are held against the first sub-vector alone, and only those that
    are likeliest by it against the others too."""
    first = Evidence([_first_of(query) for query in queries], calibration)
    scores = spread(lambda one: first.scores(one.segment, one.rows), some)
    for q, query in enumerate(queries):
        _sharpen(some, [own[q] for own in scores], Evidence([query], calibration))
    return _gathered(view, some, len(queries), scores.__getitem__)


def _sharpen(some: list[Some], scores: list[NDArray[np.float64]], right: Evidence) -> None:
    """Puts the right scores of one query in the place of those that are highest."""
    likeliest = spread(lambda own: _highest(own, SHARPENED), scores)
    least = _highest(np.concatenate(likeliest), SHARPENED).min()

    def work(at: int) -> None:
        places = np.flatnonzero(scores[at] >= least)
        scores[at][places] = right.scores(some[at].segment, some[at].at(places).rows)[0]

    spread(work, range(len(some)))


def _gathered(
    view: View,
    some: list[Some],
    queries: int,
    scores: Callable[[int], NDArray[np.float64]],
) -> Likeliest:
    """The likeliest rows of each person, of rows whose scores are told by their place in `some`."""
    left = iter(range(len(some)))

    def work(_: int) -> Likeliest:
        own = Likeliest.of(queries, len(view.owners))
        for at in left:
            segment, rows = some[at].segment, some[at].rows
            own.add(scores(at), segment.track[rows], view.person, segment.observation[rows])
        return own

    found, *others = spread(work, range(min(cores(), len(some))))
    for other in others:
        found.join(other)
    return found


def _highest(scores: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """So many of the highest scores, in no order."""
    return np.partition(scores, len(scores) - count)[-count:] if len(scores) > count else scores


def _first_of(query: Embeddings) -> Embeddings:
    """The first sub-vectors of some looks."""
    first = np.where(np.arange(query.vectors.shape[1]) < query.sizes[0], query.vectors, 0)
    return Embeddings(first, np.ones_like(query.levels), query.quality, query.sizes)
