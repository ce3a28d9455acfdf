"""Tracks with known people, for `linking.py`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from pipeline.linking import LOOKS
from pipeline.motchallenge import read_truth
from pipeline.sources import Source
from samples import Scene
from samples.schedule import TRAVEL
from tracker import Constraints

SHRUNK_CAMERAS = ("2", "4", "6")
Pictures = list[np.ndarray]


@dataclass(frozen=True)
class Track:
    """A track with its truth; heights in pixels, quality 0..1 of each crop."""

    person: str
    camera: str
    first: float
    last: float
    crops: Pictures
    quality: tuple[float, ...]


def market(path: Path) -> list[Track]:
    """A track for each test person and camera of Market-1501, one after the other in time."""
    from training.datasets import read_set

    groups: dict[tuple[str, int], Pictures] = {}
    for crop in read_set("market" if path.is_dir() else "market1501", path):
        if crop.role in ("query", "gallery"):
            groups.setdefault((crop.identity, crop.camera), []).append(crop.image)
    return [
        Track(person, str(camera), 10.0 * i, 10.0 * i + 5, crops, (1.0,) * len(crops))
        for i, ((person, camera), crops) in enumerate(sorted(groups.items()))
    ]


def caviar(path: Path) -> tuple[list[Track], list[Track]]:
    """A near and a far track of each person of CAVIAR4REID who has both, and those of them whom the
    weights that ship were not trained on; all people are before one camera at one time, so that no
    two tracks of a camera are one person."""
    from training.camera import held_out
    from training.datasets import read_set

    groups: dict[tuple[str, int], Pictures] = {}
    unseen = set()
    for crop in read_set("caviar", path):
        groups.setdefault((crop.identity, crop.camera), []).append(crop.image)
        if held_out(crop):
            unseen.add(crop.identity)
    tracks = [
        Track(person, str(camera), 10.0 * camera, 10.0 * camera + 5, crops, (1.0,) * len(crops))
        for (person, camera), crops in sorted(groups.items())
        if (person, 3 - camera) in groups
    ]
    return tracks, [t for t in tracks if t.person in unseen]


def scene(seed: int = 31, people: int = 40, cameras: int = 6) -> tuple[list[Track], Constraints]:
    """Tracks of a rendered scene from its truth; a gap of two seconds begins a new track."""
    world = Scene(seed, people, cameras, fps=2.0)
    tracks = []
    for camera in world.cameras:
        seen: dict[int, list[tuple[float, np.ndarray, float]]] = {}
        for index, (image, boxes) in enumerate(world.frames(camera)):
            for box in boxes:
                crop = _whole(image, box.box)
                if box.visibility >= 0.5 and crop is not None:
                    seen.setdefault(box.identity, []).append(
                        (index / world.fps, crop, box.visibility)
                    )
        for person, looks in seen.items():
            times = np.array([t for t, _, _ in looks])
            for part in np.split(np.arange(len(looks)), np.flatnonzero(np.diff(times) > 2) + 1):
                kept = part[np.linspace(0, len(part) - 1, min(len(part), LOOKS)).astype(int)]
                tracks.append(
                    Track(
                        str(person),
                        camera,
                        times[part[0]],
                        times[part[-1]],
                        [looks[k][1] for k in kept],
                        tuple(looks[k][2] for k in kept),
                    )
                )
    pairs = itertools.combinations(world.cameras, 2)
    return tracks, Constraints(travel={frozenset(pair): TRAVEL for pair in pairs})


CLIPS = ("campus_cam1", "campus_cam2", "campus_cam3", "campus_cam4")
SHRUNK_CLIPS = ("campus_cam1", "campus_cam3")


def campus(folder: Path, shrunken: bool) -> list[Track]:
    """A track for each person and view of the four campus clips that people told apart by eye.

    Args:
        folder: with the clips.
        shrunken: two of the views at a third of their size.
    """
    tracks = []
    for name in CLIPS:
        truth = read_truth(Path(__file__).parent / "campus" / f"{name}.txt")
        seen: dict[int, list[tuple[float, np.ndarray]]] = {}
        for frame in Source(name, folder / f"{name}.webm", 0.0, 10.0, None).frames():
            for row in np.flatnonzero(truth.frames == frame.index + 1):
                x, y, w, h = truth.boxes[row]
                crop = frame.image[round(y) : round(y + h), round(x) : round(x + w)]
                if shrunken and name in SHRUNK_CLIPS:
                    crop = _sized(crop, len(crop) / 3)
                seen.setdefault(int(truth.ids[row]), []).append((frame.time, crop.copy()))
        for person, looks in seen.items():
            kept = np.linspace(0, len(looks) - 1, min(len(looks), LOOKS)).astype(int)
            crops = [looks[k][1] for k in kept]
            first, last = looks[0][0], looks[-1][0]
            tracks.append(Track(str(person), name, first, last, crops, (1.0,) * len(crops)))
    return tracks


def _sized(crop: np.ndarray, height: float) -> np.ndarray:
    """A crop shrunk to a height in pixels."""
    width = max(round(crop.shape[1] * height / len(crop)), 1)
    return cv2.resize(crop, (width, max(round(height), 1)), interpolation=cv2.INTER_AREA)


def _whole(image: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray | None:
    """The crop of a box; None where the frame's edge cuts the person."""
    x, y, w, h = box
    if x < 2 or y < 2 or x + w > image.shape[1] - 2 or y + h > image.shape[0] - 2:
        return None
    return image[round(y) : round(y + h), round(x) : round(x + w)].copy()


def shrunk(tracks: Sequence[Track], height: int | None) -> list[Track]:
    """Tracks of `SHRUNK_CAMERAS` with crops of that many pixels."""
    if height is None:
        return list(tracks)

    return [
        replace(t, crops=[_sized(c, height) for c in t.crops]) if t.camera in SHRUNK_CAMERAS else t
        for t in tracks
    ]
