"""The partition of tracks that the evidence supports best: a signed graph cut into cliques."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Table = Callable[[Indices, Indices], NDArray[np.float64]]
Conflict = Callable[[Indices, Indices], NDArray[np.bool_]]

PASSES = 20
"""Rounds of moves at most."""

EPSILON = 1e-9


class Partition:
    """Groups of tracks with a large sum of weights inside and no conflict.

    Groups grow by joining the two with the largest mean of weights between them while it is
    positive (greedy additive edge contraction, Keuper et al., ICCV 2015, which takes the largest
    sum; by the mean, a large group draws others in no sooner than a small one). Then single tracks
    move to where they fit better, until nothing gains.

    Two groups are looked at only if an edge leads from one to the other; whether they join is
    decided by the weights of all pairs between them. Tracks are meant by small numbers that the
    caller gives; among equal weights, the lower ones win.

    A weight is the evidence of a pair less its price. Evidence stays; prices may change from one
    call to the next, as tracks come that look like others.

    Args:
        odds, price: evidence and price of all pairs of two arrays of tracks, ``(A, B)``.
        conflict: whether the pairs of two arrays, broadcast, can't be in one group.
    """

    def __init__(self, odds: Table, price: Table, conflict: Conflict) -> None:
        self._odds, self._price, self._conflict = odds, price, conflict
        self.groups: dict[int, list[int]] = {}
        self.home: dict[int, int] = {}
        self.support: dict[int, float] = {}
        """Sum of the evidence that holds a track in its group."""
        self.pinned: set[int] = set()
        """Tracks that stay in their group."""
        self._near: dict[int, dict[int, float]] = {}
        self._made = 0

    def begin(self, tracks: Sequence[int]) -> int:
        """Makes a group of tracks that have none; returns the group."""
        group, self._made = self._made, self._made + 1
        self.groups[group] = list(tracks)
        for track in tracks:
            self._near.setdefault(track, {})
            self.home[track], self.support[track] = group, 0.0
        if len(tracks) > 1:
            odds = self._odds(np.array(tracks), np.array(tracks))
            np.fill_diagonal(odds, 0.0)
            self._hold(tracks, odds.sum(axis=1))
        return group

    def enter(self, track: int, group: int) -> None:
        """Puts a track that has no group into one, which may have ended when it left."""
        self._near.setdefault(track, {})
        others = self.groups.setdefault(group, [])
        odds = self._odds(np.array([track]), np.array(others))[0] if others else np.zeros(0)
        self._hold(others, odds)
        others.append(track)
        self.home[track], self.support[track] = group, float(odds.sum())

    def leave(self, track: int) -> int:
        """Takes a track out of its group, which ends with the last one, and returns the group."""
        group = self.home.pop(track)
        others = self.groups[group]
        others.remove(track)
        del self.support[track]
        if others:
            self._hold(others, -self._odds(np.array([track]), np.array(others))[0])
        else:
            del self.groups[group]
        return group

    def attract(self, i: int, j: int, odds: float) -> None:
        """Notes that two tracks have a positive weight, by their evidence."""
        self._near[i][j] = self._near[j][i] = odds

    def part(self, track: int) -> None:
        """Forgets which tracks attract a track."""
        for other in self._near[track]:
            del self._near[other][track]
        self._near[track] = {}

    def drop(self, track: int) -> None:
        """Forgets a track."""
        self.leave(track)
        self.part(track)
        del self._near[track]
        self.pinned.discard(track)

    def improve(self, fresh: Collection[int], around: Iterable[int]) -> set[int]:
        """Joins groups around fresh tracks; moves these, their neighbours and those of `around`.
        What is far from them stays as it is.

        Returns:
            Groups that got or lost tracks, those that ended among them.
        """
        changed = self._contract({self.home[t] for t in fresh})
        some = {*fresh, *(t for group in changed for t in self.groups.get(group, ()))}
        some |= {other for t in some for other in self._near[t]} | set(around)
        for _ in range(PASSES):
            touched = {g for t in sorted(some - self.pinned) for g in self._move(t)}
            if not touched:
                break
            changed |= touched
            some |= {t for group in touched for t in self.groups.get(group, ())}
        return changed

    def _weigh(self, a: Indices, b: Indices) -> NDArray[np.float64]:
        return self._odds(a, b) - self._price(a, b)

    def _hold(self, tracks: Sequence[int], odds: NDArray[np.float64]) -> None:
        for track, some in zip(tracks, odds.tolist(), strict=True):
            self.support[track] += some

    def _pull(self, track: int) -> Iterator[tuple[int, float]]:
        """The tracks with a positive weight to one, each with it."""
        near = self._near[track]
        if near:
            others = np.fromiter(near, np.int64, len(near))
            price = self._price(np.array([track]), others)[0]
            for (other, odds), cost in zip(near.items(), price.tolist(), strict=True):
                if odds > cost:
                    yield other, odds - cost

    def _contract(self, fresh: set[int]) -> set[int]:
        """Joins groups, one of each pair being fresh or joined before; the groups that changed."""
        reach = fresh | {
            self.home[other] for g in fresh for t in self.groups[g] for other, _ in self._pull(t)
        }
        contraction = _Contraction(self.groups, self._weigh, self._conflict)
        for group in sorted(reach):
            for track in self.groups[group]:
                for other, weight in self._pull(track):
                    there = self.home[other]
                    if there > group or there not in reach:
                        contraction.attract(group, there, weight)
        changed = set()
        for a, b in contraction.run(fresh):
            left, right = self.groups[a], self.groups.pop(b)
            odds = self._odds(np.array(left), np.array(right))
            self._hold(left, odds.sum(axis=1))
            self._hold(right, odds.sum(axis=0))
            left += right
            self.home.update((t, a) for t in right)
            changed |= {a, b}
        return changed

    def _move(self, track: int) -> tuple[int, ...]:
        """Moves a track where it fits best, if that is elsewhere; the groups that changed."""
        home, best = self.home[track], None
        held = self._held(track)
        most = max(0.0, held) + EPSILON
        for group, bound in sorted(self._elsewhere(track).items()):
            if bound > most and (found := self._fit(track, group)) > most:
                best, most = group, found
        if best is None and held >= -EPSILON:
            return ()
        self.leave(track)
        if best is None:
            best = self.begin([track])
        else:
            self.enter(track, best)
        return home, best

    def _held(self, track: int) -> float:
        """Sum of the weights that hold a track in its group."""
        others = [t for t in self.groups[self.home[track]] if t != track]
        if not others:
            return 0.0
        return self.support[track] - float(self._price(np.array([track]), np.array(others)).sum())

    def _elsewhere(self, track: int) -> dict[int, float]:
        """Other groups that attract a track, each with the sum of its positive weights."""
        bounds: dict[int, float] = {}
        for other, weight in self._pull(track):
            group = self.home[other]
            if group != self.home[track]:
                bounds[group] = bounds.get(group, 0.0) + weight
        return bounds

    def _fit(self, track: int, group: int) -> float:
        """Sum of a track's weights to a group; minus infinity where they conflict."""
        one, others = np.array([track]), np.array(self.groups[group])
        if self._conflict(one, others).any():
            return -np.inf
        return float(self._weigh(one, others).sum())


