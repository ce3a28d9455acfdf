"""Writes the detector as the ONNX file that the pipeline runs."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import helper

from .errors import TrainingError
from .half import store_half

INPUT = (384, 640)
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


def note_figures(path: Path, measured: Path) -> None:
    """Writes what `benchmarks/detector.py --json` found of a detector into its file.

    Raises:
        TrainingError: `measured` holds no such figures.
    """
    try:
        found = json.loads(measured.read_text())
        name, bands = next(iter(found["figures"]["mot"].items()))
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
