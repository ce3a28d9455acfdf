"""The rendered scene as four cameras would send it, and its truth, for `soak.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from pipeline.crops import cut_out
from pipeline.score import Box, Labelled
from pipeline.sources import Source, open_source
from samples import Scene, read_truth, render
from tests.live.clips import access_units, write_units
from tests.pipeline.conftest import encode

FPS = 10
SIZE = (480, 640)
SCENE = Scene(cameras=4)
Truth = dict[int, list[Labelled]]


def letterbox(image: np.ndarray) -> np.ndarray:
    """A picture in the middle of a grey one of `SIZE`."""
    scale = SIZE[1] / image.shape[1]
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    out = np.full((*SIZE, 3), 114, np.uint8)
    top = (SIZE[0] - len(small)) // 2
    out[top : top + len(small)] = small
    return out


def prepare(folder: Path) -> dict[str, Path]:
    """The clips for the server by camera; rendered if they are not there."""
    if not (folder / "scene" / "site.yaml").exists():
        render(SCENE, folder / "scene")
    units = {}
    for name in SCENE.cameras:
        units[name] = folder / f"{name}.units"
        if not units[name].exists():
            images = [letterbox(f.image) for f in clip_of(folder, name).frames()]
            encode(folder / f"{name}.mp4", images)
            write_units(units[name], access_units(images, FPS))
    return units


def clip_of(folder: Path, camera: str) -> Source:
    """What one camera of the scene sees."""
    return open_source(folder / "scene" / f"{camera}.mp4", camera)


def truth_of(folder: Path, camera: str) -> Truth:
    """True boxes of a clip, in pixels of the letterbox."""
    height, width = next(clip_of(folder, camera).frames()).image.shape[:2]
    scale = SIZE[1] / width
    top = (SIZE[0] - round(height * scale)) // 2

    def moved(x: float, y: float, w: float, h: float) -> Box:
        return (x * scale, y * scale + top, w * scale, h * scale)

    truth = read_truth(folder / "scene" / f"{camera}.txt")
    return {
        frame: [Labelled(b.identity, moved(*b.box), b.visibility) for b in boxes]
        for frame, boxes in truth.items()
    }


def far_whole(folder: Path) -> tuple[Path, Truth]:
    """What the far camera sees, in 960 x 540, as a clip for the server, and its truth."""
    truth: Truth = {}

    def images() -> Iterator[np.ndarray]:
        for index, (image, boxes) in enumerate(SCENE.frames("far")):
            truth[index] = [Labelled(b.identity, b.box, b.visibility) for b in boxes]
            yield image

    return write_units(folder / "far-whole.units", access_units(images(), FPS)), truth


def pictures_of(folder: Path, person: int, number: int = 6) -> list[Path]:
    """Crops of a person from the near cameras, spread over its time there."""
    paths = []
    for passage in SCENE.passages:
        if passage.identity != person or passage.camera not in ("near", "near2"):
            continue
        crops = []
        first, last = max(0, int(passage.start * FPS)), int(passage.end * FPS)
        for index in range(first, min(last, SCENE.frame_count), 2):
            image, boxes = SCENE.frame(passage.camera, index)
            crops += [
                cut_out(image, box.box)
                for box in boxes
                if box.identity == person and box.visibility > 0.95
            ]
        for chosen in np.linspace(0, len(crops) - 1, number if crops else 0).astype(int):
            paths.append(folder / f"wanted-{passage.camera}-{chosen}.png")
            cv2.imwrite(str(paths[-1]), crops[chosen])
    return paths
