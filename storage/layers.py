"""Rows in memory by track, so that the best scores of each are found without looking around."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .blocks import Filled

BEST = 3
"""How many of a person's likeliest observations speak for the person.

One lucky crop does not carry a person to the top, and a hundred poor ones do not pull a good match
down; a person with fewer observations is judged by those.
"""

LEAST = 1 << 15
"""Rows from which a layer is worth its making."""

MOST = 16
"""Layers that are kept before they are made one."""

FAN = 32
"""Items that meet in one round."""

PIECE = 1 << 19
"""Items that are looked through at a time: fewer would have threads wait for each other."""

Round = tuple[NDArray[np.int64], ...]
"""The j-th array holds the j-th item of each group that has more than j; groups that have the most
come first. Groups are the items of the next round."""


@dataclass(frozen=True)
class Groups:
    """Items (rows of scores) by whom they belong to.

    The best of each owner are found in rounds, like those of a tournament: up to `FAN` items of an
    owner make a group, and in the next round so many groups. All groups meet their next item at the
    same time, so that numpy has long arrays to work on.

    Args:
        owner: ``(G,)``, whose items they are, each once. rounds: from items to owners.
        pieces: of the first round's groups, with about `PIECE` items each.
    """

    owner: NDArray[np.int64]
    rounds: tuple[Round, ...]
    pieces: tuple[slice, ...]

    @classmethod
    def of(cls, owner: NDArray[np.integer], items: NDArray[np.int64]) -> Groups:
        """Of items that belong to `owner`, ``(N,)`` each."""
        rounds: list[Round] = []
        pieces: tuple[slice, ...] = ()
        while not rounds or not are_distinct(owner):
            owner, members, sizes = _round(owner, items)
            if not rounds:
                borders = np.searchsorted(np.cumsum(sizes), np.arange(0, len(items), PIECE), "left")
                pieces = tuple(
                    slice(a, b) for a, b in pairwise(np.unique([*borders, len(sizes)]).tolist())
                )
            rounds.append(members)
            items = np.arange(len(owner))
        return cls(owner.astype(np.int64), tuple(rounds), pieces)

    def first(self, scores: NDArray[np.floating], piece: slice) -> NDArray[np.floating]:
        """The best of each group of a piece of the first round, of the scores ``(K, room)``."""
        return _best(scores, [own[piece] for own in self.rounds[0]])

    def rest(self, best: NDArray[np.floating]) -> NDArray[np.floating]:
        """The best of each owner, ``(BEST, G)`` highest first and -inf past the last, from the best
        of each group of the first round."""
        for members in self.rounds[1:]:
            best = _best(best, members)
        return best

    def best(self, scores: NDArray[np.floating]) -> NDArray[np.floating]:
        """The best of each owner, see `rest`, of the scores ``(K, N)`` of all items."""
        return self.rest(_best(scores, self.rounds[0]))

    def items(self, groups: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All items of some owners, and of each the place of its owner in `groups`.

        Args:
            groups: places in `owner`.
        """
        at = np.arange(len(groups))
        for members in reversed(self.rounds):
            there = [np.flatnonzero(groups < len(own)) for own in members]
            at = np.concatenate([at[one] for one in there])
            groups = np.concatenate(
                [own[groups[one]] for own, one in zip(members, there, strict=True)]
            )
        return groups, at


