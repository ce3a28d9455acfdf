"""The inner loops of a search, compiled for the processor at hand when they are first called.

numpy has no fast product with fp16, and passes over its arrays once for each operation. These loops
run without Python's lock, so that threads work side by side. The compiler takes 120 MB, so this
module is imported by what calls it, when it does: programs that never search needn't pay for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Loop = TypeVar("Loop", bound=Callable[..., object])
Three = tuple[float, float, float, int]
"""A person's likeliest scores, highest first, and the lowest id of those that have the first."""

FEW = 3
"""Up to so many looks are multiplied with rows as these come from memory."""


def _compiled(loop: Loop) -> Loop:
    return _kept(loop)


def _summing(loop: Loop) -> Loop:
    """Compiled so that sums are added up in any order, many numbers at a time."""
    return _kept(loop, {"reassoc", "contract", "nsz"})


def _kept(loop: Loop, relaxed: bool | set[str] = False) -> Loop:
    """Compiled, and kept for the next process where a folder for that can be written."""
    try:
        made = njit(loop, nogil=True, cache=True, fastmath=relaxed)
    except RuntimeError:
        made = njit(loop, nogil=True, fastmath=relaxed)
    return cast(Loop, made)


def _number(context: Any, bits: Any) -> Any:
    def made(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
        return builder.fpext(builder.bitcast(given[0], ir.HalfType()), ir.FloatType())

    return types.float32(types.uint16), made


_wide = cast(Callable[[np.uint16], np.float32], intrinsic(_number))
"""The number whose fp16 has these bits, in float32."""


@_compiled
def widen(rows: NDArray[np.uint16], out: NDArray[np.float32]) -> None:
    """fp16, as bits, to float32: ``(N, d)`` each."""
    for i in range(len(rows)):
        for j in range(rows.shape[1]):
            out[i, j] = _wide(rows[i, j])


@_summing
def add_products(
    rows: NDArray[np.uint16], looks: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """Adds products of rows with looks.

    Where looks are many, two are multiplied with four rows at a time: what a core has loaded is
    used more than once.

    Args:
        rows: fp16, as bits, ``(N, d)``. looks: ``(R, d)``. out: ``(R, N)``, added to.
    """
    size = rows.shape[1]
    pairs = len(looks) // 2 * 2 if len(looks) > FEW else 0
    whole = len(rows) // 4 * 4 if pairs else 0
    four = np.empty((4, size), np.float32)
    zero = np.float32(0)
    for i in range(0, whole, 4):
        widen(rows[i : i + 4], four)
        for r in range(0, pairs, 2):
            a = b = c = d = e = f = g = h = zero
            for j in range(size):
                p, q = looks[r, j], looks[r + 1, j]
                a += four[0, j] * p
                b += four[1, j] * p
                c += four[2, j] * p
                d += four[3, j] * p
                e += four[0, j] * q
                f += four[1, j] * q
                g += four[2, j] * q
                h += four[3, j] * q
            for k, product in enumerate((a, b, c, d)):
                out[r, i + k] += product
            for k, product in enumerate((e, f, g, h)):
                out[r + 1, i + k] += product
    for i in range(len(rows)):
        for r in range(pairs if i < whole else 0, len(looks)):
            product = zero
            for j in range(size):
                product += _wide(rows[i, j]) * looks[r, j]
            out[r, i] += product


@_compiled
def weigh(
    products: NDArray[np.float32],
    compared: NDArray[np.int64],
    inverse: NDArray[np.float32],
    factor: NDArray[np.float32],
    offset: NDArray[np.float32],
    slope: NDArray[np.float32],
    bound: float,
    beyond: float,
    owner: NDArray[np.int64],
    weight: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Adds up what the looks of each query say of rows.

    Args:
        products: of rows with looks, ``(R, N)``. inverse: one over the norm of each prefix of the
            rows, ``(m, N)``, 0 for a zero vector.
        compared, factor, offset, slope: ``(R,)``, see `evidence.Side`.
        bound: of log-odds; beyond it they count `beyond`.
        owner: ``(R,)``, the query that each look belongs to. weight: ``(R,)``, of looks.
        out: ``(Q, N)``, added to.
    """
    for r in range(len(products)):
        scale, own, known = factor[r], out[owner[r]], inverse[compared[r] - 1]
        for i in range(products.shape[1]):
            odds = products[r, i] * known[i] * scale + offset[r]
            if known[i] == 0:
                odds -= slope[r]
            own[i] += weight[r] * (min(max(odds, -bound), bound) + beyond * odds)


@_compiled
def _with(likeliest: Three, score: float, observation: int) -> Three:
    """What a person's likeliest are with another row."""
    a, b, c, lowest = likeliest
    if score > a:
        lowest = observation
    elif score == a:
        lowest = min(lowest, observation)
    a, score = max(a, score), min(a, score)
    b, score = max(b, score), min(b, score)
    return a, b, max(c, score), lowest


@_compiled
def rise(
    scores: NDArray[np.float64],
    track: NDArray[np.int32],
    person: NDArray[np.int64],
    observation: NDArray[np.int64],
    best: NDArray[np.float64],
    first: NDArray[np.int64],
) -> None:
    """Has rows take their places among the three likeliest of their persons.

    Rows of one person often follow each other: what is known of a person is written when another
    comes. Where a score belongs is not asked, since a processor would guess the answer wrongly.

    Args:
        scores: of rows, ``(Q, N)``. track: of each row. person: of each track. observation: ids.
        best: ``(Q, 3, P)``, the likeliest scores of each person, highest first; changed.
        first: ``(Q, P)``, the lowest id of the observations that have the highest; changed.
    """
    for q in range(len(scores)):
        top, second, third, lowest = best[q, 0], best[q, 1], best[q, 2], first[q]
        now, likeliest = -1, (-np.inf, -np.inf, -np.inf, 0)
        for i in range(scores.shape[1]):
            p = person[track[i]]
            if p != now:
                if now >= 0:
                    top[now], second[now], third[now], lowest[now] = likeliest
                now, likeliest = p, (top[p], second[p], third[p], lowest[p])
            likeliest = _with(likeliest, scores[q, i], observation[i])
        if now >= 0:
            top[now], second[now], third[now], lowest[now] = likeliest


@_compiled
def join(
    best: NDArray[np.float64],
    first: NDArray[np.int64],
    others: NDArray[np.float64],
    firsts: NDArray[np.int64],
) -> None:
    """Has what `rise` found among other rows take its places: ``(Q, 3, P)`` and ``(Q, P)``."""
    for q in range(len(best)):
        for p in range(best.shape[2]):
            likeliest = (best[q, 0, p], best[q, 1, p], best[q, 2, p], first[q, p])
            for k in range(3):
                if others[q, k, p] == -np.inf:
                    break
                likeliest = _with(likeliest, others[q, k, p], firsts[q, p])
            best[q, 0, p], best[q, 1, p], best[q, 2, p], first[q, p] = likeliest
