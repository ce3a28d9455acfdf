"""Identities beside others, for `soak.py`: whose tracks are whose, pair by pair."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np

from benchmarks.soak_scene import Truth
from pipeline.score import Labelled, who_is
from storage import BoxRow
from tracker import overlap

Boxes = dict[str, list[BoxRow]]


def by_frame(rows: list[BoxRow]) -> Truth:
    found: Truth = defaultdict(list)
    for row in rows:
        if row.identity is not None:
            found[row.frame].append(Labelled(row.identity, row.box))
    return found


def offset(rows: list[BoxRow], truth: Truth) -> int:
    """How many frames of a clip went by before the first that came."""
    some = rows[:: max(1, len(rows) // 200)]

    def fit(shift: int) -> float:
        total = 0.0
        for row in some:
            if boxes := truth.get(row.frame + shift):
                total += float(overlap(np.array([row.box]), np.array([b.box for b in boxes])).max())
        return total

    return max(range(40), key=fit)


def pairwise(found: Boxes, other: Mapping[str, Truth]) -> float:
    """F1 of the pairs of tracks of one person, over tracks that the other side knows."""
    person: dict[tuple[str, int], int] = {}
    votes: dict[tuple[str, int], Counter[int]] = defaultdict(Counter)
    for name, rows in found.items():
        for row in rows:
            who = who_is(other[name].get(row.frame, []), row.box)
            if who is not None and row.identity is not None:
                votes[name, row.track][who] += 1
                person[name, row.track] = row.identity
    other_person = {track: counts.most_common(1)[0][0] for track, counts in votes.items()}
    both = ours = theirs = 0
    for a, b in itertools.combinations(sorted(person), 2):
        same, told = person[a] == person[b], other_person[a] == other_person[b]
        both, ours, theirs = both + (same and told), ours + same, theirs + told
    return 2 * both / (ours + theirs) if ours + theirs else 1.0
