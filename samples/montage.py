"""One picture of what the cameras see of the same people: far, middle and near side by side."""

from __future__ import annotations

import cv2
import numpy as np

from .scene import Scene, TruthBox

_TILE_W, _TILE_H, _GAP, _LABEL, _HEAD = 150, 300, 10, 26, 40
_INK, _PAPER = (70, 62, 56), (250, 250, 250)


def _best(scene: Scene, camera: str, identity: int) -> tuple[np.ndarray, TruthBox] | None:
    """The frame of the camera in which the person is seen best."""
    c = scene.stages[camera].camera
    found: tuple[float, int] | None = None
    for passage in scene.passages:
        if passage.camera != camera or passage.identity != identity:
            continue
        first = max(0, int(passage.start * scene.fps))
        last = min(scene.frame_count - 1, int(passage.end * scene.fps))
        for index in range(first, last + 1, 4):
            place = passage.at(index / scene.fps)
            if place is None or any(place[1] > y - 2.5 for _, y in scene.stages[camera].doors):
                continue
            pixel, _ = c.project(np.array([place[0], place[1], 0.9]))
            centre = abs(float(pixel[0]) - c.width / 2) / c.width
            if centre < 0.42:
                _, truth = scene.frame(camera, index)
                shown = [t for t in truth if t.identity == identity and t.visibility > 0.9]
                turned = 0.25 * (1 - np.cos(place[2]))
                if shown:
                    x, _, w, _ = shown[0].box
                    others = [t for t in truth if t.identity != identity]
                    crowd = any(abs(t.box[0] - x) < 1.8 * w for t in others)
                    score = shown[0].visibility - 0.2 * centre + turned - crowd
                    if found is None or score > found[0]:
                        found = (score, index)
    if found is None:
        return None
    image, truth = scene.frame(camera, found[1])
    return image, next(t for t in truth if t.identity == identity)


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
        cells = [_best(scene, camera, person.identity) for camera in cameras]
        whole = [cell for cell in cells if cell is not None]
        if len(whole) == len(cells):
            rows.append(whole)
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
