"""What the shipped embedder is trained on: crops of several sets, batches of mixed heights."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from threading import Thread

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid import LevelSet

from .augment import training_input
from .datasets import Crop, read_set
from .errors import TrainingError
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


@dataclass(frozen=True)
class Batch:
    images: Tensor
    level: Tensor
    identity: Tensor
    teacher: Tensor


def batches(data: Data, recipe: Recipe, first: int = 0) -> Iterator[Batch]:
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
        yield Batch(
            torch.from_numpy(np.stack(images)),
            torch.tensor(level),
            torch.tensor(identity),
            torch.from_numpy(data.teacher[rows]),
        )


def ahead(source: Iterator[Batch], depth: int = 4) -> Iterator[Batch]:
    """`source`, made in a thread so that the step does not wait for it."""
    queue: Queue[Batch | BaseException | None] = Queue(depth)

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
