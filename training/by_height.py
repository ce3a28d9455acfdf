"""Retrieval figures of an embedder by the height of the query in pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reid import Embedder, Embeddings, distances

from .augment import shrink
from .datasets import Crop
from .metrics import Retrieval, mean, retrieval


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
    return {h: mean(figures) for h, figures in sums.items()}
