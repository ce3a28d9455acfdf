"""A calibration fitted to decisions: what is known is found again, and little changes for few."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid import Calibration, Embeddings
from tracker import Judged, LinkSettings, TrackerError, refit

SIZES = (2, 2)
SHIPPED = Calibration(
    np.array([[4, 5], [5, 6]], np.float32), np.array([[-5, -6], [-6, -7]], np.float32)
)
OFFSET = np.array([[-1.2, 0.6], [0.6, 0.0]])
FACTOR = np.array([[0.5, 0.8], [0.8, 1.3]])
TRUE = Calibration(
    (OFFSET + FACTOR * SHIPPED.intercept).astype(np.float32),
    (FACTOR * SHIPPED.slope).astype(np.float32),
)
SETTINGS = LinkSettings(prior=-1.5)


def look(level: int, angle: float) -> Embeddings:
    """One look whose prefixes of all its levels point to an angle."""
    part = np.array([np.cos(angle), np.sin(angle)], np.float32)
    vector = np.concatenate([part, part if level == 2 else np.zeros(2, np.float32)])
    return Embeddings(vector[None], np.array([level], np.int8), np.ones(1, np.float32), SIZES)


def at(distance: float, a: int, b: int, same: bool, person: int = 0) -> Judged:
    """Two looks so far apart."""
    return Judged(look(a, 0.0), look(b, np.arccos(1 - distance / 2)), same, person=person)


def decided(
    n: int, truth: Calibration, shown: tuple[float, float] = (-6, 6), seed: int = 0
) -> list[Judged]:
    """Decisions about pairs whose evidence by `SHIPPED` lies in a range, as `truth` has them."""
    rng = np.random.default_rng(seed)
    found = []
    while len(found) < n:
        a, b = rng.integers(1, 3, 2)
        distance = rng.uniform(0.01, 2)
        said, right = (
            float(c.intercept[a - 1, b - 1] + c.slope[a - 1, b - 1] * distance)
            for c in (SHIPPED, truth)
        )
        if shown[0] <= said <= shown[1]:
            p = 1 / (1 + np.exp(-(SETTINGS.prior + np.clip(right, -6, 6))))
            found.append(at(distance, int(a), int(b), bool(rng.random() < p), len(found)))
    return found


@pytest.mark.parametrize("shown", [(-6, 6), (0.5, 5)], ids=["any", "what the linker proposes"])
def test_a_known_calibration_is_found(shown: tuple[float, float]) -> None:
    found = refit(decided(6000, TRUE, shown), SHIPPED, SETTINGS)
    distance = np.linspace(0.1, 1.2, 20, dtype=np.float32)[None]
    for a, b in ((1, 1), (1, 2), (2, 2)):
        levels = np.array([a], np.int8), np.full(20, b, np.int8)
        off = [
            np.abs(c.log_odds(distance, *levels) - TRUE.log_odds(distance, *levels)).mean()
            for c in (SHIPPED, found.calibration)
        ]
        assert off[1] < 0.35
        assert off[1] < off[0] or off[0] < 0.35
    assert found.better
    assert found.after.error < found.before.error
    assert np.allclose(found.calibration.slope, found.calibration.slope.T)
    assert sum(one.same + one.different for one in found.levels) == pytest.approx(6000)


def test_what_agrees_changes_little() -> None:
    found = refit(decided(3000, SHIPPED), SHIPPED, SETTINGS)
    for one in found.levels:
        assert abs(one.offset) < 0.35
        assert abs(one.factor - 1) < 0.25


def test_few_decisions_weigh_less_than_the_prior() -> None:
    few, many = (refit(decided(n, TRUE, seed=3), SHIPPED, SETTINGS) for n in (40, 2000))
    moved = [np.abs(f.calibration.intercept - SHIPPED.intercept).max() for f in (few, many)]
    assert moved[0] < 0.6 * moved[1]


def test_levels_without_decisions_stay() -> None:
    only_far = [at(0.3 + 0.01 * i, 1, 1, i % 3 == 0, i) for i in range(60)]
    found = refit(only_far, SHIPPED, SETTINGS).calibration
    assert found.intercept[0, 0] != SHIPPED.intercept[0, 0]
    for place in ((0, 1), (1, 0), (1, 1)):
        assert found.intercept[place] == SHIPPED.intercept[place]
        assert found.slope[place] == SHIPPED.slope[place]
    assert found.bound == SHIPPED.bound


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_neither_order_nor_sides_matter(seed: int, random: object) -> None:
    judged = decided(80, TRUE, seed=seed)
    try:
        first = refit(judged, SHIPPED, SETTINGS)
    except TrackerError:
        return
    random.shuffle(judged)  # type: ignore[attr-defined]
    turned = [Judged(j.b, j.a, j.same, j.weight, j.person) for j in judged]
    second = refit(turned, SHIPPED, SETTINGS)
    assert np.allclose(first.calibration.intercept, second.calibration.intercept, atol=1e-4)
    assert first.after.loss == pytest.approx(second.after.loss, abs=1e-5)
    assert (first.calibration.slope < 0).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000))
def test_more_of_one_kind_raises_or_lowers_evidence(seed: int) -> None:
    judged = decided(60, SHIPPED, seed=seed)
    for kind, sign in ((True, 1), (False, -1)):
        more = judged + [at(0.7, 1, 1, kind, 1000 + i) for i in range(60)]
        try:
            found, before = (refit(j, SHIPPED, SETTINGS).calibration for j in (more, judged))
        except TrackerError:
            continue
        one = np.array([1], np.int8)
        here = np.array([[0.7]], np.float32)
        assert sign * (found.log_odds(here, one, one) - before.log_odds(here, one, one)) > -0.05


def test_too_few_are_refused() -> None:
    for judged in (
        decided(29, TRUE),
        [at(0.3, 1, 1, True, i) for i in range(60)],
        [at(0.3, 1, 1, i % 2 == 0, i % 4) for i in range(60)],
        [],
    ):
        with pytest.raises(TrackerError, match="too few decisions"):
            refit(judged, SHIPPED, SETTINGS)


def test_decisions_against_all_sense_are_refused() -> None:
    near = [at(0.02, 1, 1, False, i) for i in range(400)]
    far = [at(1.6, 1, 1, True, 400 + i) for i in range(400)]
    with pytest.raises(TrackerError, match="levels 1 and 1"):
        refit(near + far, SHIPPED, SETTINGS)
