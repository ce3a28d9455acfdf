"""From a trained network to an ONNX file: level as an input, calibrated, fingerprinted."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import helper
from torch import Tensor, nn

from reid import Calibration, LevelSet, ModelInfo
from reid.model import KEY
from reid.network import ResolutionAdaptiveNet, normalise

from .errors import TrainingError
from .half import store_half
from .recipe import Recipe
from .run import Run

PREPROCESSING = "bilinear, uint8 BGR, ImageNet mean and deviation inside"


class _Exported(nn.Module):
    """The network with its normalisation, as the file holds it."""

    def __init__(self, network: ResolutionAdaptiveNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, level: Tensor) -> Tensor:
        out: Tensor = self.network(normalise(images), level)
        return out


def write_onnx(network: ResolutionAdaptiveNet, recipe: Recipe, path: Path) -> None:
    """Writes the network to an ONNX file with inputs ``images`` and ``level``, dynamic batch.

    Raises:
        TrainingError: when the network has no varying length, so that no level has a length.
    """
    if not recipe.varying_length:
        raise TrainingError("an embedder needs varying length; train with --varying-length")
    network = network.cpu()
    path.parent.mkdir(parents=True, exist_ok=True)
    images = torch.zeros((2, *recipe.size, 3), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Exported(network).eval(),
            (images, torch.tensor([1, len(recipe.sizes)])),
            str(path),
            input_names=["images", "level"],
            output_names=["vectors"],
            dynamic_axes={"images": {0: "n"}, "level": {0: "n"}, "vectors": {0: "n"}},
            opset_version=17,
            dynamo=False,
        )
    model = onnx.load(path)
    store_half(model)
    onnx.save(model, path)


def describe(
    path: Path,
    name: str,
    run: Run,
    calibration: Calibration,
    figures: Mapping[str, Any] | None = None,
) -> ModelInfo:
    """Writes levels, sub-vectors, calibration and fingerprint into the file's metadata.

    A level's height is that of the training pictures at its rate; for the recipe ``camera``, which
    degrades to any height, it is the recipe's own.
    """
    recipe, model = run.recipe, onnx.load(path)
    heights = recipe.heights
    if not recipe.camera:
        heights = tuple(round(run.full_height / rate) for rate in recipe.rates)
    digest = hashlib.sha256()
    for weight in sorted(model.graph.initializer, key=lambda w: w.name):
        digest.update(weight.SerializeToString())
    digest.update(json.dumps([heights, recipe.sizes, recipe.size, PREPROCESSING]).encode())
    info = ModelInfo(
        name=name,
        fingerprint=digest.hexdigest()[:16],
        levels=LevelSet(heights),
        sizes=recipe.sizes,
        input_size=recipe.size,
        calibration=calibration,
        figures=figures or {},
    )
    write_info(model, info, path)
    return info


def write_info(model: onnx.ModelProto, info: ModelInfo, path: Path) -> None:
    """Writes a model with what it says of itself, in place of what it said."""
    del model.metadata_props[:]
    helper.set_model_props(model, {KEY: info.to_json()})
    onnx.save(model, path)
