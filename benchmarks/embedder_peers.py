"""Embedders of others, as `benchmarks/embedder.py` measures them: one level, cosines."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid import Embeddings, open_session, to_input
from training.augment import Image

SIZE = (256, 128)
"""Input of all of them, height and width in pixels."""
BATCH = 32
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
OSNET = "osnet_x0_25_msmt17.onnx"

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Inputs ``float32 (N, 3, H, W)`` to vectors ``float32 (N, D)``."""


class Peer:
    """A network that knows no levels.

    Args:
        run: the network. batch: pictures of one call. rgb: colours normalised as for ImageNet, or
            BGR 0..255 as they are.
    """

    def __init__(self, run: Run, batch: int, rgb: bool) -> None:
        self._run, self._batch, self._rgb = run, batch, rgb

    def embed(self, crops: Sequence[Image], /) -> Embeddings:
        """Embeddings of one level."""
        found = []
        for start in range(0, len(crops), self._batch):
            images = np.stack([to_input(c, SIZE) for c in crops[start : start + self._batch]])
            if self._rgb:
                x = (images[..., ::-1] / np.float32(255) - MEAN.astype(np.float32)) / (
                    DEVIATION.astype(np.float32)
                )
            else:
                x = images.astype(np.float32)
            found.append(self._run(np.ascontiguousarray(x.transpose(0, 3, 1, 2))))
        vectors = np.concatenate(found)
        n, d = vectors.shape
        return Embeddings(vectors, np.ones(n, np.int8), np.ones(n, np.float32), (d,))


def open_peer(name: str, folder: Path, threads: int) -> Peer | None:
    """The peer of a name of `PEERS`; None where its files are not in `folder`."""
    path = folder / PEERS[name]
    if not path.exists():
        return None
    if path.suffix == ".xml":
        return Peer(_openvino(path, threads), 1, rgb=False)
    if path.suffix == ".pth":
        if not (folder / OSNET).exists():
            return None
        with tempfile.TemporaryDirectory() as scratch:
            filled = Path(scratch) / "osnet.onnx"
            fill_osnet(folder / OSNET, path, filled)
            return Peer(_onnx(filled, threads), BATCH, rgb=True)
    return Peer(_onnx(path, threads), BATCH, rgb=True)


PEERS = {
    "osnet_x0_25_msmt17": OSNET,
    "osnet_x0_25_market1501": "osnet_x0_25_market1501.pth",
    "retail-0277": "person-reidentification-retail-0277.xml",
    "retail-0287": "person-reidentification-retail-0287.xml",
    "retail-0288": "person-reidentification-retail-0288.xml",
}
"""Names and their files."""


def _onnx(path: Path, threads: int) -> Run:
    session = open_session(path, "cpu", threads)
    source = session.get_inputs()[0].name
    return lambda x: np.asarray(session.run(None, {source: x})[0], np.float32)


def _openvino(path: Path, threads: int) -> Run:
    import openvino

    core = openvino.Core()
    options = {"INFERENCE_NUM_THREADS": threads}
    model = core.compile_model(core.read_model(path), "CPU", options)
    return lambda x: np.asarray(model(x)[0], np.float32).reshape(len(x), -1)


def fill_osnet(graph: Path, weights: Path, out: Path) -> None:
    """Writes the ONNX file of an OSNet with the weights of another of the same shape.

    The file's convolutions have their batch norms folded in and lie in the order of execution,
    which is that of the checkpoint; the gates and 1 x 1 convolutions without a norm keep names.

    Raises:
        ValueError: when the two are not of one shape.
    """
    import onnx
    import torch
    from onnx import numpy_helper

    state = torch.load(weights, map_location="cpu", weights_only=True)
    values = {k: v.numpy() for k, v in state.get("state_dict", state).items()}
    model = onnx.load(graph)
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    folded = iter(_folded(values))
    done: set[str] = set()
    for node in model.graph.node:
        names = [name for name in node.input[1:] if name in stored and name not in done]
        if node.op_type == "Conv" and names and names[0] not in values:
            new = dict(zip(names, next(folded), strict=True))
        else:
            new = {name: values[name] for name in names}
        for name, value in new.items():
            if list(stored[name].dims) != list(value.shape):
                raise ValueError(f"{weights} is of another shape than {graph}: {name}")
            stored[name].CopyFrom(numpy_helper.from_array(value.astype(np.float32), name))
        done.update(names)
    if next(folded, None):
        raise ValueError(f"{weights} has more layers than {graph}")
    onnx.save(model, out)


def _folded(
    values: dict[str, NDArray[np.float32]],
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Weight and bias of each convolution with its batch norm, in the checkpoint's order."""
    found = []
    for name, weight in values.items():
        norm = f"{name.rsplit('.', 2)[0]}.bn"
        followed = name.endswith((".conv.weight", ".conv2.weight")) and f"{norm}.weight" in values
        if weight.ndim == 4 and followed:
            scale = values[f"{norm}.weight"] / np.sqrt(values[f"{norm}.running_var"] + 1e-5)
            bias = values[f"{norm}.bias"] - values[f"{norm}.running_mean"] * scale
            found.append((weight * scale[:, None, None, None], bias))
    return found
