"""From distances to log-odds, fitted on people that a network has not seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from reid import Calibration, Embedder, Embeddings, distances
from reid.calibration import fit_logistic

from .augment import degrade
from .datasets import Crop

ENOUGH = 50
"""Pairs of either kind that a level pair needs for a curve of its own."""
NEGATIVES = 720_000
"""Pairs of two persons that are looked at, about."""


def flat_calibration(m: int) -> Calibration:
    """One curve for all level pairs, for a model that has not been calibrated yet."""
    return Calibration(np.full((m, m), 5.0, np.float32), np.full((m, m), -8.0, np.float32))


def calibrate(embedder: Embedder, sets: Sequence[Sequence[Crop]], views: int = 4) -> Calibration:
    """Fits log-odds a level pair on people that the network has not seen.

    Each crop is seen `views` times, degraded as in training. A pair shows one person in two
    cameras (two pictures where cameras are unknown), or two persons of one set. A level pair with
    too few pairs takes the curve of all.

    Raises:
        ReidError: when there are no pairs of one kind, or the distances make no sense.
    """
    m = embedder.info.levels.m
    near: dict[tuple[int, int], list[float]] = defaultdict(list)
    far: dict[tuple[int, int], list[float]] = defaultdict(list)
    random = np.random.default_rng(1)
    for crops in sets:
        chosen = _sample(crops, 1500, random)
        seen = [degrade(c.image, random) for c in chosen for _ in range(views)]
        who = np.array([c.identity for c in chosen for _ in range(views)])
        where = np.array([c.camera for c in chosen for _ in range(views)])
        picture = np.repeat(np.arange(len(chosen)), views)
        found = embedder.embed([image for image, _ in seen], [height for _, height in seen])
        _collect(found, who, where, picture, near, far, random)
    everywhere = [[d for of_pair in kind.values() for d in of_pair] for kind in (near, far)]
    intercept, slope = np.zeros((m, m), np.float32), np.zeros((m, m), np.float32)
    for i in range(1, m + 1):
        for j in range(i, m + 1):
            kinds = [near[i, j], far[i, j]]
            if min(map(len, kinds)) < ENOUGH:
                kinds = everywhere
            d = np.array(kinds[0] + kinds[1])
            a, b = fit_logistic(d, np.arange(len(d)) < len(kinds[0]))
            intercept[i - 1, j - 1] = intercept[j - 1, i - 1] = a
            slope[i - 1, j - 1] = slope[j - 1, i - 1] = b
    return Calibration(intercept, slope)


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


def _collect(
    found: Embeddings,
    who: np.ndarray[Any, Any],
    where: np.ndarray[Any, Any],
    picture: np.ndarray[Any, Any],
    near: dict[tuple[int, int], list[float]],
    far: dict[tuple[int, int], list[float]],
    random: np.random.Generator,
) -> None:
    """Distances of one set's pairs by level pair: one person in `near`, two in `far`."""
    share = min(1.0, NEGATIVES / len(found) ** 2)
    for start in range(0, len(found), 500):
        rows = np.arange(start, min(start + 500, len(found)))
        distance, _ = distances(found[rows], found)
        other_picture = picture[rows][:, None] < picture[None, :]
        same = who[rows][:, None] == who[None, :]
        crossing = (where[rows][:, None] != where[None, :]) | (where[rows][:, None] < 0)
        positive = other_picture & same & crossing
        negative = other_picture & ~same & (random.random(same.shape) < share)
        for mask, into in ((positive, near), (negative, far)):
            for r, c in zip(*np.nonzero(mask), strict=True):
                pair = sorted((int(found.levels[rows[r]]), int(found.levels[c])))
                into[pair[0], pair[1]].append(float(distance[r, c]))
