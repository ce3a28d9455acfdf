"""The tracker of one camera over a file of detections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from tracker import BoxTable, Clock, Follower, TrackerSettings, finish

from .camera_motion import CameraMotion
from .errors import SourceError
from .motchallenge import read_detections
from .sources import open_source

Told = Callable[[int, int], None]
"""Told the frames done and the frames in all."""
Step = tuple[int, float, NDArray[np.uint8] | None]
"""Number of a frame, its time in seconds, and its picture where there is a video."""


@dataclass(frozen=True)
class TrackedFile:
    """What `track_file` found.

    Args:
        table: boxes of the tracks, those without a detection at score 0.
        frames: up to the last detection. detections: rows of the file.
        seconds: that following the people and finishing took, without reading and camera motion.
    """

    table: BoxTable
    frames: int
    detections: int
    seconds: float

    @property
    def tracks(self) -> int:
        """How many there are."""
        return len(np.unique(self.table.ids))

    @property
    def added(self) -> int:
        """Boxes without a detection."""
        return int((self.table.scores == 0).sum())


def track_file(
    path: Path,
    fps: float,
    video: Path | None = None,
    online: bool = False,
    settings: TrackerSettings | None = None,
    progress: Told | None = None,
) -> TrackedFile:
    """Runs the tracker on detections in MOTChallenge format.

    Args:
        path: of the detections. fps: frames a second of capture, where there is no video.
        video: recording of a camera that moves; its times count, and its motion is taken out.
        online: gives what was known at each frame: tracks from the box that made them sure, and
            for a moment where unseen people probably are. Else each track has its first boxes,
            its gaps are closed and its boxes made smooth.

    Raises:
        SourceError: when a file can't be read or the video ends before the detections.
    """
    table = read_detections(path)
    last = int(table.frames.max(initial=0))
    follower, motion = Follower(settings), CameraMotion()
    times: dict[int, float] = {}
    parts = []
    seconds = 0.0
    for frame, time, image in _steps(table, follower, fps, video):
        times[frame] = time
        a, b = np.searchsorted(table.frames, (frame, frame + 1))
        boxes, scores = table.boxes[a:b], table.scores[a:b]
        moved = None if image is None else motion.update(image, boxes)
        started = perf_counter()
        numbers = follower.update(time, boxes, scores, moved)
        parts.append(_rows(frame, follower, numbers, boxes, scores, online))
        seconds += perf_counter() - started
        if progress:
            progress(frame, last)
    rows = BoxTable.joined(parts)
    if not online:
        started = perf_counter()
        rows = finish(_sure(rows, follower.settings.confirm), _clock(fps, times if video else None))
        seconds += perf_counter() - started
    return TrackedFile(rows, last, len(table.frames), seconds)


def _steps(table: BoxTable, follower: Follower, fps: float, video: Path | None) -> Iterator[Step]:
    """The frames up to the last detection; without a video, only those that can matter."""
    last = int(table.frames.max(initial=0))
    if video:
        frame = 0
        for one in open_source(video, video.stem).frames():
            frame = one.index + 1
            if frame > last:
                return
            yield frame, one.time, one.image
        if frame < last:
            raise SourceError(f"{video} ends at frame {frame}, the detections at {last}")
        return
    frame = 0
    while frame < last:
        frame += 1
        if not follower.busy:
            frame = int(table.frames[np.searchsorted(table.frames, frame)])
        yield frame, frame / fps, None


def _clock(fps: float, times: Mapping[int, float] | None) -> Clock:
    if times is None:
        return lambda frames: frames / fps
    return lambda frames: np.array([times[frame] for frame in frames.tolist()])


def _rows(
    frame: int,
    follower: Follower,
    numbers: NDArray[np.int64],
    boxes: NDArray[np.float64],
    scores: NDArray[np.float64],
    online: bool,
) -> BoxTable:
    """What one frame adds."""
    if not online:
        rows = np.flatnonzero(numbers)
        return BoxTable(np.full(len(rows), frame), numbers[rows], boxes[rows], scores[rows])
    rows = follower.are_sure(numbers).nonzero()[0]
    hidden, places = follower.unseen()
    return BoxTable(
        np.full(len(rows) + len(hidden), frame),
        np.concatenate([numbers[rows], hidden]),
        np.concatenate([boxes[rows], places]),
        np.concatenate([scores[rows], np.zeros(len(hidden))]),
    )


def _sure(rows: BoxTable, confirm: int) -> BoxTable:
    """Without the tracks that ended before they were sure."""
    _, index, counts = np.unique(rows.ids, return_inverse=True, return_counts=True)
    return rows[counts[index] >= confirm]
