"""The calibration fitted anew to what people decided of pairs of tracks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reid import Calibration, Embeddings, distances

from .errors import TrackerError
from .evidence import Evidence
from .link import LinkSettings

PRIOR = 30.0
"""Decisions at each pair of levels that the calibration before the fit counts for."""
SPREAD = np.linspace(-4, 4, 9)
"""Evidence, in nats, over which these are spread; they came out as it says."""
LEAST = 30
"""Decisions that a fit needs in all."""
LEAST_OF_A_KIND = 5
"""Of them that must have said same, and that must have said different."""
LEAST_AT_LEVELS = 5
"""Decisions without which a pair of levels keeps the curve that it has."""
FOLDS = 5
BINS = 10
LEAST_FACTOR = 0.05

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """Two tracks of which a person said whether they show one person.

    Args:
        a, b: looks at each, one or more. weight: decisions that it counts for.
        person: whatever it is about; what is said of one person is left out of a fit together.
    """

    a: Embeddings
    b: Embeddings
    same: bool
    weight: float = 1.0
    person: int = 0


@dataclass(frozen=True)
class LevelFit:
    """What became of one pair of levels, the lower first: evidence is `offset` nats plus `factor`
    times what it was; `same` and `different` count the decisions behind it."""

    levels: tuple[int, int]
    same: float
    different: float
    offset: float
    factor: float


@dataclass(frozen=True)
class Worth:
    """How well probabilities foretell decisions: expected calibration `error` in 0..1, and the
    `loss`, the mean of minus the logarithm of what was said of that which came out, in nats."""

    error: float
    loss: float


@dataclass(frozen=True)
class Refit:
    """A calibration fitted to decisions.

    Args:
        levels: pairs of levels with decisions. same, different: decisions in all.
        before, after: on decisions about persons that the fit did not see, of the calibration
            before and of fits to the others.
    """

    calibration: Calibration
    levels: tuple[LevelFit, ...]
    same: float
    different: float
    before: Worth
    after: Worth

    @property
    def better(self) -> bool:
        """Whether it foretells what it has not seen better than the calibration before."""
        return self.after.loss < self.before.loss


def refit(
    judged: Sequence[Judged], calibration: Calibration, settings: LinkSettings | None = None
) -> Refit:
    """Fits offset and factor of each pair of levels, so that the evidence between tracks, as the
    linker adds it up, foretells the decisions; before a look, its prior holds.

    The likeliest values under the decisions and `PRIOR` more at each pair of levels that agree with
    the calibration before. So few decisions change little.

    Args:
        judged: pairs that the linker proposed. Which pairs were shown to people may depend on their
            evidence in any way, but not on the answer beyond that.
        calibration: from which the fit starts; its bound and thresholds stay.

    Raises:
        TrackerError: too few decisions, of too few persons, or none of one kind; or at some pair of
            levels nearer would be less likely one person.
    """
    settings = settings or LinkSettings()
    rows = _Rows.of(judged, calibration, settings)
    same, different = (float(rows.weight[rows.same == kind].sum()) for kind in (1, 0))
    persons = len(np.unique(rows.person))
    if same + different < LEAST or min(same, different) < LEAST_OF_A_KIND or persons < FOLDS:
        raise TrackerError(
            f"too few decisions: {same:.0f} same and {different:.0f} different, about {persons} "
            f"persons; {LEAST} are needed, {LEAST_OF_A_KIND} of each kind, about {FOLDS} persons"
        )
    found = _fit(rows)
    m = len(calibration.intercept)
    worth = _cross_validated(judged, rows, calibration, settings)
    levels = tuple(
        LevelFit(
            pair,
            float(rows.weight @ (rows.share[:, k] * rows.same)),
            float(rows.weight @ (rows.share[:, k] * (1 - rows.same))),
            *found[k].tolist(),
        )
        for k, pair in enumerate(_pairs(m))
        if rows.share[:, k].any()
    )
    return Refit(_changed(calibration, found), levels, same, different, *worth)


@dataclass(frozen=True)
class _Rows:
    """Pairs of tracks as rows of a linear model of their log-odds.

    Args:
        share: ``(N, K)``, of the weight of their pairs of looks that is at each pair of levels.
        odds: ``(N, K)``, the part of their mean evidence that comes from there.
        looks: ``(N,)``, how many independent looks they count for. same: 0 or 1.
        prior: log-odds before a look. fitted: ``(K,)``, levels with decisions enough.
    """

    share: Floats
    odds: Floats
    looks: Floats
    same: Floats
    weight: Floats
    person: NDArray[np.int64]
    prior: float
    fitted: NDArray[np.bool_]

    @classmethod
    def of(
        cls, judged: Sequence[Judged], calibration: Calibration, settings: LinkSettings
    ) -> _Rows:
        m = len(calibration.intercept)
        number = {pair: k for k, pair in enumerate(_pairs(m))}
        place = np.array([[number[min(i, j), max(i, j)] for j in _upto(m)] for i in _upto(m)])
        share, odds = np.zeros((2, len(judged), len(number)))
        looks = np.zeros(len(judged))
        for row, one in enumerate(judged):
            nats = calibration.log_odds(distances(one.a, one.b)[0], one.a.levels, one.b.levels)
            weight = one.a.quality[:, None] * one.b.quality[None, :] + 1e-6
            weight = (weight / weight.sum()).astype(np.float64)
            at = place[one.a.levels[:, None] - 1, one.b.levels[None, :] - 1]
            np.add.at(share[row], at, weight)
            np.add.at(odds[row], at, weight * nats)
            looks[row] = min(settings.witnesses, np.sqrt(min(len(one.a), len(one.b))))
        counts = np.array([one.weight for one in judged], np.float64)
        return cls(
            share,
            odds,
            looks,
            np.array([one.same for one in judged], np.float64),
            counts,
            np.array([one.person for one in judged], np.int64),
            settings.prior,
            counts @ share >= LEAST_AT_LEVELS,
        )

    def __getitem__(self, chosen: NDArray[np.bool_]) -> _Rows:
        return replace(
            self,
            share=self.share[chosen],
            odds=self.odds[chosen],
            looks=self.looks[chosen],
            same=self.same[chosen],
            weight=self.weight[chosen],
            person=self.person[chosen],
        )


def _upto(m: int) -> range:
    return range(1, m + 1)


def _pairs(m: int) -> list[tuple[int, int]]:
    return [(i, j) for i in _upto(m) for j in range(i, m + 1)]


def _fit(rows: _Rows) -> Floats:
    """Offset and factor of each pair of levels, ``(K, 2)``, by Newton's method."""
    k = int(rows.fitted.sum())
    share, odds = rows.share[:, rows.fitted], rows.odds[:, rows.fitted]
    rest = rows.odds[:, ~rows.fitted].sum(1)
    own = np.kron(np.eye(k), np.ones((len(SPREAD), 1)))
    before = np.tile(SPREAD, k)
    design = np.concatenate(
        [
            rows.looks[:, None] * np.concatenate([share, odds], axis=1),
            np.concatenate([own, own * before[:, None]], axis=1),
        ]
    )
    given = np.concatenate([rows.prior + rows.looks * rest, np.zeros(len(before))])
    target = np.concatenate([rows.same, _sigmoid(before)])
    weight = np.concatenate([rows.weight, np.full(len(before), PRIOR / len(SPREAD))])
    theta = np.concatenate([np.zeros(k), np.ones(k)])

    def loss(at: Floats) -> float:
        odds = given + design @ at
        return float(weight @ (np.logaddexp(0, odds) - target * odds))

    for _ in range(100):
        p = _sigmoid(given + design @ theta)
        gradient = design.T @ (weight * (p - target))
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design
        step = np.linalg.solve(hessian + 1e-9 * np.eye(2 * k), gradient)
        size, now = 1.0, loss(theta)
        while loss(theta - size * step) > now and size > 1e-6:
            size /= 2
        theta = theta - size * step
        if np.abs(size * step).max(initial=0) < 1e-8:
            break
    found = np.tile([0.0, 1.0], (len(rows.fitted), 1))
    found[rows.fitted] = theta.reshape(2, k).T
    return found


