"""From the scores of rows to the persons that a query finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .evidence import Evidence
from .layers import BEST, Groups, are_distinct, rise
from .mirror import View
from .passing import Some, everything, observations
from .ranking import Found, Ids, found_in, likeliest, oldest


@dataclass(frozen=True)
class Whose:
    """Whose the rows are that were compared.

    Args:
        some: where the observations of scores are found. layers: rows by track, of which there are
            ``T`` in all; none unless all rows were compared.
        tracks: ``(T,)``, their persons. persons: the same, grouped; None where each is of another.
        places: ``(N,)``, of the scores of rows in no layer. alone: their persons.
    """

    view: View
    some: list[Some]
    layers: tuple[Groups, ...]
    tracks: NDArray[np.int64]
    persons: Groups | None
    places: NDArray[np.int64]
    alone: NDArray[np.int64]

    @classmethod
    def of(cls, view: View, some: list[Some], whole: bool) -> Whose:
        """Of rows that pass; `whole` says whether these are all that there are."""
        layers = view.layers if whole else ()
        rest, tracks, persons = some, np.zeros(0, np.int64), None
        if layers:
            some = everything(view)
            rest = [
                Some(p.segment, slice(p.layered, p.count), p.count - p.layered, p.place + p.layered)
                for p in view.filled
            ]
            tracks = view.person[np.concatenate([layer.owner for layer in layers])]
            if not are_distinct(tracks):
                persons = Groups.of(tracks, np.arange(len(tracks)))
        places = np.concatenate([np.arange(s.place, s.place + s.count) for s in rest])
        alone = view.person[np.concatenate([s.segment.track[s.rows] for s in rest])]
        return cls(view, some, layers, tracks, persons, places, alone)

    def pieces(self) -> list[tuple[Groups, slice]]:
        """Of the first rounds of all layers."""
        return [(layer, piece) for layer in self.layers for piece in layer.pieces]

    def found(
        self,
        scores: NDArray[np.floating],
        first: Sequence[NDArray[np.floating]],
        evidence: Evidence,
        most: int,
    ) -> Found:
        """What one query finds.

        Args:
            scores: ``(room,)``. first: what `Groups.first` finds in each of `pieces`.
            most: persons wanted.
        """
        best = np.full((BEST, len(self.view.owners)), -np.inf)
        of_tracks = self._of_tracks(first, scores.dtype)
        whose, of_persons = self.tracks, of_tracks
        if self.persons is not None:
            whose, of_persons = self.persons.owner, self.persons.best(of_tracks)
        for row, own in zip(best, evidence.settled(of_persons), strict=True):
            row[whose] = own
        if len(self.places):
            alone = evidence.settled(scores[self.places])
            for row in likeliest(self.alone, alone, len(self.view.owners)):
                rise(best, row)

        def lead(named: NDArray[np.int64]) -> Ids:
            return self._oldest(named, best[0], scores, of_tracks[0], evidence)

        return found_in(self.view, best, lead, most)

    def _of_tracks(
        self, first: Sequence[NDArray[np.floating]], kind: np.dtype
    ) -> NDArray[np.floating]:
        """The best of each track in the layers, ``(BEST, T)``."""
        turn, every = iter(first), [np.zeros((BEST, 0), kind)]
        for layer in self.layers:
            every.append(layer.rest(np.concatenate([next(turn) for _ in layer.pieces], axis=1)))
        return np.concatenate(every, axis=1)

    def _oldest(
        self,
        named: NDArray[np.int64],
        best: NDArray[np.float64],
        scores: NDArray[np.floating],
        of_tracks: NDArray[np.floating],
        evidence: Evidence,
    ) -> Ids:
        """The oldest observation of those that score a person's best, for some persons.

        Args:
            best: ``(P,)``, of each person. of_tracks: ``(T,)``, of each track.
        """
        place = np.full(len(best), -1)
        place[named] = np.arange(len(named))
        rows = np.flatnonzero(place[self.alone] >= 0)
        places, persons = [self.places[rows]], [self.alone[rows]]
        tracks = np.flatnonzero(place[self.tracks] >= 0)
        tracks = tracks[evidence.settled(of_tracks[tracks]) == best[self.tracks[tracks]]]
        start = 0
        for layer in self.layers:
            end = start + len(layer.owner)
            own = tracks[(tracks >= start) & (tracks < end)]
            items, at = layer.items(own - start)
            places.append(items)
            persons.append(self.tracks[own][at])
            start = end
        every, person = np.concatenate(places), np.concatenate(persons)
        right = evidence.settled(scores[every]) == best[person]
        ids = observations(self.some, every[right])
        return oldest(place[person[right]], ids, len(named))
