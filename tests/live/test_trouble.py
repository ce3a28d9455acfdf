"""A watch in this process: bad frames, a gallery that can't be written, a clock that is set."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.detect import Detector
from pipeline.errors import DetectorError
from pipeline.live import camera as camera_module
from pipeline.live.linker import LiveLinker
from pipeline.live.station import Station
from pipeline.live.watching import Watch
from pipeline.site import Camera, Site
from reid import Embedder
from storage import Gallery, GalleryFull

from ..pipeline.conftest import RedFigures, encode, figures


class Picky(RedFigures):
    """Fails on pictures of one height, and takes its time."""

    bad = 0
    slow = 0.0

    def find(self, images: Sequence[np.ndarray], sizes: Sequence[int]) -> list[np.ndarray]:
        time.sleep(self.slow * len(images))
        if any(len(image) == self.bad for image in images):
            raise DetectorError("this one does not fit")
        return super().find(images, sizes)


def taller(image: np.ndarray) -> np.ndarray:
    """A picture with 40 more rows."""
    return np.pad(image, ((0, 40), (0, 0), (0, 0)))


class Here:
    """A watch of files, and what it said."""

    def __init__(self, folder: Path, files: dict[str, Path]) -> None:
        self.said: list[dict[str, Any]] = []
        self.eyes = Picky()
        embedder = Embedder.load(device="cpu")
        self.gallery = Gallery.open(folder / "nearfar.db", model=embedder.info, create=True)
        site = Site(cameras={name: Camera(source=str(file)) for name, file in files.items()})
        eyes, gallery = Detector(self.eyes), self.gallery
        self.watch = Watch(
            site,
            folder,
            gallery,
            embedder,
            self.said.append,
            lambda links, tell: Station(eyes, embedder, gallery, links.put, tell),
        )

    def until(self, reached: Any, seconds: float = 15.0) -> None:
        deadline = time.monotonic() + seconds
        while not reached():
            assert self.watch.failure is None
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)

    def processed(self, camera: str) -> int:
        found = {c.camera: c for c in self.watch.health().cameras}
        return found[camera].processed

    def problems(self, event: str) -> list[str]:
        return [e["problem"] for e in self.said if e["event"] == event]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    """A watch of two files of 12 seconds, closed at the end."""
    files = {
        "gate": encode(tmp_path / "gate.mp4", figures(120)),
        "tall": encode(
            tmp_path / "tall.mp4", (np.pad(f, ((0, 40), (0, 0), (0, 0))) for f in figures(120))
        ),
    }
    one = Here(tmp_path, files)
    yield one
    one.watch.close()
    assert one.gallery.check() == []
    one.gallery.close()


def test_many_cameras_are_thinned_alike(tmp_path: Path) -> None:
    """Ten cameras, more than go through the stages at once, on a machine that is far too slow."""
    file = encode(tmp_path / "walk.mp4", figures(150))
    one = Here(tmp_path, {f"camera {n}": file for n in range(10)})
    one.eyes.slow = 0.1
    try:
        one.until(lambda: all(c.frames for c in one.watch.health().cameras))
        first = {c.camera: c.processed for c in one.watch.health().cameras}
        one.until(lambda: one.processed("camera 0") >= first["camera 0"] + 10, 60)
        cameras = one.watch.health().cameras
        done = [c.processed - first[c.camera] for c in cameras]
        assert max(done) - min(done) <= 2
        assert min(done) >= 8
        for c in cameras:
            assert c.dropped > 0
            assert c.dropped + c.processed >= c.frames - 2
            assert c.delay is not None
            assert c.delay < 5
    finally:
        one.watch.close()
        one.gallery.close()


def test_a_camera_that_is_changed_is_missing_at_no_moment(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watch that seems to have no cameras left would end."""
    remove, seen = Station._remove, []

    def noted(station: Station, name: str) -> None:
        remove(station, name)
        seen.append(sorted(c.camera for c in station.health().cameras))

    monkeypatch.setattr(Station, "_remove", noted)
    cameras = {n: Camera(source=str(tmp_path / "gate.mp4"), fps=5) for n in ("gate", "new")}
    here.watch.change(Site(cameras=cameras))
    here.until(lambda: len(seen) == 2)
    assert seen[-1] == ["gate", "new"]
    assert all({"gate", "new"} <= set(names) for names in seen)
    here.until(lambda: here.processed("gate") and here.processed("new"))


def test_bad_frames_of_one_camera_leave_the_others_alone(here: Here) -> None:
    here.until(lambda: here.processed("tall") > 3)
    here.eyes.bad = 200
    before = here.processed("gate")
    rows = here.gallery.info().observations
    here.until(lambda: here.processed("gate") > before + 10)
    assert here.problems("stages") == ["tall: this one does not fit"]
    here.until(lambda: here.gallery.info().observations > rows + 8)
    here.eyes.bad = 0
    before = here.processed("tall")
    here.until(lambda: here.processed("tall") > before + 5)


def test_linking_that_fails_is_told_of_once(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def fail(*_: object) -> bool:
        tries.append(1)
        raise GalleryFull("no room to link")

    monkeypatch.setattr(LiveLinker, "link", fail)
    rows = here.gallery.info().observations
    here.until(lambda: len(tries) > 6)
    assert here.gallery.info().observations > rows
    assert here.problems("gallery") == ["no room to link"]


def test_who_can_not_be_told_ends_the_watch(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader of the log is gone."""

    def gone(_: object) -> None:
        raise BrokenPipeError

    here.until(lambda: here.processed("tall") > 3)
    monkeypatch.setattr(here.watch._tell, "_listener", gone)
    here.eyes.bad = 200
    deadline = time.monotonic() + 10
    while here.watch.failure is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert isinstance(here.watch.failure, BrokenPipeError)


def test_a_gallery_that_is_full_for_a_while(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    here.until(lambda: here.gallery.info().observations > 3)
    assert here.watch.health().trouble is None
    with monkeypatch.context() as patch:
        patch.setattr(Gallery, "append", lambda *_: (_ for _ in ()).throw(GalleryFull("no room")))
        here.until(lambda: here.watch.health().trouble == "no room")
        assert not here.watch.health().ready
        before = here.processed("gate")
        here.until(lambda: here.processed("gate") > before + 10)
    here.until(lambda: here.watch.health().ready)
    assert here.problems("gallery") == ["no room"]
    here.until(lambda: here.processed("gate") > before + 15)
    here.watch.close()
    (session,) = here.gallery.sessions(["gate"])
    frames = sorted({row.frame for row in here.gallery.boxes(session.id)})
    assert np.diff(frames).max() <= 5, "what came meanwhile was kept"


def test_a_clock_that_is_set_back_begins_a_session(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Back:
        """The module `time`, an hour ago."""

        time = staticmethod(lambda: time.time() - 3600)

        def __getattr__(self, name: str) -> Any:
            return getattr(time, name)

    here.until(lambda: here.processed("gate") > 5)
    monkeypatch.setattr(camera_module, "time", Back())
    here.until(lambda: len(here.gallery.sessions(["gate"])) == 2)
    before = here.processed("gate")
    here.until(lambda: here.processed("gate") > before + 5)
    here.watch.close()
    old, new = here.gallery.sessions(["gate"])
    assert (old.state, new.state) == ("stopped", "stopped")
    assert old.start - new.start == pytest.approx(3600, abs=30)
    assert {c.clock_jumps for c in here.watch.health().cameras} == {1}
