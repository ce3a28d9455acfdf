"""One picture of what the cameras see of the same people: far, middle and near side by side."""

from __future__ import annotations

import cv2
import numpy as np

from .scene import Scene, TruthBox

_TILE_W, _TILE_H, _GAP, _LABEL, _HEAD = 150, 300, 10, 26, 40
_INK, _PAPER = (70, 62, 56), (250, 250, 250)


def _moments(scene: Scene, camera: str, identity: int) -> list[int]:
    """Frames in which the person may be seen well, the most promising first."""
    stage = scene.stages[camera]
    c = stage.camera
    found: list[tuple[float, int]] = []
    for passage in scene.passages:
        if passage.camera != camera or passage.identity != identity:
            continue
        first = max(0, int(passage.start * scene.fps))
        last = min(scene.frame_count - 1, int(passage.end * scene.fps))
        for index in range(first, last + 1, 3):
            place = passage.at(index / scene.fps)
            if place is None or any(place[1] > y - 2.5 for _, y in stage.doors):
                continue
            pixels, _ = c.project(np.array([[*place[:2], 0.0], [*place[:2], 0.9]]))
            aside = abs(float(pixels[1, 0]) - c.width / 2) / c.width
            if aside < 0.42 and pixels[0, 1] < 0.97 * c.height:
                found.append((0.25 * (1 - np.cos(place[2])) - 0.2 * aside, index))
    return [index for _, index in sorted(found, reverse=True)]


def _best(scene: Scene, camera: str, identity: int) -> tuple[np.ndarray, TruthBox] | None:
    """A frame of the camera in which the person stands free; None if a few looks find none."""
    for index in _moments(scene, camera, identity)[:24:3]:
        image, truth = scene.frame(camera, index)
        mine = [t for t in truth if t.identity == identity and t.visibility > 0.95]
        if not mine:
            continue
        x, _, w, _ = mine[0].box
        if all(t is mine[0] or abs(t.box[0] - x) > 1.6 * w for t in truth):
            return image, mine[0]
    return None


def _cut(image: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    x, y, w, h = box
    tall = h * 1.12
    wide = tall * _TILE_W / _TILE_H
    left, top = x + w / 2 - wide / 2, y - 0.06 * h
    move = np.array([[_TILE_W / wide, 0, 0], [0, _TILE_H / tall, 0]])
    move[:, 2] = -move[0, 0] * left, -move[1, 1] * top
    how = cv2.INTER_NEAREST if h < 80 else cv2.INTER_AREA
    return cv2.warpAffine(
        image, move, (_TILE_W, _TILE_H), flags=how, borderMode=cv2.BORDER_REPLICATE
    )


def _text(image: np.ndarray, text: str, centre: int, base: int, size: float) -> None:
    (w, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, size, 1)
    at = (centre - w // 2, base)
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_DUPLEX, size, _INK, 1, cv2.LINE_AA)


def montage(scene: Scene, people: int = 4) -> np.ndarray:
    """`people` persons cut from far, middle and near cameras, brought to one height, with the
    pixels that each was high written below; uint8 (H, W, 3) BGR."""
    cameras = scene.cameras[2::-1]
    rows: list[list[tuple[np.ndarray, TruthBox]]] = []
    for person in scene.people:
        row = []
        for camera in cameras:
            best = _best(scene, camera, person.identity)
            if best is None:
                break
            row.append(best)
        if len(row) == len(cameras):
            rows.append(row)
        if len(rows) == people:
            break
    group = len(cameras) * (_TILE_W + 4) - 4
    width = _GAP + len(rows) * (group + 2 * _GAP)
    sheet = np.full((_HEAD + _TILE_H + _LABEL + _GAP, width, 3), _PAPER, np.uint8)
    for number, row in enumerate(rows):
        left = _GAP + number * (group + 2 * _GAP)
        for place, (image, truth) in enumerate(row):
            x = left + place * (_TILE_W + 4)
            sheet[_HEAD : _HEAD + _TILE_H, x : x + _TILE_W] = _cut(image, truth.box)
            middle = x + _TILE_W // 2
            _text(sheet, cameras[place], middle, _HEAD - 12, 0.55)
            _text(sheet, f"{round(truth.box[3])} px", middle, _HEAD + _TILE_H + 20, 0.5)
    return sheet
