"""Recordings in pieces give the frames of the whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cluster.pieces import Piece, Stamp, UnevenSource, cut, frames_of
from pipeline.frame import Frame
from pipeline.reading import thinned
from pipeline.sources import Source, find_sources, open_source

from .conftest import encode, figures


def facts(frame: Frame) -> tuple[str, int, float, bytes]:
    return frame.camera, frame.index, frame.time, frame.image.tobytes()


def whole(source: Source, fps: float | None = None) -> list[tuple[str, int, float, bytes]]:
    return [facts(f) for f in thinned(source.frames(), fps)]


def in_pieces(
    source: Source, seconds: float, fps: float | None = None, first: int = 0
) -> list[tuple[str, int, float, bytes]]:
    return [facts(f) for p in cut(source, seconds, fps, first) for f in frames_of(source, p, fps)]


@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9", "mpeg4"])
def test_pieces_are_the_whole(tmp_path: Path, codec: str) -> None:
    path = encode(tmp_path / ("a.webm" if "vp9" in codec else "a.mp4"), figures(45), codec)
    source = open_source(path, "gate", 50.0)
    pieces = cut(source, 1.0, None)
    assert [p.first for p in pieces] == [0, 10, 20, 30, 40]
    assert in_pieces(source, 1.0) == whole(source)
    assert [p.first for p in cut(source, 1.5, None)] == [0, 20, 40]
    assert source.lost == 0


@settings(max_examples=25, deadline=None)
@given(st.floats(0.2, 9), st.none() | st.floats(0.5, 12), st.integers(0, 44), st.integers(0, 44))
def test_wherever_one_begins(
    clips: dict[str, Path], seconds: float, fps: float | None, first: int, other: int
) -> None:
    source = open_source(clips["gate"], "gate")
    rest = [f for f in whole(source, fps) if f[1] >= first]
    assert in_pieces(source, seconds, fps, first) == rest
    starts = {p.first for p in cut(source, seconds, fps)}
    assert {p.first for p in cut(source, seconds, fps, other)[1:]} <= starts


def test_a_folder_in_pieces(tmp_path: Path) -> None:
    import cv2

    folder = tmp_path / "yard"
    folder.mkdir()
    for i, image in enumerate(figures(12)):
        cv2.imwrite(str(folder / f"{i:03}.png"), image)
    (folder / "004.png").write_bytes(b"none")
    source = find_sources([str(folder)])[0]
    assert in_pieces(source, 0.4) == whole(source)
    source.lost = 0
    in_pieces(source, 0.4)
    assert source.lost == 1


def test_what_does_not_decode_as_promised(clips: dict[str, Path]) -> None:
    source = open_source(clips["gate"], "gate")
    first = cut(source, 1.0, None)[0]
    assert first.frames is not None
    promised = Piece(0, (*first.frames, Stamp(99, 99.0, 10**9)))
    with pytest.raises(UnevenSource, match="1 frames that it promises"):
        list(frames_of(source, promised, None))
    assert [facts(f) for f in frames_of(source, Piece(7), None)] == whole(source)[7:]
