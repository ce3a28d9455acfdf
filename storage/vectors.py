"""Vectors as bytes: little-endian fp16 of the sub-vectors that the level fills, and no more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reid import ModelInfo

from .errors import StorageError

STORED = np.dtype("<f2")


def lengths(sizes: Sequence[int]) -> list[int]:
    """Numbers in a vector of each level; ``out[k - 1]`` is level k's."""
    return np.cumsum(sizes).tolist()


def encode(vector: NDArray[np.float32], level: int, model: ModelInfo) -> bytes:
    """The prefix of a full-length ``float32 (d,)`` vector.

    Raises:
        StorageError: when the length is not the model's, or a number does not fit fp16.
    """
    if vector.shape != (model.dimension,):
        raise StorageError(
            f"a vector of {model.name} has {model.dimension} numbers, got shape {vector.shape}"
        )
    prefix = vector[: sum(model.sizes[:level])]
    if not np.abs(prefix).max() < 65504:
        raise StorageError("a vector holds numbers that are not finite or too large for fp16")
    return prefix.astype(STORED).tobytes()


def decode(
    blobs: Sequence[bytes], levels: NDArray[np.int8], sizes: Sequence[int]
) -> NDArray[np.float32]:
    """Full-length vectors ``float32 (N, d)``, zero past each level's prefix.

    Raises:
        StorageError: when a blob has not the length of its level.
    """
    out = np.zeros((len(blobs), sum(sizes)), np.float32)
    for level, length in enumerate(lengths(sizes), start=1):
        rows = np.flatnonzero(levels == level).tolist()
        if rows:
            out[rows, :length] = stack([blobs[i] for i in rows], length)
    return out


def stack(blobs: Sequence[bytes], length: int) -> NDArray[np.float16]:
    """Prefixes of one level as ``float16 (N, length)``.

    Raises:
        StorageError: when a blob has another length.
    """
    if any(len(blob) != length * STORED.itemsize for blob in blobs):
        raise StorageError(
            "a stored vector has not the length of its level: run Gallery.check() to find it"
        )
    joined = np.frombuffer(bytearray().join(blobs), STORED)
    return joined.reshape(len(blobs), length).astype(np.float16, copy=False)
