"""What a card says of an embedder: measured on people that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reid import Calibration, Embedder, ReidError

from .by_height import by_height, label
from .calibrate import (
    PairDistances,
    Reliability,
    false_matches,
    fit,
    halves,
    merged,
    pair_distances,
    reliability,
)
from .datasets import Crop
from .metrics import Retrieval, mean

ByHeight = Mapping[int | None, Retrieval]


@dataclass(frozen=True)
class Card:
    """Figures of an embedder.

    Args:
        calibration: fitted on all people. by_set: retrieval by height of the query.
        people: of each set. diagram: reliability a level pair, fitted on one half of the people and
            measured on the other. false_matches: likewise, the share of pairs of two persons below
            each of the thresholds. other_set: calibration error on each set (mean over level pairs)
            when the others alone are fitted on. The three are empty where people are too few.
    """

    calibration: Calibration
    by_set: Mapping[str, ByHeight]
    people: Mapping[str, int]
    diagram: Mapping[tuple[int, int], Reliability]
    false_matches: Mapping[tuple[int, int], tuple[float, ...]]
    other_set: Mapping[str, float]

    def figures(self) -> dict[str, Any]:
        """The main ones, for the file's metadata; retrieval is the mean over sets, in percent."""
        found: dict[str, Any] = {"people": dict(self.people), "rank1": {}, "mAP": {}}
        for height in next(iter(self.by_set.values())):
            over_sets = mean([figures[height] for figures in self.by_set.values()])
            found["rank1"][label(height)] = round(over_sets.rank1, 1)
            found["mAP"][label(height)] = round(over_sets.mean_precision, 1)
        if self.diagram:
            errors = [r.error for r in self.diagram.values()]
            found["calibration_error"] = round(float(np.mean(errors)), 3)
        return found


def measure(embedder: Embedder, unseen: Mapping[str, Sequence[Crop]]) -> Card:
    """The card of an embedder.

    Args:
        unseen: crops by name of the set.

    Raises:
        ReidError: when there are too few people for a calibration at all.
    """
    m = embedder.info.levels.m
    parts = {
        name: [pair_distances(embedder, half) for half in halves(crops)]
        for name, crops in unseen.items()
    }
    calibration = fit(merged([part for two in parts.values() for part in two]), m)
    first, second = (merged([two[half] for two in parts.values()]) for half in (0, 1))
    half = _fit(first, m)
    other_set = {}
    for name, two in parts.items() if len(parts) > 1 else ():
        others = _fit(merged([p for other, ps in parts.items() if other != name for p in ps]), m)
        found = reliability(others, merged(two)) if others else {}
        if found:
            other_set[name] = float(np.mean([r.error for r in found.values()]))
    return Card(
        calibration,
        {name: by_height(embedder, crops) for name, crops in unseen.items()},
        {name: len({c.identity for c in crops}) for name, crops in unseen.items()},
        reliability(half, second) if half else {},
        false_matches(half, second) if half else {},
        other_set,
    )


def _fit(pairs: PairDistances, m: int) -> Calibration | None:
    """A calibration; None where people are too few."""
    try:
        return fit(pairs, m)
    except ReidError:
        return None
