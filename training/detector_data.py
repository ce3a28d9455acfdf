"""Builds the detector's training set: labelled real frames, rendered frames, people cut out.

A set is a folder: `frames.jsonl` with one frame a line (`image`, `boxes`, `doubtful`; boxes as
x1, y1, x2, y2 in pixels), the pictures beside it in `frames/`, cut-out people with transparency in
`people/`. Each step adds to the folder, so that a set may grow while another step is being made.

    python -m training.detector_data label SET --teacher A --teacher B VIDEO...
    python -m training.detector_data render SET --seeds 11,12,13
    python -m training.detector_data cut SET market1501.tar cuhk03.tar
"""

from __future__ import annotations

import json
import random
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from .detector_labels import Labels, Teacher, agree
from .errors import TrainingError

MIN_VISIBILITY = 0.25

app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def label(
    folder: Annotated[Path, typer.Argument(metavar="SET", help="Folder of the training set.")],
    videos: Annotated[list[Path], typer.Argument(help="Videos without truth.")],
    teacher: Annotated[list[Path], typer.Option(help="COCO detector; give two or more.")],
    step: Annotated[int, typer.Option(min=1, help="Take one frame in so many.")] = 2,
) -> None:
    """Add frames of videos, labelled by the agreement of the teachers."""
    teachers = [Teacher(path) for path in teacher]
    for video in videos:
        for index, image, labels in agreed_frames(video, teachers, step):
            add_frame(folder, f"{video.stem}_{index:05d}", image, labels)


@app.command()
def render(
    folder: Annotated[Path, typer.Argument(metavar="SET", help="Folder of the training set.")],
    seeds: Annotated[str, typer.Option(help="Seeds of scenes, by commas; not the demo's.")],
    step: Annotated[int, typer.Option(min=1, help="Take one frame in so many.")] = 10,
) -> None:
    """Add frames of rendered scenes, with the boxes that the renderer knows."""
    for seed in (int(part) for part in seeds.split(",")):
        for camera, frames in rendered_frames(seed, step, MIN_VISIBILITY):
            for index, image, labels in frames:
                add_frame(folder, f"rendered_{seed}_{camera}_{index:05d}", image, labels)


@app.command()
def cut(
    folder: Annotated[Path, typer.Argument(metavar="SET", help="Folder of the training set.")],
    tars: Annotated[list[Path], typer.Argument(help="Tars of person crops (re-ID sets).")],
    count: Annotated[int, typer.Option(min=1, help="Crops to try in each tar.")] = 800,
    seed: Annotated[int, typer.Option(help="Seed of the choice.")] = 0,
) -> None:
    """Cut people out of re-ID crops, to be pasted into frames."""
    target = folder / "people"
    target.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    for tar in tars:
        for number, crop in enumerate(read_crops(tar, count, chance)):
            person = cut_out(crop)
            if person is not None:
                cv2.imwrite(str(target / f"{tar.stem}_{number:05d}.png"), person)


def agreed_frames(
    video: Path, teachers: Sequence[Teacher], step: int
) -> Iterator[tuple[int, np.ndarray, Labels]]:
    """Every `step`-th frame of a video: index, image, and what the teachers agree on."""
    for index, image in enumerate(read_video(video)):
        if index % step == 0:
            yield index, image, agree([each.look(image) for each in teachers])


def rendered_frames(
    seed: int, step: int, visible: float
) -> Iterator[tuple[str, Iterator[tuple[int, np.ndarray, Labels]]]]:
    """Each camera of a rendered scene with every `step`-th of its frames: index, image, labels.

    People of whom less than the share `visible` is seen are doubtful.
    """
    from samples import Scene

    scene = Scene(seed=seed)

    def frames(camera: str) -> Iterator[tuple[int, np.ndarray, Labels]]:
        for index in range(0, scene.frame_count, step):
            image, people = scene.frame(camera, index)
            boxes = np.array([p.box for p in people], np.float32).reshape(-1, 4)
            boxes[:, 2:] += boxes[:, :2]
            seen = np.array([p.visibility >= visible for p in people], bool)
            yield index, image, Labels(boxes[seen], boxes[~seen])

    for camera in scene.cameras:
        yield camera, frames(camera)


def read_video(path: Path) -> Iterator[np.ndarray]:
    """Frames of a video, BGR `uint8 (H, W, 3)`; raises TrainingError if it can't be opened."""
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise TrainingError(f"{path} can't be read as a video: give a file that plays")
    while True:
        good, image = capture.read()
        if not good:
            return
        yield image


def read_crops(tar: Path, count: int, chance: random.Random) -> Iterator[np.ndarray]:
    """`count` crops at random from a tar's training part, BGR `uint8 (H, W, 3)`."""
    try:
        with tarfile.open(tar) as archive:
            members = [m for m in archive.getmembers() if m.name.endswith((".jpg", ".png"))]
            members = [m for m in members if "train" in m.name] or members
            for member in chance.sample(members, min(count, len(members))):
                handle = archive.extractfile(member)
                data = np.frombuffer(handle.read() if handle else b"", np.uint8)
                image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
                if image is not None:
                    yield image
    except (OSError, tarfile.TarError) as error:
        raise TrainingError(f"{tar} can't be read as a tar ({error}): give a re-ID set") from error


def cut_out(crop: np.ndarray) -> np.ndarray | None:
    """The person of a tight crop as BGRA `uint8`, trimmed to its outline; None if unclear."""
    height, width = crop.shape[:2]
    mask = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    centre, axes = (width // 2, height // 2), (max(1, width * 2 // 5), max(1, height * 47 // 100))
    cv2.ellipse(mask, centre, axes, 0, 0, 360, cv2.GC_PR_FGD, -1)
    cv2.ellipse(mask, centre, (max(1, width // 8), height // 3), 0, 0, 360, cv2.GC_FGD, -1)
    head = (max(1, width // 14), max(1, height // 22))
    cv2.ellipse(mask, (width // 2, height // 9), head, 0, 0, 360, cv2.GC_FGD, -1)
    mask[:, :2] = mask[:, -2:] = cv2.GC_BGD
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(crop, mask, (0, 0, width, height), *models, 4, cv2.GC_INIT_WITH_MASK)
    person = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(person)
    if len(stats) < 2:
        return None
    person = (parts == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())).astype(np.uint8)
    left, top, wide, high = cv2.boundingRect(person)
    share = person.sum() / (height * width)
    if top > 0.06 * height or high < 0.85 * height or not 0.25 < share < 0.7 or wide < 0.3 * width:
        return None
    alpha = cv2.GaussianBlur(person * 255, (0, 0), 0.8)
    whole = np.dstack([crop, alpha])
    return whole[top : top + high, left : left + wide]


def add_frame(folder: Path, name: str, image: np.ndarray, labels: Labels) -> None:
    """Write one frame with its labels into the set; raises TrainingError if it can't."""
    try:
        (folder / "frames").mkdir(parents=True, exist_ok=True)
        path = folder / "frames" / f"{name}.jpg"
        if not cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 94]):
            raise OSError("the picture wasn't written")
        line = {
            "image": f"frames/{path.name}",
            "boxes": np.round(labels.boxes, 1).tolist(),
            "doubtful": np.round(labels.doubtful, 1).tolist(),
        }
        with (folder / "frames.jsonl").open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")
    except OSError as error:
        raise TrainingError(f"{folder} can't be written ({error})") from error


if __name__ == "__main__":
    try:
        app(standalone_mode=True)
    except TrainingError as problem:
        raise SystemExit(f"training.detector_data: {problem}") from None
