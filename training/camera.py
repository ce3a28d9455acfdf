"""What the embedder that ships is trained on: crops of several sets, at mixed heights."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from reid import LevelSet

from .augment import training_input
from .datasets import Crop
from .errors import TrainingError
from .learner import Batch
from .recipe import Recipe
from .teacher import teacher_vectors

RENDERED_A_SEED, RENDERED_VIEWS = 60, 14
"""Rendered people of one seed, and pictures of each."""
MIXED_SEED = 11
"""Of the people who are put together from two crops."""


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


class CameraBatches:
    """Batches of crops degraded as cameras do it, at any height; each depends on its step alone.

    Args:
        data: crops and what a teacher says of them.
    """

    def __init__(self, data: Data, recipe: Recipe) -> None:
        there = len(data.crops if recipe.views == 1 else data.by_identity)
        if there < recipe.persons:
            what = "crops" if recipe.views == 1 else "people"
            raise TrainingError(
                f"a batch has {recipe.persons} {what}, the training set {there}; "
                f"give more {what} or a smaller --persons"
            )
        self._data, self.recipe = data, recipe
        self._levels = LevelSet(recipe.heights)
        self.identities, self.teacher = len(data.by_identity), data.teacher.shape[1]
        self._identity = np.empty(len(data.crops), np.int64)
        for number, rows in enumerate(data.by_identity):
            self._identity[rows] = number
        self.steps = math.ceil(len(data.crops) / (recipe.persons * recipe.views))
        """Steps of an epoch: each crop comes once, on average."""

    def batch(self, step: int) -> Batch:
        """The batch of step `step`, the same at each call."""
        r, data = self.recipe, self._data
        random = np.random.default_rng((r.seed, step))
        rows = self._rows(random)
        made = [
            training_input(data.crops[i].image, self._levels, r.size, random, r.erase) for i in rows
        ]
        return Batch(
            torch.from_numpy(np.stack([image for image, _ in made])),
            torch.tensor([level for _, level in made]),
            torch.from_numpy(self._identity[rows]),
            torch.from_numpy(rows),
            torch.from_numpy(data.teacher[rows]),
        )

    def _rows(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Which crops a batch has: views of random people; with one view, random crops."""
        r = self.recipe
        if r.views == 1:
            return random.choice(len(self._data.crops), r.persons, replace=False)
        chosen = [
            random.choice(of, r.views, replace=len(of) < r.views)
            for of in (
                self._data.by_identity[person]
                for person in random.choice(self.identities, r.persons, replace=False)
            )
        ]
        return np.concatenate(chosen)


def with_teacher(crops: Sequence[Crop], teacher: Path | None, cache: Path) -> Data:
    """Crops and the teacher's vectors of them, kept under `cache` by set and number of crops."""
    by_set: dict[str, list[Crop]] = defaultdict(list)
    for crop in crops:
        by_set[crop.identity.split("/")[0]].append(crop)
    kept, vectors = [], []
    for name, of_set in by_set.items():
        kept += of_set
        if teacher is None:
            vectors.append(np.zeros((len(of_set), 0), np.float32))
            continue
        file = cache / f"{teacher.stem}-{name}-{len(of_set)}.npy"
        if not file.exists():
            cache.mkdir(parents=True, exist_ok=True)
            np.save(file, teacher_vectors(teacher, of_set))
        vectors.append(np.load(file).astype(np.float32))
    return Data(kept, np.concatenate(vectors))


def with_mixed(data: Data, teacher: Path, number: int, cache: Path) -> Data:
    """`data` and people who are not there: the upper half of one crop on the lower half of another,
    in other colours, and what the teacher says of them; kept under `cache`."""
    mixed = [_mixed(data.crops, i) for i in range(number)]
    file = cache / f"{teacher.stem}-mixed-{number}-of-{len(data.crops)}.npy"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.save(file, teacher_vectors(teacher, mixed))
    vectors = np.load(file).astype(np.float32)
    return Data([*data.crops, *mixed], np.concatenate([data.teacher, vectors]))


def _mixed(crops: Sequence[Crop], number: int) -> Crop:
    random = np.random.default_rng((MIXED_SEED, number))
    above, below = (crops[i].image for i in random.choice(len(crops), 2, replace=False))
    height, width = above.shape[:2]
    below = cv2.resize(below, (width, height), interpolation=cv2.INTER_AREA)
    cut = round(height * random.uniform(0.42, 0.58))
    halves = [
        half[..., random.permutation(3)] if random.random() < 0.5 else half
        for half in (above[:cut], below[cut:])
    ]
    return Crop(np.concatenate(halves), f"mixed/train/{number}", 0)


def with_rendered(data: Data, people: int, cache: Path, first_seed: int = 1000) -> Data:
    """`data` and rendered people, of whom the teacher says nothing; pictures kept under `cache`."""
    crops: list[Crop] = []
    for seed in range(first_seed, first_seed + math.ceil(people / RENDERED_A_SEED)):
        images = _rendered(seed, cache)
        crops += [
            Crop(image, f"rendered/train/{seed}-{i // RENDERED_VIEWS}", i % RENDERED_VIEWS)
            for i, image in enumerate(images)
        ]
    silent = np.zeros((len(crops), data.teacher.shape[1]), np.float32)
    return Data([*data.crops, *crops], np.concatenate([data.teacher, silent]))


def _rendered(seed: int, cache: Path) -> NDArray[np.uint8]:
    """Crops ``uint8 (people * views, 256, 128, 3)`` of one seed, views of a person in a row."""
    file = cache / f"rendered-{seed}-{RENDERED_A_SEED}x{RENDERED_VIEWS}.npy"
    if not file.exists():
        from samples import person_crops

        found = {
            (who, view): c for who, view, c in person_crops(seed, RENDERED_A_SEED, RENDERED_VIEWS)
        }
        cache.mkdir(parents=True, exist_ok=True)
        np.save(file, np.stack([found[key] for key in sorted(found)]))
    return np.asarray(np.load(file), np.uint8)
