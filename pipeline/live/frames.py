"""The newest frames of a watch, for those who look on: in memory, and only while somebody does."""

from __future__ import annotations

import ipaddress
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import cv2
import numpy as np
from numpy.typing import NDArray

from ..crops import encode
from ..frame import Frame

WANTED_SECONDS = 10.0
"""How long frames are held after somebody asked."""
EVERY = 1.0
"""Seconds between two frames of a camera that are held."""
HELD = 2
"""Frames of a camera, so that one that was told of can still be had."""
SIDE = 640
"""The longer side of a picture, in pixels, at most."""
QUALITY = 75

Box = tuple[float, float, float, float]
Boxes = Sequence[tuple[int | None, Box]]
"""By the ids of their tracks in the gallery, None for one that is not stored yet."""


class Pictures(Protocol):
    """Who has the newest frames."""

    def answer(self, address: str) -> tuple[bytes, str] | None:
        """See `Frames.answer`."""
        ...


@dataclass
class _Shot:
    number: int
    time: float
    at: float
    image: NDArray[np.uint8]
    boxes: Boxes
    jpeg: bytes | None = None


class Frames:
    """Frames that went through the stages, with the boxes found in them.

    One thread puts them in, others ask. While nobody has asked for `WANTED_SECONDS`, none is held.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, Lock()
        self._asked = float("-inf")
        self._count = 0
        self._shots: dict[str, deque[_Shot]] = {}

    def put(self, frame: Frame, boxes: Boxes) -> None:
        """Takes in a frame, if it is wanted; `boxes` are in its pixels."""
        now = self._clock()
        with self._lock:
            if now - self._asked > WANTED_SECONDS:
                self._shots.clear()
                return
            held = self._shots.setdefault(frame.camera, deque(maxlen=HELD))
            if held and now - held[-1].at < EVERY:
                return
            self._count += 1
            held.append(_Shot(self._count, frame.time, now, frame.image, list(boxes)))

    def drop(self, camera: str) -> None:
        """Lets go of the frames of a camera that is no longer watched."""
        with self._lock:
            self._shots.pop(camera, None)

    def plain(self) -> dict[str, Any]:
        """The newest frame of each camera, without its pixels, as values that JSON can hold."""
        with self._lock:
            self._asked = self._clock()
            newest = {camera: held[-1] for camera, held in self._shots.items()}
        return {
            camera: {
                "frame": shot.number,
                "time": round(shot.time, 3),
                "width": shot.image.shape[1],
                "height": shot.image.shape[0],
                "boxes": [
                    {"track": track, "box": [round(float(v), 1) for v in box]}
                    for track, box in shot.boxes
                ],
            }
            for camera, shot in newest.items()
        }

    def picture(self, camera: str, number: int) -> bytes | None:
        """A frame as a JPEG, its longer side `SIDE` pixels at most; None if it is gone."""
        with self._lock:
            self._asked = self._clock()
            found = next((s for s in self._shots.get(camera, ()) if s.number == number), None)
        if found is not None and found.jpeg is None:
            found.jpeg = encode(_smaller(found.image), QUALITY)
        return None if found is None else found.jpeg

    def answer(self, address: str) -> tuple[bytes, str] | None:
        """What stands at ``/frames`` (JSON) or ``/frames/CAMERA.jpg?frame=NUMBER``, and its type;
        None where nothing does."""
        parts = urlsplit(address)
        if parts.path == "/frames":
            return json.dumps(self.plain()).encode(), "application/json"
        camera, number = parts.path.removeprefix("/frames/"), parse_qs(parts.query).get("frame")
        if not (camera.endswith(".jpg") and number and number[0].isdecimal()):
            return None
        jpeg = self.picture(unquote(camera.removesuffix(".jpg")), int(number[0]))
        return None if jpeg is None else (jpeg, "image/jpeg")


def is_loopback(host: str) -> bool:
    """Whether a name or address reaches this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _smaller(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
