"""Identities over cameras: the partition of tracks that the evidence supports best."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid import Calibration

from .constraints import Conflicts, Constraints, Indices
from .evidence import Evidence
from .partition import Weigh, partition
from .shortlist import shortlist
from .tracklet import Tracklet, by_content

COMMON = 0.5
"""Log-odds of a track's rivals, in nats, above which its looks are common."""


@dataclass(frozen=True)
class LinkSettings:
    """How much it takes to link.

    Args:
        prior: log-odds, in nats, that two tracks of the site show one person before a look at
            them. Raising it links more and errs more.
        witnesses: how many independent looks a pair of tracks counts for at most. With 1, frames of
            one passage count as copies of each other: they show the same clothes from much the same
            side.
        crowding: nats that look-alikes may cost a pair at most. With 0 nobody's looks are too
            common; raising it errs less among thousands, and parts people who come by often.
        candidates: how many of the likeliest others of each track are looked at in full. Lowering
            it saves time, and misses people among thousands who look alike from afar.
    """

    prior: float = -1.5
    witnesses: float = 1.0
    crowding: float = 3.0
    candidates: int = 32


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
        return sum(
            self.evidence[min(track, other), max(track, other)].log_odds
            for other in self.tracks
            if other != track
        )


def link(
    tracklets: Sequence[Tracklet],
    calibration: Calibration,
    constraints: Constraints | None = None,
    settings: LinkSettings | None = None,
) -> list[Identity]:
    """Links tracks into identities.

    A pair of tracks weighs its evidence plus the prior, less what look-alikes cost it; pairs that
    the constraints forbid never share an identity. `shortlist` finds the pairs that may attract
    each other, `partition` the groups. The result does not depend on the order of `tracklets`, nor
    on their keys.

    Args:
        tracklets: tracks of all cameras; those without embeddings stay alone.

    Returns:
        Identities by their lowest key.

    Raises:
        TrackerError: when the embeddings come from two models.
    """
    constraints, settings = constraints or Constraints(), settings or LinkSettings()
    alone = [Identity((t.key,), {}) for t in tracklets if not len(t.embeddings)]
    nodes = sorted((t for t in tracklets if len(t.embeddings)), key=by_content)
    if not nodes:
        return sorted(alone, key=lambda i: i.tracks[0])
    evidence = Evidence([t.embeddings for t in nodes], calibration, settings.witnesses)
    conflicts = Conflicts(nodes, constraints)
    i, j, rivals = shortlist(evidence, conflicts, calibration, settings.candidates)

    def weigh(a: Indices, b: Indices) -> NDArray[np.float64]:
        cost = np.logaddexp(0, (rivals[a][:, None] + rivals[b][None, :]) / 2 - COMMON)
        return evidence.between(a, b) + settings.prior - np.minimum(cost, settings.crowding)

    groups = partition(len(nodes), _attractive(i, j, weigh), weigh, conflicts.between)
    found = [_identity(group, nodes, evidence) for group in groups]
    return sorted(alone + found, key=lambda i: i.tracks[0])


def _attractive(i: Indices, j: Indices, weigh: Weigh) -> Iterator[tuple[int, int, float]]:
    """The pairs of a shortlist that weigh more than 0; `i` is ascending."""
    bounds = np.flatnonzero(np.diff(i, prepend=-1, append=-1))
    for start, end in itertools.pairwise(bounds):
        weights = weigh(i[start : start + 1], j[start:end])[0]
        for k in np.flatnonzero(weights > 0):
            yield int(i[start]), int(j[start + k]), float(weights[k])


def _identity(group: Sequence[int], nodes: Sequence[Tracklet], evidence: Evidence) -> Identity:
    members = np.array(sorted(group, key=lambda i: nodes[i].key))
    keys = [nodes[i].key for i in members]
    odds = evidence.between(members, members) if len(members) > 1 else np.zeros((1, 1))
    return Identity(
        tuple(keys),
        {
            (keys[a], keys[b]): PairEvidence(
                float(odds[a, b]), evidence.level(members[a], members[b])
            )
            for a in range(len(keys))
            for b in range(a + 1, len(keys))
        },
    )
