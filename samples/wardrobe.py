"""Clothes, skin and faces painted on one texture atlas a person."""

from __future__ import annotations

import cv2
import numpy as np

from .body import hairline
from .people import Colour, Person
from .rings import TILES

TILE_HEIGHT, TILE_WIDTH = 96, 192
"""Pixels of one tile of the atlas; a tile's row 0 is the start of its tube."""

_U, _V = np.meshgrid(
    (np.arange(TILE_WIDTH) + 0.5) / TILE_WIDTH, (np.arange(TILE_HEIGHT) + 0.5) / TILE_HEIGHT
)
_FRONT = np.abs(_U - 0.25)
_BACK = np.abs(_U - 0.75)


def _plain(colour: Colour) -> np.ndarray:
    return np.broadcast_to(np.asarray(colour, np.float32), (TILE_HEIGHT, TILE_WIDTH, 3)).copy()


def _scaled(colour: Colour, factor: float) -> Colour:
    b, g, r = (int(min(255, c * factor)) for c in colour)
    return b, g, r


def _pattern(person: Person, rows: int) -> np.ndarray:
    """Where the second colour shows, for a garment that is `rows` stripes high."""
    stripes = (_V * rows) % 1.0 < 0.5
    match person.pattern:
        case "stripes":
            return stripes
        case "pinstripes":
            return (_U * 26) % 1.0 < 0.3
        case "checks":
            return stripes ^ ((_U * 12) % 1.0 < 0.5)
        case "dots":
            u = (_U * 14 + 0.5 * (np.floor(_V * rows * 1.4) % 2)) % 1.0 - 0.5
            v = (_V * rows * 1.4) % 1.0 - 0.5
            return u**2 + v**2 < 0.07
    return np.zeros(_U.shape, bool)


def _torso(person: Person) -> np.ndarray:
    image = _plain(person.upper)
    second = _pattern(person, 7)
    match person.pattern:
        case "yoke":
            second = _V > 0.60
        case "split":
            second = (_U < 0.25) | (_U > 0.75)
        case "band":
            second = (_V > 0.42) & (_V < 0.66)
        case "logo":
            disc = (_FRONT * 2.9) ** 2 + ((_V - 0.58) * 1.5) ** 2 < 0.034
            back = (_BACK < 0.12) & (np.abs(_V - 0.60) < 0.13)
            second = disc | back
        case "jacket":
            second = _FRONT < 0.035 + 0.055 * _V
    image[second] = person.upper2
    if person.pattern == "pinstripes":
        image[second] = 0.5 * np.asarray(person.upper2) + 0.5 * np.asarray(person.upper)
    if person.pattern == "jacket":
        edge = np.abs(_FRONT - 0.035 - 0.055 * _V) < 0.007
        image[edge] = _scaled(person.upper, 0.6)
    if person.coat and person.pattern != "jacket":
        image[_FRONT < 0.004] = _scaled(person.upper, 0.55)
        image[(_FRONT < 0.05) & (_V > 0.78)] = person.upper2
    image[_V < 0.045] = _scaled(person.upper, 0.78)
    image[_V > 0.955] = person.skin
    image[(_V > 0.925) & (_V <= 0.955)] = _scaled(person.upper, 0.75)
    if person.bag == "backpack":
        straps = (np.abs(_FRONT - 0.085) < 0.016) & (_V > 0.32)
        image[straps] = _scaled(person.bag_colour, 0.8)
    if person.bag == "shoulder":
        side = np.where(_U < 0.5, 0.44 - _U, _U - 0.56) / 0.40
        image[np.abs(_V - 0.06 - side * 0.84) < 0.035] = _scaled(person.bag_colour, 0.8)
    return image


def _arm(person: Person) -> np.ndarray:
    image = _plain(person.upper)
    if person.pattern in ("stripes", "checks", "dots"):
        image[_pattern(person, 9)] = person.upper2
    if person.pattern == "pinstripes":
        mixed = 0.5 * np.asarray(person.upper2) + 0.5 * np.asarray(person.upper)
        image[_pattern(person, 9)] = mixed
    if person.sleeve == "contrast" or (person.pattern == "yoke" and not person.coat):
        image[np.float64(2.0 if person.sleeve == "contrast" else 0.22) > _V] = person.upper2
    if person.pattern == "split":
        image[:] = person.upper
    image[_V > 0.95] = _scaled(person.upper, 0.75)
    if person.sleeve == "short":
        image[_V > 0.29] = person.skin
        image[(_V > 0.27) & (_V <= 0.30)] = _scaled(person.upper, 0.75)
    return image


def _lower(person: Person, start: float, end: float) -> np.ndarray:
    """Legwear for a tube from `start` (0 the waist) to `end` (1 the ankle)."""
    image = _plain(person.lower)
    v = start + (end - start) * _V
    if person.lower_pattern == "side" and "skirt" not in person.legwear:
        image[(np.abs(_U - 0.5) > 0.47) | (np.abs(_U - 0.5) < 0.03)] = person.lower2
    elif person.lower_pattern == "checks":
        lines = ((_U * 10) % 1.0 < 0.25) | ((v * 16) % 1.0 < 0.25)
        image[lines] = 0.65 * np.asarray(person.lower) + 0.35 * np.asarray(person.lower2)
    elif person.lower_pattern == "hem":
        image[v > 0.86] = person.lower2
    return image