class _Contraction:
    """Which groups to join next, by the sums of weights between neighbours.

    A sum counts the pairs that are known. Unknown ones are taken to weigh less than 0, as those
    above 0 have edges, so a sum is a bound from above; it is made exact before its pair of groups
    may join.

    Args:
        groups: tracks by group, as they are at any time.
    """

    def __init__(self, groups: dict[int, list[int]], weigh: Table, conflict: Conflict) -> None:
        self._groups, self._weigh, self._conflict = groups, weigh, conflict
        self._sums: dict[int, dict[int, tuple[float, int]]] = {}
        self._heap: list[tuple[float, int, int]] = []

    def attract(self, a: int, b: int, weight: float) -> None:
        """Adds the weight of a pair of tracks to the sum of their groups."""
        self._add(a, b, weight, 1)

    def run(self, fresh: Collection[int]) -> Iterator[tuple[int, int]]:
        """Pairs (a, b) to join while a mean is positive, starting from those of `fresh` groups.

        The caller puts the tracks of b into a before it asks for the next pair.
        """
        for a in sorted(fresh):
            for b in self._sums.get(a, ()):
                if b > a or b not in fresh:
                    self._push(a, b)
        while self._heap:
            negative, a, b = heapq.heappop(self._heap)
            if b not in self._sums.get(a, ()):
                continue
            total, known = self._sums[a][b]
            pairs = len(self._groups[a]) * len(self._groups[b])
            if total / pairs != -negative:
                if total / pairs < -negative:
                    self._push(a, b)
            elif known < pairs:
                self._settle(a, b)
            else:
                if len(self._sums[a]) < len(self._sums[b]):
                    a, b = b, a
                yield a, b
                self._joined(a, b)

    def _add(self, a: int, b: int, weight: float, pairs: int) -> None:
        total, known = self._sums.setdefault(a, {}).get(b, (0.0, 0))
        self._sums[a][b] = self._sums.setdefault(b, {})[a] = total + weight, known + pairs

    def _push(self, a: int, b: int) -> None:
        total, _ = self._sums[a][b]
        if total > EPSILON:
            mean = total / (len(self._groups[a]) * len(self._groups[b]))
            heapq.heappush(self._heap, (-mean, min(a, b), max(a, b)))

    def _settle(self, a: int, b: int) -> None:
        """Makes the sum of two groups exact, or parts them for good where they conflict."""
        left, right = np.array(self._groups[a]), np.array(self._groups[b])
        if self._conflict(left[:, None], right[None, :]).any():
            del self._sums[a][b], self._sums[b][a]
            return
        settled = float(self._weigh(left, right).sum()), len(left) * len(right)
        self._sums[a][b] = self._sums[b][a] = settled
        self._push(a, b)

    def _joined(self, a: int, b: int) -> None:
        """Group b is part of group a now."""
        del self._sums[a][b], self._sums[b][a]
        for c, (total, known) in self._sums.pop(b).items():
            del self._sums[c][b]
            self._add(a, c, total, known)
            self._push(a, c)
