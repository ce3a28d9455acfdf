"""Runs a user's own detector by ultralytics: `.pt` files and exported folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .detect_onnx import MOST, NMS_OVERLAP
from .errors import DetectorError


class UltralyticsBackend:
    """A detector of any number of classes that ultralytics opens, of which `person` is used."""

    def __init__(self, path: Path, device: str, threads: int, confidence: float) -> None:
        """Open `path`; raises DetectorError if ultralytics is missing or can't open it."""
        os.environ.setdefault("YOLO_AUTOINSTALL", "false")  # or it installs what it misses
        try:
            import torch
            from ultralytics import YOLO
        except ImportError as error:
            raise DetectorError(
                f"{path} needs ultralytics: pip install 'nearfar[train]', or give an .onnx export"
            ) from error
        if device == "cuda" and not torch.cuda.is_available():
            raise DetectorError("device cuda isn't available to torch: use --device cpu")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cpu":
            torch.set_num_threads(threads)
        self._options: dict[str, Any] = {
            "conf": confidence,
            "iou": NMS_OVERLAP,
            "max_det": MOST,
            "device": device,
            "verbose": False,
        }
        try:
            self._model: Any = YOLO(str(path), task="detect")
            self._model.predict(np.zeros((64, 64, 3), np.uint8), **self._options)
            names = dict(self._model.names)
        except Exception as error:  # each format that ultralytics opens raises its own
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise DetectorError(
                f"{path} is no detector that ultralytics opens ({reason})"
            ) from error
        self._options["classes"] = [n for n, name in names.items() if name == "person"]
        if not self._options["classes"]:
            raise DetectorError(f"{path} names no class 'person': give a detector of people")

    def find(self, images: Sequence[np.ndarray], sizes: Sequence[int]) -> list[np.ndarray]:
        """People in each frame, see `Backend`."""
        found = []
        for image, size in zip(images, sizes, strict=True):
            (result,) = self._model.predict(image, imgsz=size, **self._options)
            found.append(result.boxes.data.cpu().numpy()[:, :5])
        return found
