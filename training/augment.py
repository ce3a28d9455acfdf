"""From a crop to a network's input: shrunk to a height as a far camera would see it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reid import LevelSet, to_input

Image = NDArray[np.uint8]

LOWEST = 20
"""The lowest height in pixels that a training crop is shrunk to."""


def shrink(image: Image, height: int) -> Image:
    """`image` made `height` pixels high by area averaging, its shape kept; never enlarged."""
    if height >= len(image):
        return image
    width = max(1, round(image.shape[1] * height / len(image)))
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def degrade(image: Image, random: np.random.Generator) -> tuple[Image, int]:
    """A crop as some other camera might have delivered it, and its height in pixels.

    Jittered box, shrunk to a random height (log-uniform from `LOWEST` to the native one; left
    native in a third of the cases), then blur, noise, light, colour and compression.
    """
    image = _jitter_box(image, random)
    height = len(image)
    if height > LOWEST and random.random() > 0.33:
        height = round(np.exp(random.uniform(np.log(LOWEST), np.log(height))))
    image = shrink(image, height)
    if random.random() < 0.2:
        image = np.asarray(cv2.GaussianBlur(image, (3, 3), random.uniform(0.3, 1.0)), np.uint8)
    image = _light(image, random)
    if random.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(35, 90))]
        image = np.asarray(
            cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR), np.uint8
        )
    if random.random() < 0.5:
        image = image[:, ::-1]
    return image, len(image)


def erase(image: Image, random: np.random.Generator, share: float) -> Image:
    """Random erasing: with probability `share` a rectangle of noise hides part of the person."""
    if random.random() > share:
        return image
    h, w = image.shape[:2]
    eh, ew = int(h * random.uniform(0.1, 0.5)), int(w * random.uniform(0.15, 0.7))
    y, x = int(random.integers(0, h - eh + 1)), int(random.integers(0, w - ew + 1))
    image = image.copy()
    image[y : y + eh, x : x + ew] = random.integers(0, 256, 3, dtype=np.uint8)
    return image


def training_input(
    image: Image,
    levels: LevelSet,
    size: tuple[int, int],
    random: np.random.Generator,
    erased: float,
) -> tuple[Image, int]:
    """A degraded, enlarged and partly erased crop ``uint8 (*size, 3)`` and its level."""
    seen, height = degrade(image, random)
    return erase(to_input(seen, size), random, erased), levels.level_of(height)


def _jitter_box(image: Image, random: np.random.Generator) -> Image:
    """The crop that a detector with errors of some percent would have cut."""
    h, w = image.shape[:2]
    top, bottom = (int(h * max(0.0, random.normal(0, 0.04))) for _ in range(2))
    left, right = (int(w * max(0.0, random.normal(0, 0.05))) for _ in range(2))
    if random.random() < 0.08:
        bottom = int(h * random.uniform(0.1, 0.4))
    return image[top : max(top + 8, h - bottom), left : max(left + 4, w - right)]


def _light(image: Image, random: np.random.Generator) -> Image:
    """Gain, offset, gamma and white balance of another camera, and its noise."""
    x = image.astype(np.float32) / 255.0
    x = np.clip(x, 0, 1) ** np.float32(np.exp(random.normal(0, 0.2)))
    x = (
        x
        * np.exp(random.normal(0, 0.06, 3)).astype(np.float32)
        * np.float32(np.exp(random.normal(0, 0.15)))
    )
    x = x + np.float32(random.normal(0, 0.04))
    if random.random() < 0.5:
        grey = x.mean(2, keepdims=True)
        x = grey + (x - grey) * np.float32(random.uniform(0.6, 1.3))
    if random.random() < 0.5:
        x = x + random.normal(0, random.uniform(0.005, 0.03), x.shape).astype(np.float32)
    return (np.clip(x, 0, 1) * 255).astype(np.uint8)
