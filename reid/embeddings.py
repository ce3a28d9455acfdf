"""Embeddings of varying length and their distance on the part that both can fill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import ReidError

Floats = NDArray[np.float32]
Levels = NDArray[np.int8]


def prefix_lengths(sizes: Sequence[int]) -> NDArray[np.int64]:
    """Length of the representation at each level: ``out[k - 1] = d_1 + ... + d_k``."""
    return np.cumsum(np.asarray(sizes, dtype=np.int64))


@dataclass(frozen=True)
class Embeddings:
    """N embeddings of mixed levels.

    Args:
        vectors: ``float32 (N, d)``, zero past each one's length (section III-E).
        levels: ``int8 (N,)`` in 1..m; row i fills the first ``levels[i]`` sub-vectors.
        quality: ``float32 (N,)`` in 0..1, what the crop is worth as evidence (blur, cut, overlap).
        sizes: the sub-vector sizes ``d_1..d_m``; they sum to d.
    """

    vectors: Floats
    levels: Levels
    quality: Floats
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        n = len(self.vectors)
        if self.vectors.ndim != 2 or self.vectors.shape[1] != sum(self.sizes):
            raise ReidError(
                f"vectors are {self.vectors.shape}, sub-vectors add up to {sum(self.sizes)}"
            )
        if self.levels.shape != (n,) or self.quality.shape != (n,):
            raise ReidError(
                f"{n} vectors, but levels {self.levels.shape}, quality {self.quality.shape}"
            )
        if n and not (self.levels.min() >= 1 and self.levels.max() <= len(self.sizes)):
            raise ReidError(f"levels must lie in 1..{len(self.sizes)}")

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows: slice | Sequence[int] | NDArray[np.generic]) -> Embeddings:
        index = rows if isinstance(rows, slice) else np.asarray(rows)
        return Embeddings(self.vectors[index], self.levels[index], self.quality[index], self.sizes)

    def prefix(self, row: int) -> Floats:
        """The part of row `row` that its level fills, ``float32 (d_1 + ... + d_k,)``."""
        return self.vectors[row, : prefix_lengths(self.sizes)[self.levels[row] - 1]]

    @classmethod
    def empty(cls, sizes: Sequence[int]) -> Embeddings:
        """No embeddings of a model with these sub-vector sizes."""
        none = np.zeros(0, np.float32)
        return cls(np.zeros((0, sum(sizes)), np.float32), np.zeros(0, np.int8), none, tuple(sizes))

    @classmethod
    def concatenate(cls, parts: Sequence[Embeddings]) -> Embeddings:
        """All rows of `parts` (at least one) in order."""
        return cls(
            np.concatenate([p.vectors for p in parts]),
            np.concatenate([p.levels for p in parts]),
            np.concatenate([p.quality for p in parts]),
            parts[0].sizes,
        )


def distances(a: Embeddings, b: Embeddings, *, normalised: bool = True) -> tuple[Floats, Levels]:
    """Distances of all pairs, each over the sub-vectors that both rows fill.

    With ``normalised=False`` this is Eq. 2 as written: the squared Euclidean distance over the
    first ``min(level_a, level_b)`` sub-vectors. With ``normalised=True``, what the product uses,
    each prefix is first scaled to unit length **after** it was cut, so that distances lie in 0..4
    and do not grow with the level.

    Args:
        a, b: embeddings of one model, N and M rows.

    Returns:
        ``float32 (N, M)`` distances and ``int8 (N, M)`` levels at which each pair was compared.

    Raises:
        ReidError: when the two come from models with other sub-vector sizes.
    """
    if a.sizes != b.sizes:
        raise ReidError(f"embeddings of two models: sub-vectors {a.sizes} and {b.sizes}")
    level = np.minimum(a.levels[:, None], b.levels[None, :])
    out = np.zeros(level.shape, np.float32)
    lengths = prefix_lengths(a.sizes)
    for k in np.unique(level).tolist():
        length = lengths[k - 1]
        rows, columns = a.levels >= k, b.levels >= k
        x, y = a.vectors[rows, :length], b.vectors[columns, :length]
        if normalised:
            x, y = unit(x), unit(y)
        squared = (x**2).sum(1)[:, None] + (y**2).sum(1)[None, :] - 2 * (x @ y.T)
        block = np.ix_(rows, columns)
        out[block] = np.where(level[block] == k, np.maximum(squared, 0), out[block])
    return out, level


def unit(x: Floats) -> Floats:
    """Rows scaled to length one; a zero row stays zero."""
    norm = np.linalg.norm(x, axis=-1, keepdims=True)
    scaled: Floats = x / np.maximum(norm, np.float32(1e-12))
    return scaled
