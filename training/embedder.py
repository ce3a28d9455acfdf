"""Trains the embedder that ships: the paper's network, for any height, on several sets at once.

    python -m training.embedder --set market1501=market1501.tar --set cuhk03=cuhk03.tar \\
        --teacher person-reidentification-retail-0277.xml --out runs/embedder --steps 12000
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from reid import LevelSet
from reid.network import ResolutionAdaptiveNet, normalise

from .augment import training_input
from .datasets import Crop, read_set
from .errors import TrainingError
from .losses import IdentityLoss, VerificationLoss, contrastive_loss, relation_loss, similarities
from .teacher import teacher_vectors

HEIGHTS = (32, 64, 128, 256)
SIZES = (128, 128, 128, 128)
VERIFICATION = 0.5
"""Weight of the verification loss, lambda of section IV."""


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Args:
        size: (height, width) of the input in pixels.
        steps: optimiser steps. persons, views: identities and crops of each in a batch.
        lr: peak learning rate, after `warmup` steps; falls to zero as a cosine.
        backbone: see `ResolutionAdaptiveNet`. seed: of everything random.
    """

    size: tuple[int, int] = (256, 128)
    steps: int = 12000
    persons: int = 16
    views: int = 4
    lr: float = 1e-3
    warmup: int = 300
    backbone: str = "resnet18-half"
    seed: int = 0
    heights: tuple[int, ...] = HEIGHTS
    sizes: tuple[int, ...] = SIZES


@dataclass
class Data:
    """Training crops with the teacher's vectors: ``float32 (N, D)``, zero where it has no say."""

    crops: list[Crop]
    teacher: NDArray[np.float32]
    by_identity: list[list[int]] = field(init=False)

    def __post_init__(self) -> None:
        groups: dict[str, list[int]] = defaultdict(list)
        for i, crop in enumerate(self.crops):
            groups[crop.identity].append(i)
        self.by_identity = list(groups.values())


def held_out(crop: Crop) -> bool:
    """Whether an identity stays out of training, for figures and calibration.

    The test identities of sets that name them, and each third of those that don't.
    """
    split, number = crop.identity.split("/")[1:]
    return split == "test" or (split == "all" and int(number) % 3 == 0)


@dataclass(frozen=True)
class _Batch:
    images: Tensor
    level: Tensor
    identity: Tensor
    teacher: Tensor


def batches(data: Data, recipe: Recipe, first: int = 0) -> Iterator[_Batch]:
    """Batches from step `first` on; each depends on the seed and its step alone."""
    levels = LevelSet(recipe.heights)
    for step in range(first, recipe.steps):
        random = np.random.default_rng((recipe.seed, step))
        images, level, identity, rows = [], [], [], []
        for person in random.choice(len(data.by_identity), recipe.persons, replace=False):
            of_person = data.by_identity[person]
            few = len(of_person) < recipe.views
            for i in random.choice(of_person, recipe.views, replace=few):
                image, k = training_input(data.crops[i].image, levels, recipe.size, random)
                images.append(image)
                level.append(k)
                identity.append(person)
                rows.append(i)
        yield _Batch(
            torch.from_numpy(np.stack(images)),
            torch.tensor(level),
            torch.tensor(identity),
            torch.from_numpy(data.teacher[rows]),
        )


def _ahead(source: Iterator[_Batch], depth: int = 4) -> Iterator[_Batch]:
    """`source`, made in a thread so that the step does not wait for it."""
    queue: Queue[_Batch | BaseException | None] = Queue(depth)

    def fill() -> None:
        try:
            for batch in source:
                queue.put(batch)
            queue.put(None)
        except BaseException as error:
            queue.put(error)

    Thread(target=fill, daemon=True).start()
    while (item := queue.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item


class Trainer:
    """Network, losses, optimiser and running average of the weights; state that resumes."""

    def __init__(self, recipe: Recipe, identities: int) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        d = sum(recipe.sizes)
        self.network = ResolutionAdaptiveNet(recipe.backbone, recipe.sizes)
        self.average = torch.optim.swa_utils.AveragedModel(
            self.network,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998),
            use_buffers=True,
        )
        self.identity_loss = IdentityLoss(d, identities, smoothing=0.1, scale=16.0)
        self.verification_loss = VerificationLoss(d)
        parameters = [
            *self.network.parameters(),
            *self.identity_loss.parameters(),
            *self.verification_loss.parameters(),
        ]
        self.optimiser = torch.optim.AdamW(parameters, lr=recipe.lr, weight_decay=0.02)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._rate)
        self.step_number = 0

    def _rate(self, step: int) -> float:
        warm = min(1.0, (step + 1) / self.recipe.warmup)
        return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.recipe.steps)))

    def step(self, batch: _Batch) -> dict[str, float]:
        """One optimiser step; returns the losses by name."""
        self.network.train()
        with torch.autocast("cpu", torch.bfloat16):
            z = self.network(normalise(batch.images), batch.level)
        z = z.float()
        cosines = similarities(z, batch.level, self.recipe.sizes)
        pairs = self._pairs(batch.identity)
        losses = {
            "identity": self.identity_loss(z, batch.identity),
            "verification": VERIFICATION
            * self.verification_loss(
                z[pairs[0]], z[pairs[1]], batch.identity[pairs[0]] == batch.identity[pairs[1]]
            ),
            "contrastive": contrastive_loss(cosines, batch.identity),
        }
        known = batch.teacher.abs().sum(1) > 0
        if known.any():
            target = batch.teacher[known]
            losses["relation"] = relation_loss(cosines[known][:, known], target @ target.T)
        self.optimiser.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        self.optimiser.step()
        self.schedule.step()
        self.average.update_parameters(self.network)
        self.step_number += 1
        return {name: float(value.detach()) for name, value in losses.items()}

    def _pairs(self, identity: Tensor) -> tuple[Tensor, Tensor]:
        """For each row one row of the same person and one of another, as index pairs."""
        n, views = len(identity), self.recipe.views
        rows = torch.arange(n)
        same = rows - rows % views + (rows + 1) % views
        other = (rows + views) % n
        return torch.cat([rows, rows]), torch.cat([same, other])

    def save(self, path: Path) -> None:
        """Writes all state to `path`, whole or not at all."""
        modules = (
            "network",
            "average",
            "identity_loss",
            "verification_loss",
            "optimiser",
            "schedule",
        )
        state: dict[str, Any] = {m: getattr(self, m).state_dict() for m in modules}
        state["step"] = self.step_number
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def load(self, path: Path) -> None:
        """Takes up where `save` left."""
        state = torch.load(path, weights_only=True)
        self.step_number = state.pop("step")
        for module, values in state.items():
            getattr(self, module).load_state_dict(values)

    def start_from(self, path: Path) -> None:
        """Takes the averaged network of another run as the first weights."""
        self.average.load_state_dict(torch.load(path, weights_only=True)["average"])
        self.network.load_state_dict(self.average.module.state_dict())


