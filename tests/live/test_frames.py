"""The newest frames for those who look on: held while they do, small, for this machine alone."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.frame import Frame
from pipeline.live.asking import frames_of, picture_of
from pipeline.live.frames import EVERY, WANTED_SECONDS, Frames, is_loopback
from pipeline.live.server import HealthServer
from pipeline.live.watching import WatchHealth

BOX = (10.0, 20.0, 30.0, 60.0)
HEALTH = WatchHealth((), 0.0, 0.1, None, 0, None, "")


def frame(camera: str = "gate", value: int = 50, width: int = 1280) -> Frame:
    return Frame(camera, 0, 1000.0, np.full((width // 2, width, 3), value, np.uint8))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_none_is_held_while_nobody_looks() -> None:
    clock = Clock()
    frames = Frames(clock)
    frames.put(frame(), [])
    assert frames.plain() == {}
    frames.put(frame(), [(3, BOX), (None, BOX)])
    told = frames.plain()["gate"]
    assert (told["width"], told["height"], told["time"]) == (1280, 640, 1000.0)
    boxes = [{"track": 3, "box": list(BOX)}, {"track": None, "box": list(BOX)}]
    assert told["boxes"] == boxes
    clock.now = WANTED_SECONDS + 0.1
    frames.put(frame(), [])
    assert frames.plain() == {}


def test_one_a_second_and_the_one_before() -> None:
    clock = Clock()
    frames = Frames(clock)
    frames.plain()
    numbers = []
    for step in range(1, 41):
        clock.now = step * EVERY / 10
        frames.put(frame(value=step), [])
        numbers.append(frames.plain()["gate"]["frame"])
    assert len(set(numbers)) == 4
    newest = numbers[-1]
    assert frames.picture("gate", newest) is not None
    assert frames.picture("gate", newest - 1) is not None
    assert frames.picture("gate", newest - 2) is None
    frames.drop("gate")
    assert frames.picture("gate", newest) is None
    assert frames.plain() == {}


@pytest.mark.parametrize(("width", "side"), [(1280, 640), (320, 320)])
def test_pictures_are_small_and_made_once(width: int, side: int) -> None:
    frames = Frames(Clock())
    frames.plain()
    frames.put(frame("a b/ü", width=width), [])
    number = frames.plain()["a b/ü"]["frame"]
    first = frames.picture("a b/ü", number)
    assert first is not None
    assert cv2.imdecode(np.frombuffer(first, np.uint8), 1).shape == (side // 2, side, 3)
    assert frames.picture("a b/ü", number) is first


@contextmanager
def served(place: str, show: bool | None = None) -> Iterator[tuple[HealthServer, Frames]]:
    frames = Frames()
    server = HealthServer(place, lambda: HEALTH, frames, show)
    try:
        yield server, frames
    finally:
        server.close()


def status(port: int, path: str, **headers: str) -> int:
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        asked.request("GET", path, headers=headers)
        return asked.getresponse().status
    finally:
        asked.close()


def test_they_are_asked_over_http() -> None:
    with served("127.0.0.1:0") as (server, frames):
        place = f"127.0.0.1:{server.port}"
        assert frames_of(place) == {}
        frames.put(frame("a b/ü"), [(7, BOX)])
        told = frames_of(place)["a b/ü"]
        assert told["boxes"] == [{"track": 7, "box": list(BOX)}]
        picture = picture_of(place, "a b/ü", told["frame"])
        assert picture is not None
        assert picture[:2] == b"\xff\xd8"
        assert picture_of(place, "a b/ü", told["frame"] + 1) is None
        assert picture_of(place, "hall", told["frame"]) is None
        for path in ("/frames/", "/frames/gate.jpg", "/frames/gate.jpg?frame=x", "/framesx"):
            assert status(server.port, path) == 404
    assert frames_of(place) == {}
    assert picture_of(place, "gate", 1) is None


def test_a_name_that_was_made_to_point_here_gets_none() -> None:
    with served("127.0.0.1:0") as (server, _):
        for host, code in (
            ("evil.example", 404),
            ("[", 404),
            ("localhost:1", 200),
            ("[::1]:80", 200),
        ):
            assert status(server.port, "/frames", Host=host) == code
            assert status(server.port, "/status", Host=host) == 200


def test_other_machines_get_none_unless_that_is_asked_for() -> None:
    for place, show, code in (
        ("0.0.0.0:0", None, 404),
        ("0.0.0.0:0", True, 200),
        ("127.0.0.1:0", False, 404),
    ):
        with served(place, show) as (server, _):
            assert status(server.port, "/frames") == code
            assert status(server.port, "/status") == 200
    assert [is_loopback(h) for h in ("localhost", "127.0.0.2", "::1", "10.0.0.1", "box")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with served("127.0.0.1:0") as (server, frames):
        frames_of(f"127.0.0.1:{server.port}")
        frames.put(frame(), [])
        told = json.dumps(frames_of(f"127.0.0.1:{server.port}"))
        assert "gate" in told
    assert list(tmp_path.iterdir()) == []
