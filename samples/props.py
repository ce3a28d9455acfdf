"""Things that stand on the set: trees, planters, columns, benches, a kiosk, lamps."""

from __future__ import annotations

import numpy as np

from .facade import planks, poster
from .people import Colour
from .rings import Rings
from .setpaint import SetPainter, plain_atlas

_UP, _RIGHT, _FRONT = np.eye(3)[2], np.eye(3)[0], np.eye(3)[1]


def _leaves(rings: Rings, rng: np.random.Generator, centre: np.ndarray, size: float) -> None:
    for _ in range(16):
        way = rng.normal(0, 1, 3)
        way /= np.linalg.norm(way)
        r = size * float(rng.uniform(0.34, 0.56))
        at = centre + way * size * 0.62 * np.array([1.0, 1.0, 0.72])
        tile = ("hips", "torso", "arm")[int(rng.integers(3))]
        rings.blob(tile, at, _UP, _RIGHT, _FRONT, (r, r, 0.85 * r), rings=7)


def _greens(rng: np.random.Generator) -> dict[str, Colour]:
    base = np.array([62, 128, 84]) + rng.normal(0, 12, 3)
    names = {"hips": 0.9, "torso": 1.06, "arm": 1.2}
    out: dict[str, Colour] = {}
    for name, k in names.items():
        b, g, r = (int(v) for v in np.clip(base * k, 0, 255))
        out[name] = (b, g, r)
    out["leg"] = (66, 92, 118)
    return out


def tree(painter: SetPainter, x: float, y: float, height: float, soft: float = 3.0) -> None:
    """A round tree with a trunk."""
    rings = Rings()
    z = np.linspace(0, 0.6 * height, 5)
    r = np.array([0.16, 0.11, 0.09, 0.09, 0.05]) * height / 5
    rings.tube("leg", np.outer(z, _UP), _RIGHT, _FRONT, r, r)
    _leaves(rings, painter.rng, np.array([0, 0, 0.72 * height]), 0.30 * height)
    atlas = plain_atlas(_greens(painter.rng), int(painter.rng.integers(1 << 30)), 0.07)
    painter.solid(rings, x, y, atlas, soft)


def planter(painter: SetPainter, x: float, y: float, size: float = 0.9, soft: float = 3.0) -> None:
    """A round stone pot with a bush."""
    rings = Rings()
    z = np.array([0.0, 0.02, 0.25, 0.50, 0.56, 0.57, 0.50]) * size
    r = np.array([0.30, 0.34, 0.42, 0.50, 0.52, 0.48, 0.02]) * size
    rings.tube("bag", np.outer(z, _UP), _RIGHT, _FRONT, r, r)
    for _ in range(12):
        a, d = painter.rng.uniform(0, 6.28), painter.rng.uniform(0.05, 0.34) * size
        at = np.array([d * np.cos(a), d * np.sin(a), size * painter.rng.uniform(0.62, 0.95)])
        k = size * float(painter.rng.uniform(0.15, 0.25))
        tile = ("hips", "torso", "arm")[int(painter.rng.integers(3))]
        rings.blob(tile, at, _UP, _RIGHT, _FRONT, (k, k, k), rings=7)
    colours = _greens(painter.rng) | {"bag": (178, 186, 194)}
    painter.solid(rings, x, y, plain_atlas(colours, int(painter.rng.integers(1 << 30))), soft)


def column(
    painter: SetPainter, x: float, y: float, height: float, radius: float, colour: Colour
) -> None:
    """A round column with a foot and a capital."""
    rings = Rings()
    z = np.array([0, 0.02, 0.16, 0.20, 0.22, 0.5, 1.0, height - 0.3, height - 0.26, height])
    r = np.array([0.05, 1.35, 1.35, 1.2, 1.0, 1.0, 1.0, 0.96, 1.2, 1.3]) * radius
    rings.tube("skin", np.outer(z, _UP), _RIGHT, _FRONT, r, r)
    painter.solid(rings, x, y, plain_atlas({"skin": colour}, int(painter.rng.integers(1 << 30))))


def lamp(painter: SetPainter, x: float, y: float, height: float = 5.0) -> None:
    """A lamp post with a round head."""
    rings = Rings()
    z = np.array([0, 0.02, 0.4, 0.44, height])
    rings.tube("leg", np.outer(z, _UP), _RIGHT, _FRONT, [0.02, 0.13, 0.11, 0.06, 0.045], [0.05] * 5)
    head = np.array([0, 0, height + 0.16])
    rings.blob("skin", head, _UP, _RIGHT, _FRONT, (0.26, 0.26, 0.22), rings=7)
    atlas = plain_atlas({"leg": (70, 66, 60), "skin": (232, 244, 250)}, 5, 0.01)
    painter.solid(rings, x, y, atlas, 1.5)


def bench(painter: SetPainter, x: float, y: float, length: float = 1.9) -> None:
    """A wooden bench that faces the camera."""
    wood = (70, 116, 168)
    boards = planks(painter.rng, wood)
    for side in (-0.42, 0.42):
        at = x + side * length
        painter.box((at - 0.04, at + 0.04), (y, y + 0.45), (0, 0.42), colour=(60, 58, 56))
    faces = {"front": boards[:10], "top": boards}
    painter.box((x - length / 2, x + length / 2), (y, y + 0.5), (0.41, 0.46), faces, wood)
    back = {"front": planks(painter.rng, wood, 3)}
    painter.box((x - length / 2, x + length / 2), (y + 0.5, y + 0.55), (0.55, 0.92), back, wood)


def kiosk(painter: SetPainter, x: float, y: float, accent: Colour, wide: float = 3.0) -> None:
    """A small shop with a striped awning."""
    front = np.empty((120, 150, 3), np.float32)
    front[:] = (198, 206, 212)
    front[84:] = accent
    front[88:116:7] = np.asarray(accent, np.float32) * 0.82
    front[30:78, 14:136] = (64, 60, 58)
    front[36:76, 20:72], front[36:76, 78:130] = (96, 150, 190), (110, 160, 196)
    for k in range(12):
        colour = tuple(float(v) for v in painter.rng.uniform(70, 235, 3))
        left = 24 + k * 9
        front[60 : 74 - (k % 3) * 2, left : left + 6] = colour
    stripes = (np.arange(150) // 12) % 2 == 0
    front[8:28, stripes], front[8:28, ~stripes] = accent, (236, 240, 242)
    roof = (92, 90, 88)
    half = wide / 2
    painter.box((x - half, x + half), (y, y + 2.0), (0, 2.55), {"front": front}, (176, 182, 188))
    over = half + 0.15
    painter.box((x - over, x + over), (y - 0.2, y + 2.1), (2.55, 2.7), None, roof)


def poster_stand(painter: SetPainter, x: float, y: float) -> None:
    """An upright poster case."""
    face = poster(painter.rng)
    painter.box((x - 0.65, x + 0.65), (y, y + 0.16), (0.25, 2.1), {"front": face}, (84, 80, 76))
    painter.box((x - 0.5, x + 0.5), (y, y + 0.16), (0, 0.25), None, (84, 80, 76))
