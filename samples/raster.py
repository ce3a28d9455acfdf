"""The renderer: ring meshes to small pictures with soft edges, and to shadows on the ground.

Quads are painted far to near as numbers; then each covered pixel looks up its quad and gets
light and texture from the quad's affine fit to its four corners.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from .optics import Camera, Light, Look
from .rings import Mesh
from .wardrobe import TILE_HEIGHT, TILE_WIDTH

_FIX = 16
_SHIFT = 4


@dataclass(frozen=True)
class Patch:
    """A picture to lay on a frame: premultiplied BGR float32 (h, w, 3), alpha (h, w) from 0 to 1.

    Its corner is at pixel `left`, `top`; `box` is the tight x, y, w, h of the silhouette,
    which may leave the frame.
    """

    left: int
    top: int
    colour: np.ndarray
    alpha: np.ndarray
    box: tuple[float, float, float, float]


@lru_cache(maxsize=256)
def _quads(lengths: tuple[int, ...], columns: int) -> tuple[np.ndarray, ...]:
    """Corner rows (Q, 4), columns (Q, 4), and rows before and after each ring of its tube."""
    starts, before, after = [], [], []
    row = 0
    for n in lengths:
        rows = np.arange(row, row + n)
        starts.append(rows[:-1])
        before.append(np.maximum(rows - 1, row))
        after.append(np.minimum(rows + 1, row + n - 1))
        row += n
    r = np.repeat(np.concatenate(starts), columns)
    c = np.tile(np.arange(columns), len(r) // columns)
    d = (c + 1) % columns
    corners = np.stack([r, r, r + 1, r + 1], 1), np.stack([c, d, d, c], 1)
    return (*corners, np.concatenate(before), np.concatenate(after), c + 1)


def _normals(mesh: Mesh, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    v = mesh.vertices
    down = v[after] - v[before]
    round_ = np.roll(v, -1, 1) - np.roll(v, 1, 1)
    n = np.cross(down, round_)
    n /= np.linalg.norm(n, axis=2, keepdims=True) + 1e-9
    flip = np.einsum("rcx,rcx->r", n, mesh.offset) < 0
    n[flip] *= -1
    return n


def _paint(shape: tuple[int, int], polygons: np.ndarray) -> np.ndarray:
    """Numbers of the last polygon (Q, 4, 2 in 1/16 pixel) at each pixel, from 1; 0 is none."""
    canvas = np.zeros(shape, np.int32)
    fill = cv2.fillConvexPoly
    for number, polygon in enumerate(polygons, 1):
        fill(canvas, polygon, number, 8, _SHIFT)
    return canvas


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.rint((points - 0.5) * _FIX).astype(np.int32)


def _crevices(depth: np.ndarray, cover: np.ndarray, reach: int) -> np.ndarray:
    """Light that is left (0 to 1) where something near stands in front: a cheap occlusion."""
    size = (2 * reach + 1, 2 * reach + 1)
    mean = cv2.blur(depth * cover, size) / (cv2.blur(cover, size) + 1e-3)
    return 1.0 - 0.5 * np.clip((depth - mean) * 7.0 - 0.06, 0.0, 1.0)


def draw(
    mesh: Mesh,
    atlas: np.ndarray,
    camera: Camera,
    light: Light,
    look: Look,
    sampling: float = 2,
    *,
    by_part: bool = False,
) -> Patch | None:
    """The mesh as the camera sees it, `sampling` samples a pixel each way; None if it is behind.

    With `by_part` whole tubes are painted far to near, which is right for convex ones.
    """
    columns = mesh.vertices.shape[1]
    rows4, cols4, before, after, right = _quads(mesh.lengths, columns)
    pixels, depth = camera.project(mesh.vertices)
    if depth.min() < 0.3:
        return None
    normals = _normals(mesh, before, after)
    low, high = pixels.min((0, 1)), pixels.max((0, 1))
    left, top = (int(v) for v in np.floor(low) - 3)
    width, height = (int(v) // 2 * 2 for v in np.ceil(high) + 5 - (left, top))
    if width * height * sampling**2 > 6_000_000:
        return None
    corners = (pixels[rows4, cols4] - (left, top)) * sampling
    centre = mesh.vertices[rows4, cols4].mean(1)
    facing = np.einsum("qx,qx->q", normals[rows4, cols4].sum(1), centre - camera.eye)
    far = depth[rows4, cols4].mean(1)
    order = np.flatnonzero(facing < 0.3 * far)
    if by_part:
        part = np.repeat(np.arange(len(mesh.lengths)), mesh.lengths)
        mean = np.bincount(part, depth.mean(1)) / np.bincount(part)
        far = mean[part[rows4[:, 0]]] + 1e-4 * far
    order = order[np.argsort(mesh.bias[rows4[order, 0]] - far[order])]
    corners = corners[order]
    numbers = _paint((int(height * sampling), int(width * sampling)), _fixed(corners))

    sun, sky = light.shade(normals, mesh.occlusion[:, None])
    v = (mesh.tiles[rows4] + (0.03 + 0.94 * mesh.along[rows4])) * TILE_HEIGHT
    u = np.stack([right - 1, right, right, right - 1], 1) / columns * TILE_WIDTH
    values = np.stack(
        [
            sun[rows4, cols4][order],
            sky[rows4, cols4][order],
            u[order],
            v[order],
            depth[rows4, cols4][order],
        ],
        2,
    )
    middle = corners.mean(1)
    arm = corners - middle[:, None]
    xx, yy = (arm[..., 0] ** 2).sum(1) + 0.3, (arm[..., 1] ** 2).sum(1) + 0.3
    xy = (arm[..., 0] * arm[..., 1]).sum(1)
    xv, yv = (np.einsum("qk,qkv->qv", arm[..., i], values) for i in (0, 1))
    det = np.maximum(xx * yy - xy**2, 0.05)[:, None]
    gx = (yy[:, None] * xv - xy[:, None] * yv) / det
    gy = (xx[:, None] * yv - xy[:, None] * xv) / det
    table = np.concatenate([values.mean(1), gx, gy, middle, values[:, :, 3].min(1)[:, None]], 1)

    ys, xs = np.nonzero(numbers)
    if len(ys) == 0:
        return None
    t = table.astype(np.float32)[numbers[ys, xs] - 1]
    dx, dy = xs - t[:, 15] + np.float32(0.5), ys - t[:, 16] + np.float32(0.5)
    got = t[:, :5] + t[:, 5:10] * dx[:, None] + t[:, 10:15] * dy[:, None]
    tile = np.floor(t[:, 17] / TILE_HEIGHT) * TILE_HEIGHT
    ui = got[:, 2].astype(np.int32) % TILE_WIDTH
    vi = np.clip(got[:, 3], tile, tile + TILE_HEIGHT - 1).astype(np.int32)
    shape = numbers.shape
    cover = (numbers > 0).astype(np.float32)
    field = np.zeros(shape, np.float32)
    field[ys, xs] = got[:, 4]
    reach = max(2, round(0.035 * (high[1] - low[1]) * sampling))
    soft = _crevices(field, cover, reach)[ys, xs]
    amount = np.clip(got[:, :2], 0.0, 1.3) * soft[:, None]
    lit = amount[:, :1] * light.sun.astype(np.float32) + amount[:, 1:] * light.sky.astype(
        np.float32
    )
    colour = np.zeros((*shape, 3), np.float32)
    colour[ys, xs] = look.apply(atlas[vi, ui] * lit)
    size = (width, height)
    if sampling > 1:
        colour = cv2.resize(colour, size, interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(cover, size, interpolation=cv2.INTER_AREA)
    else:
        alpha = cover
    if look.blur > 0:
        colour = cv2.GaussianBlur(colour, (0, 0), look.blur)
        alpha = cv2.GaussianBlur(alpha, (0, 0), look.blur)
    x0, x1 = xs.min() / sampling + left, (xs.max() + 1) / sampling + left
    y0, y1 = ys.min() / sampling + top, (ys.max() + 1) / sampling + top
    box = (float(x0), float(y0), float(x1 - x0), float(y1 - y0))
    return Patch(left, top, colour, alpha, box)


def cast_shadow(
    mesh: Mesh, camera: Camera, light: Light, foot: tuple[float, float] | None, soft: float
) -> tuple[int, int, np.ndarray] | None:
    """The mesh's shadow on the ground: corner and darkness (h, w) from 0 to 1.

    `foot` (x, y) gets a contact shadow; `soft` is the width of the edge in pixels.
    """
    thin = mesh.vertices[:, :: max(1, mesh.vertices.shape[1] // 8)]
    columns = thin.shape[1]
    rows4, cols4, *_ = _quads(mesh.lengths, columns)
    direction = light.direction
    flat = thin - direction * (np.maximum(thin[..., 2:], 0) / direction[2])
    pixels, depth = camera.project(flat)
    contact = np.zeros((0, 2))
    if foot is not None:
        angle = np.arange(16) * (np.pi / 8)
        ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1)
        contact, _ = camera.project(ring * 0.30 + (*foot, 0.0))
    if depth.min() < 0.3:
        return None
    every = np.concatenate([pixels.reshape(-1, 2), contact])
    pad = int(3 * soft) + 2
    frame = np.array([camera.width, camera.height])
    low = np.clip(np.floor(every.min(0)) - pad, -pad, frame).astype(int)
    high = np.clip(np.ceil(every.max(0)) + pad, 0, frame + pad).astype(int)
    if np.any(high - low < 2):
        return None
    canvas = np.zeros((int(high[1] - low[1]), int(high[0] - low[0])), np.uint8)
    quads = pixels[rows4, cols4]
    side = quads[:, 1] - quads[:, 0], quads[:, 3] - quads[:, 0]
    turn = side[0][:, 0] * side[1][:, 1] - side[0][:, 1] * side[1][:, 0]
    for polygon in _fixed(quads[np.abs(turn) > 0.02] - low):
        cv2.fillConvexPoly(canvas, polygon, 255, 8, _SHIFT)
    dark = cv2.GaussianBlur(canvas, (0, 0), soft).astype(np.float32) / 255 * light.shadow
    if foot is not None:
        disc = np.zeros_like(canvas)
        cv2.fillConvexPoly(disc, _fixed(contact - low), 255, 8, _SHIFT)
        near = cv2.GaussianBlur(disc, (0, 0), 1.5 * soft + 0.8).astype(np.float32) / 255
        dark = 1 - (1 - dark) * (1 - 0.32 * near)
    return int(low[0]), int(low[1]), dark
