"""Paints the standing set of a place: ground, sky, walls, boxes, round things and their shadows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .optics import Camera, Light, Look
from .people import Colour
from .raster import cast_shadow, draw
from .rings import TILES, Rings
from .wardrobe import TILE_HEIGHT, TILE_WIDTH

_CLEAR = Look(blur=0.0, vignette=0.0)


@dataclass(frozen=True)
class Occluder:
    """What stands at `depth` metres from the camera: alpha (h, w) with its corner in pixels."""

    left: int
    top: int
    alpha: np.ndarray
    depth: float


def plain_atlas(colours: dict[str, Colour], seed: int, grain: float = 0.05) -> np.ndarray:
    """An atlas with one speckled colour a tile, uint8."""
    rng = np.random.default_rng(seed)
    tiles = []
    for name in TILES:
        tile = np.full((TILE_HEIGHT, TILE_WIDTH, 3), colours.get(name, (128, 128, 128)), float)
        noise = cv2.resize(rng.normal(0, 1, (24, 40)), (TILE_WIDTH, TILE_HEIGHT))
        tiles.append(tile * (1 + grain * noise[..., None]))
    return np.clip(np.concatenate(tiles), 0, 255).astype(np.uint8)


class SetPainter:
    """Holds the picture of an empty place (float32 BGR, 0 to 255) while things are put into it."""

    def __init__(self, camera: Camera, light: Light, rng: np.random.Generator) -> None:
        self.camera, self.light, self.rng = camera, light, rng
        self.image = np.zeros((camera.height, camera.width, 3), np.float32)
        self.ground = np.zeros((camera.height, camera.width), np.float32)
        self.occluders: list[Occluder] = []

    def _lit(self, normal: tuple[float, float, float], occlusion: float = 1.0) -> np.ndarray:
        sun, sky = self.light.shade(np.asarray(normal, float), np.asarray(occlusion))
        factor = np.asarray(sun * self.light.sun + sky * self.light.sky)
        return factor.astype(np.float32)

    def sky(self, top: Colour, bottom: Colour, clouds: float) -> None:
        """A gradient down to the horizon with soft clouds."""
        h, w = self.camera.height, self.camera.width
        horizon = max(60.0, h / 2 - self.camera.focal * np.tan(self.camera.pitch))
        t = np.clip(np.arange(h) / horizon, 0, 1)[:, None, None]
        paint = (1 - t) * np.asarray(top, float) + t * np.asarray(bottom, float)
        cloud = np.zeros((h, w))
        for size in (5, 9, 18):
            part = self.rng.normal(0, 1 / size**0.5, (2 * size, size))
            cloud += cv2.resize(part, (w, h), interpolation=cv2.INTER_CUBIC)
        cloud = clouds * np.clip(cloud, 0, 1)[..., None]
        self.image[:] = paint * (1 - cloud) + np.array([246.0, 246.0, 248.0]) * cloud

    def pave(self, colour_at: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]) -> None:
        """The ground, two samples a pixel; colour_at(x, y, footprint) gives BGR (..., 3)."""
        c = self.camera
        fine = Camera(c.width * 2, c.height * 2, c.focal * 2, c.eye, c.yaw, c.pitch, c.roll)
        where, seen = fine.ground()
        away = np.linalg.norm(where - c.eye[:2], axis=2)
        footprint = np.hypot(away, c.eye[2]) ** 2 / (fine.focal * c.eye[2])
        paint = np.asarray(colour_at(where[..., 0], where[..., 1], footprint), np.float32)
        haze = np.clip((away - 40) / 160, 0, 0.6)[..., None].astype(np.float32)
        paint = paint * self._lit((0, 0, 1)) * (1 - haze) + 214 * haze
        size = (c.width, c.height)
        cover = cv2.resize(seen.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        paint = np.where(seen[..., None], paint, 0).astype(np.float32)
        self.image *= 1 - cover[..., None]
        self.image += cv2.resize(paint, size, interpolation=cv2.INTER_AREA)
        self.ground[:] = cover

    def _quad(self, layer: np.ndarray, corners: np.ndarray, texture: np.ndarray) -> None:
        """Lay a texture (h, w, 4; premultiplied, alpha 0 to 1) on four world corners, 2x fine."""
        pixels, depth = self.camera.project(corners)
        if depth.min() < 0.2:
            return
        h, w = texture.shape[:2]
        source = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
        goal = (pixels * 2).astype(np.float32)
        low = np.maximum(np.floor(goal.min(0)).astype(int) - 2, 0) // 2 * 2
        limit = np.array([layer.shape[1], layer.shape[0]]) * 2
        high = np.minimum(np.ceil(goal.max(0)).astype(int) + 2, limit)
        high = low + (high - low + 1) // 2 * 2
        if np.any(high <= low):
            return
        move = cv2.getPerspectiveTransform(source, goal - low.astype(np.float32))
        size = (int(high[0] - low[0]), int(high[1] - low[1]))
        fine = cv2.warpPerspective(texture, move, size, flags=cv2.INTER_AREA)
        small = cv2.resize(fine, (size[0] // 2, size[1] // 2), interpolation=cv2.INTER_AREA)
        y, x = low[1] // 2, low[0] // 2
        part = layer[y : y + small.shape[0], x : x + small.shape[1]]
        small = small[: part.shape[0], : part.shape[1]]
        part *= 1 - small[..., 3:]
        part += small

    def _put(self, layer: np.ndarray, depth: float, occludes: bool = True) -> None:
        alpha = layer[..., 3]
        ys, xs = np.nonzero(alpha > 0.004)
        if len(ys) == 0:
            return
        self.image *= 1 - alpha[..., None]
        self.image += layer[..., :3]
        self.ground *= 1 - alpha
        if occludes:
            y0, y1, x0, x1 = ys.min(), ys.max() + 1, xs.min(), xs.max() + 1
            cut = np.ascontiguousarray(alpha[y0:y1, x0:x1])
            self.occluders.append(Occluder(int(x0), int(y0), cut, depth))

    def _layer(self) -> np.ndarray:
        return np.zeros((self.camera.height, self.camera.width, 4), np.float32)

    def wall(self, x0: float, x1: float, y: float, height: float, texture: np.ndarray) -> None:
        """A wall across the view; the texture (h, w, 4, alpha 0 where it is open) faces us."""
        corners = np.array([[x0, y, height], [x1, y, height], [x1, y, 0], [x0, y, 0]], float)
        lit = texture.astype(np.float32)
        lit[..., :3] *= self._lit((0, -1, 0), 0.95) * lit[..., 3:]
        layer = self._layer()
        self._quad(layer, corners, lit)
        depth = float(self.camera.project(np.array([0.0, y, 0.0]))[1])
        self.contact(x0, x1, y - 0.25, y)
        self._put(layer, depth)

    def contact(self, x0: float, x1: float, y0: float, y1: float, reach: float = 0.12) -> None:
        """A soft dark seam on the ground round the foot of a thing over x0 to x1, y0 to y1."""
        a, b, c, d = x0 - reach, x1 + reach, y0 - reach, y1 + reach
        corners = np.array([[a, d, 0], [b, d, 0], [b, c, 0], [a, c, 0]], float)
        pixels, depth = self.camera.project(corners)
        if depth.min() < 0.3:
            return
        mask = np.zeros(self.ground.shape, np.uint8)
        cv2.fillConvexPoly(mask, np.rint(pixels * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
        soft = 0.7 * reach * self.camera.focal / float(depth.mean())
        dark = cv2.GaussianBlur(mask, (0, 0), max(soft, 0.6)).astype(np.float32) / 255
        self.darken(0, 0, dark * 0.4)

    def backdrop(self, x0: float, x1: float, y: float, height: float, colour: Colour) -> None:
        """A dim flat surface behind openings."""
        texture = np.empty((32, 8, 4), np.float32)
        fade = np.linspace(1.25, 0.7, 32)[:, None, None]
        texture[..., :3] = np.asarray(colour, np.float32) * fade
        texture[..., 3] = 1
        corners = np.array([[x0, y, height], [x1, y, height], [x1, y, 0], [x0, y, 0]], float)
        layer = self._layer()
        self._quad(layer, corners, texture)
        self._put(layer, 0.0, occludes=False)

    def shadow_of(self, corners: np.ndarray, soft: float) -> None:
        """Shade the ground under the shadow of the convex hull of corners (n, 3)."""
        direction = self.light.direction
        flat = corners - direction * (corners[:, 2:] / direction[2])
        pixels, depth = self.camera.project(np.concatenate([flat, corners * (1, 1, 0)]))
        if depth.min() < 0.3:
            return
        hull = cv2.convexHull(np.rint(pixels * 16).astype(np.int32))
        mask = np.zeros(self.ground.shape, np.uint8)
        cv2.fillConvexPoly(mask, hull, 255, cv2.LINE_AA, 4)
        dark = cv2.GaussianBlur(mask, (0, 0), soft).astype(np.float32) / 255
        self.darken(0, 0, dark * self.light.shadow)

    def darken(self, left: int, top: int, dark: np.ndarray) -> None:
        """Shade the ground by darkness (h, w) whose corner is at left, top."""
        lay_shadow(self.image, self.ground, left, top, dark)

    def box(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        z: tuple[float, float],
        faces: dict[str, np.ndarray] | None = None,
        colour: Colour = (150, 150, 150),
        soft: float = 2.0,
    ) -> None:
        """A box over ranges in metres, with textures for `front` and `top` (h, w, 3)."""
        (x0, x1), (y0, y1), (z0, z1) = x, y, z
        cube = np.array([[a, b, c] for a in x for b in y for c in z], float)
        self.shadow_of(cube, soft)
        if z0 < 0.05:
            self.contact(x0, x1, y0, y1)
        layer = self._layer()
        order = [("top", (0, 0, 1)), ("left", (-1, 0, 0)), ("right", (1, 0, 0))]
        corners = {
            "top": [[x0, y1, z1], [x1, y1, z1], [x1, y0, z1], [x0, y0, z1]],
            "left": [[x0, y1, z1], [x0, y0, z1], [x0, y0, z0], [x0, y1, z0]],
            "right": [[x1, y0, z1], [x1, y1, z1], [x1, y1, z0], [x1, y0, z0]],
            "front": [[x0, y0, z1], [x1, y0, z1], [x1, y0, z0], [x0, y0, z0]],
        }
        for name, normal in [*order, ("front", (0, -1, 0))]:
            points = np.array(corners[name], float)
            if np.dot(points.mean(0) - self.camera.eye, normal) > 0:
                continue
            given = (faces or {}).get(name)
            texture = np.ones((48, 48, 4) if given is None else (*given.shape[:2], 4), np.float32)
            texture[..., :3] = colour if given is None else given
            low = np.linspace(1.0, 0.86 if name != "top" else 1.0, len(texture))
            texture[..., :3] *= self._lit(normal) * low[:, None, None].astype(np.float32)
            self._quad(layer, points, texture)
        depth = float(self.camera.project(np.array([(x0 + x1) / 2, (y0 + y1) / 2, 0.0]))[1])
        self._put(layer, depth)

    def solid(self, rings: Rings, x: float, y: float, atlas: np.ndarray, soft: float = 2.0) -> None:
        """Round things built of rings, their foot at x, y; parts are painted back to front."""
        mesh = rings.mesh(24).placed(x, y, 0.0)
        shadow = cast_shadow(mesh, self.camera, self.light, None, soft)
        if shadow is not None:
            self.darken(*shadow)
        foot = float(np.abs(mesh.offset[0]).max()) + 0.1
        self.contact(x - foot, x + foot, y - foot, y + foot)
        patch = draw(mesh, atlas, self.camera, self.light, _CLEAR, 2, by_part=True)
        if patch is None:
            return
        layer = self._layer()
        frame = window(layer.shape[:2], patch.left, patch.top, *patch.alpha.shape)
        if frame is None:
            return
        there, here = frame
        layer[there][..., :3] = patch.colour[here]
        layer[there][..., 3] = patch.alpha[here]
        depth = float(self.camera.project(np.array([x, y, 0.0]))[1])
        self._put(layer, depth)


Window = tuple[slice, slice]


def window(
    shape: tuple[int, ...], left: int, top: int, height: int, width: int
) -> tuple[Window, Window] | None:
    """Where a small picture lies on a frame: slices of the frame and of the picture, or None."""
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + width, shape[1]), min(top + height, shape[0])
    if x1 <= x0 or y1 <= y0:
        return None
    there = slice(y0, y1), slice(x0, x1)
    return there, (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))


def lay_shadow(
    image: np.ndarray, ground: np.ndarray, left: int, top: int, dark: np.ndarray
) -> None:
    """Darken an image in place where its ground shows; shadows are a little blue."""
    frame = window(image.shape, left, top, *dark.shape)
    if frame is None:
        return
    there, here = frame
    amount = (dark[here] * ground[there])[..., None]
    part = image[there]
    tint = np.array([0.88, 0.97, 1.0], np.float32)
    part[:] = part * (1 - amount * tint)
