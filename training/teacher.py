"""Vectors of a teacher network for pictures, through OpenVINO."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid import to_input

from .augment import Image
from .errors import TrainingError

A_CALL = 8
"""Pictures that the network sees at once."""


def teacher_vectors(weights: Path, pictures: Iterable[Image]) -> NDArray[np.float32]:
    """Unit vectors ``float32 (N, D)`` of pictures at their native resolution, on all cores.

    Args:
        weights: an OpenVINO ``.xml`` with an input of ``1 x 3 x 256 x 128``, BGR 0..255.
        pictures: made as they are needed, enlarged bilinearly to the input.

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
    model = core.read_model(weights)
    size = tuple(model.inputs[0].shape)[2:]
    model.reshape([A_CALL, 3, *size])
    compiled = core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
    found: dict[int, NDArray[np.float32]] = {}
    queue = openvino.AsyncInferQueue(compiled)
    queue.set_callback(lambda request, place: found.update({place: _first_output(request)}))
    count = 0
    for place, some in enumerate(_calls(pictures)):
        images = np.zeros((A_CALL, *size, 3), np.float32)
        for i, picture in enumerate(some):
            images[i] = to_input(picture, (size[0], size[1]))
        queue.start_async({0: np.ascontiguousarray(images.transpose(0, 3, 1, 2))}, place)
        count += len(some)
    queue.wait_all()
    vectors = np.concatenate([found[place] for place in sorted(found)])[:count]
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _calls(pictures: Iterable[Image]) -> Iterator[list[Image]]:
    pending = iter(pictures)
    while some := list(islice(pending, A_CALL)):
        yield some


def _first_output(request: Any) -> NDArray[np.float32]:
    return np.array(request.get_output_tensor(0).data, np.float32).reshape(A_CALL, -1)
