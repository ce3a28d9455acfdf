"""Training pictures for the detector, composed at random from a set.

A picture is split into one, four or nine cells, each a piece of some frame at some scale, so that
people of 14 pixels are as frequent as people of 200. Cut-out people are pasted onto part of the
pictures; pieces of background of the same outline are pasted too, so that an outline alone never
means a person.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from .detector_labels import overlaps
from .errors import TrainingError

LOWEST, HIGHEST = 14.0, 220.0
SMALLEST_BOX = 8.0
CELLS = ((1, 0.4), (2, 0.4), (3, 0.2))
RENDERED_SHARE = 0.3
PASTED_SHARE = 0.45


@dataclass(frozen=True)
class Picture:
    """One training picture.

    Attributes:
        image: BGR `uint8 (H, W, 3)`.
        boxes: people, `float32 (N, 4)` as x1, y1, x2, y2 in pixels.
        doubtful: regions that count neither as person nor as background, same form.
    """

    image: np.ndarray
    boxes: np.ndarray
    doubtful: np.ndarray


@dataclass(frozen=True)
class _Frame:
    path: Path
    boxes: np.ndarray
    doubtful: np.ndarray


class Composer:
    """Draws training pictures from a set's folder."""

    def __init__(self, folder: Path, height: int = 384, width: int = 640, seed: int = 0) -> None:
        """Read the set's lines; raises TrainingError if the folder holds no labelled frames."""
        self.height, self.width = height, width
        self._chance = np.random.default_rng(seed)
        self._groups = _read_groups(folder)
        self._people = sorted((folder / "people").glob("*.png"))
        self._images: dict[Path, np.ndarray] = {}

    def picture(self) -> Picture:
        """Compose one picture."""
        chance = self._chance
        image = np.empty((self.height, self.width, 3), np.uint8)
        boxes: list[np.ndarray] = []
        doubtful: list[np.ndarray] = []
        count = int(chance.choice([c for c, _ in CELLS], p=[p for _, p in CELLS]))
        rows = _cuts(self.height, count, chance)
        columns = _cuts(self.width, count, chance)
        for top, bottom in pairwise(rows):
            for left, right in pairwise(columns):
                piece = self._piece(bottom - top, right - left)
                image[top:bottom, left:right] = piece.image
                shift = np.array([left, top, left, top], np.float32)
                boxes.append(piece.boxes + shift)
                doubtful.append(piece.doubtful + shift)
        whole = Picture(image, np.concatenate(boxes), np.concatenate(doubtful))
        if self._people and chance.random() < PASTED_SHARE:
            whole = self._paste(whole)
        whole = _mirror(whole) if chance.random() < 0.5 else whole
        return Picture(_spoil(whole.image, chance), whole.boxes, whole.doubtful)

    def _piece(self, height: int, width: int) -> Picture:
        """A cut of a random frame at a random scale, with the boxes that are seen in it."""
        chance = self._chance
        frame = self._draw_frame()
        image = self._load(frame.path)
        tall, wide = image.shape[:2]
        heights = frame.boxes[:, 3] - frame.boxes[:, 1]
        focus = int(chance.integers(len(heights))) if len(heights) else -1
        wanted = np.exp(chance.uniform(np.log(LOWEST), np.log(HIGHEST)))
        scale = wanted / heights[focus] if focus >= 0 else chance.uniform(0.4, 1.2)
        scale = float(max(height / tall, width / wide, min(scale, 1.6)))
        part = np.array([width, height], np.float32) / scale
        spare = np.maximum(np.array([wide, tall]) - part, 0)
        if focus >= 0 and chance.random() < 0.8:
            centre = frame.boxes[focus].reshape(2, 2).mean(axis=0)
            corner = np.clip(centre - part * chance.uniform(0.15, 0.85, 2), 0, spare)
        else:
            corner = chance.uniform(0, 1, 2) * spare
        x, y = corner.astype(int)
        source = image[y : y + int(np.ceil(part[1])), x : x + int(np.ceil(part[0]))]
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        piece = cv2.resize(source, (width, height), interpolation=way)
        shift = np.array([x, y, x, y], np.float32)
        boxes, hidden = _seen((frame.boxes - shift) * scale, height, width)
        doubtful, more = _seen((frame.doubtful - shift) * scale, height, width, 0.0)
        return Picture(piece, boxes, np.concatenate([doubtful, hidden, more]))

    def _draw_frame(self) -> _Frame:
        names = list(self._groups)
        rendered = np.array([name == "rendered" for name in names])
        share = np.where(rendered, RENDERED_SHARE, 1.0)
        if rendered.any() and not rendered.all():
            share[~rendered] *= (1 - RENDERED_SHARE) / (~rendered).sum()
        group = self._groups[names[self._chance.choice(len(names), p=share / share.sum())]]
        return group[self._chance.integers(len(group))]

    def _load(self, path: Path) -> np.ndarray:
        if path not in self._images:
            image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            if image is None:
                raise TrainingError(f"{path} can't be read: build the set again")
            self._images[path] = image
        return self._images[path]

    def _paste(self, picture: Picture) -> Picture:
        """Paste one to eight cut-outs; what they cover becomes doubtful."""
        chance = self._chance
        image, boxes, doubtful = picture.image.copy(), picture.boxes, picture.doubtful
        wanted = np.exp(chance.uniform(np.log(LOWEST + 2), np.log(HIGHEST)))
        for _ in range(int(chance.integers(1, 9))):
            size = np.clip(wanted * np.exp(chance.normal(0, 0.25)), LOWEST, self.height * 0.9)
            cut = self._cut_out(float(size))
            high, wide = cut.shape[:2]
            y = int(chance.integers(0, max(1, self.height - high)))
            x = int(chance.integers(0, max(1, self.width - wide)))
            place = image[y : y + high, x : x + wide]
            cut = cut[: place.shape[0], : place.shape[1]]
            high, wide = cut.shape[:2]
            box = np.array([[x, y, x + wide, y + high]], np.float32)
            covered = _share_inside(boxes, box[0]) > 0.6
            if len(boxes) and (overlaps(boxes, box).max() > 0.45 or covered.sum() > 1):
                continue
            colour = cut[..., :3].astype(np.float32)
            is_person = chance.random() < 0.75
            if not is_person:
                colour = self._background(high, wide)
            light = chance.uniform(0.35, 0.8)
            target = place.mean() * light + colour.mean() * (1 - light)
            colour *= np.clip(target / max(colour.mean(), 1.0), 0.5, 1.6)
            alpha = cut[..., 3:].astype(np.float32) / 255
            place[:] = np.clip(place * (1 - alpha) + colour * alpha, 0, 255)
            doubtful = np.concatenate([doubtful, boxes[covered]])
            boxes = boxes[~covered]
            if is_person:
                boxes = np.concatenate([boxes, box])
        return Picture(image, boxes, doubtful)

    def _cut_out(self, height: float) -> np.ndarray:
        path = self._people[self._chance.integers(len(self._people))]
        cut = self._load(path)
        scale = height / cut.shape[0]
        size = (max(3, round(cut.shape[1] * scale)), max(8, round(height)))
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        return cv2.resize(cut, size, interpolation=way)

    def _background(self, height: int, width: int) -> np.ndarray:
        """A piece of a frame that shows nobody as far as is known; `float32 (H, W, 3)`."""
        frame = self._draw_frame()
        image = self._load(frame.path)
        known = np.concatenate([frame.boxes, frame.doubtful])
        for _ in range(8):
            y = int(self._chance.integers(0, max(1, image.shape[0] - height)))
            x = int(self._chance.integers(0, max(1, image.shape[1] - width)))
            place = np.array([[x, y, x + width, y + height]], np.float32)
            piece = image[y : y + height, x : x + width]
            if piece.shape[:2] == (height, width) and not (
                len(known) and overlaps(known, place).max() > 0
            ):
                return piece.astype(np.float32)
        return np.full((height, width, 3), 128, np.float32)


