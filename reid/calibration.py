"""From distances to log-odds that two crops show one person, one scale for all level pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .embeddings import Floats
from .errors import ReidError

FALSE_MATCH_RATES = (1e-2, 1e-3, 1e-4)
"""Of pairs of two persons; a threshold for each is kept."""


@dataclass(frozen=True)
class Calibration:
    """One logistic curve a pair of levels: ``log-odds = intercept + slope * distance``.

    The log-odds are evidence, the logarithm of the likelihood ratio of "one person" against
    "two persons"; what was thought before the look (the prior) is added by whoever asks.

    Args:
        intercept, slope: ``float32 (m, m)``, symmetric; entry ``[i - 1, j - 1]`` is for a crop of
            level i against one of level j. Slopes are negative.
        bound: the largest evidence one pair of crops may give, in nats either way.
        thresholds: ``float32 (m, m, 3)``, distances below which pairs of two persons fall at each
            of `FALSE_MATCH_RATES`; NaN where too few pairs were seen to tell. None for a model
            that was exported without.
    """

    intercept: Floats
    slope: Floats
    bound: float = 6.0
    thresholds: Floats | None = None

    def __post_init__(self) -> None:
        m = len(self.intercept)
        if self.intercept.shape != (m, m) or self.slope.shape != (m, m):
            raise ReidError(
                f"calibration needs m x m tables, got {self.intercept.shape}, {self.slope.shape}"
            )
        rates = len(FALSE_MATCH_RATES)
        if self.thresholds is not None and self.thresholds.shape != (m, m, rates):
            raise ReidError(f"thresholds need m x m x {rates}, got {self.thresholds.shape}")
        if not (self.slope < 0).all():
            raise ReidError("calibration slopes must be negative: nearer is likelier one person")

    def log_odds(
        self, distance: Floats, a: NDArray[np.int8], b: NDArray[np.int8]
    ) -> NDArray[np.float32]:
        """Evidence of pairs, in nats.

        Args:
            distance: ``float32 (N, M)``, from `distances`.
            a, b: ``int8 (N,)`` and ``int8 (M,)``, the levels of the rows and of the columns.

        Returns:
            ``float32 (N, M)``, within ``-bound..bound``.
        """
        i, j = a[:, None].astype(int) - 1, b[None, :].astype(int) - 1
        raw = self.intercept[i, j] + self.slope[i, j] * distance
        clipped: NDArray[np.float32] = np.clip(raw, -self.bound, self.bound).astype(np.float32)
        return clipped

    def threshold(self, rate: float) -> Floats:
        """Distances at which to call two crops one person, for a rate of false matches.

        Args:
            rate: one of `FALSE_MATCH_RATES`.

        Returns:
            ``float32 (m, m)``, entry ``[i - 1, j - 1]`` for levels i and j; NaN where not known.

        Raises:
            ReidError: when the rate is another, or the model carries no thresholds.
        """
        if rate not in FALSE_MATCH_RATES:
            known = ", ".join(f"{r:g}" for r in FALSE_MATCH_RATES)
            raise ReidError(f"no threshold for false matches of {rate:g}; choose from {known}")
        if self.thresholds is None:
            raise ReidError("the model carries no thresholds: export or calibrate it again")
        return self.thresholds[..., FALSE_MATCH_RATES.index(rate)]

    def to_json(self) -> dict[str, object]:
        """As plain lists, for a model's metadata; what is not known is null."""
        data: dict[str, object] = {
            "intercept": self.intercept.tolist(),
            "slope": self.slope.tolist(),
            "bound": self.bound,
        }
        if self.thresholds is not None:
            known = self.thresholds.astype(object)
            known[np.isnan(self.thresholds)] = None
            data["thresholds"] = known.tolist()
        return data

    @classmethod
    def from_json(cls, data: dict[str, object]) -> Calibration:
        """Inverse of `to_json`.

        Raises:
            ReidError: when a key is missing or a table is not square.
        """
        try:
            tables = [np.asarray(data[k], dtype=np.float32) for k in ("intercept", "slope")]
            stored = data.get("thresholds")
            thresholds = None if stored is None else np.asarray(stored, dtype=np.float32)
            return cls(tables[0], tables[1], float(str(data["bound"])), thresholds)
        except (KeyError, TypeError, ValueError) as error:
            raise ReidError(f"not a calibration: {error}") from error


def fit_logistic(
    distance: Sequence[float] | Floats, same: Sequence[bool] | NDArray[np.bool_]
) -> tuple[float, float]:
    """Intercept and slope of one level pair, by Newton's method on balanced classes.

    Both classes weigh one half whatever their number, so that the result is evidence and carries
    no prior of the set it was fitted on.

    Args:
        distance: ``(N,)`` distances of pairs of crops at one level pair.
        same: ``(N,)`` whether a pair shows one person; both kinds must occur.

    Raises:
        ReidError: when only one kind of pair is there, or nearer is not likelier.
    """
    x = np.asarray(distance, dtype=np.float64)
    y = np.asarray(same, dtype=np.float64)
    if not 0 < y.sum() < len(y):
        raise ReidError("calibration needs pairs of one person and pairs of two persons")
    weight = np.where(y == 1, 0.5 / y.sum(), 0.5 / (len(y) - y.sum()))
    design = np.stack([np.ones_like(x), x], axis=1)
    theta = np.zeros(2)
    ridge = np.diag([0.0, 1e-6])
    for _ in range(100):
        p = 1 / (1 + np.exp(-design @ theta))
        gradient = design.T @ (weight * (p - y)) + ridge @ theta
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + ridge + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        theta -= np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-8:
            break
    if theta[1] >= 0:
        raise ReidError(
            "calibration found no sense in the distances: nearer is not likelier one person"
        )
    return float(theta[0]), float(theta[1])
