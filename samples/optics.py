"""Cameras: where they stand, how they project, and what they do to light and colour."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np


@dataclass(frozen=True)
class Camera:
    """A pinhole camera at (0, 0, height) that looks along +y.

    height in metres, yaw, pitch (positive looks down) and roll in radians, focal in pixels.
    """

    width: int
    height: int
    focal: float
    eye: tuple[float, float, float]
    yaw: float
    pitch: float
    roll: float = 0.0

    @cached_property
    def rotation(self) -> np.ndarray:
        """Rows are the camera's right, down and forward in the world, (3, 3)."""
        cy, sy, cp, sp = np.cos(self.yaw), np.sin(self.yaw), np.cos(self.pitch), np.sin(self.pitch)
        forward = np.array([sy * cp, cy * cp, -sp])
        right = np.array([cy, -sy, 0.0])
        down = np.cross(forward, right)
        c, s = np.cos(self.roll), np.sin(self.roll)
        return np.stack([c * right + s * down, c * down - s * right, forward])

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """World points (..., 3) to pixels (..., 2) and depth in metres (...)."""
        local = (points - self.eye) @ self.rotation.T
        depth = np.maximum(local[..., 2], 0.05)
        pixels = self.focal * local[..., :2] / depth[..., None]
        return pixels + np.array([self.width / 2, self.height / 2]), local[..., 2]

    def ground(self) -> tuple[np.ndarray, np.ndarray]:
        """World x, y of the ground under each pixel (H, W, 2) and where a pixel sees it."""
        x = (np.arange(self.width) + 0.5 - self.width / 2) / self.focal
        y = (np.arange(self.height) + 0.5 - self.height / 2) / self.focal
        rays = np.stack([*np.meshgrid(x, y), np.ones((self.height, self.width))], -1)
        rays = rays @ self.rotation
        seen = rays[..., 2] < -1e-3
        scale = self.eye[2] / np.where(seen, -rays[..., 2], 1.0)
        return np.asarray(self.eye[:2]) + rays[..., :2] * scale[..., None], seen


@dataclass(frozen=True)
class Light:
    """The light of a place: unit vector to the sun, colours of sun and sky as BGR factors."""

    direction: np.ndarray
    sun: np.ndarray
    sky: np.ndarray
    shadow: float = 0.45

    def shade(self, normals: np.ndarray, occlusion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Share of sun and of sky light (...) that reaches surfaces of these normals."""
        sun = np.clip((normals @ self.direction + 0.2) / 1.2, 0.0, None)
        sky = (0.72 + 0.28 * normals[..., 2]) * occlusion
        return sun * (0.4 + 0.6 * occlusion), sky


@dataclass(frozen=True)
class Look:
    """A camera's own picture: BGR gains, contrast about mid grey, lift, blur and noise in pixels
    and grey levels, and how much the corners darken."""

    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    contrast: float = 1.0
    lift: float = 0.0
    blur: float = 0.4
    noise: float = 2.0
    vignette: float = 0.2

    def apply(self, colours: np.ndarray) -> np.ndarray:
        """The camera's response to float colours (..., 3), 0 to 255."""
        slope = np.asarray(self.gain, np.float32) * np.float32(self.contrast)
        out = colours * slope + np.float32(116.0 * (1 - self.contrast) + self.lift)
        return np.clip(out, 0, 255)

    def corners(self, camera: Camera) -> np.ndarray:
        """Factors of the vignette, float32 (H, W, 1)."""
        y, x = np.mgrid[: camera.height, : camera.width].astype(np.float32)
        r = ((x / camera.width - 0.5) ** 2 + (y / camera.height - 0.5) ** 2) / 0.5
        return (1.0 - np.float32(self.vignette) * r**1.3)[..., None]

    def noise_tile(self, rng: np.random.Generator, camera: Camera) -> np.ndarray:
        """Noise larger than a frame, to be cut at another place each frame, int16."""
        shape = (camera.height + 64, camera.width + 64)
        grey = rng.normal(0, self.noise, shape).astype(np.float32)
        grey = cv2.GaussianBlur(grey, (0, 0), 0.55) * 1.5
        colour = rng.normal(0, 0.5 * self.noise, (*shape, 3)).astype(np.float32)
        colour = cv2.GaussianBlur(colour, (0, 0), 1.0) * 1.8
        return np.rint(grey[..., None] + colour).astype(np.int16)
