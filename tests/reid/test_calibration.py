import json

import numpy as np
import pytest

from reid import Calibration, LevelSet, ModelInfo, ReidError
from reid.calibration import fit_logistic


def table(value: float) -> np.ndarray:
    return np.full((2, 2), value, np.float32)


def test_recovers_the_curve_that_made_the_pairs() -> None:
    random = np.random.default_rng(0)
    distance = random.uniform(0, 2, 40_000)
    same = random.random(len(distance)) < 1 / (1 + np.exp(6.0 * distance - 4.0))
    intercept, slope = fit_logistic(distance, same)
    shift = np.log(same.sum() / (~same).sum())
    assert slope == pytest.approx(-6.0, rel=0.05)
    assert intercept + shift == pytest.approx(4.0, rel=0.08)


def test_evidence_does_not_depend_on_how_common_matches_are() -> None:
    random = np.random.default_rng(1)
    near, far = random.normal(0.4, 0.2, 4000), random.normal(1.2, 0.3, 4000)
    even = fit_logistic(np.append(near, far), np.arange(8000) < 4000)
    rare = fit_logistic(np.append(near[:400], far), np.arange(4400) < 400)
    assert rare[1] == pytest.approx(even[1], rel=0.15)
    assert rare[0] == pytest.approx(even[0], rel=0.15)


def test_needs_both_kinds_and_sense() -> None:
    with pytest.raises(ReidError, match="two persons"):
        fit_logistic([0.1, 0.2], [True, True])
    with pytest.raises(ReidError, match="no sense"):
        fit_logistic([0.1, 0.2, 0.8, 0.9], [False, False, True, True])


def test_log_odds_look_up_the_level_pair_and_stay_bounded() -> None:
    calibration = Calibration(
        np.array([[1, 2], [2, 3]], np.float32), np.array([[-1, -2], [-2, -9]], np.float32), bound=4
    )
    found = calibration.log_odds(
        np.array([[0.5, 0.5], [0.5, 3.0]], np.float32),
        np.array([1, 2], np.int8),
        np.array([1, 2], np.int8),
    )
    np.testing.assert_allclose(found, [[0.5, 1.0], [1.0, -4.0]])


def test_thresholds_survive_json_and_older_models_have_none() -> None:
    stored = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    stored[0, 0, 2] = np.nan
    made = Calibration(table(1), table(-2), thresholds=stored)
    again = Calibration.from_json(json.loads(json.dumps(made.to_json(), allow_nan=False)))
    np.testing.assert_array_equal(again.threshold(1e-2), [[0, 3], [6, 9]])
    np.testing.assert_array_equal(again.threshold(1e-4), [[np.nan, 5], [8, 11]])
    with pytest.raises(ReidError, match=r"choose from 0.01, 0.001, 0.0001"):
        again.threshold(0.05)
    old = Calibration.from_json({"intercept": [[1]], "slope": [[-1]], "bound": 6})
    with pytest.raises(ReidError, match="no thresholds"):
        old.threshold(1e-2)
    with pytest.raises(ReidError, match="thresholds need m"):
        Calibration(table(1), table(-2), thresholds=stored[0])
    with pytest.raises(ReidError, match="not a calibration"):
        Calibration.from_json({**made.to_json(), "thresholds": [["x"]]})


def test_slopes_must_fall() -> None:
    with pytest.raises(ReidError, match="negative"):
        Calibration(table(1), table(0.5))


def test_model_description_survives_json() -> None:
    info = ModelInfo(
        "a", "0123", LevelSet((64, 128)), (4, 4), (256, 128), Calibration(table(1), table(-2))
    )
    again = ModelInfo.from_json(info.to_json())
    assert again.to_json() == info.to_json()
    assert again.dimension == 8
    older = json.loads(info.to_json())
    del older["precision"], older["figures"]
    assert ModelInfo.from_json(json.dumps(older)).to_json() == info.to_json()
    for broken in ("{}", "no", '{"name": 3}'):
        with pytest.raises(ReidError):
            ModelInfo.from_json(broken)