def _read_groups(folder: Path) -> dict[str, list[_Frame]]:
    groups: dict[str, list[_Frame]] = {}
    try:
        for line in (folder / "frames.jsonl").read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            path = folder / entry["image"]
            name = "rendered" if path.name.startswith("rendered_") else path.stem.rsplit("_", 1)[0]
            parts = [np.array(entry[k], np.float32).reshape(-1, 4) for k in ("boxes", "doubtful")]
            groups.setdefault(name, []).append(_Frame(path, *parts))
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(
            f"{folder} is no training set ({error}): make one with training.detector_data"
        ) from error
    if not groups:
        raise TrainingError(f"{folder} holds no frames: add some with training.detector_data")
    return groups


def _cuts(length: int, count: int, chance: np.random.Generator) -> list[int]:
    """Borders of `count` cells over `length` pixels, moved at random."""
    inner = [length * (i + chance.uniform(-0.2, 0.2)) / count for i in range(1, count)]
    return [0, *(round(x) for x in inner), length]


def _seen(
    boxes: np.ndarray, height: int, width: int, least: float = 0.35
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes clipped to a picture: those that count, and those too small or too much cut."""
    limit = np.array([width, height, width, height], np.float32)
    clipped = np.clip(boxes, 0, limit)
    before = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    size = clipped[:, 2:] - clipped[:, :2]
    inside = size.prod(axis=1) > 0
    good = inside & (size.prod(axis=1) >= least * before) & (size[:, 1] >= SMALLEST_BOX)
    return clipped[good], clipped[inside & ~good]


def _share_inside(boxes: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """Share of the area of each box that lies inside `cover`; `(N,)`."""
    low = np.maximum(boxes[:, :2], cover[:2])
    high = np.minimum(boxes[:, 2:], cover[2:])
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return np.clip(high - low, 0, None).prod(axis=1) / np.maximum(area, 1e-6)


def _mirror(picture: Picture) -> Picture:
    width = picture.image.shape[1]
    boxes, doubtful = (
        np.column_stack([width - b[:, 2], b[:, 1], width - b[:, 0], b[:, 3]]).astype(np.float32)
        for b in (picture.boxes, picture.doubtful)
    )
    return Picture(np.ascontiguousarray(picture.image[:, ::-1]), boxes, doubtful)


def _spoil(image: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Light, colour, blur, noise and compression of other cameras."""
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    ramp = np.arange(256, dtype=np.float32)
    hue = ((ramp + chance.uniform(-4, 4)) % 180).astype(np.uint8)
    saturation = np.clip(ramp * chance.uniform(0.4, 1.5), 0, 255).astype(np.uint8)
    value = np.clip(
        255 * (ramp / 255) ** chance.uniform(0.65, 1.5) * chance.uniform(0.7, 1.2), 0, 255
    )
    tables = np.dstack([hue, saturation, value.astype(np.uint8)])
    image = cv2.cvtColor(cv2.LUT(hsv, tables), cv2.COLOR_HSV2BGR)
    if chance.random() < 0.2:
        image = cv2.GaussianBlur(image, (0, 0), chance.uniform(0.4, 1.2))
    if chance.random() < 0.2:
        noise = chance.normal(0, chance.uniform(2, 9), image.shape)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if chance.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(chance.integers(30, 85))]
        packed = cv2.imencode(".jpg", image, quality)[1]
        image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))
    return image
