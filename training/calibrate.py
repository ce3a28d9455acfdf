"""From distances to log-odds and thresholds, fitted on people that a network has not seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid import FALSE_MATCH_RATES, Calibration, Embedder, Embeddings, distances
from reid.calibration import fit_logistic

from .augment import degrade
from .datasets import Crop
from .protocol import draw

ENOUGH = 50
"""Pairs of either kind that a level pair needs for a curve of its own."""
MOST = 1500
"""Crops of one set that are looked at, about."""
NEGATIVES = 4_000_000
"""Pairs of two persons of one set that are looked at, about."""
FITTED = 200_000
"""Pairs of two persons that a curve is fitted on, at most."""
BEYOND = 10
"""False matches that must have been seen for a threshold that lets so many through."""
VIEWS = 4
"""How often each crop is seen, each time degraded anew."""
BINS = 15


@dataclass(frozen=True)
class Distances:
    """Distances at one pair of levels: ``float32 (N,)`` of one person, ``(M,)`` of two persons."""

    same: NDArray[np.float32]
    other: NDArray[np.float32]


PairDistances = Mapping[tuple[int, int], Distances]
"""By pair of levels, the lower first."""


@dataclass(frozen=True)
class Reliability:
    """How probabilities of one pair of levels compare with what was so; both kinds weigh one half.

    Args:
        said: mean probability of each bin. found: share that shows one person. weight: of the
            bin's pairs. Empty bins are left out.
    """

    said: NDArray[np.float64]
    found: NDArray[np.float64]
    weight: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error, 0 to 1."""
        return float((self.weight * np.abs(self.said - self.found)).sum())


def flat_calibration(m: int) -> Calibration:
    """One curve for all level pairs, for a model that has not been calibrated yet."""
    return Calibration(np.full((m, m), 5.0, np.float32), np.full((m, m), -8.0, np.float32))


def halves(crops: Sequence[Crop]) -> tuple[list[Crop], list[Crop]]:
    """People in two halves by SHA-256: to fit on one and measure on the other."""
    first = [draw("calibration", crop.identity) % 2 == 0 for crop in crops]
    return (
        [c for c, chosen in zip(crops, first, strict=True) if chosen],
        [c for c, chosen in zip(crops, first, strict=True) if not chosen],
    )


def pair_distances(embedder: Embedder, crops: Sequence[Crop]) -> PairDistances:
    """Distances of pairs of one set's crops, each seen `VIEWS` times, degraded as in training.

    A pair shows one person in two cameras (two pictures where cameras are unknown), or two persons.
    """
    random = np.random.default_rng(1)
    chosen = _sample(crops, MOST, random)
    seen = [degrade(c.image, random) for c in chosen for _ in range(VIEWS)]
    embedded = embedder.embed([image for image, _ in seen], [height for _, height in seen])
    return _of_set(embedded, [c for c in chosen for _ in range(VIEWS)], random)


def merged(parts: Sequence[PairDistances]) -> PairDistances:
    """The pairs of several sets, or of several parts of one."""
    found = sorted({pair for part in parts for pair in part})
    return {pair: _joined([part[pair] for part in parts if pair in part]) for pair in found}


def fit(pairs: PairDistances, m: int) -> Calibration:
    """A curve and thresholds for each pair of levels; one with too few pairs takes those of all.

    A threshold is NaN where too few pairs of two persons were seen to tell.

    Raises:
        ReidError: when there are no pairs of one kind, or the distances make no sense.
    """
    random = np.random.default_rng(2)
    everywhere = _joined(list(pairs.values()))
    intercept, slope = np.zeros((m, m), np.float32), np.zeros((m, m), np.float32)
    thresholds = np.full((m, m, len(FALSE_MATCH_RATES)), np.nan, np.float32)
    for i in range(1, m + 1):
        for j in range(i, m + 1):
            of_pair = pairs.get((i, j), everywhere)
            if min(len(of_pair.same), len(of_pair.other)) < ENOUGH:
                of_pair = everywhere
            other = of_pair.other
            if len(other) > FITTED:
                other = random.choice(other, FITTED, replace=False)
            d = np.concatenate([of_pair.same, other])
            a, b = fit_logistic(d, np.arange(len(d)) < len(of_pair.same))
            passed = _thresholds(of_pair.other)
            for x, y in ((i - 1, j - 1), (j - 1, i - 1)):
                intercept[x, y], slope[x, y], thresholds[x, y] = a, b, passed
    return Calibration(intercept, slope, thresholds=thresholds)


