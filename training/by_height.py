"""Retrieval figures of an embedder by the height of the query in pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from reid import Embeddings, distances

from .augment import Image, shrink
from .datasets import Crop
from .metrics import Retrieval, mean, retrieval
from .protocol import Protocol as Draws
from .protocol import draw, trials

HEIGHTS = (None, 64, 48, 32, 24)
"""Heights of queries in pixels; None is as the camera saw them."""


def label(height: int | None) -> str:
    """A height as tables and files name it."""
    return "native" if height is None else str(height)


class Embeds(Protocol):
    """What is measured: an `Embedder`, or anything else that makes embeddings of crops."""

    def embed(self, crops: Sequence[Image], /) -> Embeddings:
        """Embeddings of pictures ``uint8 (H, W, 3)`` BGR."""
        ...


Pairs = tuple[list[int], list[int]]
"""Queries and gallery of one draw, as places in a list of crops."""


def near_far_draws(crops: Sequence[Crop], number: int, seed: int = 0) -> list[Pairs]:
    """Draws of one query and one gallery picture of each identity.

    The gallery pictures are those of `training.protocol`; a person's query is, of those it allows,
    the one with the least SHA-256 of ``seed/draw/query/picture``. People who were seen by one
    camera only are distractors: gallery without a query.
    """
    people = list(dict.fromkeys(c.identity for c in crops))
    drawn = []
    for trial, found in enumerate(trials(crops, people, Draws((1,), number, seed=seed))):
        least: dict[str, tuple[int, int]] = {}
        for i in found.query:
            entry = draw(seed, trial, "query", crops[i].name), i
            least[crops[i].identity] = min(entry, least.get(crops[i].identity, entry))
        drawn.append(([i for _, i in least.values()], list(found.gallery)))
    return drawn


def by_height(
    embedder: Embeds,
    crops: Sequence[Crop],
    heights: Sequence[int | None] = HEIGHTS,
    draws: int = 3,
    seed: int = 0,
) -> dict[int | None, Retrieval]:
    """Mean retrieval figures over draws, one gallery picture a person, at its native size."""
    drawn = near_far_draws(crops, draws, seed)
    entries, place = _embed(embedder, crops, (i for _, g in drawn for i in g), None)
    found = {}
    for height in heights:
        queries, row = _embed(embedder, crops, (i for q, _ in drawn for i in q), height)
        figures = []
        for query, gallery in drawn:
            away, _ = distances(
                queries[[row[i] for i in query]], entries[[place[i] for i in gallery]]
            )
            names = [crops[i].identity for i in query], [crops[i].identity for i in gallery]
            figures.append(retrieval(away, *names))
        found[height] = mean(figures)
    return found


def _embed(
    embedder: Embeds, crops: Sequence[Crop], chosen: Iterable[int], height: int | None
) -> tuple[Embeddings, dict[int, int]]:
    """Embeddings of crops shrunk to `height`, each once, and the row of each."""
    rows = sorted(set(chosen))
    images = [crops[i].image if height is None else shrink(crops[i].image, height) for i in rows]
    return embedder.embed(images), {i: row for row, i in enumerate(rows)}
