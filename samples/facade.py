"""Textures of the set: paving, walls with windows and doors, posters, planks."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from .people import Colour

Paving = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def paving(
    rng: np.random.Generator,
    colour: Colour,
    tile: tuple[float, float],
    bands: tuple[tuple[float, float, Colour], ...] = (),
) -> Paving:
    """Slabs of `tile` metres with joints and stains; bands are (from y, to y, colour)."""
    slabs = rng.normal(0, 1, (64, 64))
    speckle = np.pad(rng.normal(0, 1, (256, 256)), 32, mode="wrap")
    stains = cv2.GaussianBlur(speckle, (0, 0), 6)[32:-32, 32:-32]
    stains = stains / stains.std()

    def colour_at(x: np.ndarray, y: np.ndarray, footprint: np.ndarray) -> np.ndarray:
        row = np.floor(y / tile[1])
        shifted = x / tile[0] + 0.5 * (row % 2)
        column = np.floor(shifted)
        tone = slabs[row.astype(int) % 64, column.astype(int) % 64]
        dirt = stains[(y * 12).astype(int) % 256, (x * 12).astype(int) % 256]
        across = np.minimum(shifted - column, 1 - shifted + column) * tile[0]
        deep = y / tile[1] - row
        joint = np.minimum(across, np.minimum(deep, 1 - deep) * tile[1])
        width = 0.012 + 0.5 * footprint
        line = np.clip(1.2 - joint / width, 0, 1) * np.clip(0.012 / (0.4 * footprint), 0, 1)
        base = np.broadcast_to(np.asarray(colour, float), (*x.shape, 3)).copy()
        for low, high, band in bands:
            base[(y >= low) & (y < high)] = band
        factor = (1 + 0.045 * tone + 0.022 * dirt) * (1 - 0.34 * line)
        return base * factor[..., None]

    return colour_at


def _grain(rng: np.random.Generator, image: np.ndarray, amount: float) -> None:
    h, w = image.shape[:2]
    soft = cv2.resize(rng.normal(0, 1, (h // 24 + 2, w // 24 + 2)), (w, h))
    image[..., :3] *= (1 + amount * soft[..., None]).astype(np.float32)


def _glass(rng: np.random.Generator, h: int, w: int) -> np.ndarray:
    t = np.linspace(0, 1, h)[:, None, None]
    tone = rng.uniform(0.85, 1.1)
    pane = tone * ((1 - t) * np.array([226, 200, 166]) + t * np.array([124, 104, 84]))
    if rng.random() < 0.22:
        pane = 0.45 * pane + 0.55 * np.array([128, 196, 232])
    pane = np.broadcast_to(pane, (h, w, 3)).astype(np.float32).copy()
    slope = (np.arange(w)[None] + np.arange(h)[:, None] * 0.7) / max(w, 1)
    glint = (slope % 1.3 > 0.45) & (slope % 1.3 < 0.62)
    pane[glint] = pane[glint] * 0.8 + 50
    return pane


def facade(
    rng: np.random.Generator,
    width: float,
    height: float,
    scale: int,
    colour: Colour,
    accent: Colour,
    doors: tuple[float, ...] = (),
    floors: int = 1,
    bay: float = 3.0,
) -> np.ndarray:
    """A wall (h, w, 4) at `scale` pixels a metre; doors are open, centres in metres from left."""
    h, w = round(height * scale), round(width * scale)
    image = np.ones((h, w, 4), np.float32)
    image[..., :3] = colour
    _grain(rng, image, 0.02)

    def fill(x0: float, x1: float, z0: float, z1: float, paint: Colour | np.ndarray) -> None:
        ys = slice(max(h - round(z1 * scale), 0), max(h - round(z0 * scale), 0))
        xs = slice(max(round(x0 * scale), 0), max(round(x1 * scale), 0))
        part = image[ys, xs, :3]
        if part.size:
            part[:] = paint if isinstance(paint, tuple) else cv2.resize(paint, part.shape[1::-1])

    dark: Colour = tuple(int(c * 0.72) for c in colour)  # type: ignore[assignment]
    light: Colour = tuple(int(min(c * 1.1, 246)) for c in colour)  # type: ignore[assignment]
    frame: Colour = (62, 58, 54)
    storey = height / floors
    for x in np.arange(0, width, bay):
        fill(x, x + 0.18, 0, height, light)
        fill(x + 0.18, x + 0.22, 0, height, dark)
    for floor in range(floors):
        z = floor * storey
        for x in np.arange(0, width, bay):
            middle = x + bay / 2
            if floor == 0 and any(abs(middle - d) < bay * 0.75 for d in doors):
                continue
            x0, x1 = x + 0.24 * bay, x + 0.86 * bay
            z0, z1 = z + 0.24 * storey, z + 0.80 * storey
            fill(x0 - 0.09, x1 + 0.09, z0 - 0.09, z1 + 0.09, frame)
            fill(x0, x1, z0, z1, _glass(rng, 64, 48))
            fill((x0 + x1) / 2 - 0.025, (x0 + x1) / 2 + 0.025, z0, z1, frame)
            fill(x0 - 0.14, x1 + 0.14, z0 - 0.16, z0 - 0.07, light)
            if floor == 0 and rng.random() < 0.5:
                fill(x0 - 0.2, x1 + 0.2, z1 - 0.25, z1 + 0.2, accent)
        fill(0, width, z + storey - 0.22, z + storey, light)
        fill(0, width, z + storey - 0.26, z + storey - 0.22, dark)
    fill(0, width, 0, 0.45, dark)
    fill(0, width, height - 0.3, height, dark)
    for door in doors:
        fill(door - 1.25, door + 1.25, 0, 2.75, frame)
        fill(door - 1.6, door + 1.6, 2.75, 3.15, accent)
        fill(door - 1.05, door + 1.05, 0, 2.6, (40, 40, 40))
        ys = slice(h - round(2.6 * scale), h)
        xs = slice(round((door - 1.05) * scale), round((door + 1.05) * scale))
        image[ys, xs, 3] = 0
    shade = np.linspace(1.04, 0.92, h)[:, None, None].astype(np.float32)
    image[..., :3] *= shade
    return image


def poster(rng: np.random.Generator, h: int = 160, w: int = 112) -> np.ndarray:
    """A framed abstract poster, float32 (h, w, 3)."""
    hue = rng.integers(0, 180, 3)
    colours = [
        cv2.cvtColor(np.array([[[int(k), s, v]]], np.uint8), cv2.COLOR_HSV2BGR)[0, 0].astype(float)
        for k, s, v in zip(hue, (60, 150, 190), (235, 190, 150), strict=True)
    ]
    image = np.empty((h, w, 3), np.float32)
    image[:] = colours[0]
    for _ in range(4):
        centre = int(rng.integers(0, w)), int(rng.integers(h // 4, h))
        shade = colours[int(rng.integers(1, 3))]
        cv2.circle(image, centre, int(rng.integers(w // 6, w // 2)), tuple(shade), -1, cv2.LINE_AA)
    for k in range(3):
        y = h // 10 + k * h // 16
        cv2.line(image, (w // 8, y), (w // 8 + w // (2 + k), y), (70, 64, 60), max(1, h // 50))
    cv2.rectangle(image, (0, 0), (w - 1, h - 1), (52, 50, 48), max(2, w // 22))
    return image


def planks(
    rng: np.random.Generator, colour: Colour, count: int = 5, along: bool = True
) -> np.ndarray:
    """Boards with gaps, float32 (64, 64, 3)."""
    rows = (np.arange(64) * count) // 64
    tone = (1 + rng.normal(0, 0.06, count))[rows]
    tone[1:][np.diff(rows) > 0] *= 0.45
    image = np.asarray(colour, np.float32) * tone[:, None, None] * np.ones((64, 64, 1))
    return (image if along else image.transpose(1, 0, 2)).astype(np.float32)
