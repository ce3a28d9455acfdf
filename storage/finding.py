"""From the scores of rows to the persons that a query finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .evidence import Evidence
from .layers import BEST, Layered, rise
from .mirror import View
from .passing import Some, everything, observations
from .ranking import Found, Ids, found_in, likeliest, oldest


@dataclass(frozen=True)
class Whose:
    """Whose the rows are that were compared.

    Args:
        some: where the observations of scores are found. layered: rows in layers; none unless all
            rows were compared.
        places: ``(N,)``, of the scores of rows in no layer. alone: their persons.
    """

    view: View
    some: list[Some]
    layered: Layered
    places: NDArray[np.int64]
    alone: NDArray[np.int64]

    @classmethod
    def of(cls, view: View, some: list[Some], whole: bool) -> Whose:
        """Of rows that pass; `whole` says whether these are all that there are."""
        if whole and view.layered.layers:
            layered, some = view.layered, everything(view)
            rest = [
                Some(p.segment, slice(p.layered, p.count), p.count - p.layered, p.place + p.layered)
                for p in view.filled
                if p.count > p.layered
            ]
        else:
            layered, rest = Layered.of((), view.person, len(view.owners)), some
        none = np.zeros(0, np.int64)
        places = np.concatenate([none, *(np.arange(s.place, s.place + s.count) for s in rest)])
        tracks = np.concatenate([none, *(s.segment.track[s.rows] for s in rest)])
        return cls(view, some, layered, places, view.person[tracks])

    def found(
        self,
        scores: NDArray[np.floating],
        first: Sequence[NDArray[np.floating]],
        evidence: Evidence,
        most: int,
    ) -> Found:
        """What one query finds.

        Args:
            scores: ``(room,)``. first: what `Groups.first` finds in each piece of the layers.
            most: persons wanted.
        """
        of_tracks = self.layered.of_tracks(first, scores.dtype)
        persons = self.layered.owner
        best = evidence.settled(self.layered.of_persons(of_tracks))
        if len(self.places):
            every = np.full((BEST, len(self.view.owners)), -np.inf)
            every[:, persons] = best
            alone = evidence.settled(scores[self.places])
            for row in likeliest(self.alone, alone, len(self.view.owners)):
                rise(every, row)
            persons, best = np.arange(len(self.view.owners)), every

        def lead(named: NDArray[np.int64]) -> Ids:
            return self._oldest(persons[named], best[0, named], scores, of_tracks[0], evidence)

        return found_in(self.view, persons, best, lead, most)

    def _oldest(
        self,
        persons: NDArray[np.int64],
        best: NDArray[np.float64],
        scores: NDArray[np.floating],
        of_tracks: NDArray[np.floating],
        evidence: Evidence,
    ) -> Ids:
        """The oldest observation of those that score a person's best, for some persons.

        Args:
            persons, best: ``(K,)``. of_tracks: ``(T,)``, the best of each track.
        """
        column = self.layered.column[persons]
        layered = np.flatnonzero(column >= 0)
        tracks, of = self.layered.tracks(column[layered])
        right = evidence.settled(of_tracks[tracks]) == best[layered[of]]
        items, at = self.layered.items(tracks[right])
        places, whose = [items], [layered[of[right]][at]]
        if len(self.places):
            place = np.full(len(self.view.owners), -1)
            place[persons] = np.arange(len(persons))
            rows = np.flatnonzero(place[self.alone] >= 0)
            places.append(self.places[rows])
            whose.append(place[self.alone[rows]])
        every, person = np.concatenate(places), np.concatenate(whose)
        right = evidence.settled(scores[every]) == best[person]
        return oldest(person[right], observations(self.some, every[right]), len(persons))
