"""What goes wrong outside: one line that says what, which and what to do; status 2 or 1."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import Detector
from pipeline.sources import Source, open_source
from storage import Gallery

from .conftest import Call, RedFigures, checked, damage, encode, figures, one_line

pytestmark = pytest.mark.usefixtures("red_eyes")

OUTPUTS = {"identities.csv", "report.html"}


# Sources


def no_file(folder: Path) -> Path:
    return folder / "missing.mp4"


def empty_file(folder: Path) -> Path:
    path = folder / "empty.mp4"
    path.touch()
    return path


def words(folder: Path) -> Path:
    path = folder / "words.mp4"
    path.write_text("these are words, and many of them. " * 200)
    return path


def picture(folder: Path) -> Path:
    path = folder / "broken.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500))
    return path


def cut_off(folder: Path) -> Path:
    path = encode(folder / "cut.mp4", figures(30))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def empty_folder(folder: Path) -> Path:
    path = folder / "yard"
    path.mkdir()
    return path


BAD_SOURCES = [
    (no_file, "no source at", "check the path"),
    (empty_file, "is empty", "record or copy it again"),
    (words, "is no video that can be read", "copy it again"),
    (picture, "", "again"),
    (cut_off, "is no video that can be read", "lacks its index"),
    (empty_folder, "holds no pictures", ".jpg"),
]


@pytest.mark.parametrize(
    ("make", "what", "todo"), BAD_SOURCES, ids=lambda v: getattr(v, "__name__", "")
)
def test_bad_sources(
    nearfar: Call,
    clips: dict[str, Path],
    tmp_path: Path,
    make: Callable[[Path], Path],
    what: str,
    todo: str,
) -> None:
    bad = make(tmp_path)
    said = nearfar("process", clips["gate"], bad)
    one_line(said, 2, str(bad), what, todo)
    assert said.out == ""
    assert not (tmp_path / "nearfar.db").exists(), "a wrong call must not begin anything"


def test_nothing_to_process(nearfar: Call, tmp_path: Path) -> None:
    one_line(nearfar("process"), 2, "nothing to process", "name a video")
    (tmp_path / "site.yaml").write_text("cameras: {gate: {}}\n")
    one_line(nearfar("process", "--site", "site.yaml"), 2, "nothing to process")


def test_two_sources_with_one_name(nearfar: Call, clips: dict[str, Path]) -> None:
    gate = clips["gate"]
    said = nearfar("process", gate, f"gate={clips['hall']}")
    one_line(said, 2, "two sources are called 'gate'", str(gate), "other=")


def test_a_recording_is_never_written_over(nearfar: Call, clips: dict[str, Path]) -> None:
    shutil.copy(clips["gate"], "gate.mp4")
    before = Path("gate.mp4").read_bytes()
    said = nearfar("process", "gate.mp4", "--out", ".", "--save-video")
    one_line(said, 2, "would replace the recording gate.mp4", "choose another --out")
    assert Path("gate.mp4").read_bytes() == before


@pytest.mark.parametrize(
    ("codec", "name"), [("libx264", "bad.mp4"), ("libvpx-vp9", "bad.webm"), ("mpeg4", "bad.avi")]
)
def test_a_damaged_middle(nearfar: Call, tmp_path: Path, codec: str, name: str) -> None:
    damage(encode(tmp_path / f"whole.{name}", figures(60), codec), tmp_path / name)
    frames = [f.index for f in open_source(tmp_path / name, "c").frames()]
    said = nearfar("process", f"gate={name}", "--json", "--save-video")
    facts = json.loads(said.out)["cameras"]["gate"]
    assert said.status == 0
    assert facts["frames"] == len(frames)
    assert facts["frames"] + facts["lost"] >= 59
    assert facts["lost"] > 0
    assert f"gate: {facts['lost']} frames were missing or damaged" in said.err
    with Gallery.open("nearfar.db", read_only=True) as gallery:
        session = gallery.sessions()[0]
        seen = {row.frame for row in gallery.boxes(session.id)}
    assert (session.position, session.frames_lost) == (len(frames), facts["lost"])
    assert len(seen) > 0.5 * len(frames)
    assert max(seen) > 0.8 * len(frames), "what lies behind the damage counts too"
    again = nearfar("process", f"gate={name}", "--json")
    assert json.loads(again.out)["cameras"]["gate"] == facts | {"read_before": True}


def test_a_source_that_fails_on_the_way(
    nearfar: Call, clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others go on, what came before is kept, and the same call goes on from there."""
    decode = Source.frames

    def fails(source: Source) -> Iterator:
        for frame in decode(source):
            if source.camera == "gate" and frame.index == 25:
                source.path = source.path.with_name("gone.mp4")
                yield from decode(source)
            yield frame

    monkeypatch.setattr(Source, "frames", fails)
    call = ("process", *clips.values(), "--json", "--save-video")
    said = nearfar(*call)
    one_line(said, 1, "gate: ended after 25 frames", "gone.mp4 can't be read any further")
    facts = json.loads(said.out)
    assert not facts["complete"]
    assert facts["cameras"]["gate"]["frames"] == 25
    assert "gone.mp4" in facts["cameras"]["gate"]["failure"]
    hall = {"frames": 40, "lost": 0, "failure": None, "read_before": False}
    assert facts["cameras"]["hall"] == hall
    names = {p.name for p in Path("out").iterdir()}
    assert names == OUTPUTS | {"gate.txt", "hall.txt", "hall.mp4"}
    assert Path("out/gate.txt").read_text() != ""
    monkeypatch.setattr(Source, "frames", decode)
    facts = json.loads(nearfar(*call).out)
    assert facts["complete"]
    assert facts["frames"] == 15
    checked(Path("nearfar.db"))


