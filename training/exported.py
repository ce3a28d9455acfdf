"""An exported embedder as first weights: its batch norms taken out of its convolutions again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from reid.network import ResolutionAdaptiveNet, normalise

from .errors import TrainingError
from .half import restore_floats
from .learner import Batch


def take_exported(network: ResolutionAdaptiveNet, path: Path, batches: Iterable[Batch]) -> None:
    """Has `network` compute what an exported embedder in floats computes, ready to be trained on.

    Export merges each batch norm into its convolution. Here each norm gets the mean and deviation
    of what its convolution makes of `batches` and, as scale and shift, what undoes them: outputs
    are those of the file, also where norms take their figures from a batch.

    Raises:
        TrainingError: when the file is of another backbone, or of other levels or lengths.
    """
    try:
        model = onnx.load(path)
    except Exception as error:
        raise TrainingError(f"no embedder to start from at {path}: {error}") from error
    restore_floats(model)
    values = {
        weight.name: torch.from_numpy(numpy_helper.to_array(weight).copy())
        for weight in model.graph.initializer
    }
    nodes = [node for node in model.graph.node if node.op_type in ("Conv", "MatMul")]
    weights = [[values[name] for name in node.input if name in values] for node in nodes]
    layers, last = _convolutions(network), cast(nn.Linear, network.embed[0])
    own = [[conv.weight, norm.bias] for conv, norm in layers] + [[last.weight.T]]
    rest = {k.removeprefix("network."): v for k, v in values.items() if k.startswith("network.")}
    known = network.state_dict()
    if [[w.shape for w in some] for some in weights] != [
        [w.shape for w in some] for some in own
    ] or any(k not in known or known[k].shape != v.shape for k, v in rest.items()):
        raise TrainingError(
            f"{path} is of another backbone, or of other levels or sub-vectors than this network: "
            "give the recipe, backbone and sizes that it was made with"
        )
    with torch.no_grad():
        for some, mine in zip(weights, own, strict=True):
            for value, parameter in zip(some, mine, strict=True):
                parameter.copy_(value)
        network.load_state_dict(rest, strict=False)
        _settle_norms(network, [norm for _, norm in layers], batches)


def _convolutions(network: ResolutionAdaptiveNet) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Convolutions in the order in which they are computed, each with the norm behind it."""
    modules = [*network.stem.modules(), *network.stages.modules()]
    convolutions = [m for m in modules if isinstance(m, nn.Conv2d)]
    norms = [m for m in modules if isinstance(m, nn.BatchNorm2d)]
    return list(zip(convolutions, norms, strict=True))


def _settle_norms(
    network: ResolutionAdaptiveNet, norms: list[nn.BatchNorm2d], batches: Iterable[Batch]
) -> None:
    """Gives norms that shift alone the figures of what comes to them; outputs stay the same."""
    moments: dict[nn.Module, list[Tensor]] = {norm: [] for norm in norms}

    def look(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0]
        moments[norm].append(torch.stack([x.mean((0, 2, 3)), (x**2).mean((0, 2, 3))]))

    for norm in norms:
        norm.running_var.fill_(1 - norm.eps)  # type: ignore[union-attr]
    handles = [norm.register_forward_pre_hook(look) for norm in norms]
    network.eval()
    for batch in batches:
        network(normalise(batch.images), batch.level)
    for handle in handles:
        handle.remove()
    for norm in norms:
        mean, square = torch.stack(moments[norm]).mean(0)
        variance = (square - mean**2).clamp(min=norm.eps)
        norm.bias.add_(mean)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.running_mean.copy_(mean)  # type: ignore[union-attr]
        norm.running_var.copy_(variance)  # type: ignore[union-attr]
