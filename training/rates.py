"""Training pictures at every rate of a recipe, resized once, kept where the network runs."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from reid import to_input

from .datasets import Crop
from .errors import TrainingError
from .learner import Batch
from .recipe import FULL_HEIGHT, Recipe

KERNELS = {
    "area": cv2.INTER_AREA,
    "bilinear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
}
"""How pictures are shrunk; ``area`` averages all pixels, the others alias."""

PADDING = 10
"""Zero pixels around an input of 256 rows before it is cropped at random (section IV)."""


def camera_rate(crop: Crop) -> float:
    """By how much the camera itself shrank a person against the sharpest camera of its set.

    Two for the far camera of CAVIAR4REID (section V-E), one elsewhere.
    """
    return 2.0 if crop.identity.startswith("caviar/") and crop.camera == 2 else 1.0


def level_of(rate: float, rates: Sequence[float]) -> int:
    """The level whose rate is nearest to `rate` on a log scale; the sharper one of two."""
    away = [abs(math.log(rate / r)) for r in rates]
    return len(rates) - int(np.argmin(away[::-1]))


def shrink_by(image: NDArray[np.uint8], rate: float, kernel: str = "area") -> NDArray[np.uint8]:
    """`image` shrunk by `rate` in both directions, at least one pixel large.

    Raises:
        TrainingError: when the kernel is unknown.
    """
    if kernel not in KERNELS:
        raise TrainingError(f"unknown kernel {kernel!r}; choose from {', '.join(KERNELS)}")
    if rate == 1:
        return image
    height, width = (max(1, round(n / rate)) for n in image.shape[:2])
    small = cv2.resize(image, (width, height), interpolation=KERNELS[kernel])
    return np.asarray(small, np.uint8)


def inputs_at(
    crops: Sequence[Crop], rate: float, size: tuple[int, int], kernel: str = "area"
) -> NDArray[np.uint8]:
    """Crops as seen at `rate` of the sharpest camera, resized to the input.

    A far camera's crop is shrunk by what is left of the rate, and never enlarged first.

    Returns:
        ``uint8 (N, *size, 3)``.
    """
    out = np.empty((len(crops), *size, 3), np.uint8)
    for i, crop in enumerate(crops):
        left = max(1.0, rate / camera_rate(crop))
        out[i] = to_input(shrink_by(crop.image, left, kernel), size)
    return out


class RateBatches:
    """Batches for the MLR protocol (section V-B): originals and copies shrunk by the rates.

    All pictures at all rates are held as ``uint8`` on the device: ``4 x N x H x W x 3`` bytes,
    5 GB for Market-1501 at 256 x 128. A batch depends on the seed and its step alone.

    Args:
        crops: of as many identities as a batch has. device: where the batches are made.
        kernel: of `KERNELS`.
    """

    teacher = 0

    def __init__(
        self, crops: Sequence[Crop], recipe: Recipe, device: torch.device, kernel: str = "area"
    ) -> None:
        self.recipe = recipe
        names = sorted({c.identity for c in crops})
        if len(names) < recipe.persons:
            raise TrainingError(
                f"a batch has {recipe.persons} people, the training set {len(names)}; "
                "give more people or a smaller --persons"
            )
        of = {name: i for i, name in enumerate(names)}
        self.identities = len(names)
        self._of_person: dict[int, list[int]] = defaultdict(list)
        for i, crop in enumerate(crops):
            self._of_person[of[crop.identity]].append(i)
        at_rates = (inputs_at(crops, rate, recipe.size, kernel) for rate in recipe.rates)
        self._images = torch.stack([torch.from_numpy(x).to(device) for x in at_rates])
        self._level = np.array(
            [
                [level_of(max(rate, camera_rate(c)), recipe.rates) for c in crops]
                for rate in recipe.rates
            ]
        )
        self.steps = math.ceil(len(crops) / (recipe.persons * recipe.views))
        """Steps of an epoch: each picture comes once, on average; a copy counts."""

    def batch(self, step: int, rank: int = 0, world: int = 1) -> Batch:
        """The part of process `rank` of `world` in the batch of step `step`, always the same."""
        r = self.recipe
        random = np.random.default_rng((r.seed, step))
        who = random.choice(self.identities, r.persons, replace=False)
        per_person = r.views // (2 if r.copies else 1)
        picture = np.concatenate([self._draw(int(p), per_person, random) for p in who])
        identity = np.repeat(who, r.views)
        if r.copies:
            picture = np.repeat(picture, 2)
        rate = random.integers(0, len(r.rates), len(picture))
        if r.copies:
            rate[::2] = len(r.rates) - 1
        device = self._images.device
        images = self._images[torch.from_numpy(rate), torch.from_numpy(picture)]
        return Batch(
            augment(images, r.erase, random),
            torch.from_numpy(self._level[rate, picture]).to(device),
            torch.from_numpy(identity).to(device),
            torch.from_numpy(picture).to(device),
            torch.zeros(len(picture), 0, device=device),
        ).part(rank, world)

    def _draw(self, person: int, n: int, random: np.random.Generator) -> NDArray[np.int64]:
        """`n` pictures of a person, each as often as any other."""
        pictures = np.array(self._of_person[person])
        rounds = [random.permutation(pictures) for _ in range(math.ceil(n / len(pictures)))]
        return np.concatenate(rounds)[:n]


def augment(images: Tensor, erase: float, random: np.random.Generator) -> Tensor:
    """Padded with zeros, cropped at random, flipped in half of the cases, partly erased.

    Args:
        images: ``uint8 (N, H, W, 3)``. erase: probability of an erased rectangle.
    """
    n, height, width = images.shape[:3]
    pad = round(PADDING * height / FULL_HEIGHT)
    padded = F.pad(images, (0, 0, pad, pad, pad, pad))
    top, left = random.integers(0, 2 * pad + 1, (2, n, 1))
    rows, columns = top + np.arange(height), left + np.arange(width)
    flip = random.random(n) < 0.5
    columns[flip] = columns[flip, ::-1]
    out = padded[
        torch.arange(n)[:, None, None],
        torch.from_numpy(rows)[:, :, None],
        torch.from_numpy(columns)[:, None, :],
    ]
    for i in np.flatnonzero(random.random(n) < erase):
        h, w = (max(1, int(s * random.uniform(0.1, 0.5))) for s in (height, width))
        y, x = int(random.integers(0, height - h + 1)), int(random.integers(0, width - w + 1))
        colour = torch.from_numpy(random.integers(0, 256, 3, dtype=np.uint8))
        out[i, y : y + h, x : x + w] = colour.to(out.device)
    return out
