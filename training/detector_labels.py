"""Person boxes by the agreement of several teachers, for frames that have no truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import TrainingError

TEACHER_INPUT = 640
TILE = 384
EDGE = 4.0


@dataclass(frozen=True)
class Labels:
    """What the teachers saw in one frame, in pixels of the frame.

    Attributes:
        boxes: `float32 (N, 4)` as x1, y1, x2, y2: people that the teachers agree on.
        doubtful: `float32 (M, 4)` in the same form: seen by one teacher, or faintly; neither
            person nor background for training.
    """

    boxes: np.ndarray
    doubtful: np.ndarray


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes `(N, 4)` and `(M, 4)`, x1 y1 x2 y2; gives `(N, M)`."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(axis=2)
    area_a = (a[:, 2:] - a[:, :2]).prod(axis=1)
    area_b = (b[:, 2:] - b[:, :2]).prod(axis=1)
    union = area_a[:, None] + area_b[None, :] - common
    return common / np.maximum(union, 1e-6)


def suppress(boxes: np.ndarray, limit: float) -> np.ndarray:
    """Greedy non-maximum suppression of boxes `(N, 5)` (x1, y1, x2, y2, score), best first."""
    boxes = boxes[np.argsort(-boxes[:, 4], kind="stable")]
    kept: list[int] = []
    iou = overlaps(boxes[:, :4], boxes[:, :4])
    for row in range(len(boxes)):
        if not kept or iou[row, kept].max() < limit:
            kept.append(row)
    return boxes[kept]


def tiles(height: int, width: int, size: int = TILE) -> Iterator[tuple[int, int, int, int]]:
    """The whole frame, then half-overlapping squares of it, as x1, y1, x2, y2 in pixels."""
    yield 0, 0, width, height
    if max(height, width) <= size:
        return

    def starts(length: int) -> list[int]:
        count = max(0, int(np.ceil((length - size) / (size / 2))))
        return sorted({round(i * (length - size) / max(count, 1)) for i in range(count + 1)})

    for top in starts(max(height, size)):
        for left in starts(max(width, size)):
            yield left, top, min(left + size, width), min(top + size, height)


class Teacher:
    """A COCO detector of ultralytics that looks at a frame whole and enlarged in tiles."""

    def __init__(self, weights: Path) -> None:
        """Load `weights` (anything that ultralytics opens); raises TrainingError if it can't."""
        try:
            from ultralytics import YOLO

            self._model: Any = YOLO(str(weights), task="detect")
            names = self._names(weights)
        except (ImportError, OSError, RuntimeError, ValueError, TypeError) as error:
            raise TrainingError(
                f"teacher {weights} can't be loaded ({error}): give a model of ultralytics"
            ) from error
        self._person = next((i for i, name in names.items() if name == "person"), -1)
        if self._person < 0:
            raise TrainingError(f"teacher {weights} knows no class 'person': give another model")

    def _names(self, weights: Path) -> dict[int, str]:
        if not weights.exists():
            raise OSError("no such file or folder")
        self._model.predict(np.zeros((64, 64, 3), np.uint8), imgsz=TEACHER_INPUT, verbose=False)
        return dict(self._model.names)

    def look(self, image: np.ndarray, floor: float = 0.15) -> np.ndarray:
        """People in a BGR `uint8 (H, W, 3)`: `float32 (N, 5)`, x1 y1 x2 y2 score, best first."""
        height, width = image.shape[:2]
        found = [np.zeros((0, 5), np.float32)]
        for left, top, right, bottom in tiles(height, width):
            result = self._model.predict(
                np.ascontiguousarray(image[top:bottom, left:right]),
                imgsz=TEACHER_INPUT,
                conf=floor,
                iou=0.6,
                classes=[self._person],
                verbose=False,
            )[0]
            raw = result.boxes.data.cpu().numpy()[:, :5].astype(np.float32)
            raw[:, [0, 2]] += left
            raw[:, [1, 3]] += top
            cut = (
                ((raw[:, 0] < left + EDGE) & (left > 0))
                | ((raw[:, 1] < top + EDGE) & (top > 0))
                | ((raw[:, 2] > right - EDGE) & (right < width))
                | ((raw[:, 3] > bottom - EDGE) & (bottom < height))
            )
            found.append(raw[~cut])
        return suppress(np.concatenate(found), 0.6)


def agree(opinions: Sequence[np.ndarray], sure: float = 0.4, alone: float = 0.65) -> Labels:
    """Join the boxes of several teachers into labels.

    A box counts when teachers agree on it (IoU 0.5) and their mean score reaches `sure`, or when
    a single one scores it `alone`; the rest is doubtful.

    Args:
        opinions: for each teacher `float32 (N, 5)`, x1 y1 x2 y2 score.
        sure: mean score of an agreed box.
        alone: score of a box that only one teacher saw.
    """
    votes = np.concatenate(
        [np.column_stack([o, np.full(len(o), t)]) for t, o in enumerate(opinions)]
    ).astype(np.float32)
    votes = votes[np.argsort(-votes[:, 4], kind="stable")]
    iou = overlaps(votes[:, :4], votes[:, :4])
    free = np.ones(len(votes), bool)
    boxes: list[np.ndarray] = []
    doubtful: list[np.ndarray] = []
    for row in range(len(votes)):
        if not free[row]:
            continue
        group = np.flatnonzero(free & (iou[row] >= 0.5))
        free[group] = False
        weights = votes[group, 4]
        box = (votes[group, :4] * weights[:, None]).sum(axis=0) / weights.sum()
        several = len(set(votes[group, 5])) > 1
        good = weights.mean() >= sure if several else weights.max() >= alone
        (boxes if good else doubtful).append(box)
    return Labels(_stack(boxes), _stack(doubtful))


def _stack(rows: list[np.ndarray]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)
