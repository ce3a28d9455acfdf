"""Runs over several cameras: whole, stopped, continued and repeated."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import Detector, PipelineError, Result, Settings, process
from pipeline.detect import INPUT_SIZE
from pipeline.engine import Engine
from pipeline.errors import CallError
from pipeline.runs import RECENT, CameraRun, Seen
from pipeline.site import Camera, Site
from pipeline.sources import find_sources
from reid import Embedder, LevelSet
from storage import Gallery, GalleryInfo, Session
from tracker import Tracker

from .conftest import ROOT, RedFigures

Boxes = dict[str, list[tuple]]


@pytest.fixture
def run(red_eyes: Detector, clips: dict[str, Path], tmp_path: Path):
    """Processes the drawn clips into a gallery in the test's folder."""

    def call(name: str = "nearfar.db", **options: object) -> Result:
        return process(list(clips.values()), tmp_path / name, tmp_path / "out", **options)

    return call


def holds(path: Path) -> tuple[GalleryInfo, Boxes]:
    """Counts, and boxes by camera; the gallery must be sound and hold no frame twice."""
    with Gallery.open(path, read_only=True) as gallery:
        assert gallery.check() == []
        boxes = {}
        for session in gallery.sessions():
            rows = gallery.boxes(session.id)
            assert len({(r.track, r.frame) for r in rows}) == len(rows)
            assert len({(r.frame, r.box) for r in rows}) == len(rows)
            boxes[session.camera] = [(r.frame, *r.box) for r in rows]
        return replace(gallery.info(), database_bytes=0, model=None), boxes


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_a_whole_run(run, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    result = run(progress=lambda *step: seen.append(step), save_video=True)
    info, boxes = holds(tmp_path / "nearfar.db")
    assert [(c.camera, c.frames, c.lost, c.done) for c in result.cameras] == [
        ("gate", 40, 0, True),
        ("hall", 40, 0, True),
    ]
    assert [s for s in seen if s[0] == "gate"] == [("gate", i, 40) for i in range(1, 41)]
    assert result.tally.frames == 80
    assert result.tally.embeddings == info.embeddings > 0
    assert set(result.tally.seconds) == {"decode", "detect", "track", "embed", "store", "link"}
    assert sum(result.tally.seconds.values()) <= result.seconds
    assert info.identities == len(result.identities) > 0
    assert {t.camera for i in result.identities for t in i.tracks} == {"gate", "hall"}
    assert {f for f, *_ in boxes["gate"]} == set(range(40))
    assert len(boxes["hall"]) == 80
    truth = np.array([(12, 40, 28, 84)] * 20) + [[2 * i, 0, 0, 0] for i in range(20)]
    np.testing.assert_allclose([b[1:] for b in boxes["gate"][:20]], truth, atol=3)


def test_a_second_run_adds_nothing(run, tmp_path: Path) -> None:
    first = run(save_video=True)
    before, written = holds(tmp_path / "nearfar.db"), files(tmp_path / "out")
    second = run(save_video=True)
    assert holds(tmp_path / "nearfar.db") == before
    again = files(tmp_path / "out")
    changed = {name for name in written if again.get(name) != written[name]}
    assert changed <= {"gate.mp4", "hall.mp4"}, "an encoder with threads may vary by some bits"
    assert set(again) == set(written)
    assert second.tally.frames == second.tally.boxes == 0
    assert second.cameras == tuple(replace(c, read_before=True) for c in first.cameras)
    numbers = [i.identity for i in first.identities]
    assert [i.identity for i in second.identities] == numbers


@pytest.mark.parametrize("after", [0, 1, 18, 33, 79])
def test_a_stopped_run_goes_on(run, tmp_path: Path, after: int) -> None:
    """It ends where an unbroken run does: the same boxes of the same frames, none twice."""
    stop = threading.Event()
    done = 0

    def step(*_: object) -> None:
        nonlocal done
        done += 1
        if done == after:
            stop.set()

    if not after:
        stop.set()
    first = run(stop=stop, progress=step, save_video=True)
    assert not all(c.done for c in first.cameras)
    assert sum(c.frames for c in first.cameras) == first.tally.frames <= after + 1
    expected = {"identities.csv", "report.html"} | {
        f"{c}.{kind}" for c in ("gate", "hall") for kind in ("txt", "mp4")
    }
    assert set(files(tmp_path / "out")) == expected
    kept = holds(tmp_path / "nearfar.db")[1]
    second = run(save_video=True)
    assert all(c.done and c.frames == 40 for c in second.cameras)
    assert first.tally.frames + second.tally.frames == 80
    run("whole.db")
    whole, continued = holds(tmp_path / "whole.db")[1], holds(tmp_path / "nearfar.db")[1]
    for camera, boxes in whole.items():
        assert set(kept[camera]) <= set(continued[camera]) <= set(boxes)
        assert len(boxes) - len(continued[camera]) <= 4, "only unconfirmed tracks may be lost"


def test_what_was_committed_before_an_error_stays(run, tmp_path: Path) -> None:
    def fail(camera: str, frame: int, _: object) -> None:
        if (camera, frame) == ("hall", 21):
            raise RuntimeError("nobody foresaw this")

    with pytest.raises(RuntimeError, match="foresaw"):
        run(progress=fail, settings=Settings(commit_seconds=0.5))
    with Gallery.open(tmp_path / "nearfar.db", read_only=True) as gallery:
        assert all(15 <= s.position <= 21 for s in gallery.sessions())
    holds(tmp_path / "nearfar.db")
    assert all(c.done for c in run().cameras)
    frames = {f for f, *_ in holds(tmp_path / "nearfar.db")[1]["gate"]}
    assert len(frames) >= 37, "only unconfirmed tracks may be lost"


def test_cameras_of_different_length(
    red_eyes: Detector, clips: dict[str, Path], tmp_path: Path
) -> None:
    from .conftest import encode, figures

    short = encode(tmp_path / "short.mp4", figures(7))
    result = process([short, clips["gate"]], tmp_path / "n.db", tmp_path / "out")
    assert [(c.frames, c.done) for c in result.cameras] == [(7, True), (40, True)]


def test_fewer_frames_a_second(run, tmp_path: Path) -> None:
    result = run(settings=Settings(fps=5))
    assert result.tally.frames == 40
    assert {f % 2 for f, *_ in holds(tmp_path / "nearfar.db")[1]["gate"]} == {0}
    for fps in (0, -1, float("nan"), float("inf")):
        with pytest.raises(CallError, match="frames a second must be above 0"):
            run(settings=Settings(fps=fps))


def test_an_enlarged_picture_has_a_lower_level(run, tmp_path: Path) -> None:
    run("plain.db")
    run("large.db", site=Site(cameras={"gate": Camera(native_scale=4)}))
    levels = []
    for name in ("plain.db", "large.db"):
        with Gallery.open(tmp_path / name) as gallery:
            levels.append({t.camera: t.highest for t in gallery.tracks()})
    assert levels[1]["gate"] < levels[0]["gate"]
    assert levels[1]["hall"] == levels[0]["hall"]


def test_frames_are_brought_to_the_size_that_the_site_says(
    run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = set()
    find = RedFigures.find

    def told(self: RedFigures, images: Sequence[np.ndarray], sizes: Sequence[int]) -> list:
        asked.add(tuple(sizes))
        return find(self, images, sizes)

    monkeypatch.setattr(RedFigures, "find", told)
    run(site=Site(cameras={"gate": Camera(input_size=1280)}))
    assert asked == {(1280, INPUT_SIZE)}


def test_sources_and_starts_of_a_site_file(
    red_eyes: Detector, clips: dict[str, Path], tmp_path: Path
) -> None:
    site = clips["gate"].with_name("site.yaml")
    site.write_text("cameras: {door: {source: gate.mp4, start: 1970-01-01T00:01:00Z}}\n")
    result = process([], tmp_path / "n.db", tmp_path / "out", site=site)
    assert [c.camera for c in result.cameras] == ["door"]
    assert all(60 <= t.first <= 64 for i in result.identities for t in i.tracks)
    with pytest.raises(PipelineError, match="nothing to process"):
        process([], tmp_path / "n.db", tmp_path / "out")


def test_a_run_that_can_not_begin_leaves_no_threads(clips: dict[str, Path], tmp_path: Path) -> None:
    embedder = Embedder.load(device="cpu")
    detector = Detector(RedFigures())
    paths = [str(p) for p in clips.values()]
    with Gallery.open(tmp_path / "n.db", model=embedder.info, create=True) as gallery:
        Engine(detector, embedder, gallery).run(find_sources(paths[1:]))
        before = threading.active_count()
        with pytest.raises(PipelineError, match="another gallery"):
            Engine(detector, embedder, gallery).run(
                find_sources(paths, {"gate": 60.0, "hall": 60.0})
            )
        assert threading.active_count() == before


NOTEBOOK = """
from pipeline import Settings, process, search
from reid import Embedder
from storage import Gallery

result = process(["near.mp4", "far=middle.mp4"], "nearfar.db", "out", settings=Settings(fps=5))
for identity in result.identities:
    print(identity.identity, identity.cameras, len(identity.tracks))
embedder = Embedder.load()
with Gallery.open("nearfar.db", model=embedder.info) as gallery:
    best = gallery.identities()[0].appearances[0].best
    print(search(gallery.crop_path(best.crop), gallery, embedder).hits[0].probability)
"""


def test_the_same_from_python(scene_clips: dict[str, Path], tmp_path: Path) -> None:
    for path in scene_clips.values():
        (tmp_path / path.name).symlink_to(path)
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + NOTEBOOK
    script += "assert not {'torch', 'ultralytics'} & set(sys.modules)\n"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert 0 <= float(done.stdout.splitlines()[-1]) <= 1
    assert holds(tmp_path / "nearfar.db")[0].observations > 0
    assert set(files(tmp_path / "out")) == {
        *("near.txt", "far.txt", "identities.csv", "report.html")
    }


def test_what_is_dropped_leaves_memory() -> None:
    """One person stands there, others pass by, and nothing can be stored."""
    session = Session(1, "gate", "x", "x", 0.0, 10.0, "running", 0, 0, 1)
    tracker = Tracker("gate", LevelSet((32, 64, 128)))
    run = CameraRun("gate", session, tracker, Settings())
    for index in range(400):
        boxes = [[10, 50, 30, 80]] + [[100 + index % 100, 50, 30, 80]] * (index % 100 < 40)
        scores = np.full(len(boxes), 0.9, np.float32)
        run.follow(Seen(index, index / 10, (240, 320), np.array(boxes, np.float32), scores))
    assert len(run._tracks) == 5
    assert run.drop() > 500
    assert run.unsaved == 0
    (left,) = run._tracks.values()
    assert len(left.observations) <= 1 + RECENT
