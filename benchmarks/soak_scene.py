"""The rendered scene as four cameras would send it, and its truth, for `soak.py`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from pipeline.engine import cut_out
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


def rendered(folder: Path) -> None:
    """Has the scene's clips and truth there."""
    if not (folder / "scene" / "site.yaml").exists():
        render(SCENE, folder / "scene")


def prepare(folder: Path) -> dict[str, Path]:
    """The clips for the server by camera; made if they are not there."""
    rendered(folder)
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


def truth_of(folder: Path, camera: str, whole: bool = False) -> Truth:
    """True boxes of a clip, in pixels of the letterbox, or of the `whole` picture."""
    scale, top = 1.0, 0
    if not whole:
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


def pictures_of(folder: Path, person: int, number: int = 6) -> list[Path]:
    """Crops of a person from the near cameras, spread over its time there."""
    paths = []
    for camera in ("near", "near2"):
        truth = truth_of(folder, camera, whole=True)
        seen = {
            frame: box.box
            for frame, boxes in truth.items()
            for box in boxes
            if box.identity == person and box.visibility > 0.95
        }
        some = np.linspace(0, len(seen) - 1, number if seen else 0).astype(int)
        chosen = {sorted(seen)[i] for i in some}
        for frame in clip_of(folder, camera).frames():
            if frame.index in chosen:
                paths.append(folder / f"wanted-{camera}-{frame.index}.png")
                cv2.imwrite(str(paths[-1]), cut_out(frame.image, seen[frame.index]))
    return paths
