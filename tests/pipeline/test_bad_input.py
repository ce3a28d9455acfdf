"""What goes wrong outside: one line that says what, which and what to do; status 2 or 1."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

from pipeline import Detector
from pipeline.detect import PACKAGED
from pipeline.sources import Source, open_source
from reid.embedder import WEIGHTS as EMBEDDER
from storage import Gallery

from .conftest import Call, RedFigures, damage, encode, figures, one_line, packaged_load

pytestmark = pytest.mark.usefixtures("red_eyes")

OUTPUTS = {"identities.csv", "report.html"}


def checked(path: Path) -> int:
    """Boxes of a gallery that must be sound."""
    with Gallery.open(path, read_only=True) as gallery:
        assert gallery.check() == []
        return gallery.info().observations


@pytest.fixture
def stored(nearfar: Call, clips: dict[str, Path], tmp_path: Path) -> Path:
    """A gallery with the first clip, made by the command line."""
    path = tmp_path / "nearfar.db"
    assert nearfar("process", clips["gate"], "--out", tmp_path / "out").status == 0
    assert checked(path) > 0
    return path


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
    assert json.loads(again.out)["cameras"]["gate"] == facts


def test_a_source_that_fails_on_the_way(
    nearfar: Call, clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others go on, what came before is kept, and the same call goes on from there."""
    decode = Source.frames

    def fails(source: Source, first: int = 0) -> Iterator:
        for frame in decode(source, first):
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
    assert facts["cameras"]["hall"] == {"frames": 40, "lost": 0, "failure": None}
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
    assert (said.status, said.err) == (0, "")
    assert (facts["identities"], facts["frames"], facts["complete"]) == (0, 20, True)
    assert {p.name for p in Path("out").iterdir()} == OUTPUTS | {"grey.txt", "grey.mp4"}
    assert Path("out/grey.txt").read_text() == ""
    assert len(Path("out/identities.csv").read_text().splitlines()) == 1
    assert checked(Path("nearfar.db")) == 0
    cv2.imwrite("query.png", next(figures(1))[30:130, 5:50])
    said = nearfar("search", "query.png")
    assert said.status == 0
    assert "unknown" in said.out


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


# Searches


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff\xe0" + bytes(100)])
def test_a_picture_that_is_none(nearfar: Call, stored: Path, data: bytes) -> None:
    Path("query.jpg").write_bytes(data)
    one_line(nearfar("search", "query.jpg"), 2, "query.jpg is no picture", "give a JPEG or PNG")


def test_a_missing_picture(nearfar: Call, stored: Path) -> None:
    one_line(nearfar("search", "missing.jpg"), 2, "no picture at missing.jpg", "No such file")
    one_line(nearfar("search", "."), 2, "no picture at .", "directory")


WRONG_SEARCHES = [
    (("--box", "1,2,3"), "'1,2,3' is no box", "x,y,w,h"),
    (("--box", "10,10,0,20"), "has no area", "x,y,w,h"),
    (("--box", "10,10,nan,20"), "has no area", "x,y,w,h"),
    (("--box", "900,900,20,40"), "lies outside the picture", "45 x 100 px"),
    (("--height", "0"), "--height must be above 0", "got 0"),
    (("--height", "nan"), "--height must be above 0", "got nan"),
    (("--camera", "roof"), "no camera 'roof'", "it knows gate"),
    (("--after", "noon"), "'noon' is no time", "2026-01-31T08:00:00Z"),
    (("--before", "inf"), "'inf' is no time", "2026-01-31T08:00:00Z"),
]


@pytest.mark.parametrize(("options", "what", "todo"), WRONG_SEARCHES)
def test_wrong_searches(
    nearfar: Call, stored: Path, options: tuple[str, str], what: str, todo: str
) -> None:
    cv2.imwrite("query.png", next(figures(1))[30:130, 5:50])
    one_line(nearfar("search", "query.png", *options), 2, what, todo)


def test_an_answer_that_can_not_be_written(nearfar: Call, stored: Path) -> None:
    cv2.imwrite("query.png", next(figures(1))[30:130, 5:50])
    said = nearfar("search", "query.png", "--out", "none/page.html")
    one_line(said, 1, "can't write none/page.html", "choose another place")


# Weights and devices


def test_wrong_detector_weights(
    nearfar: Call, clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Detector, "load", packaged_load)
    Path("junk.onnx").write_bytes(b"no network")
    Path("empty.onnx").touch()
    for weights, what in (
        ("missing.onnx", "don't exist"),
        ("empty.onnx", "are empty"),
        ("junk.onnx", "no ONNX model"),
        (str(EMBEDDER), "is no detector"),
    ):
        one_line(nearfar("process", clips["gate"], "--detector", weights), 2, weights, what)
    assert not Path("nearfar.db").exists()


def test_wrong_embedder_weights(nearfar: Call, stored: Path, clips: dict[str, Path]) -> None:
    Path("junk.onnx").write_bytes(b"no network")
    cv2.imwrite("query.png", next(figures(1))[30:130, 5:50])
    for call in (("process", clips["gate"]), ("search", "query.png")):
        for weights, what in (
            ("missing.onnx", "check the path"),
            ("junk.onnx", "no usable ONNX model"),
            (str(PACKAGED), "no nearfar embedder"),
        ):
            one_line(nearfar(*call, "--embedder", weights), 2, weights, what)


def test_unknown_devices(nearfar: Call, stored: Path, clips: dict[str, Path]) -> None:
    cv2.imwrite("query.png", next(figures(1))[30:130, 5:50])
    for call in (("process", clips["hall"]), ("search", "query.png")):
        one_line(nearfar(*call, "--device", "tpu"), 2, "unknown device 'tpu'", "auto, cpu, cuda")
        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            one_line(nearfar(*call, "--device", "cuda"), 2, "CUDA", "--device cpu")


