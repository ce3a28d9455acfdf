"""What the embedder that ships is trained on: crops of several sets, at mixed heights."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

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
        if len(data.by_identity) < recipe.persons:
            raise TrainingError(
                f"a batch has {recipe.persons} people, the training set {len(data.by_identity)}; "
                "give more people or a smaller --persons"
            )
        self._data, self.recipe = data, recipe
        self._levels = LevelSet(recipe.heights)
        self.identities, self.teacher = len(data.by_identity), data.teacher.shape[1]
        self.steps = math.ceil(len(data.crops) / (recipe.persons * recipe.views))
        """Steps of an epoch: each crop comes once, on average."""

    def batch(self, step: int) -> Batch:
        """The batch of step `step`, the same at each call."""
        r, data = self.recipe, self._data
        random = np.random.default_rng((r.seed, step))
        images, level, identity, rows = [], [], [], []
        for person in random.choice(self.identities, r.persons, replace=False):
            of_person = data.by_identity[person]
            for i in random.choice(of_person, r.views, replace=len(of_person) < r.views):
                image, k = training_input(
                    data.crops[i].image, self._levels, r.size, random, r.erase
                )
                images.append(image)
                level.append(k)
                identity.append(person)
                rows.append(i)
        return Batch(
            torch.from_numpy(np.stack(images)),
            torch.tensor(level),
            torch.tensor(identity),
            torch.tensor(rows),
            torch.from_numpy(data.teacher[rows]),
        )


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
