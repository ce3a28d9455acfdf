"""From an embedder's file to one that computes in 8 bits, for CPUs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from reid import ModelInfo, ReidError
from reid.model import KEY

from .augment import training_input
from .datasets import Crop
from .eight_bits import in_8_bits
from .errors import TrainingError
from .export import write_info

QUANTISED = ("Conv", "Add", "Relu", "MaxPool")
"""Kinds of nodes that compute in 8 bits; masks, pooling and the last layer stay floats."""
BATCHES, BATCH = 24, 16
"""Crops at random heights whose activations set the scales."""


def quantise(source: Path, out: Path, crops: Sequence[Crop], seed: int = 0) -> ModelInfo:
    """Writes `source` with weights and activations of 8 bits to `out`.

    Scales of activations are set by `crops`, degraded as in training, at all levels. Name,
    fingerprint and calibration stay those of `source`.

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
    made = in_8_bits(model, _batches(crops, info, seed), QUANTISED)
    made_info = replace(info, precision="int8")
    write_info(made, made_info, out)
    return made_info


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
