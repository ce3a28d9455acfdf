"""How what is looked for is held against rows in memory: distances, then log-odds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numkong
import numpy as np
from numpy.typing import NDArray

from reid import Calibration, Embeddings

from .blocks import Segment, inverse_of, widened

FEW = 3
"""Up to so many looks, rows are compared as they lie, in fp16; more are worth widening the rows to
float32 first, piece by piece, for a matrix product."""

PIECE = 2048
"""Rows that are widened at a time: they stay in the processor's cache."""

BEYOND_BOUND = 1e-9
"""Weight of the evidence beyond the calibration's bound: it orders what reaches the bound."""

SCALE = np.float32(1 << 12)
"""By which a prefix of length one is multiplied before it becomes fp16, so that what the rounding
takes away is no subnormal number: those lose digits, and take twice the time."""

Rows = NDArray[np.int64] | slice


@dataclass(frozen=True)
class Prefixes:
    """The compared parts of looks.

    Args:
        parts: one a sub-vector, ``float32 (R_j, d_j)``: of the looks that fill it, scaled so that
            their compared prefix has length one.
        packs: where looks are few, the same for numkong, in fp16: each look rounded, and below that
            what the rounding took away, so that nothing is lost. Multiplied by `SCALE`.
        alive: ``(R, 1)``, whether any of it is not zero.
    """

    parts: list[NDArray[np.float32]]
    packs: list[numkong.PackedMatrix] | None
    alive: NDArray[np.bool_]


@dataclass(frozen=True)
class Side:
    """What looks are when held against rows of one level.

    Args:
        compared: ``(R,)``, sub-vectors that are compared. factor, offset: ``(R, 1)``, log-odds are
            ``offset + factor * product``, and less by `slope` where the row is zero.
    """

    prefixes: Prefixes
    compared: NDArray[np.int64]
    factor: NDArray[np.float32]
    offset: NDArray[np.float32]
    slope: NDArray[np.float32]


