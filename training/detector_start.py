"""The network that training starts from: a public COCO detector, cut down to the one class.

The public YOLO11n is at hand as an int8 OpenVINO model. Its weights are opened to floats again and
put, convolution by convolution, into the network of the same name that ultralytics builds; the
rows of `person` become the only class. Batch normalisation is already folded into the convolutions.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import TrainingError

if TYPE_CHECKING:
    from ultralytics.nn.tasks import DetectionModel

NETWORK = "yolo11n.yaml"
PERSON = 0


def recover_person_network(model: Path) -> DetectionModel:
    """Build the one-class network from an int8 OpenVINO export of YOLO11n.

    Args:
        model: the export's folder or its `.xml` file.

    Returns:
        An ultralytics `DetectionModel` without batch normalisation, class 0 being `person`.

    Raises:
        TrainingError: openvino is missing, the file can't be read or is another network.
    """
    from ultralytics.cfg import get_cfg
    from ultralytics.nn.tasks import DetectionModel

    found = read_convolutions(model)
    network = DetectionModel(NETWORK, nc=80, verbose=False).fuse(verbose=False)
    state = network.state_dict()
    missing = {name for name in state if not name.endswith("dfl.conv.weight")} - found.keys()
    if missing or any(found[k].size != state[k].numel() for k in found.keys() & state.keys()):
        raise TrainingError(f"{model} isn't an export of YOLO11n: give its OpenVINO folder")
    network.load_state_dict(
        {
            key: _tensor(found[key]).reshape(value.shape) if key in found else value
            for key, value in state.items()
        }
    )
    _keep_one_class(network, PERSON)
    network.args = get_cfg()
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    return network


def read_convolutions(model: Path) -> dict[str, np.ndarray]:
    """Float weights and biases of all convolutions of an OpenVINO model, by ultralytics' names.

    Raises:
        TrainingError: openvino is missing or the model can't be read.
    """
    try:
        import openvino
    except ImportError as error:
        raise TrainingError("opening int8 weights needs openvino: pip install openvino") from error
    path = next(iter(sorted(model.glob("*.xml"))), model) if model.is_dir() else model
    try:
        graph = openvino.Core().read_model(str(path))
    except RuntimeError as error:
        raise TrainingError(f"{path} is no OpenVINO model: give an exported folder") from error
    found: dict[str, np.ndarray] = {}
    for node in graph.get_ordered_ops():
        if "Convolution" not in node.get_type_name():
            continue
        name = node.get_friendly_name().split("/")[0].removeprefix("__module.")
        found[f"{name}.weight"] = _constant(node.input_value(1).get_node())
        for target in node.output(0).get_target_inputs():
            after = target.get_node()
            if after.get_type_name() == "Add":
                found[f"{name}.bias"] = _constant(after.input_value(1).get_node())
    return found


def _constant(node: Any) -> np.ndarray:
    """The float value of a constant that may be stored as integers with a scale."""
    kind = node.get_type_name()
    if kind == "Constant":
        return np.array(node.get_data())
    inputs = [_constant(node.input_value(i).get_node()) for i in range(node.get_input_size())]
    if kind == "Convert":
        return inputs[0].astype(np.float32)
    if kind == "Multiply":
        return inputs[0] * inputs[1]
    if kind == "Subtract":
        return inputs[0] - inputs[1]
    if kind == "Reshape":
        return inputs[0].reshape(inputs[1])
    raise TrainingError(f"the weights hold an operation that isn't known here: {kind}")


def _tensor(array: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(np.array(array, np.float32))


def _keep_one_class(network: DetectionModel, row: int) -> None:
    """Cut the last layer of the head's three class branches down to one class."""
    import torch

    shell: Any = network
    head = shell.model[-1]
    for branch in head.cv3:
        old = branch[-1]
        new = torch.nn.Conv2d(old.in_channels, 1, 1)
        new.weight.data = old.weight.data[row : row + 1].clone()
        new.bias = torch.nn.Parameter(old.bias.data[row : row + 1].clone())
        branch[-1] = new
    head.nc, head.no = 1, 1 + 4 * head.reg_max
    shell.nc, shell.names = 1, {0: "person"}
    shell.yaml["nc"] = 1
