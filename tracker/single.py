"""Tracks in one camera: the follower's numbers as people with height, level and quality."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid import LevelSet

from .association import covered_by
from .errors import TrackerError
from .follow import Floats, Follower, Ints, TrackerSettings
from .track import Observation, State, Track

MEMORY = 8
"""Whole boxes whose largest height stands for the person when the edge cuts the box."""


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
        self._follower = Follower(self.settings, first_number)
        self._tracks: dict[int, Track] = {}

    @property
    def tracks(self) -> dict[int, Track]:
        """Tracks under way by number; those that are not confirmed yet too."""
        return self._tracks

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on from here, as plain values that JSON can hold; vectors are
        left out."""
        return {
            "follower": self._follower.state(),
            "tracks": [
                {
                    "number": track.number,
                    "state": track.state.value,
                    "observations": [asdict(o) | {"vector": None} for o in track.observations],
                }
                for track in self._tracks.values()
            ],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from the `state` of a tracker of the same camera: what follows is as if there had
        been one tracker."""
        self._follower.restore(state["follower"])
        self._tracks = {
            track["number"]: Track(
                self.camera,
                track["number"],
                State(track["state"]),
                [Observation(**o | {"box": tuple(o["box"])}) for o in track["observations"]],
            )
            for track in state["tracks"]
        }

    def update(
        self,
        frame: int,
        time: float,
        boxes: NDArray[np.float32],
        scores: NDArray[np.float32],
        size: tuple[int, int],
        camera_motion: Floats | None = None,
    ) -> list[Track]:
        """Takes in one frame.

        Args:
            frame: index in the source. time: of capture, UTC in seconds, later than the last.
            boxes: ``float32 (N, 4)`` x, y, w, h in pixels. scores: ``float32 (N,)``.
            size: (height, width) of the frame in pixels.
            camera_motion: as of `Follower.update`, of a camera that moves.

        Returns:
            The confirmed tracks that were seen in this frame; `Track.last` is the observation.

        Raises:
            TrackerError: when time does not advance.
        """
        try:
            numbers = self._follower.update(time, boxes, scores, camera_motion)
        except TrackerError as error:
            raise TrackerError(f"camera {self.camera}, frame {frame}: {error}") from None
        for number in self._follower.ended.tolist():
            self._tracks.pop(number).state = State.ENDED
        for track in self._tracks.values():
            if track.state is State.TRACKED:
                track.state = State.LOST
        found = np.flatnonzero(numbers)
        return self._observe(frame, time, numbers[found], boxes[found], scores[found], size)

    def _observe(
        self,
        frame: int,
        time: float,
        numbers: Ints,
        boxes: NDArray[np.float32],
        scores: NDArray[np.float32],
        size: tuple[int, int],
    ) -> list[Track]:
        """Appends observations; returns the confirmed tracks."""
        cut = are_cut(boxes, size)
        quality = scores * (1 - covered_by(boxes, boxes)) * np.where(cut, 0.5, 1.0)
        rows = zip(
            *(column.tolist() for column in (numbers, boxes, scores, cut, quality)), strict=True
        )
        seen = []
        for number, box, score, is_cut, worth in rows:
            track = self._tracks.setdefault(number, Track(self.camera, number))
            height = _true_height(track, box[3] / self._scale, is_cut)
            previous = track.last.level if track.observations else None
            level = self._levels.level_of(height, previous)
            track.observations.append(
                Observation(frame, time, tuple(box), score, height, level, worth)
            )
            if track.state is State.LOST or len(track.observations) >= self.settings.confirm:
                track.state = State.TRACKED
                seen.append(track)
        return seen


def are_cut(
    boxes: NDArray[np.floating], size: tuple[int, int], margin: float = 2.0
) -> NDArray[np.bool_]:
    """Which boxes ``(N, 4)`` x, y, w, h an edge of the frame (height, width) cuts."""
    x, y, w, h = boxes.T
    inside = (x > margin) & (y > margin) & (x + w < size[1] - margin) & (y + h < size[0] - margin)
    return ~inside


def _true_height(track: Track, height: float, cut: bool) -> float:
    """Height of the whole person: of the box, or of the track's recent boxes where it is cut."""
    if not cut:
        return height
    return max([height, *(o.height for o in track.observations[-MEMORY:])])
