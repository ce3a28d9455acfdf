"""The partition of tracks that the evidence supports best: a signed graph cut into cliques."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Weigh = Callable[[Indices, Indices], NDArray[np.float64]]
Conflict = Callable[[Indices, Indices], NDArray[np.bool_]]

PASSES = 20
"""Rounds of moves at most."""

EPSILON = 1e-9


def partition(
    n: int, edges: Iterable[tuple[int, int, float]], weigh: Weigh, conflict: Conflict
) -> list[list[int]]:
    """Groups of tracks with a large sum of weights inside and no conflict.

    Groups grow by joining the two with the largest mean of weights between them while it is
    positive (greedy additive edge contraction, Keuper et al., ICCV 2015, which takes the largest
    sum; by the mean, a large group draws others in no sooner than a small one). Then single tracks
    move to where they fit better, until nothing gains.

    Two groups are looked at only if an edge leads from one to the other; whether they join is
    decided by the weights of all pairs between them.

    Args:
        n: tracks are meant by 0..n-1; among equal weights, the lower numbers win.
        edges: (i, j, weight), i < j, of pairs with a positive weight.
        weigh: weights of all pairs of two arrays of tracks, ``(A, B)``.
        conflict: whether the pairs of two arrays, broadcast, can't be in one group.
    """
    attraction: list[dict[int, float]] = [{} for _ in range(n)]
    for i, j, weight in edges:
        attraction[i][j] = attraction[j][i] = weight
    groups = _Contraction(attraction, weigh, conflict).run()
    return _Moves(groups, attraction, weigh, conflict).run()


class _Contraction:
    """Groups, by one of their tracks, and the sums of weights between neighbours.

    A sum counts the pairs that are known. Unknown ones weigh less than 0, as those above 0 have
    edges, so a sum is a bound from above; it is made exact before its pair of groups may join.
    """

    def __init__(
        self, attraction: list[dict[int, float]], weigh: Weigh, conflict: Conflict
    ) -> None:
        self._weigh, self._conflict = weigh, conflict
        self._members = {i: [i] for i in range(len(attraction))}
        self._sums = [{j: (w, 1) for j, w in near.items()} for near in attraction]
        self._heap = [
            (-w, i, j) for i, near in enumerate(attraction) for j, w in near.items() if i < j
        ]
        heapq.heapify(self._heap)

    def run(self) -> list[list[int]]:
        """Joins groups while a mean is positive."""
        while self._heap:
            negative, a, b = heapq.heappop(self._heap)
            if b not in self._sums[a]:
                continue
            total, known = self._sums[a][b]
            pairs = len(self._members[a]) * len(self._members[b])
            if total / pairs != -negative:
                if total / pairs < -negative:
                    self._push(a, b)
            elif known == pairs:
                self._join(a, b)
            else:
                self._settle(a, b)
        return [sorted(group) for group in self._members.values()]

    def _push(self, a: int, b: int) -> None:
        total, _ = self._sums[a][b]
        if total > EPSILON:
            mean = total / (len(self._members[a]) * len(self._members[b]))
            heapq.heappush(self._heap, (-mean, min(a, b), max(a, b)))

    def _settle(self, a: int, b: int) -> None:
        """Makes the sum of two groups exact, or parts them for good where they conflict."""
        left, right = np.array(self._members[a]), np.array(self._members[b])
        if self._conflict(left[:, None], right[None, :]).any():
            del self._sums[a][b], self._sums[b][a]
            return
        settled = float(self._weigh(left, right).sum()), len(left) * len(right)
        self._sums[a][b] = self._sums[b][a] = settled
        self._push(a, b)

    def _join(self, a: int, b: int) -> None:
        """Joins the group with fewer neighbours to the other."""
        if len(self._sums[a]) < len(self._sums[b]):
            a, b = b, a
        self._members[a] += self._members.pop(b)
        del self._sums[a][b], self._sums[b][a]
        for c, (total, known) in self._sums[b].items():
            del self._sums[c][b]
            more, others = self._sums[a].get(c, (0.0, 0))
            self._sums[a][c] = self._sums[c][a] = total + more, known + others
            self._push(a, c)
        self._sums[b] = {}


class _Moves:
    """Single tracks move to the group that gains most, or to one of their own."""

    def __init__(
        self,
        groups: list[list[int]],
        attraction: list[dict[int, float]],
        weigh: Weigh,
        conflict: Conflict,
    ) -> None:
        self._weigh, self._conflict, self._attraction = weigh, conflict, attraction
        self._groups = groups
        self._home = np.empty(len(attraction), np.int64)
        self._held = np.zeros(len(attraction))
        for number, group in enumerate(groups):
            self._home[group] = number
            self._measure(number)

    def run(self) -> list[list[int]]:
        """Moves until none gains."""
        for _ in range(PASSES):
            if not sum(self._move(track) for track in range(len(self._home))):
                break
        return [group for group in self._groups if group]

    def _measure(self, number: int) -> None:
        """Sums of weights that hold each track of a group in it."""
        members = np.array(self._groups[number], np.int64)
        if len(members) < 2:
            self._held[members] = 0.0
            return
        weights = self._weigh(members, members)
        np.fill_diagonal(weights, 0.0)
        self._held[members] = weights.sum(axis=1)

    def _move(self, track: int) -> bool:
        home, best = int(self._home[track]), None
        most = max(0.0, self._held[track]) + EPSILON
        for group, bound in sorted(self._elsewhere(track).items()):
            if bound > most and (found := self._fit(track, group)) > most:
                best, most = group, found
        if best is None and self._held[track] >= -EPSILON:
            return False
        if best is None:
            best = len(self._groups)
            self._groups.append([])
        self._groups[home].remove(track)
        self._groups[best].append(track)
        self._home[track] = best
        self._measure(home)
        self._measure(best)
        return True

    def _elsewhere(self, track: int) -> dict[int, float]:
        """Other groups that attract a track, each with the sum of its positive weights."""
        bounds: dict[int, float] = {}
        for other, weight in self._attraction[track].items():
            group = int(self._home[other])
            if group != self._home[track]:
                bounds[group] = bounds.get(group, 0.0) + weight
        return bounds

    def _fit(self, track: int, group: int) -> float:
        """Sum of a track's weights to a group; minus infinity where they conflict."""
        one, others = np.array([track]), np.array(self._groups[group])
        if self._conflict(one, others).any():
            return -np.inf
        return float(self._weigh(one, others).sum())
