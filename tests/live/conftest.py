"""Clips of the rendered scene as a camera would send them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from ..pipeline.conftest import red_eyes, scene_clips  # noqa: F401
from .clips import access_units, write_units
from .places import RtspServer, rtsp_server
from .readers import Watched

FPS = 10


def noise(frames: int, size: tuple[int, int] = (240, 320), seed: int = 5) -> Iterator[np.ndarray]:
    """Pictures of nobody, each a little different, with a bar that moves."""
    rng = np.random.default_rng(seed)
    ground = cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), size[::-1])
    for index in range(frames):
        image = ground.copy()
        image[:, 3 * index % size[1] :][:, :8] = 255
        yield image


@pytest.fixture(scope="session")
def plain_clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Clips without people: ``plain``; ``sizes`` changes its resolution; ``torn`` holds garbage;
    ``still`` shows one picture for 3 s of its 4."""
    folder = tmp_path_factory.mktemp("plain")
    plain = access_units(noise(40), FPS)
    wide = access_units(noise(40, (360, 640)), FPS)
    rng = np.random.default_rng(1)
    torn = [u if i % 7 != 3 else u[:12] + rng.bytes(len(u)) for i, u in enumerate(plain)]
    still = plain[:10] + [plain[0]] * 30
    clips = {"plain": plain, "sizes": plain + wide, "torn": torn, "still": still}
    return {name: write_units(folder / name, units) for name, units in clips.items()}


@pytest.fixture(scope="session")
def plain_server(plain_clips: dict[str, Path]) -> Iterator[RtspServer]:
    """A server of the clips without people; not to be stopped by tests."""
    with rtsp_server(FPS, plain_clips) as server:
        yield server


@pytest.fixture
def watch() -> Iterator[Callable[..., Watched]]:
    """Begins to read cameras, which are closed at the end; nothing may be left open."""
    open_before = len(os.listdir("/proc/self/fd"))
    begun: list[Watched] = []

    def begin(source: str, **options: object) -> Watched:
        begun.append(Watched(source, **options))
        return begun[-1]

    yield begin
    for one in begun:
        one.camera.stop()
    for one in begun:
        one.camera.close()
    if begun:
        assert len(os.listdir("/proc/self/fd")) <= open_before
