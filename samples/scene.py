"""The scene: people walk past the cameras; frames and truth come out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from .body import build_body
from .errors import SamplesError
from .gait import pose
from .people import Person, make_people
from .raster import Patch, cast_shadow, draw
from .schedule import Passage, plan_passages
from .setpaint import lay_shadow, window
from .stage import Stage, build_stage
from .wardrobe import paint_atlas

MOST_PEOPLE = 60
MOST_CAMERAS = 24

_DETAIL = {"near": (20, 1.5), "middle": (12, 2.0), "far": (8, 4.0)}
_SHADOW_EDGE = {"near": 5.0, "middle": 2.2, "far": 1.0}
_LEAST_SHARE = 0.02


@dataclass(frozen=True)
class TruthBox:
    """A person in a frame: identity from 1, box x, y, w, h in pixels (the body's silhouette as
    if nothing stood before it, cut at the frame), visibility 0 to 1 (share of the silhouette
    that is inside the frame and not covered)."""

    identity: int
    box: tuple[float, float, float, float]
    visibility: float


@dataclass(frozen=True)
class _Figure:
    identity: int
    depth: float
    patch: Patch
    shadow: tuple[int, int, np.ndarray] | None


class Scene:
    """A rendered scene; the same arguments give the same frames. `fps` is frames a second.

    Cameras take turns: near (people above 200 pixels), middle (about 90 to 150), far (28 to 60);
    the fourth is `near2`, and so on. All share one clock that starts at 0.
    """

    def __init__(
        self, seed: int = 7, people: int = 12, cameras: int = 3, fps: float = 10.0
    ) -> None:
        if not 1 <= people <= MOST_PEOPLE:
            raise SamplesError(f"people is {people}; give a number from 1 to {MOST_PEOPLE}")
        if not 1 <= cameras <= MOST_CAMERAS:
            raise SamplesError(f"cameras is {cameras}; give a number from 1 to {MOST_CAMERAS}")
        if not 0 < fps <= 120:
            raise SamplesError(f"fps is {fps}; give a rate above 0 and up to 120")
        if seed < 0:
            raise SamplesError(f"seed is {seed}; give a whole number from 0")
        self.seed, self.fps = seed, fps
        self.people: tuple[Person, ...] = tuple(make_people(seed, people))
        self.stages: dict[str, Stage] = {
            stage.name: stage for stage in (build_stage(seed, i) for i in range(cameras))
        }
        self.duration, self.passages = plan_passages(
            list(self.stages.values()), list(self.people), seed
        )
        self._atlases = {person.identity: paint_atlas(person) for person in self.people}

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras."""
        return tuple(self.stages)

    @property
    def frame_count(self) -> int:
        """Frames of each camera."""
        return round(self.duration * self.fps)

    def frames(self, camera: str) -> Iterator[tuple[np.ndarray, list[TruthBox]]]:
        """Pictures, uint8 (H, W, 3) BGR, with the people in each."""
        for index in range(self.frame_count):
            yield self.frame(camera, index)

    def frame(self, camera: str, index: int) -> tuple[np.ndarray, list[TruthBox]]:
        """Picture number `index` (from 0) of a camera, with the people in it."""
        if camera not in self.stages:
            known = ", ".join(self.stages)
            raise SamplesError(f"no camera is called {camera!r}; the scene has {known}")
        if not 0 <= index < self.frame_count:
            raise SamplesError(
                f"no frame {index}; the scene has frames 0 to {self.frame_count - 1}"
            )
        stage = self.stages[camera]
        figures = self._figures(stage, index / self.fps)
        truth = _truth(stage, figures)
        image = stage.empty.copy()
        for figure in figures:
            if figure.shadow is not None:
                lay_shadow(image, stage.ground, *figure.shadow)
        for figure in sorted(figures, key=lambda f: -f.depth):
            _lay(image, stage, figure)
        rng = np.random.default_rng([self.seed, 404, self.cameras.index(camera), index])
        y, x = (int(v) for v in rng.integers(0, 64, 2))
        h, w = image.shape[:2]
        noise = np.ascontiguousarray(stage.noise[y : y + h, x : x + w])
        return cv2.add(image, noise, dtype=cv2.CV_8U), truth

    def _figures(self, stage: Stage, time: float) -> list[_Figure]:
        columns, sampling = _DETAIL[stage.kind]
        figures = []
        for passage in self.passages:
            place = passage.at(time) if passage.camera == stage.name else None
            if place is None:
                continue
            x, y, heading = place
            person = self.people[passage.identity - 1]
            mesh = build_body(person, pose(person, _phase(passage, person, time)))
            placed = mesh.mesh(columns).placed(x, y, heading)
            atlas = self._atlases[passage.identity]
            patch = draw(placed, atlas, stage.camera, stage.light, stage.look, sampling)
            if patch is None or _outside(stage, patch.box):
                continue
            edge = _SHADOW_EDGE[stage.kind]
            shadow = cast_shadow(placed, stage.camera, stage.light, (x, y), edge)
            depth = float(stage.camera.project(np.array([x, y, 0.0]))[1])
            figures.append(_Figure(passage.identity, depth, patch, shadow))
        return figures


