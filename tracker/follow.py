"""Boxes to track numbers, one frame after the other: what a camera's tracker does, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .association import affinity, assign, covered_by
from .errors import TrackerError
from .kalman import Motion, centred
from .sway import sway

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SCORE = 0.2
"""How much of the affinity a detection loses with its score."""
GROWTH = 0.2
"""Share of its size by which a track's buffer grows for each second that it is not seen."""
RECENT = 0.3
"""Seconds for which a track that is not seen still tells how the camera moves."""
HIDDEN = 0.4
"""Share of a lost person's box that nearer people must cover for the person to count as hidden."""


@dataclass(frozen=True)
class TrackerSettings:
    """Settings of a camera's tracker; times in seconds of capture, never in frames.

    Args:
        high: score from which a detection takes part in the first round and may start a track.
            Raising it loses weakly seen people, lowering it admits false boxes.
        low: score from which a detection may carry on a track in the second round.
        overlap: least affinity, 0..1, of a track and a box in the first round. Raising it breaks
            tracks where people meet; lowering it lets tracks change their person there.
        overlap_low: the same in the second round.
        buffer: share of its size by which a box grows on every side before it is compared.
        confirm: boxes, frame after frame, that make a track; what ends before is dropped.
        lost_seconds: how long a track waits for its person to come back.
        coast_seconds: how long an unseen person is still reported where motion leads.
        hidden_seconds: the same where nearer people cover the place.
    """

    high: float = 0.7
    low: float = 0.1
    overlap: float = 0.2
    overlap_low: float = 0.45
    buffer: float = 0.3
    confirm: int = 3
    lost_seconds: float = 3.0
    coast_seconds: float = 0.1
    hidden_seconds: float = 0.5