@dataclass(frozen=True)
class Layered:
    """Rows in layers, by track and then by person.

    Args:
        layers: rows by track, of which there are ``T`` in all.
        persons: those tracks by person; None where each is of another.
        owner: ``(W,)``, the persons who have such rows.
        column: ``(P,)``, the place of each of all persons in `owner`, -1 where it isn't there.
    """

    layers: tuple[Groups, ...]
    persons: Groups | None
    owner: NDArray[np.int64]
    column: NDArray[np.int64]

    @classmethod
    def of(cls, layers: tuple[Groups, ...], person: NDArray[np.int64], persons: int) -> Layered:
        """Of rows by track; ``person`` says whose each track is, of so many persons."""
        tracks = np.concatenate([np.zeros(0, np.int64), *(layer.owner for layer in layers)])
        owner, grouped = person[tracks], None
        if not are_distinct(owner):
            grouped = Groups.of(owner, np.arange(len(owner)))
            owner = grouped.owner
        column = np.full(persons, -1)
        column[owner] = np.arange(len(owner))
        return cls(layers, grouped, owner, column)

    def pieces(self) -> list[tuple[Groups, slice]]:
        """Of the first rounds of all layers."""
        return [(layer, piece) for layer in self.layers for piece in layer.pieces]

    def of_tracks(
        self, first: Sequence[NDArray[np.floating]], kind: np.dtype
    ) -> NDArray[np.floating]:
        """The best of each track, ``(BEST, T)``, from what `Groups.first` finds in each piece."""
        turn, every = iter(first), [np.zeros((BEST, 0), kind)]
        for layer in self.layers:
            every.append(layer.rest(np.concatenate([next(turn) for _ in layer.pieces], axis=1)))
        return np.concatenate(every, axis=1)

    def of_persons(self, of_tracks: NDArray[np.floating]) -> NDArray[np.floating]:
        """The best of each person, ``(BEST, W)``."""
        return of_tracks if self.persons is None else self.persons.best(of_tracks)

    def tracks(self, columns: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All tracks of some persons, and of each the place of its person in `columns`."""
        if self.persons is None:
            return columns, np.arange(len(columns))
        return self.persons.items(columns)

    def items(self, tracks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All rows of some tracks, and of each the place of its track in `tracks`."""
        places, of, start = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
        for layer in self.layers:
            end = start + len(layer.owner)
            own = np.flatnonzero((tracks >= start) & (tracks < end))
            items, at = layer.items(tracks[own] - start)
            places.append(items)
            of.append(own[at])
            start = end
        return np.concatenate(places), np.concatenate(of)


def are_distinct(owner: NDArray[np.integer]) -> bool:
    """Whether no number, none negative, is there twice."""
    return not len(owner) or int(np.bincount(owner).max()) == 1


def rise(best: NDArray[np.floating], new: NDArray[np.floating]) -> None:
    """Has new scores take their places among the best.

    Args:
        best: ``(BEST, N)``, highest first; it is changed. new: ``(N,)``.
    """
    for row in best[:-1]:
        lower = np.minimum(row, new)
        np.maximum(row, new, out=row)
        new = lower
    np.maximum(best[-1], new, out=best[-1])


def renewed(layers: tuple[Groups, ...], filled: Sequence[Filled]) -> tuple[Groups, ...]:
    """Layers that hold most rows of `filled` by track; those that are given hold the first of each
    part.

    Returns:
        The same layers, or one more, or one of all rows; `Filled.layered` follows.
    """
    fresh = sum(part.count - part.layered for part in filled)
    if fresh < LEAST:
        return layers
    everything = not layers or len(layers) == MOST
    places, tracks = [], []
    for part in filled:
        start = 0 if everything else part.layered
        places.append(part.place + np.arange(start, part.count))
        tracks.append(part.segment.track[start : part.count])
        part.layered = part.count
    new = Groups.of(np.concatenate(tracks), np.concatenate(places))
    return (new,) if everything else (*layers, new)


def _best(scores: NDArray[np.floating], members: Sequence[NDArray[np.int64]]) -> NDArray:
    """The best of each group, ``(BEST, groups)``, of the scores ``(K, N)`` of its members."""
    out = np.full((BEST, len(members[0])), -np.inf, scores.dtype)
    for own in members:
        if not len(own):
            break
        for row in scores:
            rise(out[:, : len(own)], row.take(own))
    return out


def _round(
    owner: NDArray[np.integer], items: NDArray[np.int64]
) -> tuple[NDArray[np.integer], Round, NDArray[np.uint8]]:
    """Whose the groups are, their members and how many each has."""
    key = owner.astype(np.int64) << 32
    key |= np.arange(len(owner))
    key.sort()
    items, owner = items[key & 0xFFFFFFFF], (key >> 32).astype(owner.dtype)
    starts = np.flatnonzero(np.diff(owner, prepend=-1, append=-1))
    turn = np.arange(len(owner)) - np.repeat(starts[:-1], np.diff(starts))
    begin = np.flatnonzero(turn % FAN == 0)
    sizes = np.diff(begin, append=len(owner)).astype(np.uint8)
    order = np.argsort(FAN - sizes, kind="stable")
    begin, sizes = begin[order], sizes[order]
    ends = np.searchsorted(FAN - sizes, FAN - np.arange(sizes[0]), "left")
    return owner[begin], tuple(items[begin[:end] + j] for j, end in enumerate(ends)), sizes
