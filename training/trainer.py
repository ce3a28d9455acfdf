"""Trains a recipe, end-to-end or progressively (Algorithm 1); resumes to the same result."""

from __future__ import annotations

import csv
import io
import math
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from pickle import UnpicklingError
from threading import Event
from typing import Any, Protocol, cast

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from reid.network import ResolutionAdaptiveNet

from .ahead import ahead
from .errors import TrainingError
from .learner import Batch, Learner
from .recipe import Recipe
from .run import LOG, STATE, write_whole

SAVE_EVERY = 60.0
"""Seconds between two saved states."""
OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
"""By the name that a recipe has for each."""


Told = Callable[[int, int, dict[str, float]], None]
"""Hears of step, steps in all, and the last epoch's row of the log."""


class Source(Protocol):
    """Where batches come from: `RateBatches` or `CameraBatches`."""

    steps: int
    identities: int
    teacher: int

    def batch(self, step: int, rank: int = 0, world: int = 1) -> Batch: ...


def stage_of(recipe: Recipe, step: int, total: int) -> int:
    """The stage of training, 0-based, that step `step` of `total` belongs to."""
    return min(step * recipe.stages // total, recipe.stages - 1)


def learning_rate(recipe: Recipe, step: int, total: int) -> float:
    """The learning rate of step `step` of `total`; its fall starts anew with each stage."""
    share = step * recipe.stages / total - stage_of(recipe, step, total)
    warm = min(1.0, (step + 1) / max(1.0, recipe.warmup * total))
    if recipe.milestones:
        fall = 0.1 ** sum(share + 1e-9 >= m for m in recipe.milestones)
    else:
        fall = 0.5 * (1 + math.cos(math.pi * share))
    return recipe.lr * warm * fall


def enter_stage(network: ResolutionAdaptiveNet, recipe: Recipe, stage: int) -> None:
    """Brings in the masks of a stage and freezes those of the stages before (Algorithm 1, line 3).

    End-to-end training has one stage with all masks.
    """
    if network.masks is None or not recipe.progressive:
        return
    network.masked = stage + 1
    for i, mask in enumerate(network.masks):
        mask.weight.grad = None
        mask.weight.requires_grad_(i == len(network.masks) - network.masked)


class Trainer:
    """Learner, optimiser and running average of the weights; state that resumes.

    With torchrun, each process takes its share of each batch and gradients are averaged.

    Args:
        source: of batches. device: where the network runs.
    """

    def __init__(self, recipe: Recipe, source: Source, device: torch.device) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.source, self.device = recipe, source, device
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        if recipe.persons % self.world:
            raise TrainingError(
                f"{recipe.persons} people a batch can't be shared by {self.world} processes"
            )
        self.learner = Learner(recipe, source.identities, source.teacher).to(device)
        self.learner.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = _average(self.network, recipe.ema) if recipe.ema else None
        self.optimiser = OPTIMISERS[recipe.optimiser](
            self.learner.parameters(), lr=recipe.lr, weight_decay=recipe.decay
        )
        self.total = recipe.epochs * source.steps
        self.step_number = 0
        self.sums: dict[str, float] = defaultdict(float)
        """Mean losses of the epoch so far."""

    @property
    def network(self) -> ResolutionAdaptiveNet:
        """The network that is being trained."""
        return self.learner.network

    @property
    def trained(self) -> ResolutionAdaptiveNet:
        """The network to use: the averaged one where the recipe keeps an average."""
        if self.average is None:
            return self.network
        chosen = cast(ResolutionAdaptiveNet, self.average.module)
        chosen.masked = self.network.masked
        return chosen

    def run(self, told: Callable[[dict[str, float]], None]) -> Iterator[int]:
        """Trains to the end, one yielded step number at a time; `told` hears of each epoch."""
        steps = range(self.step_number, self.total)
        stage, module = -1, None
        for batch in ahead(self.source.batch(step, self.rank, self.world) for step in steps):
            if (now := stage_of(self.recipe, self.step_number, self.total)) != stage:
                stage = now
                enter_stage(self.network, self.recipe, stage)
                module = self._parallel()
            assert module is not None
            for name, loss in self._step(module, batch).items():
                self.sums[name] += loss / self.source.steps
            if self.step_number % self.source.steps == 0:
                lr = learning_rate(self.recipe, self.step_number - 1, self.total)
                epoch = self.step_number // self.source.steps
                told({"epoch": epoch, "stage": stage + 1, "lr": lr, **self.sums})
                self.sums.clear()
            yield self.step_number

    def _parallel(self) -> nn.Module:
        if self.world == 1:
            return self.learner
        ids = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(self.learner, device_ids=ids)

    def _step(self, module: nn.Module, batch: Batch) -> dict[str, float]:
        """One optimiser step; returns the losses by name."""
        self.learner.train()
        rate = learning_rate(self.recipe, self.step_number, self.total)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        losses = module(batch.to(self.device))
        self.optimiser.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        self.optimiser.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        self.step_number += 1
        return {name: float(value.detach()) for name, value in losses.items()}

    def save(self, path: Path) -> None:
        """Writes all state to `path`, whole or not at all."""
        state: dict[str, Any] = {
            "step": self.step_number,
            "sums": dict(self.sums),
            "learner": self.learner.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        if self.average is not None:
            state["average"] = self.average.state_dict()
        part = path.with_suffix(".part")
        torch.save(state, part)
        part.replace(path)

    def load(self, path: Path) -> None:
        """Takes up where `save` left.

        Raises:
            TrainingError: when the file is broken or of another recipe.
        """
        try:
            state = torch.load(path, weights_only=True, map_location=self.device)
            self.step_number = state["step"]
            self.sums.update(state["sums"])
            self.learner.load_state_dict(state["learner"])
            self.optimiser.load_state_dict(state["optimiser"])
            if self.average is not None:
                self.average.load_state_dict(state["average"])
        except (RuntimeError, KeyError, ValueError, EOFError, OSError, UnpicklingError) as error:
            raise TrainingError(
                f"{path} can't be taken up ({error}); remove it to start anew"
            ) from error
        stage = stage_of(self.recipe, min(self.step_number, self.total - 1), self.total)
        enter_stage(self.network, self.recipe, stage)


def train(
    trainer: Trainer,
    out: Path,
    progress: Told | None = None,
    stop: Event | None = None,
) -> None:
    """Trains into ``out/state.pt`` and ``out/log.csv``; goes on where an earlier call ended.

    Args:
        out: a folder. stop: ends it after a step when set, with its state kept.
    """
    out.mkdir(parents=True, exist_ok=True)
    state, log = out / STATE, out / LOG
    if state.exists():
        trainer.load(state)
    rows = _rows_until(log, trainer.step_number // trainer.source.steps)
    first = trainer.rank == 0
    saved = time.monotonic()

    def told(row: dict[str, float]) -> None:
        rows.append({k: f"{v:.6g}" for k, v in row.items()})

    last: dict[str, float] = {}
    for step in trainer.run(told):
        if rows:
            last = {k: float(v) for k, v in rows[-1].items()}
        if progress and first:
            progress(step, trainer.total, last)
        stopped = stop is not None and stop.is_set()
        ends = stopped or step == trainer.total
        if first and (time.monotonic() - saved > SAVE_EVERY or ends):
            _write_log(log, rows)  # before the state: what a log has too much is left out
            trainer.save(state)
            saved = time.monotonic()
        if stopped:
            return


def _rows_until(log: Path, epoch: int) -> list[dict[str, str]]:
    """The log's rows of the epochs up to `epoch`, which a saved state has behind it."""
    if not log.exists():
        return []
    with log.open(newline="") as file:
        return [row for row in csv.DictReader(file) if int(row["epoch"]) <= epoch]


def _write_log(log: Path, rows: list[dict[str, str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    write_whole(log, text.getvalue())


def _average(network: nn.Module, decay: float) -> torch.optim.swa_utils.AveragedModel:
    return torch.optim.swa_utils.AveragedModel(
        network,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(decay),
        use_buffers=True,
    )
