from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from samples import SamplesError, Scene, TruthBox, montage, person_crops, read_truth, render


class _Short(Scene):
    """A scene of which only a few frames are kept."""

    kept = 12

    @property
    def frame_count(self) -> int:
        return self.kept


def test_render_writes_videos_truth_and_site(tmp_path: Path) -> None:
    scene = _Short(seed=7, people=3, cameras=2)
    calls: list[tuple[str, int, int]] = []
    files = render(scene, tmp_path / "out", lambda *call: calls.append(call))
    assert set(files.videos) == set(files.truth) == {"near", "middle"}
    assert calls[0] == ("near", 1, 12)
    assert calls[-1] == ("middle", 12, 12)
    with av.open(str(files.videos["middle"])) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert float(stream.average_rate) == pytest.approx(10.0)
        frames = list(container.decode(stream))
    assert len(frames) == 12
    assert [round(float(f.time), 3) for f in frames[:3]] == [0.0, 0.1, 0.2]
    decoded = frames[5].to_ndarray(format="bgr24").astype(int)
    assert np.abs(decoded - scene.frame("middle", 5)[0]).mean() < 6
    site = files.site.read_text(encoding="utf-8")
    assert "source: near.mp4" in site
    assert "start: 2026-01-01T12:00:00Z" in site
    assert "between: [near, middle]" in site


def test_a_scene_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    scene = _Short(seed=7, people=3, cameras=1)
    scene.kept = 70
    files = [render(scene, tmp_path / str(i)).videos["near"].read_bytes() for i in range(4)]
    assert len(set(files)) == 1


def test_truth_round_trip(tmp_path: Path) -> None:
    scene = _Short(seed=7, people=3, cameras=2)
    files = render(scene, tmp_path)
    truth = read_truth(files.truth["middle"])
    for index, (_, boxes) in enumerate(scene.frames("middle")):
        assert truth.get(index, []) == boxes


def test_read_truth_of_bad_files(tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match="can't be read"):
        read_truth(tmp_path / "none.txt")
    bad = tmp_path / "bad.txt"
    bad.write_text("1,1,0,0,5,5,1,1,0.5\n1,x,0\n", encoding="utf-8")
    with pytest.raises(SamplesError, match="line 2"):
        read_truth(bad)
    bad.write_text("1,4,1.5,2,5,6,1,1,0.5\n\n", encoding="utf-8")
    assert read_truth(bad) == {0: [TruthBox(4, (1.5, 2.0, 5.0, 6.0), 0.5)]}


def test_render_into_a_file_is_refused(tmp_path: Path) -> None:
    block = tmp_path / "file"
    block.write_text("x", encoding="utf-8")
    with pytest.raises(SamplesError, match="give another folder"):
        render(_Short(seed=7, people=1, cameras=1), block)


def test_crops_are_many_views_of_the_same_people() -> None:
    crops = list(person_crops(seed=7, people=3, views=2, height=128))
    assert [(i, v) for i, v, _ in crops] == [(i, v) for i in (1, 2, 3) for v in (0, 1)]
    assert all(image.shape == (128, 64, 3) and image.dtype == np.uint8 for _, _, image in crops)
    again = list(person_crops(seed=7, people=3, views=2, height=128))
    assert all(np.array_equal(a[2], b[2]) for a, b in zip(crops, again, strict=True))
    assert not np.array_equal(crops[0][2], crops[1][2])


def test_crops_refuse_nonsense() -> None:
    with pytest.raises(SamplesError, match="people is 0"):
        next(person_crops(seed=1, people=0, views=1))
    with pytest.raises(SamplesError, match="height is 4"):
        next(person_crops(seed=1, people=1, views=1, height=4))


def test_montage_is_a_picture() -> None:
    sheet = montage(Scene(seed=7), people=1)
    assert sheet.ndim == 3
    assert sheet.dtype == np.uint8
    assert sheet.shape[1] > sheet.shape[0]
