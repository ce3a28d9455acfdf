"""Identities over cameras: the partition of tracks that the evidence supports best."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reid import Calibration, Embeddings, distances


@dataclass(frozen=True)
class Tracklet:
    """What the linker knows of a track.

    Args:
        key: unique among the tracklets. camera: its name. first, last: UTC in seconds.
        embeddings: some observations of the track, not copies of each other.
    """

    key: int
    camera: str
    first: float
    last: float
    embeddings: Embeddings


@dataclass(frozen=True)
class Constraints:
    """What the site says about its cameras.

    Args:
        overlapping: pairs of cameras that may see a person at the same moment, all others may not;
            None where nobody says which views overlap, so that any may.
        travel: least seconds from one camera to another, by unordered pair.
    """

    overlapping: frozenset[frozenset[str]] | None = None
    travel: Mapping[frozenset[str], float] = field(default_factory=dict)

    def allow(self, a: Tracklet, b: Tracklet) -> bool:
        """Whether one person can be in both tracks."""
        gap = max(a.first, b.first) - min(a.last, b.last)
        if a.camera == b.camera:
            return gap > 0
        pair = frozenset((a.camera, b.camera))
        if pair in self.travel:
            return gap >= self.travel[pair]
        return self.overlapping is None or pair in self.overlapping or gap >= 0


@dataclass(frozen=True)
class LinkSettings:
    """How much it takes to link.

    Args:
        prior: log-odds, in nats, that two tracks of the site show one person before a look at
            them. Raising it links more and errs more.
        witnesses: how many independent looks a pair of tracks counts for at most; frames of one
            passage show the same clothes from much the same side.
    """

    prior: float = -4.0
    witnesses: float = 3.0


@dataclass(frozen=True)
class PairEvidence:
    """Why two tracks are, or are not, one person: `log_odds` in nats without the prior, and the
    level of the best comparison."""

    log_odds: float
    level: int


@dataclass(frozen=True)
class Identity:
    """Tracks of one person, by key in ascending order, and the evidence of each linked pair."""

    tracks: tuple[int, ...]
    evidence: Mapping[tuple[int, int], PairEvidence]

    def support(self, track: int) -> float:
        """Log-odds in nats that hold a track in this identity; 0 when it is alone."""
        return sum(e.log_odds for pair, e in self.evidence.items() if track in pair)


def pair_evidence(
    a: Embeddings, b: Embeddings, calibration: Calibration, witnesses: float
) -> PairEvidence:
    """Calibrated log-odds that two sets of observations show one person.

    The mean of all pairs, weighed by quality, counts once for each independent look: the square
    root of the smaller number of observations, at most `witnesses`.
    """
    distance, level = distances(a, b)
    odds = calibration.log_odds(distance, a.levels, b.levels)
    weight = a.quality[:, None] * b.quality[None, :] + 1e-6
    looks = min(witnesses, float(np.sqrt(min(len(a), len(b)))))
    return PairEvidence(looks * float((odds * weight).sum() / weight.sum()), int(level.max()))


def link(
    tracklets: Sequence[Tracklet],
    calibration: Calibration,
    constraints: Constraints | None = None,
    settings: LinkSettings | None = None,
) -> list[Identity]:
    """Links tracks into identities.

    Every pair of tracks gets a weight, its evidence plus the prior; pairs that the constraints
    forbid never share an identity. Identities grow by joining the two groups with the largest
    positive sum of weights (greedy additive edge contraction), then single tracks move to where
    they fit better, until nothing gains. The result does not depend on the order of `tracklets`.

    Args:
        tracklets: tracks of all cameras; those without embeddings stay alone.

    Returns:
        Identities by their lowest key.
    """
    constraints, settings = constraints or Constraints(), settings or LinkSettings()
    nodes = sorted(tracklets, key=lambda t: t.key)
    n = len(nodes)
    weight = np.zeros((n, n))
    forbidden = np.zeros((n, n), bool)
    evidence: dict[tuple[int, int], PairEvidence] = {}
    for i in range(n):
        for j in range(i + 1, n):
            if not constraints.allow(nodes[i], nodes[j]):
                forbidden[i, j] = forbidden[j, i] = True
            elif len(nodes[i].embeddings) and len(nodes[j].embeddings):
                found = pair_evidence(
                    nodes[i].embeddings, nodes[j].embeddings, calibration, settings.witnesses
                )
                evidence[i, j] = found
                weight[i, j] = weight[j, i] = found.log_odds + settings.prior
            else:
                weight[i, j] = weight[j, i] = settings.prior
    groups = _moved(_contracted(weight, forbidden), weight, forbidden)
    return sorted(
        (_identity(sorted(group), nodes, evidence) for group in groups), key=lambda i: i.tracks[0]
    )


def _identity(
    group: Sequence[int],
    nodes: Sequence[Tracklet],
    evidence: Mapping[tuple[int, int], PairEvidence],
) -> Identity:
    pairs = [(i, j) for i in group for j in group if i < j and (i, j) in evidence]
    return Identity(
        tuple(nodes[i].key for i in group),
        {(nodes[i].key, nodes[j].key): evidence[i, j] for i, j in pairs},
    )


def _contracted(weight: NDArray[np.float64], forbidden: NDArray[np.bool_]) -> list[set[int]]:
    """Greedy additive edge contraction: joins the best pair of groups while its sum is positive."""
    n = len(weight)
    groups = {i: {i} for i in range(n)}
    total, barred = weight.copy(), forbidden.copy()
    age = np.zeros(n, int)
    heap = [
        (-weight[i, j], i, j, 0, 0)
        for i, j in zip(*np.nonzero(np.triu(weight > 0, 1)), strict=True)
        if not forbidden[i, j]
    ]
    heapq.heapify(heap)
    while heap:
        _, i, j, age_i, age_j = heapq.heappop(heap)
        if i not in groups or j not in groups or (age[i], age[j]) != (age_i, age_j) or barred[i, j]:
            continue
        groups[i] |= groups.pop(j)
        age[i] += 1
        total[i] += total[j]
        total[:, i] = total[i]
        barred[i] |= barred[j]
        barred[:, i] = barred[i]
        for k in groups:
            if k != i and not barred[i, k] and total[i, k] > 0:
                a, b = min(i, k), max(i, k)
                heapq.heappush(heap, (-total[i, k], a, b, int(age[a]), int(age[b])))
    return list(groups.values())


def _moved(
    groups: list[set[int]], weight: NDArray[np.float64], forbidden: NDArray[np.bool_]
) -> list[set[int]]:
    """Moves single tracks to the group that gains most, or to one of their own, until none does."""
    for _ in range(20):
        changed = False
        for node in range(len(weight)):
            home = next(g for g in groups if node in g)
            here = weight[node, list(home - {node})].sum()
            best, gain = None, max(0.0, -here) + 1e-9
            for group in groups:
                others = list(group)
                if group is home or forbidden[node, others].any():
                    continue
                if (better := weight[node, others].sum() - here) > gain:
                    best, gain = group, better
            if best is None and here >= -1e-9:
                continue
            home.discard(node)
            if best is None:
                groups.append({node})
            else:
                best.add(node)
            groups = [g for g in groups if g]
            changed = True
        if not changed:
            break
    return groups
