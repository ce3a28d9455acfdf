"""From a checkpoint to the ONNX file that ships: level as an input, calibrated, fingerprinted.

    python -m training.export runs/embedder/checkpoint.pt --set market1501=market1501.tar \\
        --out reid/weights/embedder.onnx
"""

from __future__ import annotations

import hashlib
import json
import warnings
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnx
import torch
import typer
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from reid import Calibration, Embedder, Embeddings, LevelSet, ModelInfo, distances
from reid.calibration import fit_logistic
from reid.model import KEY
from reid.network import ResolutionAdaptiveNet, normalise

from .augment import degrade
from .datasets import Crop, read_set
from .embedder_data import held_out
from .errors import TrainingError
from .protocol import by_height
from .recipe import Recipe

PREPROCESSING = "bilinear, uint8 BGR, ImageNet mean and deviation inside"
HALF_FROM = 1024
"""Weights with at least so many values are stored in half precision."""


class _Exported(nn.Module):
    """The network with its normalisation, as the file holds it."""

    def __init__(self, network: ResolutionAdaptiveNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, level: Tensor) -> Tensor:
        out: Tensor = self.network(normalise(images), level)
        return out


def load_network(checkpoint: Path) -> tuple[ResolutionAdaptiveNet, Recipe]:
    """The averaged network of a checkpoint, for inference, and the recipe that made it.

    Raises:
        TrainingError: when the file is no checkpoint of `training.embedder`.
    """
    state = torch.load(checkpoint, weights_only=True) if zipfile.is_zipfile(checkpoint) else {}
    if not {"recipe", "average"} <= set(state):
        raise TrainingError(f"{checkpoint} is no checkpoint of training.embedder")
    recipe, weights = Recipe(**state["recipe"]), state["average"]
    network = ResolutionAdaptiveNet(recipe.backbone, recipe.sizes)
    network.load_state_dict(
        {k.removeprefix("module."): v for k, v in weights.items() if k.startswith("module.")}
    )
    return network.eval(), recipe


def export(network: ResolutionAdaptiveNet, recipe: Recipe, path: Path) -> None:
    """Writes the network to an ONNX file with inputs ``images`` and ``level``, dynamic batch."""
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
    _store_half(model)
    onnx.save(model, path)


def _store_half(model: onnx.ModelProto) -> None:
    """Large weights as fp16 with a cast behind each, which the runtime folds when it loads."""
    casts = []
    for weight in model.graph.initializer:
        if weight.data_type == TensorProto.FLOAT and int(np.prod(weight.dims)) >= HALF_FROM:
            name, half = weight.name, numpy_helper.to_array(weight).astype(np.float16)
            weight.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
            casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def describe(path: Path, name: str, recipe: Recipe, calibration: Calibration) -> ModelInfo:
    """Writes levels, sub-vectors, calibration and fingerprint into the file's metadata."""
    model = onnx.load(path)
    digest = hashlib.sha256()
    for weight in sorted(model.graph.initializer, key=lambda w: w.name):
        digest.update(weight.SerializeToString())
    digest.update(json.dumps([recipe.heights, recipe.sizes, recipe.size, PREPROCESSING]).encode())
    info = ModelInfo(
        name=name,
        fingerprint=digest.hexdigest()[:16],
        levels=LevelSet(recipe.heights),
        sizes=recipe.sizes,
        input_size=recipe.size,
        calibration=calibration,
    )
    helper.set_model_props(model, {KEY: info.to_json()})
    onnx.save(model, path)
    return info


def flat_calibration(m: int) -> Calibration:
    """One curve for all level pairs, for a model that has not been calibrated yet."""
    return Calibration(np.full((m, m), 5.0, np.float32), np.full((m, m), -8.0, np.float32))


