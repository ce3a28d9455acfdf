from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pipeline.errors import SourceError
from pipeline.reading import Reader, thinned
from pipeline.sources import FOLDER_FPS, Source, find_sources, open_source

from .conftest import FPS, SIZE, damage, encode, figures, turned


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five pictures; the third is none."""
    path = tmp_path / "yard"
    path.mkdir()
    for index, image in enumerate(figures(5)):
        cv2.imwrite(str(path / f"{index:03}.png"), image)
    (path / "002.png").write_bytes(b"no picture")
    (path / "notes.txt").write_text("not a picture either")
    return path


def test_names_come_from_the_stem_or_are_given(clips: dict[str, Path]) -> None:
    gate, hall = clips.values()
    assert [s.camera for s in find_sources([str(gate), f"far end={hall}"])] == ["gate", "far end"]


def test_a_path_with_an_equals_sign(clips: dict[str, Path], tmp_path: Path) -> None:
    odd = tmp_path / "a=b.mp4"
    odd.write_bytes(clips["gate"].read_bytes())
    assert find_sources([f"gate={odd}"])[0].path == odd
    with pytest.raises(SourceError, match="can't name files"):
        find_sources([str(odd)])


@pytest.mark.parametrize("name", ["a/b", "..", "a\\b", " ", "\x1b[31m", "x" * 300])
def test_names_that_can_not_name_files(clips: dict[str, Path], name: str) -> None:
    with pytest.raises(SourceError, match="can't name files"):
        find_sources([f"{name}={clips['gate']}"])


@pytest.mark.parametrize("argument", ["=x.mp4", "gate="])
def test_half_a_name(argument: str) -> None:
    with pytest.raises(SourceError, match="write path or camera=path"):
        find_sources([argument])


def test_globs(clips: dict[str, Path]) -> None:
    pattern = str(clips["gate"].parent / "*.mp4")
    assert [s.camera for s in find_sources([pattern])] == ["gate", "hall"]
    with pytest.raises(SourceError, match="no file matches"):
        find_sources([str(clips["gate"].parent / "*.mkv")])


def test_two_sources_with_one_name(clips: dict[str, Path], tmp_path: Path) -> None:
    other = tmp_path / "gate.mp4"
    other.write_bytes(clips["gate"].read_bytes())
    with pytest.raises(SourceError, match=r"two sources are called 'gate'.*other="):
        find_sources([str(clips["gate"]), str(other)])


def test_starts_are_kept_by_camera(clips: dict[str, Path]) -> None:
    paths = [str(p) for p in clips.values()]
    gate, hall = find_sources(paths, {"gate": 990.0, "hall": 1000.5, "elsewhere": 7.0})
    assert next(gate.frames()).time == 990.0
    assert next(hall.frames()).time == 1000.5
    assert [s.start for s in find_sources(paths)] == [0.0, 0.0]
    with pytest.raises(SourceError, match="camera gate has no start, though hall has one"):
        find_sources(paths, {"hall": 1000.5})


def test_frames_of_a_video(clips: dict[str, Path]) -> None:
    source = open_source(clips["gate"], "gate", 50.0)
    frames = list(source.frames())
    assert (source.count, source.fps, source.lost) == (40, FPS, 0)
    assert [f.index for f in frames] == list(range(40))
    np.testing.assert_allclose([f.time for f in frames], 50 + np.arange(40) / FPS, atol=1e-6)
    assert all(f.camera == "gate" and f.image.shape == (*SIZE, 3) for f in frames)
    assert frames[0].image.dtype == np.uint8
    drawn = next(figures(1))
    assert np.abs(frames[0].image.astype(int) - drawn).mean() < 12


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_video_that_lies_on_its_side_is_shown_upright(quarters: int, tmp_path: Path) -> None:
    lying = encode(tmp_path / "lying.mp4", (np.rot90(image, -quarters) for image in figures(3)))
    source = open_source(turned(lying, tmp_path / "gate.mp4", quarters), "gate")
    for frame, drawn in zip(source.frames(), figures(3), strict=True):
        assert frame.image.flags.c_contiguous
        assert frame.image.shape == drawn.shape
        assert np.abs(frame.image.astype(int) - drawn).mean() < 12


def test_frames_from_the_middle_on_are_the_same(clips: dict[str, Path]) -> None:
    source = open_source(clips["gate"], "gate")
    whole, rest = list(source.frames()), [f for f in source.frames() if f.index >= 33]
    assert [f.index for f in rest] == list(range(33, 40))
    for a, b in zip(whole[33:], rest, strict=True):
        assert a.time == b.time
        np.testing.assert_array_equal(a.image, b.image)


def test_a_folder_of_pictures(folder: Path) -> None:
    source = find_sources([str(folder)])[0]
    frames = list(source.frames())
    assert (source.camera, source.count, source.lost) == ("yard", 5, 1)
    assert [f.index for f in frames] == [0, 1, 3, 4]
    np.testing.assert_allclose([f.time for f in frames], np.array([0, 1, 3, 4]) / FOLDER_FPS)
    assert len(list(source.frames())) == 4
    assert source.lost == 1, "reading twice must not count twice"


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no pictures"):
        open_source(tmp_path, "yard")


def test_times_always_advance(
    clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever a container says about them: here twice the same second, then a step back."""
    offsets = iter([0.0, 1.0, 1.0, 0.2, None, 9.0])
    image = np.zeros((4, 4, 3), np.uint8)
    monkeypatch.setattr(
        "pipeline.sources._video", lambda _: ((i, o, image) for i, o in enumerate(offsets))
    )
    times = [f.time for f in open_source(clips["gate"], "gate").frames()]
    assert len(times) == 6
    assert all(a < b for a, b in pairwise(times))


