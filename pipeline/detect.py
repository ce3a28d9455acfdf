"""Finds people in frames: the packaged network by ONNX Runtime, or a user's own weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from .errors import DetectorError

PACKAGED = Path(__file__).parent / "weights" / "person.onnx"
PACKAGED_INT8 = PACKAGED.with_name("person-int8.onnx")
"""The same with convolutions in 8 bits: 1.3 times the speed on CPUs, and fewer people far away."""
CONFIDENCE = 0.1
INPUT_SIZE = 832
"""Longest side in pixels of what the network sees; at 640, people of 30 px in a frame 960 wide are
found a tenth less often, at 1.6 times the speed."""


@dataclass(frozen=True)
class Detections:
    """People found in one frame, best first.

    Attributes:
        boxes: `float32 (N, 4)` as x, y, w, h in pixels of the frame, inside it, never empty.
        scores: `float32 (N,)`, 0 to 1.
    """

    boxes: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)


def weights_at(given: str | Path | None) -> Path:
    """The weights that are meant: a path, `PACKAGED` if None, `PACKAGED_INT8` by its name."""
    if given is None:
        return PACKAGED
    return PACKAGED_INT8 if str(given) == PACKAGED_INT8.stem else Path(given)


class Backend(Protocol):
    """Something that finds people: `float32 (N, 5)` a frame, as x1, y1, x2, y2, score."""

    def find(self, images: Sequence[np.ndarray], sizes: Sequence[int]) -> list[np.ndarray]:
        """Boxes in pixels of each frame, best first; overlapping ones already suppressed.

        Args:
            sizes: longest side in pixels to which each frame is brought, where the network leaves
                it free.
        """
        ...


class Detector:
    """Detects people in frames of any size. Make one with `Detector.load`."""

    def __init__(self, backend: Backend, input_size: int = INPUT_SIZE) -> None:
        self._backend, self._input_size = backend, input_size

    @classmethod
    def load(
        cls,
        weights: str | Path | None = None,
        device: str = "auto",
        threads: int = 2,
        confidence: float = CONFIDENCE,
        input_size: int = INPUT_SIZE,
    ) -> Detector:
        """Open the packaged weights, or a user's own.

        Args:
            weights: an `.onnx` export of ultralytics runs by ONNX Runtime; a `.pt` file or an
                exported folder runs by ultralytics, which must be installed. See `weights_at`.
            device: `auto` (CUDA where it works), `cpu` or `cuda`.
            threads: threads of the CPU for one call.
            confidence: lowest score that is returned. The default is low on purpose: a tracker
                with two rounds uses the faint boxes in its second one.
            input_size: longest side in pixels to which a frame is brought before detection;
                larger finds smaller people and costs more. Ignored by weights of a fixed size.

        Raises:
            DetectorError: the weights are missing or no such model, or the device can't be used.
        """
        if device not in ("auto", "cpu", "cuda"):
            raise DetectorError(f"unknown device '{device}': use auto, cpu or cuda")
        path = weights_at(weights)
        if not path.exists():
            raise DetectorError(f"detector weights {path} don't exist: give a file or a folder")
        if path.is_file() and path.stat().st_size == 0:
            raise DetectorError(f"detector weights {path} are empty: fetch or export them again")
        if path.suffix.lower() == ".onnx":
            from .detect_onnx import OnnxBackend

            return cls(OnnxBackend(path, device, threads, confidence), input_size)
        from .detect_ultralytics import UltralyticsBackend

        return cls(UltralyticsBackend(path, device, threads, confidence), input_size)

    def detect(
        self, images: Sequence[np.ndarray], input_sizes: Sequence[int | None] | None = None
    ) -> list[Detections]:
        """Find the people in each frame.

        Args:
            images: BGR `uint8 (H, W, 3)`, of one or several cameras, sizes may differ.
            input_sizes: see `load`, of each image; that of `load` where None.

        Raises:
            DetectorError: an image has another shape or type, or the run fails.
        """
        for number, image in enumerate(images):
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
                raise DetectorError(
                    f"image {number} is {image.dtype} {image.shape}: give BGR uint8 (H, W, 3)"
                )
        if not images:
            return []
        own = input_sizes or [None] * len(images)
        found = self._backend.find(images, [size or self._input_size for size in own])
        return [_finish(rows, image) for rows, image in zip(found, images, strict=True)]


def _finish(rows: np.ndarray, image: np.ndarray) -> Detections:
    """Clip to the frame, drop what is left empty, and go from corners to x, y, w, h."""
    height, width = image.shape[:2]
    corners = np.clip(rows[:, :4], 0, np.array([width, height, width, height], np.float32))
    sizes = corners[:, 2:] - corners[:, :2]
    whole = (sizes > 0).all(axis=1)
    boxes = np.concatenate([corners[:, :2], sizes], axis=1)[whole]
    return Detections(boxes.astype(np.float32), rows[whole, 4].astype(np.float32))
