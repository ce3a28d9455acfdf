"""Crops of rendered people for re-identification training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from .body import build_body
from .errors import SamplesError
from .gait import pose
from .optics import Camera, Light, Look
from .people import Person, make_people
from .raster import cast_shadow, draw
from .setpaint import lay_shadow, window
from .stage import Stage, build_stage
from .wardrobe import paint_atlas


def _light(rng: np.random.Generator) -> Light:
    around = rng.uniform(0, 2 * np.pi)
    direction = np.array([np.sin(around), np.cos(around), rng.uniform(0.7, 1.6)])
    strength, warm = rng.uniform(0.25, 0.75), rng.normal(0, 0.04)
    return Light(
        direction / np.linalg.norm(direction),
        strength * np.array([1 - 1.6 * warm, 1.0, 1 + warm]),
        rng.uniform(0.9, 1.15) * (1.12 - strength) * np.array([1 + warm, 1.0, 1 - warm]),
        shadow=float(0.2 + 0.4 * strength),
    )


def _look(rng: np.random.Generator) -> Look:
    gain = rng.uniform(0.82, 1.16) * (1 + rng.normal(0, 0.035, 3))
    return Look(
        gain=(float(gain[0]), float(gain[1]), float(gain[2])),
        contrast=float(rng.uniform(0.82, 1.15)),
        lift=float(rng.uniform(-6, 12)),
        blur=float(rng.uniform(0.0, 0.9)),
        noise=float(rng.uniform(0.5, 4.0)),
    )


def _background(rng: np.random.Generator, stages: list[Stage], size: tuple[int, int]) -> np.ndarray:
    """A piece of an empty place, float32 (h, w, 3), for size (w, h)."""
    stage = stages[int(rng.integers(len(stages)))]
    image = stage.empty.astype(np.float32)
    tall = int(image.shape[0] * rng.uniform(0.35, 0.95))
    wide = min(int(tall * size[0] / size[1]), image.shape[1])
    top = int(rng.integers(0, image.shape[0] - tall + 1))
    left = int(rng.integers(0, image.shape[1] - wide + 1))
    piece = image[top : top + tall, left : left + wide]
    if rng.random() < 0.5:
        piece = piece[:, ::-1]
    out = cv2.resize(np.ascontiguousarray(piece), size, interpolation=cv2.INTER_AREA)
    soft = rng.uniform(0.0, 2.0)
    return cv2.GaussianBlur(out, (0, 0), soft) if soft > 0.3 else out


def person_crops(
    seed: int, people: int, views: int, height: int = 256
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield (identity from 1, view from 0, crop) for `views` pictures of each of `people` persons.

    A crop is uint8 BGR, `height` pixels high and half as wide, with a margin around the person;
    camera, light, colours, moment of the gait and background differ by view. Identities of
    different seeds are different people.
    """
    if people < 1 or views < 1:
        raise SamplesError(f"people is {people} and views is {views}; give numbers from 1")
    if height < 16:
        raise SamplesError(f"height is {height}; give 16 pixels or more")
    stages = [build_stage(seed, index) for index in range(3)]
    size = (height // 2, height)
    for person in make_people(seed, people):
        atlas = paint_atlas(person)
        for view in range(views):
            rng = np.random.default_rng([seed, 505, person.identity, view])
            yield person.identity, view, _crop(rng, person, atlas, stages, size)


def write_people(folder: Path | str, seed: int, people: int, views: int, height: int = 256) -> None:
    """Writes `person_crops` as PNG in Market-1501's naming, so that each view is a camera's.

    Half of the people go to ``bounding_box_train``; of the others the first view is the query,
    the rest are the gallery.
    """
    for identity, view, crop in person_crops(seed, people, views, height):
        part = "bounding_box_train" if identity <= people // 2 else "bounding_box_test"
        if part == "bounding_box_test" and view == 0:
            part = "query"
        path = Path(folder) / part / f"{identity:04d}_c{view + 1}s1_{view:06d}_00.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(path), crop):
            raise SamplesError(f"can't write {path}; is the disk full?")


def _crop(
    rng: np.random.Generator,
    person: Person,
    atlas: np.ndarray,
    stages: list[Stage],
    size: tuple[int, int],
) -> np.ndarray:
    width, height = size
    pitch = float(rng.uniform(0.0, 0.45))
    away = 9.0
    aim = 0.5 * person.height
    eye = (0.0, 0.0, aim + away * np.tan(pitch))
    focal = height * rng.uniform(0.78, 0.93) / person.height * away / np.cos(pitch) ** 2
    camera = Camera(width, height, float(focal), eye, 0.0, pitch, float(rng.normal(0, 0.02)))
    light, look = _light(rng), _look(rng)
    place = float(rng.normal(0, 0.05)), away + float(rng.normal(0, 0.05))
    mesh = build_body(person, pose(person, float(rng.random()))).mesh(12)
    mesh = mesh.placed(*place, float(rng.uniform(0, 2 * np.pi)))
    image = _background(rng, stages, size)
    floor = np.clip((np.arange(height) - 0.55 * height) / (0.2 * height), 0, 1)
    ground = np.broadcast_to(floor[:, None], (height, width)).astype(np.float32)
    shadow = cast_shadow(mesh, camera, light, place, 0.012 * height)
    if shadow is not None:
        lay_shadow(image, ground, *shadow)
    patch = draw(mesh, atlas, camera, light, look, 1 if height >= 384 else 2)
    frame = None
    if patch is not None:
        frame = window(image.shape, patch.left, patch.top, *patch.alpha.shape)
    if patch is not None and frame is not None:
        there, here = frame
        image[there] = image[there] * (1 - patch.alpha[here][..., None]) + patch.colour[here]
    noise = rng.normal(0, look.noise, image.shape).astype(np.float32)
    return np.clip(image + noise, 0, 255).astype(np.uint8)
