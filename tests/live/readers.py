"""A camera that is read by a test."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

from pipeline.frame import Frame
from pipeline.live.address import resolve
from pipeline.live.camera import LiveCamera
from pipeline.live.states import CameraState

Said = list[tuple[CameraState, str]]


class Watched:
    """A camera that is read by a test: its frames, and what it said."""

    def __init__(self, source: str, **options: object) -> None:
        self.said: Said = []
        self.frames: list[Frame] = []
        self._arrived = Event()
        self.camera = LiveCamera(
            "gate",
            resolve(source, Path()),
            arrived=self._arrived,
            tell=lambda _, state, reason: self.said.append((state, reason)),
            **options,  # type: ignore[arg-type]
        )

    def until(self, reached: Callable[[], object], seconds: float = 15.0) -> None:
        """Takes frames until something is so."""
        deadline = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < deadline, (self.said, self.camera.health())
            self._arrived.wait(0.05)
            self._arrived.clear()
            if (frame := self.camera.take()) is not None:
                self.frames.append(frame)

    def is_(self, state: CameraState) -> Callable[[], bool]:
        return lambda: self.camera.health().state is state
