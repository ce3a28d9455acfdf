"""What the embedder that ships is trained on: crops of several sets, at mixed heights."""

from __future__ import annotations

import hashlib
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reid import LevelSet

from .augment import Image, training_input
from .datasets import Crop
from .errors import TrainingError
from .learner import Batch
from .recipe import Recipe
from .recombined import VIEWS, Recombined
from .teacher import teacher_vectors

RENDERED_A_SEED, RENDERED_VIEWS = 60, 14
"""Rendered people of one seed, and pictures of each."""
ONE_IN = 3
"""Of so many people in a batch one is put together from others, where there are such people."""


@dataclass
class Data:
    """Training crops with the teacher's vectors: ``float32 (N, D)``, zero where it has no say.

    Args:
        recombined: people put together from the crops, and what the teacher says of them,
            ``float32 (P, VIEWS, D)``.
    """

    crops: list[Crop]
    teacher: NDArray[np.float32]
    recombined: tuple[Recombined, NDArray[np.float32]] | None = None
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
        pictures = np.sqrt([len(own) for own in data.by_identity])
        self._share = pictures / pictures.sum()
        self.steps = math.ceil(len(data.crops) / (recipe.persons * recipe.views))
        """Steps of an epoch: each crop comes once, on average."""

    def batch(self, step: int, rank: int = 0, world: int = 1) -> Batch:
        """The part of process `rank` of `world` in the batch of step `step`, always the same.

        People are drawn by the root of how many pictures there are of each: as often as each other,
        those with one picture would take the place of those with many views; by their pictures,
        the largest set would take more than half.
        People put together from others come last of each `ONE_IN`; they have identities below 0.
        """
        r, size = self.recipe, self._size_at(step)
        random = np.random.default_rng((r.seed, step))
        who = random.choice(self.identities, r.persons, replace=False, p=self._share)
        if self._data.recombined:
            made = random.choice(len(self._data.recombined[1]), r.persons)
            last = np.arange(r.persons) % ONE_IN == ONE_IN - 1
            who = np.where(last, -1 - made, who)
        images, level, teacher, picture = [], [], [], []
        mine = range(rank * r.persons // world, (rank + 1) * r.persons // world)
        for place in mine:
            random = np.random.default_rng((r.seed, step, place))
            for image, vector, number in self._views(int(who[place]), random):
                seen, k = training_input(image, self._levels, size, random, r.erase)
                images.append(seen)
                level.append(k)
                teacher.append(vector)
                picture.append(number)
        return Batch(
            torch.from_numpy(np.stack(images)),
            torch.tensor(level),
            torch.from_numpy(np.repeat(who[mine.start : mine.stop], r.views)),
            torch.tensor(picture),
            torch.from_numpy(np.stack(teacher)),
        )

    def _size_at(self, step: int) -> tuple[int, int]:
        """Height and width of the inputs in a step."""
        r = self.recipe
        if step >= r.small_until * r.epochs * self.steps:
            return r.size
        return round(r.size[0] * 2 / 3), round(r.size[1] * 2 / 3)

    def _views(
        self, person: int, random: np.random.Generator
    ) -> Iterator[tuple[Image, NDArray[np.float32], int]]:
        """Pictures of a person, what the teacher says of each, and its number."""
        data, views = self._data, self.recipe.views
        if person >= 0:
            of_person = data.by_identity[person]
            for i in random.choice(of_person, views, replace=len(of_person) < views):
                yield data.crops[i].image, data.teacher[i], int(i)
        elif data.recombined:
            people, vectors = data.recombined
            for view in random.choice(VIEWS, views, replace=views > VIEWS):
                number = (person + 1) * VIEWS - int(view) - 1
                yield people.picture(-1 - person, int(view)), vectors[-1 - person, view], number


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
        vectors.append(_kept(file, teacher, (c.image for c in of_set)))
    return Data(kept, np.concatenate(vectors))


def with_recombined(data: Data, people: int, teacher: Path, cache: Path) -> Data:
    """`data` and so many people put together from its crops; what the teacher says is kept."""
    made = Recombined(data.crops)
    names = hashlib.sha256("\n".join(f"{c.identity} {c.name}" for c in data.crops).encode())
    file = cache / f"{teacher.stem}-recombined-{people}-{names.hexdigest()[:8]}.npy"
    pictures = (made.picture(i, view) for i in range(people) for view in range(VIEWS))
    vectors = _kept(file, teacher, pictures)
    return replace(data, recombined=(made, vectors.reshape(people, VIEWS, -1)))


def _kept(file: Path, teacher: Path, pictures: Iterable[Image]) -> NDArray[np.float32]:
    """The teacher's vectors of pictures, from `file` where they were made before."""
    if not file.exists():
        _keep(file, teacher_vectors(teacher, pictures))
    return np.asarray(np.load(file), np.float32)


def _keep(file: Path, values: NDArray[Any]) -> None:
    """Saves an array whole or not at all, also where another process does so."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.npy")
    np.save(part, values)
    part.replace(file)


def with_rendered(
    data: Data, people: int, teacher: Path | None, cache: Path, first_seed: int = 1000
) -> Data:
    """`data` and rendered people; their pictures and vectors are kept under `cache`."""
    crops, vectors = list(data.crops), [data.teacher]
    for seed in range(first_seed, first_seed + math.ceil(people / RENDERED_A_SEED)):
        images = _rendered(seed, cache)
        crops += [
            Crop(image, f"rendered/train/{seed}-{i // RENDERED_VIEWS}", i % RENDERED_VIEWS)
            for i, image in enumerate(images)
        ]
        if teacher:
            vectors.append(_kept(cache / f"{teacher.stem}-{seed}.npy", teacher, images))
        else:
            vectors.append(np.zeros((len(images), 0), np.float32))
    return replace(data, crops=crops, teacher=np.concatenate(vectors))


def _rendered(seed: int, cache: Path) -> NDArray[np.uint8]:
    """Crops ``uint8 (people * views, 256, 128, 3)`` of one seed, views of a person in a row."""
    file = cache / f"rendered-{seed}-{RENDERED_A_SEED}x{RENDERED_VIEWS}.npy"
    if not file.exists():
        from samples import person_crops

        found = {
            (who, view): c for who, view, c in person_crops(seed, RENDERED_A_SEED, RENDERED_VIEWS)
        }
        _keep(file, np.stack([found[key] for key in sorted(found)]))
    return np.asarray(np.load(file), np.uint8)
