"""Figures of a detector on frames with truth: recall, precision and average precision by height.

python -m training.detector_check mot MOT17-mini WEIGHTS...
python -m training.detector_check rendered WEIGHTS... --seed 7
python -m training.detector_check video VIDEO WEIGHTS... --teacher A --teacher B
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer

from .detector_data import agreed_frames, rendered_frames
from .detector_labels import Labels, Teacher, overlaps
from .errors import TrainingError

BANDS = ((20, 40), (40, 80), (80, 160), (160, 10_000))
MATCH = 0.5
LEAST_SEEN = 0.3

Look = Callable[[np.ndarray], np.ndarray]
Frame = tuple[np.ndarray, Labels]

app = typer.Typer(add_completion=False, help=__doc__)


@dataclass
class Tally:
    """Counts over frames; `heights` of truth, `missed` ones, and `found` as rows of detections.

    A row of `found` is score, height in pixels, 1 for right or 0 for wrong; the height of a right
    one is that of the truth.
    """

    heights: list[float] = field(default_factory=list)
    found: list[tuple[float, float, float]] = field(default_factory=list)

    def add(self, rows: np.ndarray, labels: Labels) -> None:
        """Match one frame's detections `(N, 5)`, x1 y1 x2 y2 score, to its labels."""
        tall = labels.boxes[:, 3] - labels.boxes[:, 1]
        self.heights += tall.tolist()
        free = np.ones(len(labels.boxes), bool)
        iou = overlaps(rows[:, :4], labels.boxes)
        vague = overlaps(rows[:, :4], labels.doubtful)
        for row in np.argsort(-rows[:, 4], kind="stable"):
            score, height = float(rows[row, 4]), float(rows[row, 3] - rows[row, 1])
            fits = np.where(free, iou[row], 0.0)
            if fits.size and fits.max() >= MATCH:
                best = int(fits.argmax())
                free[best] = False
                self.found.append((score, float(tall[best]), 1.0))
            elif not (vague.shape[1] and vague[row].max() >= 0.3):
                self.found.append((score, height, 0.0))

    def figures(
        self, low: float, high: float, confidence: float
    ) -> tuple[int, float, float, float]:
        """Number of truths, recall, precision at `confidence`, AP; for a band of heights."""
        heights = np.array(self.heights)
        count = int(((heights >= low) & (heights < high)).sum())
        rows = np.array(self.found, np.float64).reshape(-1, 3)
        rows = rows[(rows[:, 1] >= low) & (rows[:, 1] < high)]
        sure = rows[rows[:, 0] >= confidence]
        recall = float(sure[:, 2].sum()) / max(count, 1)
        precision = float(sure[:, 2].mean()) if len(sure) else 1.0
        return count, recall, precision, average_precision(rows[:, 0], rows[:, 2], count)


def figures(look: Look, frames: Iterable[Frame], confidence: float) -> dict[str, dict[str, float]]:
    """People, recall, precision and AP50 of a detector by height band in pixels and over all."""
    tally = Tally()
    for image, labels in frames:
        tally.add(look(image), labels)
    found = {}
    for low, high in (*BANDS, (0, 10_000)):
        band = "all" if low == 0 else f"{low}-{high}" if high < 10_000 else f"above {low}"
        people, *values = tally.figures(low, high, confidence)
        keys = ("recall", "precision", "AP50")
        found[band] = {"people": people, **dict(zip(keys, values, strict=True))}
    return found


