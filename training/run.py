"""The folder of a training run: what was trained on what, weights, log, state."""

from __future__ import annotations

import hashlib
import json
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from reid.embedder import WEIGHTS as PACKAGED
from reid.network import ResolutionAdaptiveNet

from .errors import TrainingError
from .learner import network_of
from .recipe import Recipe

WEIGHTS, FACTS, STATE, LOG, CURVES = (
    "weights.safetensors",
    "run.json",
    "state.pt",
    "log.csv",
    "curves.png",
)
FETCH_TIMEOUT = 20.0
"""Seconds after which a server of weights that says nothing is given up."""


@dataclass(frozen=True)
class Run:
    """What a run was trained on, as ``run.json`` keeps it.

    Args:
        recipe: how. sets: names of the sets. split: number of the split by identities; None if all
            identities were trained on. kernel: by which pictures were shrunk.
        init: where the first weights came from: ``imagenet``, ``random``, or a file and its digest;
            ``auto`` only before the run has begun.
        full_height: median height in pixels of the training pictures at rate 1.
    """

    recipe: Recipe
    sets: tuple[str, ...]
    split: int | None
    kernel: str
    init: str
    full_height: float

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / FACTS, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Run:
        """The facts of a run.

        Raises:
            TrainingError: when the folder holds no run.
        """
        try:
            data = json.loads((folder / FACTS).read_text())
            recipe = data.pop("recipe")
            fields: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in recipe.items()
            }
            data["sets"] = tuple(data["sets"])
            return cls(Recipe(**fields), **data)
        except (OSError, TypeError, KeyError, ValueError) as error:
            raise TrainingError(
                f"{folder} holds no run of nearfar train ({error}); give the folder of its --out"
            ) from error


def write_whole(path: Path, text: str) -> None:
    """Writes a file, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text)
    part.replace(path)


def save_weights(network: ResolutionAdaptiveNet, path: Path) -> None:
    """Weights of a network as safetensors, whole or not at all."""
    part = path.with_suffix(".part")
    save_file({k: v.contiguous().cpu() for k, v in network.state_dict().items()}, part)
    part.replace(path)


def load_network(folder: Path) -> tuple[ResolutionAdaptiveNet, Run]:
    """The trained network of a run, for inference, and its facts.

    Raises:
        TrainingError: when the folder holds no finished run.
    """
    run = Run.read(folder)
    network = network_of(run.recipe)
    path = folder / WEIGHTS
    if not path.exists():
        raise TrainingError(f"{folder} has no {WEIGHTS}: the run has not ended; train on")
    try:
        network.load_state_dict(load_file(path))
    except Exception as error:
        raise TrainingError(f"{path} doesn't fit {folder / FACTS}: {error}") from error
    return network.eval(), run


def start(network: ResolutionAdaptiveNet, init: str) -> str:
    """First weights for stem and stages; says what they are.

    Args:
        init: ``imagenet`` (torchvision's, fetched), ``auto`` (those where they can be had, else
            random), ``random``, or a path: a run's folder or a ``.safetensors`` file.

    Returns:
        ``imagenet``, ``random``, or the path with the SHA-256 of its file.

    Raises:
        TrainingError: when the weights can't be had or fit nowhere.
    """
    if init == "random":
        return "random"
    if init in ("imagenet", "auto"):
        try:
            return _imagenet(network)
        except TrainingError:
            if init == "imagenet":
                raise
            return "random"
    path = weights_at(init)
    try:
        weights = load_file(path)
    except Exception as error:
        raise TrainingError(f"no weights to start from at {path}: {error}") from error
    body = {k: v for k, v in weights.items() if k.split(".")[0] in ("stem", "stages")}
    _take(network, body, path)
    return with_digest(init)


def with_digest(init: str) -> str:
    """`init`; where it is a file its name and SHA-256, which mean something on other machines."""
    path = weights_at(init)
    if not path.is_file():
        return init
    return f"{Path(init).name} sha256:{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"


def weights_at(init: str) -> Path:
    """The file of first weights; of a run's folder, its weights; ``packaged`` is what ships."""
    path = PACKAGED if init == "packaged" else Path(init)
    return path / WEIGHTS if path.is_dir() else path


def _imagenet(network: ResolutionAdaptiveNet) -> str:
    """Stem and stages of torchvision's classifier of the same shape."""
    import torchvision

    if network.backbone not in ("resnet50", "resnet18"):
        raise TrainingError(f"there are no ImageNet weights for {network.backbone}")
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(FETCH_TIMEOUT)
    try:
        weights = torchvision.models.get_model_weights(network.backbone).DEFAULT.get_state_dict(
            progress=False, check_hash=True
        )
    except OSError as error:
        raise TrainingError(
            f"ImageNet weights can't be fetched ({error}); give --init PATH or --init random"
        ) from error
    finally:
        socket.setdefaulttimeout(patience)
    names = {"conv1": "stem.0", "bn1": "stem.1"}
    names |= {f"layer{i + 1}": f"stages.{i}" for i in range(4)}
    renamed = {}
    for key, value in weights.items():
        top, _, rest = key.partition(".")
        if top in names:
            renamed[f"{names[top]}.{rest}"] = value
    _take(network, renamed, "ImageNet weights")
    return "imagenet"


def _take(
    network: ResolutionAdaptiveNet, weights: dict[str, torch.Tensor], source: Path | str
) -> None:
    own = network.state_dict()
    wanted = {k for k in own if k.split(".")[0] in ("stem", "stages")}
    fitting = {k for k in wanted if k in weights and weights[k].shape == own[k].shape}
    if fitting != wanted:
        raise TrainingError(
            f"{source} fits another backbone: {len(fitting)} of {len(wanted)} tensors have the "
            "name and shape of this one's"
        )
    network.load_state_dict(weights, strict=False)
