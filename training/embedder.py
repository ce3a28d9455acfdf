"""Trains the embedder that ships: the paper's network, for any height, on several sets at once.

    python -m training.embedder --set market1501=market1501.tar --set cuhk03=cuhk03.tar \\
        --teacher person-reidentification-retail-0277.xml --out runs/embedder --steps 12000
"""

from __future__ import annotations

import csv
import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.progress import track
from torch import Tensor

from reid.network import ResolutionAdaptiveNet, normalise

from .embedder_data import Batch, Data, ahead, batches, load_data, with_rendered
from .losses import IdentityLoss, TeacherLoss, VerificationLoss, contrastive_loss, similarities
from .recipe import Recipe

VERIFICATION = 0.5
"""Weight of the verification loss, lambda of section IV."""
CONTRASTIVE = 0.5
"""Weight of the contrastive loss."""


class Trainer:
    """Network, losses, optimiser and running average of the weights; state that resumes."""

    def __init__(self, recipe: Recipe, identities: int, teacher: int) -> None:
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
        self.teacher_loss = TeacherLoss(d, teacher)
        parameters = [
            *self.network.parameters(),
            *self.identity_loss.parameters(),
            *self.verification_loss.parameters(),
            *self.teacher_loss.parameters(),
        ]
        self.optimiser = torch.optim.AdamW(parameters, lr=recipe.lr, weight_decay=0.02)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._rate)
        self.step_number = 0

    def _rate(self, step: int) -> float:
        warm = min(1.0, (step + 1) / self.recipe.warmup)
        return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.recipe.steps)))

    def step(self, batch: Batch) -> dict[str, float]:
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
            "contrastive": CONTRASTIVE * contrastive_loss(cosines, batch.identity),
        }
        known = batch.teacher.abs().sum(1) > 0
        if known.any():
            losses["teacher"] = self.teacher_loss(
                z[known], cosines[known][:, known], batch.teacher[known]
            )
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
            "teacher_loss",
            "optimiser",
            "schedule",
        )
        state: dict[str, Any] = {m: getattr(self, m).state_dict() for m in modules}
        state |= {"step": self.step_number, "recipe": asdict(self.recipe)}
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def load(self, path: Path) -> None:
        """Takes up where `save` left."""
        state = torch.load(path, weights_only=True)
        self.step_number = state.pop("step")
        del state["recipe"]
        for module, values in state.items():
            getattr(self, module).load_state_dict(values)

    def start_from(self, path: Path) -> None:
        """Takes the averaged network of another run as the first weights."""
        self.average.load_state_dict(torch.load(path, weights_only=True)["average"])
        self.network.load_state_dict(self.average.module.state_dict())


def train(data: Data, recipe: Recipe, out: Path, init: Path | None = None) -> Trainer:
    """Trains into ``out/checkpoint.pt`` and ``out/log.csv``; goes on where a call ended."""
    out.mkdir(parents=True, exist_ok=True)
    trainer, checkpoint = (
        Trainer(recipe, len(data.by_identity), data.teacher.shape[1]),
        out / "checkpoint.pt",
    )
    if checkpoint.exists():
        trainer.load(checkpoint)
    elif init:
        trainer.start_from(init)
    first = trainer.step_number
    with (out / "log.csv").open("a", newline="") as file:
        log = csv.writer(file)
        for batch in track(
            ahead(batches(data, recipe, first)), "training", total=recipe.steps - first
        ):
            losses = trainer.step(batch)
            if trainer.step_number % 50 == 0:
                log.writerow([trainer.step_number, *(f"{v:.4f}" for v in losses.values())])
                file.flush()
            if trainer.step_number % 500 == 0:
                trainer.save(checkpoint)
    trainer.save(checkpoint)
    return trainer


def main(
    sets: Annotated[list[str], typer.Option("--set", help="name=path of a folder or tar; repeat")],
    out: Annotated[Path, typer.Option(help="folder of the checkpoint and the log")],
    teacher: Annotated[Path | None, typer.Option(help="OpenVINO .xml to distil from")] = None,
    rendered: Annotated[int, typer.Option(help="rendered people to add, in sixties")] = 0,
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
        data = with_rendered(data, rendered, out.parent / "rendered")
    print(f"{len(data.crops)} crops of {len(data.by_identity)} people")
    train(data, Recipe(size=(height, height // 2), steps=steps, lr=lr), out, init)


if __name__ == "__main__":
    typer.run(main)