def train(data: Data, recipe: Recipe, out: Path, init: Path | None = None) -> Trainer:
    """Trains into ``out/checkpoint.pt`` and ``out/log.csv``; goes on where a call ended."""
    out.mkdir(parents=True, exist_ok=True)
    trainer, checkpoint = Trainer(recipe, len(data.by_identity)), out / "checkpoint.pt"
    if checkpoint.exists():
        trainer.load(checkpoint)
    elif init:
        trainer.start_from(init)
    first = trainer.step_number
    with (out / "log.csv").open("a", newline="") as file:
        log = csv.writer(file)
        for batch in track(
            _ahead(batches(data, recipe, first)), "training", total=recipe.steps - first
        ):
            losses = trainer.step(batch)
            if trainer.step_number % 50 == 0:
                log.writerow([trainer.step_number, *(f"{v:.4f}" for v in losses.values())])
                file.flush()
            if trainer.step_number % 500 == 0:
                trainer.save(checkpoint)
    trainer.save(checkpoint)
    return trainer


def load_data(sets: Sequence[str], teacher: Path | None, cache: Path) -> Data:
    """Training crops of ``name=path`` sets, with the teacher's vectors kept under `cache`."""
    crops: list[Crop] = []
    vectors: list[NDArray[np.float32]] = []
    for entry in sets:
        name, _, path = entry.partition("=")
        if not path:
            raise TrainingError(f"a set is given as name=path, got {entry!r}")
        of_set = [c for c in read_set(name, Path(path)) if not held_out(c)]
        crops += of_set
        if teacher:
            file = cache / f"{teacher.stem}-{name}-{len(of_set)}.npy"
            if not file.exists():
                cache.mkdir(parents=True, exist_ok=True)
                np.save(file, teacher_vectors(teacher, of_set))
            vectors.append(np.load(file).astype(np.float32))
        else:
            vectors.append(np.zeros((len(of_set), 1), np.float32))
    return Data(crops, np.concatenate(vectors))


def main(
    sets: Annotated[list[str], typer.Option("--set", help="name=path of a folder or tar; repeat")],
    out: Annotated[Path, typer.Option(help="folder of the checkpoint and the log")],
    teacher: Annotated[Path | None, typer.Option(help="OpenVINO .xml to distil from")] = None,
    rendered: Annotated[int, typer.Option(help="rendered people to add, 60 a seed")] = 0,
    height: Annotated[int, typer.Option(help="input height in pixels; the width is half")] = 256,
    steps: Annotated[int, typer.Option(help="optimiser steps of 64 crops")] = 12000,
    lr: Annotated[float, typer.Option(help="peak learning rate")] = 1e-3,
    init: Annotated[Path | None, typer.Option(help="checkpoint to start from")] = None,
    threads: Annotated[int, typer.Option(help="CPU threads")] = 2,
) -> None:
    """Trains the embedder that ships; run it again to go on after a stop."""
    torch.set_num_threads(threads)
    data = load_data(sets, teacher, out.parent / "teacher")
    if rendered:
        data = with_rendered(data, rendered)
    print(f"{len(data.crops)} crops of {len(data.by_identity)} people")
    train(data, Recipe(size=(height, height // 2), steps=steps, lr=lr), out, init)


def with_rendered(data: Data, people: int, views: int = 16, first_seed: int = 1000) -> Data:
    """`data` and rendered people, of whom the teacher says nothing."""
    from samples import person_crops

    crops = [
        Crop(image, f"rendered/train/{first_seed + i}-{identity}", view)
        for i in range(math.ceil(people / 60))
        for identity, view, image in person_crops(first_seed + i, min(60, people), views)
    ]
    silent = np.zeros((len(crops), data.teacher.shape[1]), np.float32)
    return Data([*data.crops, *crops], np.concatenate([data.teacher, silent]))


if __name__ == "__main__":
    typer.run(main)
