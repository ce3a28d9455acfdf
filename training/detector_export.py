"""Writes the detector as the ONNX file that the pipeline runs."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import torch
from onnx import helper
from ultralytics.data.augment import LetterBox

from .eight_bits import in_8_bits
from .errors import TrainingError
from .half import store_half

INPUT = (384, 640)
SEEN_AT = 832
"""Longest side in pixels of the frames that set the scales of 8 bits: that at which it runs."""
FIGURES = "nearfar-figures"
"""The key of the metadata that holds what was measured, as JSON; `nearfar models` shows it."""


def blend(start: Any, trained: Any, share: float) -> Any:
    """Weights between two networks of one shape: `share` of the trained, the rest of the start.

    A network half way back to a broad start often serves pictures unlike the training set better.
    """
    mixed = copy.deepcopy(trained)
    first, second = start.state_dict(), trained.state_dict()
    if first.keys() != second.keys():
        raise TrainingError("the two checkpoints hold different networks: give a run and its start")
    mixed.load_state_dict({k: torch.lerp(first[k], v, share) for k, v in second.items()})
    return mixed


def write_onnx(network: Any, out: Path) -> None:
    """Export by ultralytics with free batch, height and width, in the metadata names and stride.

    Weights are stored in 16 bits.

    Raises:
        TrainingError: the export fails or can't be written.
    """
    from ultralytics import YOLO

    with tempfile.TemporaryDirectory() as scratch:
        checkpoint = Path(scratch) / "person.pt"
        torch.save({"model": network.eval(), "train_args": {}}, checkpoint)
        try:
            made = YOLO(str(checkpoint)).export(
                format="onnx", imgsz=INPUT, dynamic=True, simplify=True, verbose=False
            )
            model = onnx.load(made)
            _describe(model)
            store_half(model)
            del model.graph.value_info[:]  # shapes of inner values, as large as a layer
            onnx.save(model, str(out))
        except (OSError, RuntimeError, ValueError) as error:
            raise TrainingError(f"{out} can't be exported ({error})") from error


def write_int8(source: Path, out: Path, frames: Iterable[np.ndarray]) -> None:
    """Writes a detector whose convolutions compute in 8 bits; its figures are to be measured anew.

    Args:
        source: of floats. frames: BGR ``uint8 (H, W, 3)``, by which scales are set.

    Raises:
        TrainingError: `source` can't be read, or there are no frames.
    """
    try:
        model = onnx.load(source)
    except Exception as error:  # protobuf's own have no public base
        raise TrainingError(f"{source} can't be read ({error}): give a detector's file") from error
    place = LetterBox((SEEN_AT, SEEN_AT), auto=True)
    name = model.graph.input[0].name
    inputs = [
        {name: cv2.dnn.blobFromImage(np.asarray(place(image=frame)), 1 / 255, swapRB=True)}
        for frame in frames
    ]
    if not inputs:
        raise TrainingError("8 bits need frames to set their scales by: give videos")
    made = in_8_bits(model, iter(inputs), ("Conv",))
    kept = {e.key: e.value for e in model.metadata_props if e.key != FIGURES}
    helper.set_model_props(made, kept)
    onnx.save(made, str(out))


def note_figures(path: Path, measured: Path, row: str | None = None) -> None:
    """Writes what `benchmarks/detector.py --json` found of a detector into its file.

    Args:
        row: its name in the tables; the first if None.

    Raises:
        TrainingError: `measured` holds no such figures.
    """
    try:
        found = json.loads(measured.read_text())
        rows = found["figures"]["mot"]
        name = next(iter(rows)) if row is None else row
        bands = rows[name]
        figures: dict[str, Any] = {"frames": f"MOT17-mini, {found['frames']['mot']} frames, {name}"}
        for key in ("AP50", "recall", "precision"):
            figures[key] = {band: round(values[key], 2) for band, values in bands.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(f"{measured} holds no figures of a detector ({error!r})") from error
    model = onnx.load(path)
    kept = {entry.key: entry.value for entry in model.metadata_props}
    del model.metadata_props[:]
    helper.set_model_props(model, {**kept, FIGURES: json.dumps(figures)})
    onnx.save(model, str(path))


def _describe(model: onnx.ModelProto) -> None:
    """Replace what ultralytics writes about itself by what this file is."""
    for entry in model.metadata_props:
        if entry.key == "description":
            entry.value = "nearfar person detector, YOLO11n for one class"
        elif entry.key == "author":
            entry.value = "nearfar"
        elif entry.key == "date":
            entry.value = ""
