"""Tracks in one camera: Kalman motion and association in two rounds by confidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid import LevelSet

from .association import assign, covered, overlap
from .errors import TrackerError
from .kalman import Motion
from .track import Observation, State, Track

MEMORY = 8
"""Whole boxes whose largest height stands for the person when the edge cuts the box."""


@dataclass(frozen=True)
class TrackerSettings:
    """Settings of a camera's tracker; times in seconds of capture, never in frames.

    Args:
        high: score from which a detection takes part in the first round. Raising it loses weakly
            seen people, lowering it admits false boxes.
        low: score from which a detection may carry on a track in the second round.
        start: score from which a detection may start a track.
        overlap: least intersection over union (of grown boxes) in the first round. Raising it
            breaks tracks where people meet, for the linker to join by appearance; lowering it
            lets tracks change their person there.
        overlap_low: the same in the second round.
        buffer: share of its size by which a box grows before it is compared.
        confirm: boxes that make a track; tracks with fewer are dropped.
        lost_seconds: how long a track waits for its person to come back.
    """

    high: float = 0.4
    low: float = 0.15
    start: float = 0.45
    overlap: float = 0.4
    overlap_low: float = 0.45
    buffer: float = 0.1
    confirm: int = 3
    lost_seconds: float = 1.0


class Tracker:
    """Follows people through the frames of one camera.

    Args:
        camera: its name. levels: of the embedder, for the level of each box.
        first_number: number of the first track; above those of an earlier run that is continued.
        native_scale: pixels of the stored picture that make one that the sensor saw.
    """

    def __init__(
        self,
        camera: str,
        levels: LevelSet,
        settings: TrackerSettings | None = None,
        first_number: int = 1,
        native_scale: float = 1.0,
    ) -> None:
        self.camera = camera
        self.settings = settings or TrackerSettings()
        self._levels = levels
        self._scale = native_scale
        self._next = first_number
        self._time: float | None = None
        self._tracks: list[Track] = []
        self._motion = Motion.start(np.zeros((0, 4)))

    def update(
        self,
        frame: int,
        time: float,
        boxes: NDArray[np.float32],
        scores: NDArray[np.float32],
        size: tuple[int, int],
    ) -> list[Track]:
        """Takes in one frame.

        Args:
            frame: index in the source. time: of capture, UTC in seconds, later than the last.
            boxes: ``float32 (N, 4)`` x, y, w, h in pixels. scores: ``float32 (N,)``.
            size: (height, width) of the frame in pixels.

        Returns:
            The confirmed tracks that were seen in this frame; `Track.last` is the observation.

        Raises:
            TrackerError: when time does not advance.
        """
        if self._time is not None and time <= self._time:
            raise TrackerError(
                f"camera {self.camera}: frame {frame} at {time:.3f} s, not after {self._time:.3f}"
            )
        self._motion.predict(0.0 if self._time is None else time - self._time)
        self._time = time
        s = self.settings
        strong = np.flatnonzero(scores >= s.high)
        weak = np.flatnonzero((scores >= s.low) & (scores < s.high))
        rows = np.arange(len(self._tracks))
        found_rows, found = self._match(rows, boxes, strong, s.overlap, scores)
        left = np.setdiff1d(rows, found_rows)
        going = np.array([r for r in left if self._tracks[r].state is State.TRACKED], np.int64)
        weak_rows, weak_found = self._match(going, boxes, weak, s.overlap_low, scores)
        new = np.array([i for i in np.setdiff1d(strong, found) if scores[i] >= s.start], np.int64)
        self._motion.correct(np.append(found_rows, weak_rows), boxes[np.append(found, weak_found)])
        pairs = [*zip(found_rows, found, strict=True), *zip(weak_rows, weak_found, strict=True)]
        pairs += self._begin(boxes[new], new)
        seen = self._observe(frame, time, pairs, boxes, scores, size)
        self._retire(time, {int(r) for r, _ in pairs})
        return seen

    def _match(
        self,
        rows: NDArray[np.int64],
        boxes: NDArray[np.float32],
        candidates: NDArray[np.int64],
        least: float,
        scores: NDArray[np.float32],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of track rows and box indices."""
        if not len(rows) or not len(candidates):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        iou = overlap(self._motion.boxes()[rows], boxes[candidates], self.settings.buffer)
        r, c = assign(np.where(iou >= least, iou * (0.5 + 0.5 * scores[candidates]), 0), 1e-3)
        return rows[r], candidates[c]

    def _begin(
        self, boxes: NDArray[np.float32], indices: NDArray[np.int64]
    ) -> list[tuple[np.int64, np.int64]]:
        """New tentative tracks; their rows paired with their boxes."""
        first = len(self._tracks)
        for _ in indices:
            self._tracks.append(Track(self.camera, self._next))
            self._next += 1
        self._motion = self._motion.append(Motion.start(boxes))
        return [(np.int64(first + i), index) for i, index in enumerate(indices)]

    def _observe(
        self,
        frame: int,
        time: float,
        pairs: list[tuple[np.int64, np.int64]],
        boxes: NDArray[np.float32],
        scores: NDArray[np.float32],
        size: tuple[int, int],
    ) -> list[Track]:
        """Appends observations and moves states; returns confirmed tracks of this frame."""
        hidden = covered(boxes[[b for _, b in pairs]]) if pairs else np.zeros(0)
        seen = []
        for (row, index), part in zip(pairs, hidden, strict=True):
            track, box = self._tracks[row], boxes[index]
            cut = is_cut(box, size)
            height = _true_height(track, float(box[3]) / self._scale, cut)
            previous = track.last.level if track.observations else None
            track.observations.append(
                Observation(
                    frame=frame,
                    time=time,
                    box=(float(box[0]), float(box[1]), float(box[2]), float(box[3])),
                    score=float(scores[index]),
                    height=height,
                    level=self._levels.level_of(height, previous),
                    quality=float(scores[index] * (1 - part) * (0.5 if cut else 1.0)),
                )
            )
            if track.state is State.LOST or len(track.observations) >= self.settings.confirm:
                track.state = State.TRACKED
            if track.state is State.TRACKED:
                seen.append(track)
        return seen

    def _retire(self, time: float, seen: set[int]) -> None:
        """Unseen tracks become lost, lost ones end in time, unconfirmed ones at once."""
        keep = []
        for row, track in enumerate(self._tracks):
            if row not in seen:
                waited = time - track.last.time
                if track.state is State.TENTATIVE or waited > self.settings.lost_seconds:
                    track.state = State.ENDED
                    continue
                track.state = State.LOST
            keep.append(row)
        self._tracks = [self._tracks[r] for r in keep]
        self._motion = self._motion[np.array(keep, np.int64)]


def is_cut(box: NDArray[np.float32], size: tuple[int, int], margin: float = 2.0) -> bool:
    """Whether the frame's upper, lower, left or right edge cuts a box x, y, w, h."""
    x, y, w, h = (float(v) for v in box)
    return x <= margin or y <= margin or x + w >= size[1] - margin or y + h >= size[0] - margin


def _true_height(track: Track, height: float, cut: bool) -> float:
    """Height of the whole person: of the box, or of the track's recent boxes where it is cut."""
    if not cut:
        return height
    return max([height, *(o.height for o in track.observations[-MEMORY:])])
