"""Retrieval figures: who is found at which rank, by the height of the query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid import Embedder, Embeddings, distances

from .augment import shrink
from .datasets import Crop


@dataclass(frozen=True)
class Retrieval:
    """Figures in percent: share of queries with a right answer at rank 1, and mean precision."""

    rank1: float
    mean_precision: float


def retrieval(
    distance: NDArray[np.float32], query: Sequence[str], gallery: Sequence[str]
) -> Retrieval:
    """CMC rank 1 and mAP of a distance matrix.

    Args:
        distance: ``float32 (Q, G)``. query, gallery: identities of rows and columns; a query
            without a right answer in the gallery is passed over.
    """
    hits = np.asarray(query)[:, None] == np.asarray(gallery)[None, :]
    hits = np.take_along_axis(hits, np.argsort(distance, axis=1, kind="stable"), axis=1)
    hits = hits[hits.any(1)]
    precision = hits.cumsum(1) / np.arange(1, hits.shape[1] + 1)
    mean = (precision * hits).sum(1) / hits.sum(1)
    return Retrieval(100 * float(hits[:, 0].mean()), 100 * float(mean.mean()))


def near_far_split(
    crops: Sequence[Crop], random: np.random.Generator
) -> tuple[list[Crop], list[Crop]]:
    """One query and one gallery crop of each identity, from different cameras where known.

    People who were seen by one camera only are distractors: gallery without a query.
    """
    people: dict[str, list[Crop]] = {}
    for crop in crops:
        people.setdefault(crop.identity, []).append(crop)
    queries, gallery = [], []
    for of_person in people.values():
        entry = of_person[random.integers(len(of_person))]
        gallery.append(entry)
        others = [
            c for c in of_person if c is not entry and (c.camera != entry.camera or c.camera < 0)
        ]
        if others:
            queries.append(others[random.integers(len(others))])
    return queries, gallery


def embed_at(embedder: Embedder, crops: Sequence[Crop], height: int | None) -> Embeddings:
    """Embeddings of crops shrunk to `height` pixels (not enlarged), or native if None."""
    images = [c.image if height is None else shrink(c.image, height) for c in crops]
    return embedder.embed(images)


def by_height(
    embedder: Embedder,
    crops: Sequence[Crop],
    heights: Sequence[int | None] = (None, 64, 48, 32, 24),
    trials: int = 3,
    seed: int = 0,
) -> dict[int | None, Retrieval]:
    """Mean retrieval figures over random splits, one gallery image a person, gallery native."""
    random = np.random.default_rng(seed)
    sums: dict[int | None, list[Retrieval]] = {h: [] for h in heights}
    for _ in range(trials):
        queries, gallery = near_far_split(crops, random)
        entries = embed_at(embedder, gallery, None)
        for height in heights:
            found, _level = distances(embed_at(embedder, queries, height), entries)
            names = [c.identity for c in queries], [c.identity for c in gallery]
            sums[height].append(retrieval(found, *names))
    return {
        h: Retrieval(
            float(np.mean([r.rank1 for r in rs])), float(np.mean([r.mean_precision for r in rs]))
        )
        for h, rs in sums.items()
    }
