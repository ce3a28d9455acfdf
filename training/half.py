"""Weights of an ONNX file stored in 16 bits, computed in 32."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

HALF_FROM = 1024
"""Weights with at least so many values are stored in half precision."""


def store_half(model: ModelProto) -> None:
    """Large weights as fp16 with a cast behind each, which the runtime folds when it loads."""
    casts = []
    for weight in model.graph.initializer:
        if weight.data_type == TensorProto.FLOAT and int(np.prod(weight.dims)) >= HALF_FROM:
            name, half = weight.name, numpy_helper.to_array(weight).astype(np.float16)
            weight.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
            casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    _replace_nodes(model, [*casts, *model.graph.node])


def restore_floats(model: ModelProto) -> None:
    """Inverse of `store_half`: weights as fp32, without the casts behind them."""
    stored = {weight.name: weight for weight in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        weight = stored.get(node.input[0]) if node.op_type == "Cast" else None
        if weight is None or weight.data_type != TensorProto.FLOAT16:
            nodes.append(node)
            continue
        values = numpy_helper.to_array(weight).astype(np.float32)
        weight.CopyFrom(numpy_helper.from_array(values, node.output[0]))
    _replace_nodes(model, nodes)


def _replace_nodes(model: ModelProto, nodes: list[NodeProto]) -> None:
    del model.graph.node[:]
    model.graph.node.extend(nodes)
