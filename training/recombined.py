"""People put together from others, their clothes dyed: people who never were, by the thousand.

Sets of some hundred people teach a network those people. A teacher has an opinion on any picture,
so what it would say of far more people can be learned from crops of few.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .augment import Image
from .datasets import Crop

VIEWS = 4
"""Pictures of each person."""
EXCHANGED, DYED = 0.6, 0.7
"""Probabilities of another's lower body, and of dye on either half."""


@dataclass(frozen=True)
class _Dye:
    """Hue, saturation and value of one half, as a table, and the gains of its channels."""

    hsv: NDArray[np.uint8]
    gains: NDArray[np.uint8]

    @classmethod
    def draw(cls, random: np.random.Generator) -> _Dye | None:
        if random.random() > DYED:
            return None
        x = np.arange(256)
        turn = random.uniform(0, 180) if random.random() < 0.5 else random.normal(0, 8)
        hue = (x + turn) % 180
        saturation = x * random.uniform(0.4, 1.8)
        value = 255 * (x / 255) ** np.exp(random.normal(0, 0.4))
        gains = x[:, None] * np.exp(random.normal(0, 0.2, 3))
        table = np.stack([hue, saturation, value], 1)
        return cls(*(np.clip(t, 0, 255).astype(np.uint8)[None] for t in (table, gains)))

    def on(self, image: Image) -> Image:
        hsv = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_BGR2HSV), self.hsv)
        dyed = cv2.LUT(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), self.gains)
        return np.asarray(dyed, np.uint8)


class Recombined:
    """Makes pictures of such people; each depends on its numbers alone and is never stored.

    A person has the upper body of one and the lower body of one of the same set, mostly another,
    and keeps both and their dyes over all views, which come from different pictures of those two.

    Args:
        crops: of labelled people. seed: of everything random.
    """

    def __init__(self, crops: Sequence[Crop], seed: int = 0) -> None:
        groups: dict[str, list[Crop]] = defaultdict(list)
        for crop in crops:
            groups[crop.identity].append(crop)
        self._people = list(groups.values())
        self._of_set: dict[str, list[int]] = defaultdict(list)
        for i, of_person in enumerate(self._people):
            self._of_set[_set_of(of_person)].append(i)
        self._seed = seed

    def picture(self, person: int, view: int) -> Image:
        """``uint8 (H, W, 3)`` BGR, of person 0, 1, ... and view 0..`VIEWS` - 1."""
        random = np.random.default_rng((self._seed, person))
        upper = lower = self._people[random.integers(len(self._people))]
        if random.random() < EXCHANGED:
            lower = self._people[random.choice(self._of_set[_set_of(upper)])]
        dyes = _Dye.draw(random), _Dye.draw(random)
        cut = random.uniform(0.38, 0.62)
        order = random.permutation(len(upper))
        random = np.random.default_rng((self._seed, person, view))
        above = upper[order[view % len(order)]]
        below = above if lower is upper else _like(above, lower, random)
        top, bottom = (
            dye.on(crop.image) if dye else crop.image
            for dye, crop in zip(dyes, (above, below), strict=True)
        )
        return _joined(top, bottom, cut + random.normal(0, 0.02))


def _set_of(crops: Sequence[Crop]) -> str:
    return crops[0].identity.split("/")[0]


def _like(above: Crop, lower: Sequence[Crop], random: np.random.Generator) -> Crop:
    """A picture of the lower body by the camera of the upper one, where there is one."""
    alike = [c for c in lower if c.camera == above.camera] or list(lower)
    return alike[random.integers(len(alike))]


def _joined(top: Image, bottom: Image, cut: float) -> Image:
    """`top` down to `cut`, a share of the height, and `bottom` from there, softly."""
    h, w = top.shape[:2]
    below = cv2.resize(bottom, (w, h), interpolation=cv2.INTER_AREA)
    lower = np.clip(((np.arange(h) + 0.5) / h - cut) / 0.06 + 0.5, 0, 1).astype(np.float32)
    mixed = top + (below.astype(np.float32) - top) * lower[:, None, None]
    return np.asarray(mixed + 0.5, np.uint8)