class Evidence:
    """How some queries, each of one person, are held against rows.

    A row's evidence is the mean of its log-odds over the query's looks, weighted by their quality,
    each within the calibration's bound; beyond the bound it counts `BEYOND_BOUND`.

    Args:
        queries: at least one; each holds one or more looks of one person.

    `scores` orders rows as the evidence does; `settled` makes the evidence of it.
    """

    def __init__(self, queries: Sequence[Embeddings], calibration: Calibration) -> None:
        every = Embeddings.concatenate(queries)
        order = np.argsort(-every.levels, kind="stable")
        self._looks = every[order]
        self._owner = np.repeat(np.arange(len(queries)), [len(query) for query in queries])[order]
        quality = np.concatenate([weights_of(query) for query in queries])[order]
        self._weights = [quality[self._owner == q] for q in range(len(queries))]
        self._single = len(every) == len(queries)
        self._calibration = calibration
        self._sides: list[Side] = []
        for level in range(1, len(every.sizes) + 1):
            self._sides.append(self._side(level))

    def __len__(self) -> int:
        return len(self._weights)

    def empty(self, room: int) -> NDArray[np.floating]:
        """Room for the scores of so many rows, ``(queries, room)``."""
        return np.empty((len(self), room), np.float32 if self._single else np.float64)

    def scores(self, segment: Segment, rows: Rows, out: NDArray[np.floating]) -> None:
        """Scores of some rows of a segment, into ``(queries, N)``."""
        if self._single and len(self) == 1:
            self._log_odds(segment, rows, out)
            return
        raw = np.empty((len(self._looks), out.shape[1]), np.float32)
        self._log_odds(segment, rows, raw)
        if self._single:
            out[self._owner] = raw
            return
        for q, weights in enumerate(self._weights):
            out[q] = self._bounded(weights[None], raw[self._owner == q])[0]

    def settled(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """The evidence, nats."""
        if not self._single:
            return scores.astype(np.float64, copy=False)
        raw = scores.astype(np.float64)
        out = np.clip(raw, -self._calibration.bound, self._calibration.bound)
        raw *= BEYOND_BOUND
        out += raw
        return out

    def _bounded(
        self, weights: NDArray[np.float64], raw: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        bound = self._calibration.bound
        out: NDArray[np.float64] = weights @ np.clip(raw, -bound, bound).astype(np.float64)
        out += BEYOND_BOUND * (weights @ raw.astype(np.float64))
        return out

    def _side(self, level: int) -> Side:
        levels = self._looks.levels.astype(np.int64)
        compared = np.minimum(levels, level)
        if self._sides and np.array_equal(compared, self._sides[-1].compared):
            prefixes = self._sides[-1].prefixes
        else:
            prefixes = self._prefixes(compared)
        slope = self._calibration.slope[levels - 1, level - 1][:, None]
        intercept = self._calibration.intercept[levels - 1, level - 1][:, None]
        return Side(
            prefixes,
            compared,
            np.float32(-2) * slope / (np.float32(1) if prefixes.packs is None else SCALE),
            intercept + slope * (np.float32(1) + prefixes.alive),
            slope,
        )

    def _prefixes(self, compared: NDArray[np.int64]) -> Prefixes:
        borders = np.cumsum([0, *self._looks.sizes])
        inside = np.arange(borders[-1]) < borders[compared][:, None]
        prefix = np.where(inside, self._looks.vectors, 0)
        inverse = inverse_of(np.linalg.norm(prefix, axis=1))[:, None]
        prefix *= inverse
        parts = [
            np.ascontiguousarray(prefix[compared > k, borders[k] : borders[k + 1]])
            for k in range(compared[0])
        ]
        packs = [_packed(part) for part in parts] if len(compared) <= FEW else None
        return Prefixes(parts, packs, inverse > 0)

    def _log_odds(self, segment: Segment, rows: Rows, out: NDArray[np.floating]) -> None:
        """Unbounded log-odds of rows to each look, ``(R, N)``."""
        side = self._sides[segment.level - 1]
        if side.prefixes.packs is None:
            _many(segment, rows, side.prefixes, out)
        else:
            _few(segment, rows, side.prefixes, out)
        start = 0
        while start < len(out):
            compared = int(side.compared[start])
            end = int(np.searchsorted(-side.compared, -compared, "right"))
            inverse = segment.inverse[compared - 1, rows]
            part = out[start:end]
            part *= inverse
            part *= side.factor[start:end]
            part += side.offset[start:end]
            if segment.zeros[compared - 1]:
                zero = np.flatnonzero(inverse == 0)
                part[:, zero] -= side.slope[start:end]
            start = end


def weights_of(query: Embeddings) -> NDArray[np.float64]:
    """What each look counts; they sum to one."""
    weights = query.quality.astype(np.float64)
    if weights.sum() <= 0:
        weights = np.ones(len(query))
    return weights / weights.sum()


def _packed(part: NDArray[np.float32]) -> numkong.PackedMatrix:
    part = part * SCALE
    rounded = part.astype(np.float16)
    rest = (part - rounded.astype(np.float32)).astype(np.float16)
    return numkong.dots_pack(np.stack([rounded, rest], axis=1).reshape(-1, part.shape[1]))


def _few(segment: Segment, rows: Rows, prefixes: Prefixes, out: NDArray[np.floating]) -> None:
    """Products of rows with few looks, ``(R, N)``, by numkong."""
    assert prefixes.packs is not None
    total = np.empty((out.shape[1], 2 * len(out)), np.float32)
    for k, (pack, part) in enumerate(zip(prefixes.packs, prefixes.parts, strict=True)):
        both = total if k == 0 else np.empty((len(total), 2 * len(part)), np.float32)
        numkong.dots_packed(segment.blocks[k][rows], pack, out=numkong.from_dlpack(both))
        if k > 0:
            total[:, : both.shape[1]] += both
    np.add(total[:, ::2].T, total[:, 1::2].T, out=out)


def _many(segment: Segment, rows: Rows, prefixes: Prefixes, out: NDArray[np.floating]) -> None:
    """Products of rows with many looks, ``(R, N)``, by matrix products in float32."""
    blocks = [block[rows] for block in segment.blocks[: len(prefixes.parts)]]
    for start in range(0, out.shape[1], PIECE):
        piece = slice(start, start + PIECE)
        for k, (part, block) in enumerate(zip(prefixes.parts, blocks, strict=True)):
            wide = widened(block[piece])
            if k == 0:
                np.matmul(part, wide.T, out=out[:, piece])
            else:
                out[: len(part), piece] += part @ wide.T
