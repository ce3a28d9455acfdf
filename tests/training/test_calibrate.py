"""Curves, thresholds and what they are worth, on distances whose law is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from reid import FALSE_MATCH_RATES, ReidError  # noqa: E402
from training.calibrate import Distances, false_matches, fit, halves, merged, reliability  # noqa: E402

from .conftest import people  # noqa: E402


def drawn(seed: int, same: int = 20_000, other: int = 60_000) -> Distances:
    """Both kinds normal with one deviation, of which a logistic curve is the exact law."""
    random = np.random.default_rng(seed)
    return Distances(
        random.normal(0.6, 0.2, same).astype(np.float32),
        random.normal(1.1, 0.2, other).astype(np.float32),
    )


def test_probabilities_of_a_true_law_are_right() -> None:
    found = reliability(fit({(1, 1): drawn(0)}, 1), {(1, 1): drawn(1)})[1, 1]
    assert found.error < 0.01
    assert found.weight.sum() == pytest.approx(1)


def test_probabilities_of_other_people_are_wrong() -> None:
    moved = Distances(drawn(1).same + np.float32(0.4), drawn(1).other + np.float32(0.4))
    assert reliability(fit({(1, 1): drawn(0)}, 1), {(1, 1): moved})[1, 1].error > 0.1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(FALSE_MATCH_RATES))
def test_thresholds_let_their_share_through(seed: int, rate: float) -> None:
    pairs = drawn(seed, 100, 200_000)
    threshold = fit({(1, 1): pairs}, 1).threshold(rate)[0, 0]
    assert (pairs.other < threshold).mean() == pytest.approx(rate, rel=0.1)
    let_through = false_matches(fit({(1, 1): pairs}, 1), {(1, 1): pairs})[1, 1]
    assert let_through == pytest.approx(FALSE_MATCH_RATES, rel=0.1)


def test_what_was_not_seen_often_enough_is_not_known() -> None:
    calibration = fit({(1, 1): drawn(0), (1, 2): drawn(1, 10, 10), (2, 2): drawn(2, 60, 1500)}, 2)
    assert np.isfinite(calibration.threshold(1e-2)).all()
    assert np.isnan(calibration.threshold(1e-3)[1, 1])
    assert np.isfinite(calibration.threshold(1e-3)[0, 1]), "too few pairs take what holds for all"
    assert calibration.slope[0, 1] == calibration.slope[1, 0]
    shares = false_matches(calibration, {(2, 2): drawn(3, 60, 1500)})[2, 2]
    assert np.isnan(shares).tolist() == [False, True, True], "not known is not: none"
    with pytest.raises(ReidError):
        fit({}, 2)


def test_people_are_in_one_half_and_pairs_are_kept() -> None:
    first, second = halves(people(40, 3))
    assert len(first) + len(second) == 120
    assert not {c.identity for c in first} & {c.identity for c in second}
    assert min(len(first), len(second)) > 30
    both = merged([{(1, 2): drawn(0, 5, 6)}, {(1, 2): drawn(1, 7, 8), (1, 1): drawn(2, 1, 2)}])
    assert list(both) == [(1, 1), (1, 2)]
    assert (len(both[1, 2].same), len(both[1, 2].other)) == (12, 14)