def calibrate(embedder: Embedder, sets: Sequence[Sequence[Crop]], views: int = 4) -> Calibration:
    """Fits log-odds a level pair on people that the network has not seen.

    Each crop is seen `views` times, degraded as in training. A pair shows one person in two
    cameras (two pictures where cameras are unknown), or two persons of one set.
    """
    m = embedder.info.levels.m
    near: dict[tuple[int, int], list[float]] = defaultdict(list)
    far: dict[tuple[int, int], list[float]] = defaultdict(list)
    random = np.random.default_rng(1)
    for crops in sets:
        chosen = _sample(crops, 1500, random)
        seen = [degrade(c.image, random) for c in chosen for _ in range(views)]
        who = np.array([c.identity for c in chosen for _ in range(views)])
        where = np.array([c.camera for c in chosen for _ in range(views)])
        picture = np.repeat(np.arange(len(chosen)), views)
        found = embedder.embed([image for image, _ in seen], [height for _, height in seen])
        _collect(found, who, where, picture, near, far, random)
    intercept, slope = np.zeros((m, m), np.float32), np.zeros((m, m), np.float32)
    for i in range(1, m + 1):
        for j in range(i, m + 1):
            d = np.array(near[i, j] + far[i, j])
            same = np.arange(len(d)) < len(near[i, j])
            a, b = fit_logistic(d, same)
            intercept[i - 1, j - 1] = intercept[j - 1, i - 1] = a
            slope[i - 1, j - 1] = slope[j - 1, i - 1] = b
    return Calibration(intercept, slope)


def _sample(crops: Sequence[Crop], most: int, random: np.random.Generator) -> list[Crop]:
    """At most about `most` crops, whole identities."""
    people: dict[str, list[Crop]] = defaultdict(list)
    for crop in crops:
        people[crop.identity].append(crop)
    names = list(people)
    random.shuffle(names)
    out: list[Crop] = []
    for name in names:
        if len(out) >= most:
            break
        out += people[name]
    return out


def _collect(
    found: Embeddings,
    who: np.ndarray[Any, Any],
    where: np.ndarray[Any, Any],
    picture: np.ndarray[Any, Any],
    near: dict[tuple[int, int], list[float]],
    far: dict[tuple[int, int], list[float]],
    random: np.random.Generator,
) -> None:
    """Distances of one set's pairs by level pair: one person in `near`, two in `far`."""
    for start in range(0, len(found), 500):
        rows = np.arange(start, min(start + 500, len(found)))
        distance, _ = distances(found[rows], found)
        other_picture = picture[rows][:, None] < picture[None, :]
        same = who[rows][:, None] == who[None, :]
        crossing = (where[rows][:, None] != where[None, :]) | (where[rows][:, None] < 0)
        positive = other_picture & same & crossing
        negative = other_picture & ~same & (random.random(same.shape) < 0.02)
        for mask, into in ((positive, near), (negative, far)):
            for r, c in zip(*np.nonzero(mask), strict=True):
                pair = sorted((int(found.levels[rows[r]]), int(found.levels[c])))
                into[pair[0], pair[1]].append(float(distance[r, c]))


def main(
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint.pt of training.embedder")],
    sets: Annotated[list[str], typer.Option("--set", help="name=path; held-out people calibrate")],
    out: Annotated[Path, typer.Option(help="ONNX file to write")],
    name: Annotated[str, typer.Option(help="name of the model")] = "nearfar-embedder",
) -> None:
    """Exports, calibrates on held-out people and prints retrieval figures by query height."""
    torch.set_num_threads(2)
    network, recipe = load_network(checkpoint)
    export(network, recipe, out)
    describe(out, name, recipe, flat_calibration(len(recipe.sizes)))
    embedder = Embedder.load(out, device="cpu")
    unseen = {}
    for entry in sets:
        set_name, _, path = entry.partition("=")
        unseen[set_name] = [c for c in read_set(set_name, Path(path)) if held_out(c)]
    info = describe(out, name, recipe, calibrate(embedder, list(unseen.values())))
    print(f"{info.name} {info.fingerprint}: {out}, {out.stat().st_size / 1e6:.1f} MB")
    for set_name, crops in unseen.items():
        figures = by_height(embedder, crops)
        row = "  ".join(
            f"{h or 'native'}: {r.rank1:.1f}/{r.mean_precision:.1f}" for h, r in figures.items()
        )
        print(f"{set_name} (rank 1 / mAP by query height): {row}", flush=True)


if __name__ == "__main__":
    typer.run(main)
