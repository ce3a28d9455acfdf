"""Small clips, a detector that knows what they show, and the command line."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline import Detector, Result, process
from samples import Scene
from storage import Gallery

ROOT = Path(__file__).parents[2]
FPS = 10
SIZE = (160, 240)
"""Height and width in pixels of the drawn clips."""


def figures(frames: int, people: int = 1, phase: int = 0) -> Iterator[np.ndarray]:
    """Red upright boxes that walk over a noisy ground."""
    rng = np.random.default_rng(3)
    ground = rng.integers(40, 90, (*SIZE, 3), np.uint8)
    for frame in range(frames):
        image = ground.copy()
        for person in range(people):
            x = 12 + 70 * person + 2 * (frame + phase) % 40
            image[40:124, x : x + 28] = (20, 20 + 40 * person, 220)
            image[40:56, x + 8 : x + 20] = (40, 90, 230)
        yield image


def encode(
    path: Path, images: Iterable[np.ndarray], codec: str = "libx264", fast: bool = False
) -> Path:
    """Writes a video with a key frame a second; `fast`: with its index in front."""
    options = {"movflags": "faststart"} if fast else {}
    with av.open(str(path), "w", options=options) as container:
        stream = None
        for index, image in enumerate(images):
            if stream is None:
                stream = container.add_stream(codec, rate=FPS)
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.options = {"g": str(FPS), "deadline": "realtime", "cpu-used": "8"}
                if codec == "libx264":
                    stream.options = {"g": str(FPS), "preset": "veryfast", "threads": "1"}
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        assert stream is not None
        container.mux(stream.encode())
    return path


def turned(source: Path, path: Path, quarters: int) -> Path:
    """A copy of an MP4 file that says it is to be shown turned, so many quarters anticlockwise."""
    data = bytearray(source.read_bytes())
    cos, sin = ((1, 0), (0, -1), (-1, 0), (0, 1))[quarters]
    matrix = struct.pack(">9i", cos << 16, sin << 16, 0, -sin << 16, cos << 16, 0, 0, 0, 1 << 30)
    at = data.index(b"tkhd") + 44
    data[at : at + len(matrix)] = matrix
    path.write_bytes(data)
    return path


def damage(source: Path, path: Path, start: float = 0.45, end: float = 0.6) -> Path:
    """A copy of a file with a part of it overwritten."""
    data = bytearray(source.read_bytes())
    a, b = int(start * len(data)), int(end * len(data))
    data[a:b] = np.random.default_rng(1).bytes(b - a)
    path.write_bytes(data)
    return path


class RedFigures:
    """Finds the drawn people; with the odd boxes that a poor detector may give beside them."""

    def __init__(self, extra: Sequence[Sequence[float]] = ()) -> None:
        self.extra = np.array(extra, np.float32).reshape(-1, 5)

    def find(self, images: Sequence[np.ndarray], sizes: Sequence[int]) -> list[np.ndarray]:
        return [self._find(image) for image in images]

    def _find(self, image: np.ndarray) -> np.ndarray:
        red = (image[..., 2] > 150) & (image[..., 0] < 110)
        _, _, stats, _ = cv2.connectedComponentsWithStats(red.astype(np.uint8))
        rows = [(x, y, x + w, y + h, 0.9) for x, y, w, h, area in stats[1:] if area > 200]
        return np.concatenate([np.array(rows, np.float32).reshape(-1, 5), self.extra])


packaged_load = Detector.__dict__["load"]
"""What `red_eyes` replaces."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Ray's head node without workers, and two nodes with one each."""
    from ray.cluster_utils import Cluster

    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        for _ in range(2):
            started.add_node(num_cpus=1)
        yield started
    finally:
        started.shutdown()


@pytest.fixture
def red_eyes(monkeypatch: pytest.MonkeyPatch) -> Detector:
    """Takes the place of the packaged detector wherever one is loaded."""
    eyes = Detector(RedFigures())
    monkeypatch.setattr(Detector, "load", lambda *_, **__: eyes)
    return eyes


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


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Drawn clips of two cameras, 40 frames each."""
    folder = tmp_path_factory.mktemp("clips")
    return {
        "gate": encode(folder / "gate.mp4", figures(40)),
        "hall": encode(folder / "hall.mp4", figures(40, people=2, phase=9)),
    }


@pytest.fixture(scope="session")
def scene_clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Four seconds of a walk in each camera of a rendered scene, at half size."""
    folder = tmp_path_factory.mktemp("scene")
    scene = Scene(people=3, cameras=2, fps=FPS)
    paths = {}
    for camera in scene.cameras:
        walk = next(p for p in scene.passages if p.camera == camera)
        first = min(round((walk.start + 0.8) * FPS), scene.frame_count - 40)
        images = (
            cv2.resize(
                scene.frame(camera, i)[0], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA
            )
            for i in range(first, first + 40)
        )
        paths[camera] = encode(folder / f"{camera}.mp4", images)
    return paths


@pytest.fixture(scope="session")
def processed(scene_clips: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Processed:
    """The rendered clips processed with the packaged weights; not to be changed by tests."""
    folder = tmp_path_factory.mktemp("processed")
    gallery = folder / "nearfar.db"
    result = process(list(scene_clips.values()), gallery, folder, device="cpu", save_video=True)
    return Processed(gallery, folder, result)


@dataclass(frozen=True)
class Processed:
    """A gallery, the folder of the results, and what `process` returned."""

    gallery: Path
    folder: Path
    result: Result


@dataclass(frozen=True)
class Said:
    """What a call of the command line came to."""

    status: int
    out: str
    err: str


Call = Callable[..., Said]


@pytest.fixture
def nearfar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls the command in an empty folder; errors that nobody foresaw are raised."""
    from pipeline.cli import app

    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Said:
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    return call


def one_line(said: Said, status: int, *words: str) -> str:
    """Holds a failed call to its status and to one line that has certain words."""
    lines = said.err.strip().splitlines()
    assert said.status == status, said
    assert len(lines) == 1, said.err
    assert lines[0].startswith("nearfar: ")
    for word in words:
        assert word in lines[0]
    assert "Traceback" not in said.out
    return lines[0]


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