def reliability(
    calibration: Calibration, pairs: PairDistances
) -> dict[tuple[int, int], Reliability]:
    """What a calibration's probabilities are worth on pairs that it was not fitted on.

    Even odds are assumed before the look. Level pairs without `ENOUGH` pairs are left out.
    """
    found = {}
    for (i, j), of_pair in pairs.items():
        if min(len(of_pair.same), len(of_pair.other)) < ENOUGH:
            continue
        distance = np.concatenate([of_pair.same, of_pair.other])[None]
        columns = np.full(distance.shape[1], j, np.int8)
        odds = calibration.log_odds(distance, np.array([i], np.int8), columns)[0].astype(float)
        said = 1 / (1 + np.exp(-odds))
        counts = len(of_pair.same), len(of_pair.other)
        weight = np.repeat([0.5 / counts[0], 0.5 / counts[1]], counts)
        place = np.minimum((said * BINS).astype(int), BINS - 1)
        total = np.bincount(place, weight, BINS)
        full = total > 0
        same = np.bincount(place[: counts[0]], weight[: counts[0]], BINS)
        mean = np.bincount(place, weight * said, BINS)[full] / total[full]
        found[i, j] = Reliability(mean, same[full] / total[full], np.asarray(total[full], float))
    return found


def false_matches(
    calibration: Calibration, pairs: PairDistances
) -> dict[tuple[int, int], tuple[float, ...]]:
    """Shares of pairs of two persons that a calibration's thresholds let through, a level pair.

    NaN where a threshold is not known.
    """
    limits = [calibration.threshold(rate) for rate in FALSE_MATCH_RATES]
    return {
        (i, j): tuple(_share_below(of_pair.other, each[i - 1, j - 1]) for each in limits)
        for (i, j), of_pair in pairs.items()
        if len(of_pair.other) >= ENOUGH
    }


def _share_below(distance: NDArray[np.float32], limit: float) -> float:
    return np.nan if np.isnan(limit) else float((distance < limit).mean())


def _thresholds(other: NDArray[np.float32]) -> list[float]:
    """Distances below which pairs of two persons fall at each of `FALSE_MATCH_RATES`."""
    rates = [r if len(other) * r >= BEYOND else None for r in FALSE_MATCH_RATES]
    return [np.nan if r is None else float(np.quantile(other, r)) for r in rates]


def _sample(crops: Sequence[Crop], most: int, random: np.random.Generator) -> list[Crop]:
    """At most about `most` crops, whole identities."""
    people: dict[str, list[Crop]] = defaultdict(list)
    for crop in crops:
        people[crop.identity].append(crop)
    names = list(people)
    random.shuffle(names)
    out: list[Crop] = []
    for name in names:
        if len(out) >= most:
            break
        out += people[name]
    return out


def _of_set(
    embedded: Embeddings, crops: Sequence[Crop], random: np.random.Generator
) -> PairDistances:
    """Distances of one set's pairs; `crops` are those of the rows, one object for all views."""
    who = np.unique([c.identity for c in crops], return_inverse=True)[1]
    where = np.array([c.camera for c in crops])
    picture = np.unique([id(c) for c in crops], return_inverse=True)[1]
    share = min(1.0, NEGATIVES / max(1, len(embedded) ** 2 / 2))
    levels, m = embedded.levels.astype(int), len(embedded.sizes)
    found: dict[tuple[int, int], list[Distances]] = defaultdict(list)
    for start in range(0, len(embedded), 500):
        rows = np.arange(start, min(start + 500, len(embedded)))
        distance, _ = distances(embedded[rows], embedded)
        later = picture[rows][:, None] < picture[None, :]
        same = who[rows][:, None] == who[None, :]
        crossing = (where[rows][:, None] != where[None, :]) | (where[rows][:, None] < 0)
        drawn = random.random(same.shape, np.float32) < share
        low = np.minimum(levels[rows][:, None], levels[None, :])
        high = np.maximum(levels[rows][:, None], levels[None, :])
        code = low * (m + 1) + high
        one, two = later & same & crossing, later & ~same & drawn
        for number in np.unique(code):
            here = code == number
            part = Distances(distance[here & one], distance[here & two])
            found[divmod(int(number), m + 1)].append(part)
    return {pair: _joined(parts) for pair, parts in found.items()}


def _joined(parts: Sequence[Distances]) -> Distances:
    none = np.zeros(0, np.float32)
    return Distances(
        np.concatenate([none, *(p.same for p in parts)]),
        np.concatenate([none, *(p.other for p in parts)]),
    )
