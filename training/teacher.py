"""Vectors of a teacher network for a list of crops, through OpenVINO or ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid import to_input

from .datasets import Crop
from .errors import TrainingError


def teacher_vectors(weights: Path, crops: Sequence[Crop], threads: int = 1) -> NDArray[np.float32]:
    """Unit vectors ``float32 (N, D)`` of crops at their native resolution.

    Args:
        weights: an OpenVINO ``.xml`` with an input of ``1 x 3 x 256 x 128``, BGR 0..255.
        crops: pictures, enlarged bilinearly to the input.
        threads: of the inference.

    Raises:
        TrainingError: when OpenVINO is not installed or the file is missing.
    """
    try:
        import openvino
    except ImportError as error:
        raise TrainingError("a teacher in OpenVINO format needs the package openvino") from error
    if not weights.exists():
        raise TrainingError(f"no teacher at {weights}: give its .xml")
    core = openvino.Core()
    model = core.compile_model(core.read_model(weights), "CPU", {"INFERENCE_NUM_THREADS": threads})
    size = tuple(model.inputs[0].shape)[2:]
    out = [
        model(to_input(c.image, (size[0], size[1])).transpose(2, 0, 1)[None].astype(np.float32))[0]
        for c in crops
    ]
    vectors = np.concatenate([np.asarray(v).reshape(1, -1) for v in out]).astype(np.float32)
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
