import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid import Embeddings, ReidError, distances

SIZES = (3, 2, 4)


def some(seed: int, n: int) -> Embeddings:
    random = np.random.default_rng(seed)
    levels = random.integers(1, len(SIZES) + 1, n).astype(np.int8)
    vectors = random.normal(size=(n, sum(SIZES))).astype(np.float32)
    for row, level in enumerate(levels):
        vectors[row, sum(SIZES[:level]) :] = 0
    return Embeddings(vectors, levels, np.ones(n, np.float32), SIZES)


def literal(a: Embeddings, b: Embeddings, normalised: bool) -> np.ndarray:
    """Eq. 2, pair by pair and sub-vector by sub-vector."""
    out = np.zeros((len(a), len(b)))
    for i in range(len(a)):
        for j in range(len(b)):
            x, y = [], []
            at = 0
            for k in range(1, min(a.levels[i], b.levels[j]) + 1):
                for _ in range(SIZES[k - 1]):
                    x.append(float(a.vectors[i, at]))
                    y.append(float(b.vectors[j, at]))
                    at += 1
            if normalised:
                x = [v / sum(w * w for w in x) ** 0.5 for v in x]
                y = [v / sum(w * w for w in y) ** 0.5 for v in y]
            out[i, j] = sum((v - w) ** 2 for v, w in zip(x, y, strict=True))
    return out


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 6), st.integers(0, 6), st.booleans())
def test_equals_the_literal_equation(seed: int, n: int, m: int, normalised: bool) -> None:
    a, b = some(seed, n), some(seed + 1, m)
    found, level = distances(a, b, normalised=normalised)
    np.testing.assert_allclose(found, literal(a, b, normalised), atol=1e-4)
    assert (level == np.minimum(a.levels[:, None], b.levels[None, :])).all()


def test_what_a_row_cannot_fill_is_never_compared() -> None:
    a, b = some(3, 4), some(4, 4)
    far = a[np.flatnonzero(a.levels == a.levels.min())]
    changed = b.vectors.copy()
    changed[:, sum(SIZES[: far.levels[0]]) :] = 99.0
    other = Embeddings(changed, np.full(4, 3, np.int8), b.quality, SIZES)
    whole = Embeddings(b.vectors, np.full(4, 3, np.int8), b.quality, SIZES)
    np.testing.assert_array_equal(distances(far, other)[0], distances(far, whole)[0])


def test_two_models_are_never_compared() -> None:
    other = Embeddings.empty((4, 4))
    with pytest.raises(ReidError, match="two models"):
        distances(some(0, 2), other)


@pytest.mark.parametrize(
    ("vectors", "levels"),
    [((2, 8), [1, 1]), ((2, 9), [1]), ((2, 9), [0, 1]), ((2, 9), [1, 4])],
)
def test_shapes_and_levels_are_checked(vectors: tuple[int, int], levels: list[int]) -> None:
    with pytest.raises(ReidError):
        Embeddings(
            np.zeros(vectors, np.float32),
            np.array(levels, np.int8),
            np.ones(2, np.float32),
            SIZES,
        )


def test_prefix_and_concatenation() -> None:
    a, b = some(1, 3), some(2, 2)
    both = Embeddings.concatenate([a, b])
    assert len(both) == 5
    assert len(both.prefix(4)) == sum(SIZES[: both.levels[4]])
    np.testing.assert_array_equal(both[3:].vectors, b.vectors)
