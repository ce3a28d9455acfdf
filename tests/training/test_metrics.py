import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.errors import TrainingError
from training.metrics import mean, retrieval


@given(st.integers(0, 10_000), st.booleans())
def test_figures_equal_a_literal_computation(seed: int, ignoring: bool) -> None:
    random = np.random.default_rng(seed)
    q, g = 7, 12
    distance = random.random((q, g)).astype(np.float32)
    query = [f"p{i}" for i in random.integers(0, 5, q)]
    gallery = [f"p{i}" for i in random.integers(0, 5, g)]
    ignored = random.random((q, g)) < 0.3 if ignoring else None
    first, precisions, inverses = [], [], []
    for i in range(q):
        hits, place, precision = 0, 0, []
        for j in sorted(range(g), key=lambda j: distance[i, j]):
            if ignored is not None and ignored[i, j]:
                continue
            place += 1
            if gallery[j] == query[i]:
                hits += 1
                precision.append(hits / place)
                last = place
                if hits == 1:
                    first.append(place)
        if precision:
            precisions.append(sum(precision) / hits)
            inverses.append(hits / last)
    if not first:
        with pytest.raises(TrainingError, match="no query has a right answer"):
            retrieval(distance, query, gallery, ignored)
        return
    found = retrieval(distance, query, gallery, ignored)
    for k in (1, 2, 5, 10):
        assert found.rank(k) == pytest.approx(100 * np.mean([place <= k for place in first]))
    assert found.mean_precision == pytest.approx(100 * np.mean(precisions))
    assert found.mean_inverse == pytest.approx(100 * np.mean(inverses))


def test_means_over_trials() -> None:
    right = retrieval(np.array([[0.0, 1.0]], np.float32), ["a"], ["a", "b"])
    wrong = retrieval(np.array([[1.0, 0.0]], np.float32), ["a"], ["a", "b"])
    both = mean([right, wrong])
    assert (both.rank(1), both.rank(2), both.mean_precision) == (50, 100, 75)
