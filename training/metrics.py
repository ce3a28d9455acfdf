"""Retrieval figures: CMC, mAP and mINP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import TrainingError

LENGTH = 50
"""How far the CMC curve goes."""


@dataclass(frozen=True)
class Retrieval:
    """Figures in percent.

    Args:
        cmc: ``(LENGTH,)``, share of queries with a right answer among the first k.
        mean_precision: mAP. mean_inverse: mINP, how early the last right answer comes.
    """

    cmc: tuple[float, ...]
    mean_precision: float
    mean_inverse: float

    def rank(self, k: int) -> float:
        return self.cmc[k - 1]

    @property
    def rank1(self) -> float:
        return self.rank(1)

    def figures(self) -> dict[str, float]:
        """The figures that are reported, by name."""
        ranks = {f"rank{k}": self.rank(k) for k in (1, 5, 10, 20)}
        found = {**ranks, "mAP": self.mean_precision, "mINP": self.mean_inverse}
        return {name: round(value, 2) for name, value in found.items()}


def retrieval(
    distance: NDArray[np.float32],
    query: Sequence[str],
    gallery: Sequence[str],
    ignored: NDArray[np.bool_] | None = None,
) -> Retrieval:
    """Figures of a distance matrix.

    Args:
        distance: ``float32 (Q, G)``. query, gallery: identities of rows and columns; a query
            without a right answer in the gallery is passed over.
        ignored: ``bool (Q, G)``, entries that a query doesn't see (its own camera's, for one).

    Raises:
        TrainingError: when no query has a right answer.
    """
    order = np.argsort(distance, axis=1, kind="stable")
    hits = np.asarray(query)[:, None] == np.asarray(gallery)[None, :]
    seen = np.ones_like(hits) if ignored is None else ~ignored
    hits = np.take_along_axis(hits & seen, order, axis=1)
    place = np.take_along_axis(seen, order, axis=1).cumsum(1)
    kept = hits.any(1)
    if not kept.any():
        raise TrainingError("no query has a right answer in the gallery")
    hits, place = hits[kept], place[kept]
    found = hits.cumsum(1)
    total = hits.sum(1)
    precision = (found / np.maximum(place, 1) * hits).sum(1) / total
    last = np.where(hits, place, 0).max(1)
    first = np.where(hits, place, hits.shape[1] + 1).min(1)
    cmc = (first[:, None] <= np.arange(1, LENGTH + 1)).mean(0) * 100
    return Retrieval(
        tuple(float(x) for x in cmc),
        100 * float(precision.mean()),
        100 * float((total / last).mean()),
    )


def mean(figures: Sequence[Retrieval]) -> Retrieval:
    """Means over trials."""
    return Retrieval(
        tuple(float(x) for x in np.mean([f.cmc for f in figures], axis=0)),
        float(np.mean([f.mean_precision for f in figures])),
        float(np.mean([f.mean_inverse for f in figures])),
    )
