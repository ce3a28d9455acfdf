"""Who on the watch list is there: one alert a visit, at a level set by false alarms a day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log

import numpy as np

from reid import Calibration, Embeddings, distances
from storage import Alert, Gallery, Wanted

from ..site import Alerts
from .linker import LiveTrack

FEWEST_TRACKS = 100
"""Tracks a day that are reckoned with at least."""
DAY = 86_400.0
WITNESSES = 3.0
"""Independent looks that a track counts for at most."""
REFRESH_SECONDS = 60.0
"""How often a lasting visit is noted in the gallery."""


def resemblance(looks: Embeddings, wanted: Embeddings, calibration: Calibration) -> float:
    """Log-odds in nats that a track shows the person who is looked for.

    The mean over all pairs, weighed by quality, counts once for each independent look: the square
    root of the smaller number of pictures, at most `WITNESSES`.
    """
    distance, _ = distances(looks, wanted)
    odds = calibration.log_odds(distance, looks.levels, wanted.levels)
    weight = looks.quality[:, None] * wanted.quality[None, :] + 1e-6
    independent = min(WITNESSES, float(np.sqrt(min(len(looks), len(wanted)))))
    return independent * float((odds * weight).sum() / weight.sum())


def most_resemblance(wanted: Embeddings, calibration: Calibration) -> float:
    """The largest resemblance that so many pictures can reach, in nats."""
    return calibration.bound * min(WITNESSES, float(np.sqrt(len(wanted))))


def least_resemblance(false_alarms: float, tracks: float, wanted: int) -> float:
    """The resemblance that an alert takes, in nats.

    Evidence of x nats against the truth comes up once in exp(x) strangers at most, for it is the
    logarithm of a likelihood ratio; so many tracks a day are compared with so many persons.
    """
    return max(0.0, log(max(tracks, FEWEST_TRACKS) * max(wanted, 1) / false_alarms))


@dataclass
class _Visit:
    alert: Alert
    seen: float
    noted: float
    tracks: set[int]


class Alarm:
    """Compares mature tracks with the watch list.

    Args:
        sizes: of the model's sub-vectors. raised: told each alert.
    """

    def __init__(
        self,
        gallery: Gallery,
        calibration: Calibration,
        sizes: tuple[int, ...],
        settings: Alerts,
        raised: Callable[[Alert], None],
        now: float,
    ) -> None:
        self.settings = settings
        self._gallery, self.calibration, self._sizes = gallery, calibration, sizes
        self._raised = raised
        self._persons: list[Wanted] = []
        self._changes = -1
        self._least, self._counted_at = 0.0, float("-inf")
        self._visits: dict[tuple[str, str], _Visit] = {}
        for alert in gallery.watchlist.alerts(since=now - settings.visit_seconds):
            self._visits[alert.wanted, alert.camera] = _Visit(
                alert, alert.seen, alert.seen, {alert.track}
            )

    def refresh(self, now: float) -> None:
        """Learns of changes of the watch list, and how many tracks a day there are."""
        watchlist = self._gallery.watchlist
        changes = watchlist.changes
        if changes != self._changes or now - self._counted_at > 600:
            self._changes, self._counted_at = changes, now
            self._persons = [p for p in watchlist.persons() if len(p.looks)]
            self._least = least_resemblance(
                self.settings.false_alarms_per_day,
                watchlist.tracks_since(now - DAY),
                len(self._persons),
            )
        over = [k for k, v in self._visits.items() if now - v.seen > self.settings.visit_seconds]
        for key in over:
            del self._visits[key]

    def look(self, track: LiveTrack) -> None:
        """Compares a mature track that was seen again."""
        if not self._persons:
            return
        looks = track.looks(self._sizes)
        for person in self._persons:
            odds = resemblance(looks, person.looks, self.calibration)
            visit = self._visits.get((person.name, track.camera))
            if odds >= self._least or (visit is not None and track.id in visit.tracks):
                self._seen(track, person, odds)

    def _best_crop(self, track: LiveTrack) -> str | None:
        """The hash of its best picture."""
        seen = [o for o in self._gallery.observations(track.id) if o.crop is not None]
        return max(seen, key=lambda o: o.quality * o.box[3]).crop if seen else None

    def _seen(self, track: LiveTrack, person: Wanted, odds: float) -> None:
        watchlist = self._gallery.watchlist
        visit = self._visits.get((person.name, track.camera))
        if visit is None:
            alert = watchlist.raise_alert(
                person.name,
                track.id,
                track.last,
                odds,
                self._least,
                self._best_crop(track),
                send=self.settings.are_sent,
            )
            self._visits[person.name, track.camera] = _Visit(
                alert, track.last, track.last, {track.id}
            )
            self._raised(alert)
            return
        visit.tracks.add(track.id)
        visit.seen = max(visit.seen, track.last)
        if visit.seen - visit.noted > min(REFRESH_SECONDS, self.settings.visit_seconds / 3):
            watchlist.still_seen(visit.alert.id, visit.seen)
            visit.noted = visit.seen