class Follower:
    """Gives each detection of one camera the number of its track.

    Args:
        first_number: of the first track; numbers go up and are never used again.
    """

    def __init__(self, settings: TrackerSettings | None = None, first_number: int = 1) -> None:
        self.settings = settings or TrackerSettings()
        self.time: float | None = None
        self.ended = np.zeros(0, np.int64)
        """Numbers of the tracks that the last update ended."""
        self._next = first_number
        self._motion = Motion.start(np.zeros((0, 4)))
        self._numbers = np.zeros(0, np.int64)
        self._counts = np.zeros(0, np.int64)
        self._seen_at = np.zeros(0)

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on from here, as plain values that JSON can hold."""
        return {
            "time": self.time,
            "next": self._next,
            "numbers": self._numbers.tolist(),
            "counts": self._counts.tolist(),
            "seen_at": self._seen_at.tolist(),
            "motion": {name: values.tolist() for name, values in vars(self._motion).items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a `state`."""
        self.time, self._next = state["time"], state["next"]
        self._numbers = np.array(state["numbers"], np.int64)
        self._counts = np.array(state["counts"], np.int64)
        self._seen_at = np.array(state["seen_at"], np.float64)
        self._motion = Motion(
            **{name: np.array(v, np.float64).reshape(-1, 4) for name, v in state["motion"].items()}
        )

    @property
    def busy(self) -> bool:
        """Whether any track is under way."""
        return len(self._numbers) > 0

    def are_sure(self, numbers: Ints) -> NDArray[np.bool_]:
        """Which of some numbers ``(N,)`` are those of tracks under way that are sure."""
        if not len(self._numbers):
            return np.zeros(len(numbers), np.bool_)
        rows = self._numbers.searchsorted(numbers).clip(max=len(self._numbers) - 1)
        return (self._numbers[rows] == numbers) & (self._counts[rows] >= self.settings.confirm)

    def update(
        self,
        time: float,
        boxes: NDArray[np.floating],
        scores: NDArray[np.floating],
        camera_motion: Floats | None = None,
    ) -> Ints:
        """Takes in one frame.

        Args:
            time: of capture, in seconds, later than the last.
            boxes: ``(N, 4)`` x, y, w, h in pixels. scores: ``(N,)``.
            camera_motion: ``(2, 3)``, where points of the last frame lie in this one; where
                it is None, the people themselves tell how the camera moves.

        Returns:
            ``int64 (N,)``: the number of each box's track, 0 where it has none.

        Raises:
            TrackerError: when time does not advance.
        """
        if self.time is not None and time <= self.time:
            raise TrackerError(f"a frame at {time:.3f} s does not come after {self.time:.3f} s")
        s = self.settings
        self.ended = np.zeros(0, np.int64)
        self._keep(time - self._seen_at <= s.lost_seconds + 1e-6)
        if self.time is not None:
            self._motion.predict(time - self.time)
        self.time = time

        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        centres = centred(boxes)
        row_of = np.full(len(boxes), -1)
        sure = self._counts >= s.confirm
        strong = scores >= s.high
        weak = (scores >= s.low) & ~strong
        if camera_motion is not None:
            self._motion.move(camera_motion)
        else:
            recent = sure & (time - self._seen_at <= RECENT + 1e-6)
            expected = self._motion.position[recent]
            self._motion.position[:, :2] += sway(expected, centres[strong])
        fit = affinity(
            self._motion.position,
            self._motion.centre_variances(),
            centres,
            s.buffer + GROWTH * (time - self._seen_at),
        ) * (1 - SCORE + SCORE * scores)
        _match(row_of, fit, sure, strong, s.overlap)
        _match(row_of, fit, ~sure, strong, s.overlap)
        _match(row_of, fit, sure, weak, s.overlap_low)
        found = (row_of >= 0).nonzero()[0]
        rows = row_of[found]
        self._motion.correct(rows, boxes[found])
        self._seen_at[rows] = time
        self._counts[rows] += 1
        numbers = np.zeros(len(boxes), np.int64)
        numbers[found] = self._numbers[rows]
        self._keep(sure | (self._seen_at == time))
        new = ((row_of < 0) & strong).nonzero()[0]
        numbers[new] = self._begin(boxes[new])
        return numbers

    def unseen(self) -> tuple[Ints, Floats]:
        """Sure tracks without a box in the last frame, where their people probably are.

        Returns:
            Their numbers ``int64 (K,)`` and boxes ``float64 (K, 4)`` x, y, w, h.
        """
        s = self.settings
        gap = (self.time or 0.0) - self._seen_at
        places = self._motion.boxes()
        rows = np.flatnonzero((gap > 0) & (gap <= max(s.coast_seconds, s.hidden_seconds) + 1e-6))
        rows = rows[self._counts[rows] >= s.confirm]
        hidden = covered_by(places[rows], places[gap == 0]) >= HIDDEN
        rows = rows[gap[rows] <= np.where(hidden, s.hidden_seconds, s.coast_seconds) + 1e-6]
        return self._numbers[rows], places[rows]

    def _begin(self, boxes: Floats) -> Ints:
        """Starts tracks; returns their numbers."""
        numbers = np.arange(self._next, self._next + len(boxes))
        if len(boxes):
            self._next += len(boxes)
            self._motion = self._motion.append(Motion.start(boxes))
            self._numbers = np.append(self._numbers, numbers)
            self._counts = np.append(self._counts, np.ones(len(boxes), np.int64))
            self._seen_at = np.append(self._seen_at, np.full(len(boxes), self.time))
        return numbers

    def _keep(self, which: NDArray[np.bool_]) -> None:
        """Ends all other tracks."""
        if not which.all():
            self.ended = np.append(self.ended, self._numbers[~which])
            self._motion = self._motion[which]
            self._numbers = self._numbers[which]
            self._counts = self._counts[which]
            self._seen_at = self._seen_at[which]


def _match(
    row_of: Ints,
    fit: Floats,
    tracks: NDArray[np.bool_],
    detections: NDArray[np.bool_],
    least: float,
) -> None:
    """One round over some tracks and some detections that have no partner yet.

    Args:
        row_of: of each detection its track, -1 while it has none. fit: ``(N, M)``, see `affinity`.
    """
    free = tracks.copy()
    free[row_of[row_of >= 0]] = False
    rows, columns = free.nonzero()[0], (detections & (row_of < 0)).nonzero()[0]
    if not len(rows) or not len(columns):
        return
    some = fit[rows[:, None], columns]
    r, c = assign(np.where(some >= least, some, 0), 1e-3)
    row_of[columns[c]] = rows[r]
