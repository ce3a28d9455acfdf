"""Tables, annotated videos, and files that are whole or not there."""

from __future__ import annotations

import csv
import errno
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.annotate import colour, draw, write_video
from pipeline.errors import OutputError
from pipeline.files import replacing, writable_folder, write_text
from pipeline.frame import Frame
from pipeline.outputs import COLUMNS, iso, write_boxes
from pipeline.sources import open_source
from storage import BoxRow, Gallery

from .conftest import Processed, figures


def row(frame: int, identity: int | None = 3, track: int = 1, x: float = 10.25) -> BoxRow:
    return BoxRow(frame, identity, track, (x, 20.0, 30.5, 60.126), 0.87654)


def test_boxes_in_motchallenge_format(tmp_path: Path) -> None:
    path = tmp_path / "near.txt"
    write_boxes(path, [row(4, None, 9), row(0), row(4, 2, 1)])
    assert path.read_text().splitlines() == [
        "1,3,10.25,20.00,30.50,60.13,0.877,-1,-1,-1",
        "5,2,10.25,20.00,30.50,60.13,0.877,-1,-1,-1",
        "5,-1,10.25,20.00,30.50,60.13,0.877,-1,-1,-1",
    ]
    write_boxes(path, [])
    assert path.read_text() == ""


def test_boxes_of_a_run_are_those_of_the_gallery(processed: Processed) -> None:
    with Gallery.open(processed.gallery, read_only=True) as gallery:
        sessions = gallery.sessions()
        stored = {s.camera: gallery.boxes(s.id) for s in sessions}
    assert sum(map(len, stored.values())) > 10
    for camera, boxes in stored.items():
        lines = (processed.folder / f"{camera}.txt").read_text().splitlines()
        assert len(lines) == len(boxes)
        values = np.array([[float(v) for v in line.split(",")] for line in lines])
        assert set(values[:, 0]) == {b.frame + 1 for b in boxes}
        assert set(values[:, 1]) == {float(b.identity or -1) for b in boxes}
        np.testing.assert_allclose(
            sorted(values[:, 2:6].tolist()), sorted(list(b.box) for b in boxes), atol=0.006
        )


def test_the_table_of_identities(processed: Processed) -> None:
    with (processed.folder / "identities.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with Gallery.open(processed.gallery, read_only=True) as gallery:
        tracks = {(t.camera, t.number): t for t in gallery.tracks()}
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(tracks)
    for one in rows:
        track = tracks[one["camera"], int(one["track"])]
        assert int(one["identity"]) == track.identity
        assert (one["first"], one["last"]) == (iso(track.first), iso(track.last))
        assert int(one["boxes"]) == track.count
        assert 1 <= int(one["lowest_level"]) <= int(one["highest_level"])
        assert float(one["evidence"]) == pytest.approx(track.evidence, abs=0.006)
    assert [int(one["identity"]) for one in rows] == sorted(int(one["identity"]) for one in rows)


def test_times_are_utc_with_milliseconds() -> None:
    assert iso(1767268800.25) == "2026-01-01T12:00:00.250Z"


def probe(path: Path) -> tuple[str, str, int, tuple[int, int], float]:
    """Codec, pixel format, decoded frames, (height, width) and rate of a video."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = sum(1 for _ in container.decode(stream))
        context = stream.codec_context
        size = (context.height, context.width)
        return context.name, context.pix_fmt, frames, size, float(stream.average_rate)


def test_annotated_videos_play_in_a_browser(
    processed: Processed, scene_clips: dict[str, Path]
) -> None:
    for camera, source in scene_clips.items():
        video = processed.folder / f"{camera}.mp4"
        assert probe(video) == ("h264", "yuv420p", *probe(source)[2:])
        data = video.read_bytes()
        assert 0 < data.find(b"moov") < data.find(b"mdat"), "the index must come first"


def test_boxes_are_drawn_into_their_frames(clips: dict[str, Path], tmp_path: Path) -> None:
    source = open_source(clips["gate"], "gate")
    path = tmp_path / "drawn.mp4"
    box = BoxRow(7, 1, 1, (100.0, 30.0, 60.0, 90.0), 0.9)
    write_video(path, source.frames(), [box], source.fps)
    before = [f.image.astype(int) for f in source.frames()]
    after = [f.image.astype(int) for f in open_source(path, "drawn").frames()]
    change = [np.abs(a - b)[30:120, 100:160].mean() for a, b in zip(after, before, strict=True)]
    assert change[7] == max(change)
    assert change[7] > 2 * max(change[:7] + change[8:])


def test_odd_sizes_become_even(tmp_path: Path) -> None:
    frames = (
        Frame("c", i, i / 10, np.ascontiguousarray(image[:-1, :-3]))
        for i, image in enumerate(figures(3))
    )
    write_video(tmp_path / "odd.mp4", frames, [], 10)
    assert probe(tmp_path / "odd.mp4")[2:4] == (3, (158, 236))


def test_pictures_of_several_sizes(tmp_path: Path) -> None:
    frames = (
        Frame("c", i, i / 10, np.ascontiguousarray(image[: 160 - 20 * i]))
        for i, image in enumerate(figures(3))
    )
    write_video(tmp_path / "sizes.mp4", frames, [], 10)
    assert probe(tmp_path / "sizes.mp4")[2:4] == (3, (160, 240))


def test_drawing_leaves_the_frame_alone_and_bears_any_box() -> None:
    image = np.zeros((50, 40, 3), np.uint8)
    boxes = [(-20.0, -20.0, 200.0, 200.0), (500.0, 500.0, 10.0, 10.0), (5.0, 5.0, 0.0, 0.0)]
    drawn = draw(image, [BoxRow(0, None, 1, box, 0.5) for box in boxes])
    assert not image.any()
    assert drawn.any()


def test_colours_stay_with_identities() -> None:
    assert colour(5) == colour(5)
    assert len({colour(i) for i in range(1, 40)}) == 39


def test_a_file_is_replaced_when_whole(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_text(path, "first")

    def fail(error: Exception) -> None:
        with replacing(path) as part:
            part.write_text("half")
            raise error

    with pytest.raises(RuntimeError):
        fail(RuntimeError())
    assert path.read_text() == "first"
    with pytest.raises(OutputError, match=r"no room left on the disk of .*page\.html"):
        fail(OSError(errno.ENOSPC, "No space left on device"))
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]
    write_text(path, "second")
    assert path.read_text() == "second"


def test_places_that_can_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"can't write .*deeper\.html \(No such file"):
        write_text(tmp_path / "none" / "deeper.html", "")
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(OutputError, match=r"can't write .*file"):
        writable_folder(file)
    with pytest.raises(OutputError, match=r"can't write .*deeper"):
        write_text(file / "deeper", "")
