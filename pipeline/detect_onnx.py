"""Runs ONNX exports of ultralytics' detectors by ONNX Runtime alone."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from reid import ReidError, open_session

from .errors import DetectorError

if TYPE_CHECKING:
    import onnxruntime

GREY = 114
STRIDE = 32
NMS_OVERLAP = 0.7
MOST = 300


@dataclass(frozen=True)
class Letterbox:
    """How a frame lies in the network's input: scaled to `size`, `left` and `top` pixels in.

    Attributes:
        shape: height and width of the input in pixels.
        size: height and width of the scaled frame.
        scale: input pixels for one pixel of the frame.
        left: grey columns before the frame.
        top: grey rows above the frame.
    """

    shape: tuple[int, int]
    size: tuple[int, int]
    scale: float
    left: int
    top: int

    @classmethod
    def fit(cls, height: int, width: int, limit: tuple[int, int], fixed: bool) -> Letterbox:
        """Fit a frame into `limit` (height, width); unless `fixed`, grow to whole strides only."""
        scale = min(limit[0] / height, limit[1] / width)
        size = max(1, round(height * scale)), max(1, round(width * scale))
        spare = limit[0] - size[0], limit[1] - size[1]
        if not fixed:
            spare = spare[0] % STRIDE, spare[1] % STRIDE
        shape = size[0] + spare[0], size[1] + spare[1]
        return cls(shape, size, scale, round(spare[1] / 2 - 0.1), round(spare[0] / 2 - 0.1))

    def place(self, image: np.ndarray) -> np.ndarray:
        """The frame in grey, `uint8 (*shape, 3)`."""
        canvas = np.full((*self.shape, 3), GREY, np.uint8)
        inside = canvas[self.top : self.top + self.size[0], self.left : self.left + self.size[1]]
        cv2.resize(image, self.size[::-1], dst=inside, interpolation=cv2.INTER_LINEAR)
        return canvas

    def back(self, rows: np.ndarray) -> np.ndarray:
        """Rows in pixels of the input as rows in pixels of the frame."""
        rows = rows.copy()
        rows[:, [0, 2]] = (rows[:, [0, 2]] - self.left) / self.scale
        rows[:, [1, 3]] = (rows[:, [1, 3]] - self.top) / self.scale
        return rows


class OnnxBackend:
    """An ONNX detector of any number of classes, of which `person` is used."""

    def __init__(self, path: Path, device: str, threads: int, confidence: float) -> None:
        """Open `path`; raises DetectorError if it is no detector or the device can't be used."""
        self._confidence = confidence
        self._session = _open(path, device, threads)
        source, result = self._session.get_inputs()[0], self._session.get_outputs()[0]
        shape = source.shape
        if "level" in {entry.name for entry in self._session.get_inputs()}:
            raise DetectorError(f"{path} is no detector but an embedder: give it with --embedder")
        if len(shape) != 4 or shape[1] != 3 or len(result.shape) != 3:
            raise DetectorError(f"{path} is no detector: give an ONNX export of ultralytics")
        self._input = source.name
        self._half = source.type == "tensor(float16)"
        fixed = isinstance(shape[2], int) and isinstance(shape[3], int)
        self._fixed: tuple[int, int] | None = (shape[2], shape[3]) if fixed else None
        if isinstance(shape[0], int) and shape[0] != 1:
            raise DetectorError(f"{path} takes {shape[0]} frames at once: export it with batch=1")
        on_cpu = self._session.get_providers()[0] == "CPUExecutionProvider"
        self._single = on_cpu or shape[0] == 1
        self._person = self._person_class(path, result.shape[1])

    def _person_class(self, path: Path, rows: Any) -> int:
        text = self._session.get_modelmeta().custom_metadata_map.get("names", "")
        if not text and rows == 5:
            return 0
        try:
            names = dict(ast.literal_eval(text))
        except (ValueError, SyntaxError, TypeError):
            names = {}
        for number, name in names.items():
            if name == "person":
                return int(number)
        raise DetectorError(f"{path} names no class 'person': give a detector of people")

    def find(self, images: Sequence[np.ndarray], sizes: Sequence[int]) -> list[np.ndarray]:
        """People in each frame, see `Backend`; on a GPU, frames of one input shape are a batch.

        On a CPU a batch is no faster, and the runtime keeps the memory of the largest.
        """
        boxes = [
            Letterbox.fit(image.shape[0], image.shape[1], self._limit(size), bool(self._fixed))
            for image, size in zip(images, sizes, strict=True)
        ]
        groups: dict[tuple[int, ...], list[int]] = {}
        for index, box in enumerate(boxes):
            groups.setdefault((*box.shape, index if self._single else 0), []).append(index)
        found: list[np.ndarray] = [np.zeros((0, 5), np.float32)] * len(images)
        for members in groups.values():
            output = self._run([boxes[i].place(images[i]) for i in members])
            for index, raw in zip(members, output, strict=True):
                found[index] = suppress(boxes[index].back(self._decode(raw)))
        return found

    def _limit(self, size: int) -> tuple[int, int]:
        """Height and width of the largest input, in whole strides."""
        side = -(-size // STRIDE) * STRIDE
        return self._fixed or (side, side)

    def _run(self, canvases: list[np.ndarray]) -> np.ndarray:
        blob = cv2.dnn.blobFromImages(canvases, 1 / 255, swapRB=True)
        if self._half:
            blob = blob.astype(np.float16)
        try:
            return self._session.run(None, {self._input: blob})[0]
        except Exception as error:  # ONNX Runtime's exceptions have no common base
            raise DetectorError(
                f"the detector failed on a batch of {blob.shape}: {error}"
            ) from error

    def _decode(self, raw: np.ndarray) -> np.ndarray:
        """One frame's output as rows of people, best first, in pixels of the input."""
        if raw.shape[1] == 6:  # the network suppressed already: x1, y1, x2, y2, score, class
            rows = raw[(raw[:, 4] > self._confidence) & (raw[:, 5] == self._person)]
            rows = rows[:, :5].astype(np.float32)
        else:  # centre x, centre y, w, h, then one row a class; an anchor's best class counts
            scores = raw[4 + self._person]
            chosen = scores > self._confidence
            chosen &= scores >= raw[4:].max(axis=0)
            part = raw[:4, chosen].astype(np.float32)
            half = part[2:] / 2
            rows = np.concatenate([part[:2] - half, part[:2] + half, scores[None, chosen]]).T
        return rows[np.argsort(-rows[:, 4], kind="stable")].astype(np.float32)


def suppress(rows: np.ndarray, limit: float = NMS_OVERLAP) -> np.ndarray:
    """Drop the weaker of two boxes that overlap more than `limit`; rows as `Backend` gives them."""
    if not len(rows):
        return rows
    sizes = rows[:, 2:4] - rows[:, :2]
    corners = np.concatenate([rows[:, :2], sizes], axis=1)
    kept = cv2.dnn.NMSBoxes(corners.tolist(), rows[:, 4].tolist(), 0.0, limit)
    return rows[np.asarray(kept, np.int64).reshape(-1)[:MOST]]


def _open(path: Path, device: str, threads: int) -> onnxruntime.InferenceSession:
    try:
        return open_session(path, device, threads)
    except ReidError as error:
        raise DetectorError(str(error)) from error