def _changed(calibration: Calibration, found: Floats) -> Calibration:
    """The calibration with offset and factor of each pair of levels.

    Raises:
        TrackerError: a factor so small that nearer would not be likelier one person.
    """
    m = len(calibration.intercept)
    intercept, slope = calibration.intercept.copy(), calibration.slope.copy()
    for (i, j), (offset, factor) in zip(_pairs(m), found, strict=True):
        if factor < LEAST_FACTOR:
            raise TrackerError(
                f"the decisions at levels {i} and {j} have no sense in their distances: nearer was "
                "not likelier one person; look again at what was decided there"
            )
        for x, y in {(i - 1, j - 1), (j - 1, i - 1)}:
            intercept[x, y] = offset + factor * calibration.intercept[x, y]
            slope[x, y] = factor * calibration.slope[x, y]
    return Calibration(intercept, slope, calibration.bound, calibration.thresholds)


def _cross_validated(
    judged: Sequence[Judged], rows: _Rows, calibration: Calibration, settings: LinkSettings
) -> tuple[Worth, Worth]:
    """What the calibration, and fits to other persons, say of persons; each is left out once."""
    fold = np.unique(rows.person, return_inverse=True)[1] % FOLDS
    before = _probabilities(judged, calibration, settings)
    after = np.zeros(len(judged))
    for one in range(FOLDS):
        out = np.flatnonzero(fold == one)
        other = _changed(calibration, _fit(rows[fold != one]))
        after[out] = _probabilities([judged[i] for i in out.tolist()], other, settings)
    return _worth(before, rows), _worth(after, rows)


def _probabilities(
    judged: Collection[Judged], calibration: Calibration, settings: LinkSettings
) -> Floats:
    """That the tracks of each pair show one person, as the linker reckons."""
    evidence = Evidence(calibration, settings.witnesses)
    one, other = np.array([0]), np.array([1])
    odds = []
    for pair in judged:
        evidence.expect([pair.a, pair.b])
        evidence.put(0, pair.a)
        evidence.put(1, pair.b)
        odds.append(settings.prior + float(evidence.between(one, other)[0, 0]))
    return _sigmoid(np.array(odds))


def _worth(said: Floats, rows: _Rows) -> Worth:
    """Of probabilities ``(N,)``, by the decisions of the rows."""
    weight = rows.weight / rows.weight.sum()
    place = np.minimum((said * BINS).astype(int), BINS - 1)
    apart = np.bincount(place, weight * (said - rows.same), BINS)
    safe = np.clip(said, 1e-12, 1 - 1e-12)
    loss = -(rows.same * np.log(safe) + (1 - rows.same) * np.log(1 - safe))
    return Worth(float(np.abs(apart).sum()), float(weight @ loss))


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(np.asarray(x) / 2)), np.float64)
