"""The places of the scene: a camera, its light and look, the empty picture, ways to walk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from . import props
from .facade import facade, paving, poster
from .optics import Camera, Light, Look
from .people import Colour
from .setpaint import Occluder, SetPainter

KINDS = ("near", "middle", "far")
WIDTH, HEIGHT = 960, 540

_STONE: tuple[Colour, ...] = ((172, 182, 190), (178, 180, 180), (158, 172, 186), (186, 190, 192))
_PLASTER: tuple[Colour, ...] = (
    (206, 220, 230),
    (184, 210, 232),
    (214, 218, 220),
    (196, 212, 206),
    (178, 196, 226),
)
_ACCENT: tuple[Colour, ...] = ((112, 92, 38), (60, 70, 168), (84, 118, 62), (60, 132, 206))


@dataclass(frozen=True)
class Stage:
    """One place. `empty` is the picture without people after the camera's response, uint8
    (H, W, 3); `ground` (H, W) says where the floor shows; `lanes` is (nearest, farthest) y in
    metres of where people walk; `doors` are (x, y) of openings in the back wall."""

    name: str
    kind: str
    camera: Camera
    light: Light
    look: Look
    empty: np.ndarray
    ground: np.ndarray
    occluders: tuple[Occluder, ...]
    lanes: tuple[tuple[float, float], ...]
    doors: tuple[tuple[float, float], ...]
    noise: np.ndarray


def _light(rng: np.random.Generator, kind: str) -> Light:
    side = rng.choice([-1.0, 1.0])
    direction = np.array([side * rng.uniform(0.3, 0.8), -rng.uniform(0.35, 0.7), 1.05])
    direction /= np.linalg.norm(direction)
    warm = rng.uniform(-0.03, 0.05)
    strength = {"near": 0.54, "middle": 0.62, "far": 0.72}[kind] * rng.uniform(0.92, 1.06)
    sun = strength * np.array([1 - 1.6 * warm, 1.0, 1 + warm])
    sky = (1.27 - strength) * np.array([1 + 1.2 * warm, 1.0, 1 - warm])
    return Light(direction, sun, sky, shadow=float(0.34 + 0.3 * (strength - 0.45)))


def _look(rng: np.random.Generator, kind: str) -> Look:
    warm = {"near": 0.03, "middle": -0.045, "far": 0.0}[kind] + rng.normal(0, 0.015)
    return Look(
        gain=(1 - warm, 1.0 + rng.normal(0, 0.008), 1 + warm),
        contrast={"near": 1.06, "middle": 1.0, "far": 0.93}[kind] * rng.uniform(0.97, 1.03),
        lift={"near": 0.0, "middle": 2.0, "far": 7.0}[kind],
        blur={"near": 0.45, "middle": 0.5, "far": 0.55}[kind],
        noise={"near": 1.6, "middle": 2.2, "far": 2.4}[kind] * rng.uniform(0.9, 1.2),
        vignette=float(rng.uniform(0.16, 0.26)),
    )


def _some(rng: np.random.Generator, options: tuple[Colour, ...]) -> Colour:
    return options[int(rng.integers(len(options)))]


def _sky(painter: SetPainter) -> None:
    painter.sky((222, 168, 112), (238, 222, 204), float(painter.rng.uniform(0.5, 0.9)))


def _near(painter: SetPainter, rng: np.random.Generator) -> None:
    stone = _some(rng, _STONE)
    band = (70, 176, 222)
    tactile = ((7.15, 7.5, band),)
    painter.pave(paving(rng, stone, (0.8, 0.8), tactile))
    accent, wall = _some(rng, _ACCENT), _some(rng, _PLASTER)
    texture = facade(rng, 18, 5.0, 90, wall, accent, floors=1, bay=3.6)
    painter.shadow_of(np.array([[-9, 8.6, 0], [9, 8.6, 0], [-9, 8.7, 5], [9, 8.7, 5]], float), 4)
    painter.wall(-9, 9, 8.6, 5.0, texture)
    side = float(rng.choice([-1.0, 1.0]))
    for x in (-1.0, 0.0, 1.0):
        face = {"front": poster(rng, 220, 156)}
        at = side * 0.6 + 4.1 * x
        painter.box((at - 0.45, at + 0.45), (8.52, 8.58), (1.0, 2.25), face, (60, 58, 56), 1.5)
    props.bench(painter, side * 1.6, 7.75)
    props.column(painter, -side * 2.9, 7.4, 5.0, 0.26, (196, 206, 214))
    props.planter(painter, side * 3.4, 7.7, 1.0)
    props.planter(painter, -side * 1.95, 3.75, 0.62, 5.0)


def _middle(painter: SetPainter, rng: np.random.Generator) -> None:
    _sky(painter)
    bands = ((9.6, 10.0, (134, 142, 152)), (14.4, 14.8, (134, 142, 152)))
    painter.pave(paving(rng, _some(rng, _STONE), (1.2, 0.6), bands))
    painter.backdrop(-20, 20, 19.5, 4.0, (72, 84, 92))
    accent, wall = _some(rng, _ACCENT), _some(rng, _PLASTER)
    texture = facade(rng, 36, 7.6, 60, wall, accent, (9.0, 18.0, 27.0), floors=2, bay=3.0)
    painter.wall(-18, 18, 17.0, 7.6, texture)
    props.planter(painter, -5.2, 15.8, 1.1)
    props.planter(painter, 4.4, 15.8, 1.1)
    props.bench(painter, -2.6, 15.6)
    props.bench(painter, 2.2, 15.6)
    for x in (-5.6, -1.9, 1.9, 5.6):
        props.column(painter, x + float(rng.normal(0, 0.1)), 11.9, 5.4, 0.22, (200, 208, 214))
    props.poster_stand(painter, -6.6, 14.6)
    props.poster_stand(painter, 6.9, 14.6)
    props.planter(painter, float(rng.choice([-4.1, 4.1])), 8.6, 0.8, 4.0)


def _far(painter: SetPainter, rng: np.random.Generator) -> None:
    _sky(painter)
    bands = tuple((float(y), float(y) + 0.5, (126, 136, 148)) for y in range(18, 48, 6))
    painter.pave(paving(rng, _some(rng, _STONE), (2.0, 1.5), bands))
    skyline = facade(rng, 140, 17, 10, (206, 210, 206), (160, 160, 160), floors=5, bay=4.0)
    skyline[..., :3] = skyline[..., :3] * 0.35 + 0.65 * np.array([226, 216, 206], np.float32)
    skyline[:40, :400, 3] = skyline[:70, 900:1150, 3] = 0
    painter.wall(-70, 70, 95, 17, skyline)
    painter.backdrop(-34, 34, 48.5, 5.0, (64, 72, 80))
    accent, wall = _some(rng, _ACCENT), _some(rng, _PLASTER)
    doors = tuple(34 + x for x in (-16.5, -5.5, 5.5, 16.5))
    texture = facade(rng, 68, 9.0, 24, wall, accent, doors, floors=2, bay=2.75)
    painter.wall(-34, 34, 46.0, 9.0, texture)
    props.kiosk(painter, float(rng.uniform(-3, 3)), 38.6, _some(rng, _ACCENT), 3.2)
    for x, y, z in ((-19.5, 43, 5.5), (19.0, 43.5, 5.2), (-11, 44, 4.2), (11, 44, 4.4)):
        props.tree(painter, x + float(rng.normal(0, 0.4)), y, z, 2.0)
    props.lamp(painter, -8.5, 33.4, 4.6)
    props.lamp(painter, 8.5, 33.4, 4.6)
    props.bench(painter, -4.0, 27.0, 2.4)
    props.bench(painter, 4.5, 27.0, 2.4)
    props.tree(painter, float(rng.uniform(-10.5, -9.5)), 22.5, 4.4, 4.0)
    props.tree(painter, float(rng.uniform(9.5, 10.5)), 23.5, 4.4, 4.0)
    props.planter(painter, 0.2, 24.5, 1.6)


_PAINT = {"near": _near, "middle": _middle, "far": _far}
_EYE = {"near": (2.2, 950.0, 0.24), "middle": (4.0, 900.0, 0.262), "far": (8.0, 900.0, 0.19)}
_LANES = {
    "near": ((4.6, 6.0),),
    "middle": ((10.5, 11.4), (12.4, 12.9)),
    "far": ((30.2, 32.6), (34.2, 37.6), (41.4, 42.4)),
}


@lru_cache(maxsize=8)
def build_stage(seed: int, index: int) -> Stage:
    """Camera number `index` of the scene of this seed; kinds take turns from near to far."""
    kind = KINDS[index % 3]
    again = index // 3
    rng = np.random.default_rng([seed, 202, index])
    eye, focal, pitch = _EYE[kind]
    yaw = float(rng.normal(0, 0.02))
    roll = float(rng.normal(0, 0.006))
    camera = Camera(WIDTH, HEIGHT, focal, (0.0, 0.0, eye), yaw, pitch, roll)
    light, look = _light(rng, kind), _look(rng, kind)
    painter = SetPainter(camera, light, rng)
    _PAINT[kind](painter, rng)
    doors: tuple[tuple[float, float], ...] = ()
    if kind == "far":
        doors = tuple((x, 46.0) for x in (-16.5, -5.5, 5.5, 16.5))
    return Stage(
        name=kind if not again else f"{kind}{again + 1}",
        kind=kind,
        camera=camera,
        light=light,
        look=look,
        empty=np.rint(look.apply(painter.image) * look.corners(camera)).astype(np.uint8),
        ground=painter.ground,
        occluders=tuple(painter.occluders),
        lanes=_LANES[kind],
        doors=doors,
        noise=look.noise_tile(rng, camera),
    )