def _phase(passage: Passage, person: Person, time: float) -> float:
    return passage.identity * 0.37 + (time - passage.start) * person.cadence


def _outside(stage: Stage, box: tuple[float, float, float, float]) -> bool:
    x, y, w, h = box
    return x + w <= 1 or y + h <= 1 or x >= stage.camera.width - 1 or y >= stage.camera.height - 1


def _uncovered(stage: Stage, figure: _Figure) -> np.ndarray:
    """The figure's alpha where nothing of the set stands before it."""
    patch = figure.patch
    alpha = patch.alpha
    for occluder in stage.occluders:
        if occluder.depth >= figure.depth:
            continue
        top, left = occluder.top - patch.top, occluder.left - patch.left
        frame = window(alpha.shape, left, top, *occluder.alpha.shape)
        if frame is not None:
            there, here = frame
            alpha = alpha.copy() if alpha is patch.alpha else alpha
            alpha[there] *= 1 - occluder.alpha[here]
    return alpha


def _lay(image: np.ndarray, stage: Stage, figure: _Figure) -> None:
    patch = figure.patch
    frame = window(image.shape, patch.left, patch.top, *patch.alpha.shape)
    if frame is None:
        return
    there, here = frame
    open_ = _uncovered(stage, figure)
    colour = patch.colour[here]
    if open_ is not patch.alpha:
        share = open_[here] / np.maximum(patch.alpha[here], 1e-4)
        colour = colour * share[..., None]
    part = image[there]
    part[:] = part * (1 - open_[here][..., None]) + (colour + 0.5)


def _truth(stage: Stage, figures: list[_Figure]) -> list[TruthBox]:
    camera = stage.camera
    covered = np.zeros((camera.height, camera.width), np.float32)
    boxes = []
    for figure in sorted(figures, key=lambda f: f.depth):
        patch = figure.patch
        frame = window(covered.shape, patch.left, patch.top, *patch.alpha.shape)
        if frame is None:
            continue
        there, here = frame
        shown = _uncovered(stage, figure)[here] * (1 - covered[there])
        visibility = float(shown.sum() / patch.alpha.sum())
        covered[there] += shown
        x, y, w, h = patch.box
        x0, y0 = max(x, 0.0), max(y, 0.0)
        x1, y1 = min(x + w, float(camera.width)), min(y + h, float(camera.height))
        if visibility >= _LEAST_SHARE:
            box = (round(x0, 2), round(y0, 2), round(x1 - x0, 2), round(y1 - y0, 2))
            boxes.append(TruthBox(figure.identity, box, round(min(visibility, 1.0), 4)))
    return sorted(boxes, key=lambda b: b.identity)