def test_content_tells_recordings_apart(clips: dict[str, Path], tmp_path: Path) -> None:
    def content(path: Path) -> str:
        return Source("c", path, 0.0, 10.0, None).content()

    copy, changed = tmp_path / "copy.mp4", tmp_path / "changed.mp4"
    copy.write_bytes(clips["gate"].read_bytes())
    damage(clips["gate"], changed, 0.5, 0.51)
    assert content(copy) == content(clips["gate"])
    assert len({content(copy), content(changed), content(clips["hall"])}) == 3


def test_content_of_folders(folder: Path) -> None:
    source = open_source(folder, "yard")
    before = source.content()
    assert source.content() == before
    (folder / "004.png").rename(folder / "005.png")
    assert source.content() != before


@pytest.mark.parametrize(("fps", "kept"), [(None, 40), (5, 20), (2.5, 10), (4, 16), (100, 40)])
def test_thinning(clips: dict[str, Path], fps: float | None, kept: int) -> None:
    times = [f.time for f in thinned(open_source(clips["gate"], "gate").frames(), fps)]
    assert abs(len(times) - kept) <= 1
    if fps and fps < FPS:
        assert np.diff(times).min() > 0.5 / fps


def test_a_reader_gives_all_frames_and_ends(clips: dict[str, Path]) -> None:
    reader = Reader(open_source(clips["gate"], "gate"), first=5)
    indices = []
    while (frame := reader.next()) is not None:
        indices.append(frame.index)
    reader.close()
    assert indices == list(range(5, 40))


def test_a_reader_can_be_closed_early(clips: dict[str, Path]) -> None:
    reader = Reader(open_source(clips["gate"], "gate"))
    assert reader.next() is not None
    reader.close()
    assert not reader._thread.is_alive()


def test_a_recording_that_vanishes(clips: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "gone.mp4"
    path.write_bytes(clips["gate"].read_bytes())
    source = open_source(path, "gate")
    path.unlink()
    with pytest.raises(SourceError, match=r"gone\.mp4 can't be read any further"):
        next(source.frames())


@pytest.mark.parametrize(
    ("codec", "name"), [("libx264", "a.mp4"), ("libvpx-vp9", "a.webm"), ("mpeg4", "a.avi")]
)
def test_a_damaged_middle(codec: str, name: str, tmp_path: Path) -> None:
    whole = encode(tmp_path / name, figures(60), codec)
    source = open_source(damage(whole, tmp_path / f"bad.{name}"), "gate")
    frames = list(source.frames())
    assert 20 <= len(frames) <= 60
    assert source.lost > 0
    assert len(frames) + source.lost >= 59
    assert frames[-1].time > 5
    assert [f.index for f in frames] == list(range(len(frames)))


def test_a_file_that_was_cut_off(clips: dict[str, Path], tmp_path: Path) -> None:
    with_index = encode(tmp_path / "fast.mp4", figures(60), fast=True)
    for whole in (with_index, clips["gate"]):
        data = whole.read_bytes()
        whole.with_name("cut.mp4").write_bytes(data[: int(0.7 * len(data))])
    source = open_source(tmp_path / "cut.mp4", "gate")
    frames = list(source.frames())
    assert 20 <= len(frames) < 60
    assert len(frames) + source.lost == 60
    with pytest.raises(SourceError, match="lacks its index"):
        open_source(clips["gate"].with_name("cut.mp4"), "gate")
    clips["gate"].with_name("cut.mp4").unlink()


def test_sound_alone(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(SourceError, match="no video stream"):
        open_source(path, "gate")