def average_precision(scores: np.ndarray, right: np.ndarray, count: int) -> float:
    """Area under the precision-recall curve of detections `(N,)` against `count` truths."""
    if not count or not len(scores):
        return 0.0
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    precision = hits / np.arange(1, len(order) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float((best * right[order]).sum() / count)


@app.command()
def mot(
    folder: Annotated[Path, typer.Argument(help="Folder of MOTChallenge sequences.")],
    weights: Annotated[list[Path], typer.Argument(help="Detectors that ultralytics opens.")],
    width: Annotated[int, typer.Option(help="Frames are brought to this width in pixels.")] = 960,
    size: Annotated[int, typer.Option(help="Input of the detectors in pixels.")] = 640,
    confidence: Annotated[float, typer.Option()] = 0.25,
) -> None:
    """Check on MOT frames; people that are less than 0.3 visible count neither way."""
    report([(f"{folder.name}", list(mot_frames(folder, width)))], weights, size, confidence)


@app.command()
def rendered(
    weights: Annotated[list[Path], typer.Argument(help="Detectors that ultralytics opens.")],
    seed: Annotated[int, typer.Option(help="Seed of the scene.")] = 7,
    step: Annotated[int, typer.Option(min=1, help="Take one frame in so many.")] = 10,
    size: Annotated[int, typer.Option(help="Input of the detectors in pixels.")] = 640,
    confidence: Annotated[float, typer.Option()] = 0.25,
) -> None:
    """Check on a rendered scene, camera by camera; people at least half visible count."""
    sets = [
        (camera, [(image, labels) for _, image, labels in frames])
        for camera, frames in rendered_frames(seed, step, 0.5)
    ]
    report(sets, weights, size, confidence)


@app.command()
def video(
    path: Annotated[Path, typer.Argument(help="Video without truth.")],
    weights: Annotated[list[Path], typer.Argument(help="Detectors that ultralytics opens.")],
    teacher: Annotated[list[Path], typer.Option(help="COCO detector; give two or more.")],
    step: Annotated[int, typer.Option(min=1, help="Take one frame in so many.")] = 5,
    size: Annotated[int, typer.Option(help="Input of the detectors in pixels.")] = 640,
    confidence: Annotated[float, typer.Option()] = 0.25,
) -> None:
    """Check against the agreement of teachers that look at enlarged tiles."""
    teachers = [Teacher(each) for each in teacher]
    frames = [(image, labels) for _, image, labels in agreed_frames(path, teachers, step)]
    report([(path.stem, frames)], weights, size, confidence)


def mot_frames(folder: Path, width: int) -> Iterator[Frame]:
    """Frames and truth of MOTChallenge sequences, scaled to `width` pixels."""
    found = sorted(folder.glob("*/gt/gt.txt"))
    if not found:
        raise TrainingError(f"{folder} holds no */gt/gt.txt: give a folder of sequences")
    for text in found:
        rows = np.loadtxt(text, delimiter=",", ndmin=2)
        for path in sorted((text.parents[1] / "img1").glob("*.jpg")):
            image = cv2.imread(str(path))
            if image is None:
                raise TrainingError(f"{path} can't be read as a picture")
            scale = width / image.shape[1]
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            now = rows[rows[:, 0] == int(path.stem)]
            boxes = now[:, 2:6].astype(np.float32) * scale
            boxes[:, 2:] += boxes[:, :2]
            limit = image.shape[1::-1] * 2
            counts = (now[:, 6] == 1) & (now[:, 7] == 1) & (now[:, 8] >= LEAST_SEEN)
            yield image, Labels(np.clip(boxes[counts], 0, limit), boxes[~counts])


def looker(weights: Path, size: int, floor: float = 0.05) -> Look:
    """A function from a BGR frame to people `float32 (N, 5)`, x1 y1 x2 y2 score."""
    from ultralytics import YOLO

    if not weights.exists():
        raise TrainingError(f"{weights} doesn't exist: give a detector that ultralytics opens")
    model: Any = YOLO(str(weights), task="detect")

    def look(image: np.ndarray) -> np.ndarray:
        result = model.predict(image, imgsz=size, conf=floor, classes=[0], verbose=False)[0]
        return result.boxes.data.cpu().numpy()[:, :5]

    return look


def report(
    sets: list[tuple[str, list[Frame]]],
    weights: list[Path],
    size: int,
    confidence: float,
) -> None:
    """Print a table: a line for each detector, set and band."""
    typer.echo(
        f"{'detector':<28}{'frames':<18}{'height':>10}{'people':>8}"
        f"{'recall':>8}{'prec.':>8}{'AP50':>8}"
    )
    for path in weights:
        look = looker(path, size)
        for name, frames in sets:
            for band, row in figures(look, frames, confidence).items():
                numbers = "".join(f"{row[key]:8.3f}" for key in ("recall", "precision", "AP50"))
                place = f"{path.name[:27]:<28}{name[:17]:<18}{band:>10}"
                typer.echo(f"{place}{row['people']:8.0f}{numbers}")


if __name__ == "__main__":
    try:
        app(standalone_mode=True)
    except TrainingError as problem:
        raise SystemExit(f"training.detector_check: {problem}") from None