def _leg(person: Person) -> np.ndarray:
    image = _lower(person, 0.1, 1.0)
    if person.legwear == "shorts":
        image[_V > 0.46] = person.skin
        image[_V > 0.93] = (220, 222, 224)
    elif "skirt" in person.legwear:
        tights = person.texture_seed % 3 == 0
        image[:] = (52, 50, 54) if tights else person.skin
    return image


def _over(person: Person) -> np.ndarray:
    if person.coat:
        image = _plain(person.upper)
        if person.pattern == "pinstripes":
            image[_pattern(person, 9)] = person.upper2
        image[_FRONT < 0.006] = _scaled(person.upper, 0.55)
        return image
    image = _lower(person, 0.5, 0.0)
    if person.lower_pattern == "hem":
        image[_V < 0.2] = person.lower2
    folds = 1.0 + 0.07 * np.sin(_U * 2 * np.pi * 17) * (1 - _V)
    return image * folds[..., None].astype(np.float32)


def _head(person: Person) -> np.ndarray:
    image = _plain(person.skin)
    brow = _scaled(person.hair, 0.8)
    blush = np.exp(-(((_FRONT - 0.09) / 0.05) ** 2) - ((_V - 0.36) / 0.08) ** 2)[..., None]
    image += blush * np.array([-6, -10, 14], np.float32)
    if person.beard:
        cheek = np.interp(_FRONT, [0.0, 0.05, 0.16, 0.2], [0.30, 0.32, 0.42, 0.5])
        image[(cheek > _V) & (_FRONT < 0.2)] = person.hair
    eyes = ((_FRONT - 0.062) / 0.026) ** 2 + ((_V - 0.52) / 0.034) ** 2
    image[eyes < 1.0] = (236, 238, 240)
    image[((_FRONT - 0.060) / 0.012) ** 2 + ((_V - 0.52) / 0.03) ** 2 < 1.0] = (36, 34, 40)
    image[(np.abs(_FRONT - 0.062) < 0.034) & (np.abs(_V - 0.605) < 0.018)] = brow
    image[(_FRONT < 0.042) & (np.abs(_V - 0.235) < 0.018)] = _scaled(person.skin, 0.62)
    image[_V < 0.08] = _scaled(person.skin, 0.8)
    if person.glasses:
        ring = np.maximum(np.abs(_FRONT - 0.064) / 0.046, np.abs(_V - 0.52) / 0.085)
        image[(ring < 1.0) & (ring > 0.78)] = (30, 30, 34)
        image[(_FRONT < 0.02) & (np.abs(_V - 0.55) < 0.014)] = (30, 30, 34)
    image[hairline(person.hair_style, _U) < _V] = person.hair
    return image


def _shoe(person: Person) -> np.ndarray:
    image = _plain(person.shoes)
    bright = sum(person.shoes) > 300
    image[np.abs(_U - 0.75) < 0.16] = (70, 70, 74) if bright else (206, 208, 210)
    return image


def _bag(person: Person) -> np.ndarray:
    image = _plain(person.bag_colour)
    image[(np.abs(_V - 0.62) < 0.03)] = _scaled(person.bag_colour, 0.6)
    image[(_BACK < 0.16) & (np.abs(_V - 0.36) < 0.16)] = _scaled(person.bag_colour, 1.3)
    return image


def paint_atlas(person: Person) -> np.ndarray:
    """The atlas, uint8 (tiles * TILE_HEIGHT, TILE_WIDTH, 3), BGR."""
    hat = _plain(person.hat_colour)
    hat[_V < 0.16] = _scaled(person.hat_colour, 0.72)
    parts = {
        "torso": _torso(person),
        "hips": _lower(person, 0.15, 0.0),
        "arm": _arm(person),
        "leg": _leg(person),
        "head": _head(person),
        "over": _over(person),
        "hat": hat,
        "bag": _bag(person),
        "shoe": _shoe(person),
        "skin": _plain(person.skin),
        "hair": _plain(person.hair),
    }
    atlas = np.concatenate([parts[name] for name in TILES])
    rng = np.random.default_rng(person.texture_seed)
    coarse = rng.normal(0, 1, (len(TILES) * 9, 16)).astype(np.float32)
    folds = cv2.resize(coarse, atlas.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    grain = rng.normal(0, 1, atlas.shape[:2]).astype(np.float32)
    cloth = 1.0 + 0.055 * folds + 0.02 * grain
    skin = [TILES.index(name) for name in ("head", "skin")]
    for tile in skin:
        cloth[tile * TILE_HEIGHT : (tile + 1) * TILE_HEIGHT] = 1.0
    return np.clip(atlas * cloth[..., None], 0, 255).astype(np.uint8)
