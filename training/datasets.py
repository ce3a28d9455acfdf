"""Readers of re-identification sets: a folder or a tar in, labelled crops out."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import TrainingError


@dataclass(frozen=True)
class Crop:
    """One labelled picture of a person.

    Args:
        image: ``uint8 (H, W, 3)`` BGR at its native size.
        identity: unique over all sets, ``set/split/number``.
        camera: number of the camera inside its set; -1 where it is not known.
        name: path of the file inside its set, unique there; what a manifest names it by.
        role: ``train``, ``query`` or ``gallery`` where the set's own split says so, else empty.
    """

    image: NDArray[np.uint8]
    identity: str
    camera: int
    name: str = ""
    role: str = ""


@dataclass(frozen=True)
class _Layout:
    """How a set names its files: a pattern with groups, and the label made of them."""

    pattern: re.Pattern[str]
    label: Callable[[re.Match[str]], tuple[str, int]]
    expected: str


_LAYOUTS = {
    "market1501": _Layout(
        re.compile(r"(bounding_box_train|query|bounding_box_test)/(\d{4})_c(\d)s\d_\d+_\d+\.jpg$"),
        lambda f: (f"{'train' if f[1] == 'bounding_box_train' else 'test'}/{f[2]}", int(f[3])),
        "bounding_box_train/0002_c1s1_000451_03.jpg",
    ),
    "cuhk03": _Layout(
        re.compile(r"(train|test)/(\d{4})_c(\d)_\d+\.jpg$"),
        lambda f: (f"{f[1]}/{f[2]}", int(f[3])),
        "train/0000_c1_00.jpg",
    ),
    "caviar": _Layout(
        re.compile(r"(\d{4})(\d{3})\.jpg$"),
        lambda f: (f"all/{f[1]}", 1 if int(f[2]) <= 10 else 2),
        "0003001.jpg",
    ),
    "viper": _Layout(
        re.compile(r"cam_([ab])/(\d{3})_\d+\.\w+$"),
        lambda f: (f"all/{f[2]}", 1 if f[1] == "a" else 2),
        "VIPeR/cam_a/000_45.jpg",
    ),
    "prid": _Layout(
        re.compile(r"(\d{4})_([ab])\.jpg$"),
        lambda f: (
            f"all/{f[1]}" if int(f[1]) <= 200 else f"single-{f[2]}/{f[1]}",
            1 if f[2] == "a" else 2,
        ),
        "0001_a.jpg",
    ),
    "ilids": _Layout(
        re.compile(r"(\d{4})_\d{3}\.jpg$"), lambda f: (f"all/{f[1]}", -1), "0001_001.jpg"
    ),
}

NAMES = tuple(_LAYOUTS)
"""The sets that can be read, by the name that `read_set` takes."""


def read_set(name: str, path: Path) -> list[Crop]:
    """All labelled crops of a set.

    Args:
        name: one of `NAMES`.
        path: a folder or an uncompressed tar that holds the set's files under its usual names.

    Raises:
        TrainingError: when the name is unknown, the path missing, or no file is named as expected.
    """
    if name not in _LAYOUTS:
        raise TrainingError(f"unknown set {name!r}; choose from {', '.join(NAMES)}")
    if not path.exists():
        raise TrainingError(f"no set {name} at {path}: give its folder or its tar")
    layout, crops = _LAYOUTS[name], []
    for file, data in _files(path):
        if found := layout.pattern.search(file):
            label, camera = layout.label(found)
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            if image is None:
                raise TrainingError(f"{path}: {file} is no picture; copy the set again")
            crops.append(Crop(np.asarray(image, np.uint8), f"{name}/{label}", camera, found[0]))
    if not crops:
        raise TrainingError(f"{path} holds no file named like {layout.expected}, as {name} has")
    return crops


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files of a folder or a tar, in the order of their names."""
    if path.is_dir():
        for file in sorted(p for p in path.rglob("*") if p.is_file()):
            yield file.relative_to(path).as_posix(), file.read_bytes()
        return
    try:
        with tarfile.open(path) as tar:
            for member in sorted(tar.getmembers(), key=lambda m: m.name):
                if member.isfile() and (content := tar.extractfile(member)):
                    yield member.name, content.read()
    except tarfile.TarError as error:
        raise TrainingError(f"{path} is neither a folder nor a tar: {error}") from error
