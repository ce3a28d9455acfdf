"""What masks and varying length cost, and whether the input keeps a training step fed.

    python benchmarks/training.py [--backbone resnet50] [--height 256] [--device auto] [--json]

Random pictures and random weights; times don't depend on them. Three figures:

- step and embedding: the network with masks and varying length against the same network without,
  in turns, median of the ratios;
- input: pictures a second of an epoch as `nearfar train` runs it against the same steps on one
  batch that is in memory already;
- peak memory of a step at the paper's batch of 32, each side in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # else this file would be found as `training`

from reid.network import normalise  # noqa: E402
from training.datasets import Crop  # noqa: E402
from training.fit import choose_device  # noqa: E402
from training.learner import Batch  # noqa: E402
from training.rates import RateBatches  # noqa: E402
from training.recipe import RECIPES, Recipe  # noqa: E402
from training.trainer import Trainer  # noqa: E402

PLAIN = {"masks": False, "varying_length": False}


def pictures(people: int = 16, views: int = 4) -> list[Crop]:
    """Noise with labels."""
    random = np.random.default_rng(0)
    return [
        Crop(random.integers(0, 256, (128, 64, 3), dtype=np.uint8), f"set/train/{who}", view, "")
        for who in range(people)
        for view in range(views)
    ]


class Repeated:
    """One batch again and again: an input that costs nothing."""

    def __init__(self, batches: RateBatches) -> None:
        self.steps, self.identities, self.teacher = batches.steps, batches.identities, 0
        self._batch = batches.batch(0)

    def batch(self, step: int) -> Batch:
        return self._batch


def seconds(trainer: Trainer, steps: int) -> float:
    """Time of `steps` steps after one to warm up."""
    run = trainer.run(lambda row: None)
    next(run)
    wait(trainer.device)
    started = perf_counter()
    for _ in range(steps):
        next(run)
    wait(trainer.device)
    run.close()
    return perf_counter() - started


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def embedding_seconds(trainer: Trainer, batch: Batch, rounds: int) -> float:
    """Time of `rounds` inferences of a batch."""
    network, images = trainer.network.eval(), normalise(batch.images)
    with torch.inference_mode():
        network(images, batch.level)
        wait(trainer.device)
        started = perf_counter()
        for _ in range(rounds):
            network(images, batch.level)
        wait(trainer.device)
    return perf_counter() - started


def cost(recipe: Recipe, device: torch.device, rounds: int) -> dict[str, float]:
    """Ratios of time with the mechanisms to time without; a first round is not counted."""
    batches = RateBatches(pictures(), recipe, device)
    batch = batches.batch(0)
    ours = Trainer(recipe, Repeated(batches), device)
    plain = Trainer(replace(recipe, **PLAIN), Repeated(batches), device)
    step, embedding = [], []
    for _ in range(rounds + 1):
        step.append(seconds(ours, 4) / seconds(plain, 4))
        embedding.append(embedding_seconds(ours, batch, 4) / embedding_seconds(plain, batch, 4))
    return {"step": statistics.median(step[1:]), "embedding": statistics.median(embedding[1:])}


def fed(recipe: Recipe, device: torch.device, rounds: int) -> float:
    """Pictures a second of a real epoch as a share of steps on data in memory."""
    batches = RateBatches(pictures(), recipe, device)
    shares = [
        seconds(Trainer(recipe, Repeated(batches), device), 6)
        / seconds(Trainer(recipe, batches, device), 6)
        for _ in range(rounds)
    ]
    return statistics.median(shares)


def peak(recipe: Recipe, device: torch.device) -> float:
    """Megabytes at the most, of this process (CPU) or of the device."""
    seconds(Trainer(recipe, Repeated(RateBatches(pictures(), recipe, device)), device), 2)
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--height", type=int, default=256, help="of the input; half as wide")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peak", choices=("ours", "plain"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    recipe = replace(
        RECIPES["paper"],
        backbone=given.backbone,
        size=(given.height, given.height // 2),
        progressive=False,
    )
    device = choose_device(given.device)
    if given.peak:
        print(peak(recipe if given.peak == "ours" else replace(recipe, **PLAIN), device))
        return
    facts: dict[str, Any] = {}
    for side in ("ours", "plain"):  # first: Linux hands this process's own peak down to the two
        call = [sys.executable, __file__, "--peak", side, "--device", given.device]
        call += ["--backbone", given.backbone, "--height", str(given.height)]
        done = subprocess.run(call, capture_output=True, text=True, check=True)
        facts[f"peak_{side}_mb"] = float(done.stdout)
    facts["memory"] = facts["peak_ours_mb"] / facts["peak_plain_mb"]
    facts |= cost(recipe, device, given.rounds)
    facts["fed"] = fed(recipe, device, given.rounds)
    if given.json:
        print(json.dumps(facts))
        return
    print(f"{given.backbone}, {given.height} px, batch 32, {device}")
    print(f"training step, with the mechanisms / without: {facts['step']:.3f}")
    print(f"embedding, with / without:                    {facts['embedding']:.3f}")
    print(f"peak memory of a step, with / without:        {facts['memory']:.3f}")
    print(f"real epoch / data in memory, pictures/s:      {facts['fed']:.3f}")


if __name__ == "__main__":
    main()