# Site files


def test_a_site_file_with_a_wrong_key(nearfar: Call, clips: dict[str, Path]) -> None:
    Path("site.yaml").write_text("cameras:\n  gate:\n    starts: 2026-01-01\n")
    for call in (("process", clips["gate"], "--site", "site.yaml"), ("site", "check", "site.yaml")):
        one_line(nearfar(*call), 2, "site.yaml, line 3", "cameras.gate.starts", "unknown key")
    one_line(nearfar("site", "check", "missing.yaml"), 2, "missing.yaml can't be read")
    assert not Path("nearfar.db").exists()


# Galleries


def calls(clips: dict[str, Path]) -> list[tuple]:
    """A call of each command that opens a gallery."""
    cv2.imwrite("query.png", next(figures(1))[30:130, 5:50])
    return [("process", clips["hall"]), ("search", "query.png"), ("gallery", "info", "nearfar.db")]


def test_no_gallery(nearfar: Call, clips: dict[str, Path]) -> None:
    for call in calls(clips)[1:]:
        one_line(nearfar(*call), 2, "no gallery at nearfar.db", "process a video first")
    assert not Path("nearfar.db").exists()
    said = nearfar("process", clips["gate"], "--gallery", "none/nearfar.db")
    one_line(said, 2, "no folder none", "make it first")


def test_not_a_database(nearfar: Call, clips: dict[str, Path]) -> None:
    junk = b"\xff\xd8 not a database " * 500
    Path("nearfar.db").write_bytes(junk)
    for call in calls(clips):
        one_line(nearfar(*call), 2, "nearfar.db is not a database", "nearfar gallery")
    assert Path("nearfar.db").read_bytes() == junk


def test_a_newer_schema(nearfar: Call, stored: Path, clips: dict[str, Path]) -> None:
    connection = sqlite3.connect(stored)
    connection.execute("UPDATE nearfar_schema SET version_num = '0815'")
    connection.commit()
    connection.close()
    for call in calls(clips):
        one_line(nearfar(*call), 2, "nearfar.db has schema 0815", "update nearfar")


def test_another_model(nearfar: Call, stored: Path, clips: dict[str, Path]) -> None:
    connection = sqlite3.connect(stored)
    connection.execute(
        "UPDATE model SET fingerprint = 'feed', info = replace(info, fingerprint, 'feed')"
    )
    connection.commit()
    connection.close()
    before = checked(stored)
    for call in calls(clips)[:2]:
        one_line(nearfar(*call), 2, "nearfar.db holds vectors of", "feed", "another gallery")
    assert checked(stored) == before
    assert nearfar("gallery", "info", stored).status == 0


def test_a_locked_gallery(
    nearfar: Call, stored: Path, clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(Gallery.open.__func__.__kwdefaults__, "timeout", 0.2)
    other = sqlite3.connect(stored, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    process, *readers = calls(clips)
    one_line(nearfar(*process), 1, "nearfar.db locked", "wait until it ends")
    for call in readers:
        assert nearfar(*call).status == 0
    other.execute("ROLLBACK")
    other.close()
    checked(stored)
    assert nearfar(*process).status == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=2M", "none", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small disk can't be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path, spare: int = 0) -> Path:
    """Leaves `spare` bytes of a disk."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    os.truncate(filler, max(0, filler.stat().st_size - spare))
    return filler


def test_a_read_only_gallery(nearfar: Call, small_disk: Path, clips: dict[str, Path]) -> None:
    gallery = small_disk / "nearfar.db"
    assert nearfar("process", clips["gate"], "--gallery", gallery).status == 0
    before = checked(gallery)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    process, search, _ = calls(clips)
    said = nearfar(*process, "--gallery", gallery)
    one_line(said, 1, "can't be written", str(small_disk), "copy the gallery elsewhere")
    said = nearfar("process", clips["hall"], "--gallery", "other.db", "--out", small_disk)
    one_line(said, 1, f"can't write {small_disk}", "choose another place")
    assert not Path("other.db").exists()
    assert nearfar(*search, "--gallery", gallery).status == 0
    assert nearfar("gallery", "info", gallery).status == 0
    assert checked(gallery) == before


def test_a_full_disk_for_the_gallery(
    nearfar: Call, small_disk: Path, clips: dict[str, Path]
) -> None:
    gallery = small_disk / "nearfar.db"
    assert nearfar("process", clips["gate"], "--gallery", gallery).status == 0
    before = checked(gallery)
    filler = fill(small_disk)
    process, search, _ = calls(clips)
    said = nearfar(*process, "--gallery", gallery)
    one_line(said, 1, "no room left on the disk of", str(small_disk), "free some space")
    assert checked(gallery) == before
    assert nearfar(*search, "--gallery", gallery).status == 0
    filler.unlink()
    assert nearfar(*process, "--gallery", gallery).status == 0
    assert checked(gallery) > before


def test_a_full_disk_for_the_results(
    nearfar: Call, small_disk: Path, clips: dict[str, Path]
) -> None:
    out = small_disk / "out"
    call = ("process", clips["gate"], "--out", out, "--save-video")
    assert nearfar(*call).status == 0
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    (out / "gate.mp4").unlink()
    filler = fill(small_disk, spare=8192)
    said = nearfar(*call)
    one_line(said, 1, "no room left on the disk of", str(out), "free some space")
    checked(Path("nearfar.db"))
    for path in out.iterdir():
        assert path.read_bytes() == before[path.name], "an older result must stay whole"
    filler.unlink()
    assert nearfar(*call).status == 0
    assert {p.name for p in out.iterdir()} == set(before)
