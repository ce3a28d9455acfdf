"""The compiled loops against numpy and against loops of Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core import caching

from storage import kernels


def test_every_fp16_is_widened_as_numpy_does() -> None:
    bits = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
    out = np.empty(bits.shape, np.float32)
    kernels.widen(bits, out)
    assert np.array_equal(out, bits.view(np.float16).astype(np.float32), equal_nan=True)


@settings(deadline=None)
@given(
    n=st.integers(0, 11), looks=st.integers(1, 9), size=st.integers(1, 40), seed=st.integers(0, 99)
)
def test_products_are_added(n: int, looks: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, size)).astype(np.float16)
    query = rng.normal(size=(looks, size)).astype(np.float32)
    there = rng.normal(size=(looks, n)).astype(np.float32)
    out = there.copy()
    kernels.add_products(rows.view(np.uint16), query, out)
    assert np.allclose(out, there + query.astype(float) @ rows.T.astype(float), atol=1e-4)


@settings(deadline=None)
@given(queries=st.integers(1, 3), n=st.integers(0, 5), seed=st.integers(0, 99))
def test_looks_are_weighed(queries: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    owner = np.arange(queries + 2) % queries
    products = rng.normal(size=(len(owner), n)).astype(np.float32)
    compared = rng.integers(1, 4, len(owner))
    inverse = rng.choice([0, 0.5, 1], (3, n)).astype(np.float32)
    factor, offset, slope = rng.normal(size=(3, len(owner))).astype(np.float32)
    weight = rng.random(len(owner))
    out = np.zeros((queries, n))
    kernels.weigh(products, compared, inverse, factor, offset, slope, 0.7, 1e-3, owner, weight, out)
    for q in range(queries):
        for i in range(n):
            right = 0.0
            for r in np.flatnonzero(owner == q):
                known = inverse[compared[r] - 1, i]
                odds = products[r, i] * known * factor[r] + offset[r] - slope[r] * (known == 0)
                right += weight[r] * (np.clip(odds, -0.7, 0.7) + 1e-3 * odds)
            assert out[q, i] == pytest.approx(right, abs=1e-5)


def test_they_work_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])

    def twice(values: np.ndarray) -> None:
        values *= 2

    values = np.ones(3)
    kernels._compiled(twice)(values)
    assert values.tolist() == [2, 2, 2]
