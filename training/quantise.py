"""From an embedder's file to one that computes in 8 bits, for CPUs."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from reid import ModelInfo, ReidError
from reid.model import KEY

from .augment import training_input
from .datasets import Crop
from .errors import TrainingError
from .export import write_info
from .half import restore_floats, store_half

QUANTISED = ("Conv", "Add", "Relu", "MaxPool")
"""Kinds of nodes that compute in 8 bits; masks, pooling and the last layer stay floats."""
BATCHES, BATCH = 24, 16
"""Crops at random heights whose activations set the scales."""


def quantise(source: Path, out: Path, crops: Sequence[Crop], seed: int = 0) -> ModelInfo:
    """Writes `source` with weights and activations of 8 bits to `out`.

    Weights have a scale a channel, and 7 of the 8 bits, without which CPUs that lack VNNI would
    saturate. Scales of activations are the extremes over `crops`, degraded as in training, at all
    levels. Name, fingerprint and calibration stay those of `source`.

    Raises:
        TrainingError: when there are no crops, or `source` is no embedder of floats.
    """
    if not crops:
        raise TrainingError("int8 needs crops to set its scales by; give a set")
    try:
        model = onnx.load(source)
        described = {p.key: p.value for p in model.metadata_props}[KEY]
        info = ModelInfo.from_json(described)
    except (OSError, KeyError, ReidError, ValueError) as error:
        raise TrainingError(f"{source} is no embedder: give a file of nearfar export") from error
    if info.precision != "float":
        raise TrainingError(f"{source} is in {info.precision} already: give the one in floats")
    restore_floats(model)
    with tempfile.TemporaryDirectory() as scratch:
        floats = Path(scratch) / "floats.onnx"
        onnx.save(model, floats)
        root = logging.getLogger()
        level = root.level
        root.setLevel(logging.ERROR)  # it advises symbolic shapes, which change nothing here
        try:
            quantize_static(
                floats,
                out,
                _Reader(_batches(crops, info, seed)),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(QUANTISED),
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        finally:
            root.setLevel(level)
    made = onnx.load(out)
    store_half(made)
    made_info = replace(info, precision="int8")
    write_info(made, made_info, out)
    return made_info


class _Reader(CalibrationDataReader):
    def __init__(self, batches: Iterator[dict[str, Any]]) -> None:
        self._batches = batches

    def get_next(self) -> dict[str, Any] | None:
        return next(self._batches, None)


def _batches(crops: Sequence[Crop], info: ModelInfo, seed: int) -> Iterator[dict[str, Any]]:
    random = np.random.default_rng(seed)
    for _ in range(BATCHES):
        chosen = random.integers(len(crops), size=BATCH)
        inputs = [
            training_input(crops[i].image, info.levels, info.input_size, random, 0) for i in chosen
        ]
        yield {
            "images": np.stack([image for image, _ in inputs]),
            "level": np.array([level for _, level in inputs]),
        }