def test_another_start_for_a_stored_recording(nearfar: Call, stored: Path, clips: dict) -> None:
    Path("site.yaml").write_text("cameras: {gate: {start: 2026-01-01T12:00:00Z}}\n")
    before = checked(stored)
    said = nearfar("process", clips["gate"], "--site", "site.yaml")
    one_line(said, 2, "camera gate", "1970-01-01", "2026-01-01", "another gallery")
    assert checked(stored) == before


# What the pictures hold


def test_nobody_in_the_picture(nearfar: Call, tmp_path: Path) -> None:
    grey = np.full((160, 240, 3), 120, np.uint8)
    encode(tmp_path / "grey.mp4", [grey] * 20)
    said = nearfar("process", "grey.mp4", "--json", "--save-video")
    facts = json.loads(said.out)
    assert (said.status, said.err) == (0, "nearfar: grey: nobody was seen in 20 frames\n")
    assert (facts["identities"], facts["frames"], facts["complete"]) == (0, 20, True)
    assert {p.name for p in Path("out").iterdir()} == OUTPUTS | {"grey.txt", "grey.mp4"}
    assert Path("out/grey.txt").read_text() == ""
    assert len(Path("out/identities.csv").read_text().splitlines()) == 1
    assert checked(Path("nearfar.db")) == 0
    cv2.imwrite("query.png", next(figures(1))[30:130, 5:50])
    said = nearfar("search", "query.png")
    assert said.status == 0
    assert "unknown: nothing was compared" in said.out


def test_boxes_without_area(
    nearfar: Call, clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A detector that gives empty, outlying and hair-thin boxes beside the good ones."""
    odd = [
        (50, 50, 50, 90, 0.9),
        (50, 50, 90, 50, 0.9),
        (80, 80, 60, 60, 0.9),
        (-90, -90, -10, -10, 0.9),
        (900, 900, 990, 990, 0.9),
        (120, 20, 120.4, 150, 0.9),
        (150, 20, 190, 20.3, 0.9),
    ]
    eyes = Detector(RedFigures(odd))
    monkeypatch.setattr(Detector, "load", lambda *_, **__: eyes)
    said = nearfar("process", clips["gate"], "--save-video")
    assert (said.status, said.err) == (0, "")
    assert checked(Path("nearfar.db")) > 0
    with Gallery.open("nearfar.db", read_only=True) as gallery:
        rows = gallery.boxes(1)
    assert all(row.box[2] > 0 and row.box[3] > 0 for row in rows)
