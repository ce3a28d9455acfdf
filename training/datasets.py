"""Readers of re-identification sets: a folder or a tar in, labelled crops out."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from .cuhk03_mat import find_mat, read_pictures
from .errors import TrainingError
from .set_files import opened


@dataclass(frozen=True)
class Crop:
    """One labelled picture of a person.

    Args:
        image: ``uint8 (H, W, 3)`` BGR at its native size.
        identity: unique over all sets, ``set/split/number``.
        camera: number of the camera inside its set; -1 where it is not known.
        name: path of the file inside its set, unique there and the same for a folder and a tar;
            what a manifest names it by.
        role: ``train``, ``query`` or ``gallery`` where the set's own split says so, else empty.
    """

    image: NDArray[np.uint8]
    identity: str
    camera: int
    name: str = ""
    role: str = ""


_Match = re.Match[str]
_Label = tuple[str, int, str]
"""``split/number``, camera and role of a crop."""


@dataclass(frozen=True)
class _Layout:
    """How a set names its files.

    Args:
        patterns: of a file's path, with the groups that `label` reads; the first pattern that any
            file fits is the set's.
        label: of the match and of the crop's name.
        expected: what the set's files are called, for a user whose files are not.
        parts: values of the group ``part`` that come together or not at all.
        part: what such a part is.
        any_folder: the set may lie in any folders, which then are part of its crops' names.
    """

    patterns: tuple[re.Pattern[str], ...]
    label: Callable[[_Match, str], _Label]
    expected: str
    parts: tuple[str, ...] = ()
    part: str = "folder"
    any_folder: bool = False


_SPLITS = {
    "bounding_box_train": ("train", "train"),
    "query": ("test", "query"),
    "bounding_box_test": ("test", "gallery"),
    "train": ("train", "train"),
    "test": ("test", ""),
}
"""Split and role that a folder stands for."""

_MARKET = ("bounding_box_train", "query", "bounding_box_test")
_CAMERAS = {"a": 1, "b": 2}


def _market(found: _Match, name: str) -> _Label:
    """Id 0 outside of training is a distractor: each picture a person of its own."""
    split, role = _SPLITS.get(found.groupdict().get("part", ""), ("all", ""))
    distractor = split != "train" and int(found["id"]) == 0
    label = f"distractor/{name.replace('/', ':')}" if distractor else f"{split}/{found['id']}"
    return label, int(found["camera"]), role


def _cuhk03(found: _Match, _name: str) -> _Label:
    split, role = _SPLITS[found["part"]]
    return f"{split}/{found['id']}", int(found["camera"]), role


def _prid(found: _Match, _name: str) -> _Label:
    """Ids from 201 on were seen by one camera, and the two cameras count them independently."""
    split = "all" if int(found["id"]) <= 200 else f"single-{found['part']}"
    return f"{split}/{found['id']}", _CAMERAS[found["part"]], ""


def _path(*names: str) -> tuple[re.Pattern[str], ...]:
    """Patterns that start where a folder or a file starts and go to the end."""
    return tuple(re.compile(rf"(?<![^/]){name}$") for name in names)


_FOLDER = "(?P<part>bounding_box_train|query|bounding_box_test)/"
_PICTURE = r"(?P<id>\d+)_c(?P<camera>\d+)[^/]*\.(?i:jpe?g|png)"
_LAYOUTS = {
    "market1501": _Layout(
        _path(_FOLDER + r"(?P<id>\d{4})_c(?P<camera>\d)s\d_\d+_\d+(?:\.jpg){1,2}"),
        _market,
        "bounding_box_train/0002_c1s1_000451_03.jpg",
        _MARKET,
    ),
    "dukemtmc": _Layout(
        _path(_FOLDER + r"(?P<id>\d{4})_c(?P<camera>\d)_f\d+\.jpg"),
        _market,
        "bounding_box_train/0001_c2_f0046182.jpg",
        _MARKET,
    ),
    "market": _Layout(
        _path(_FOLDER + r"(?:.*/)?" + _PICTURE, _PICTURE),
        _market,
        "0002_c1_anything.jpg (person 2, camera 1; .jpg, .jpeg or .png)",
        ("query", "bounding_box_test"),
        any_folder=True,
    ),
    "cuhk03": _Layout(
        _path(r"(?P<part>train|test)/(?P<id>\d{4})_c(?P<camera>\d)_\d+\.jpg"),
        _cuhk03,
        "cuhk-03.mat or train/0000_c1_00.jpg",
        ("train", "test"),
    ),
    "caviar": _Layout(
        _path(r"(?P<id>\d{4})(?P<view>\d{3})\.jpg"),
        lambda f, _: (f"all/{f['id']}", 1 if int(f["view"]) <= 10 else 2, ""),
        "0003001.jpg",
    ),
    "viper": _Layout(
        _path(r"cam_(?P<part>[ab])/(?P<id>\d{3})_\d+\.\w+"),
        lambda f, _: (f"all/{f['id']}", _CAMERAS[f["part"]], ""),
        "VIPeR/cam_a/000_45.jpg",
        ("a", "b"),
        "camera",
    ),
    "prid": _Layout(
        _path(
            r"(?P<id>\d{4})_(?P<part>[ab])\.jpg",
            r"single_shot/cam_(?P<part>[ab])/person_(?P<id>\d{4})\.png",
        ),
        _prid,
        "0001_a.jpg or single_shot/cam_a/person_0001.png",
        ("a", "b"),
        "camera",
    ),
    "ilids": _Layout(
        _path(r"(?P<id>\d{4})_\d{3}\.jpg"),
        lambda f, _: (f"all/{f['id']}", -1, ""),
        "0001_001.jpg",
    ),
}

NAMES = tuple(_LAYOUTS)
"""The sets that can be read, by the name that `read_set` takes."""


def read_set(name: str, path: Path) -> list[Crop]:
    """All labelled crops of a set, in the order of their files' names.

    ``market1501`` and ``dukemtmc`` are the sets as published; ``market`` is any folder of one's own
    in Market naming: in Market's three folders, or the first of them alone, or in any others. All
    three leave out pictures of id -1; those of id 0 outside of training are distractors.

    Args:
        name: one of `NAMES`.
        path: a folder or an uncompressed tar that holds the set's files under their usual names;
            for ``cuhk03`` also the official ``cuhk-03.mat``, of which `read_cuhk03` reads more.

    Raises:
        TrainingError: when the name is unknown, the path missing or the set not whole.
    """
    if name not in _LAYOUTS:
        raise TrainingError(f"unknown set {name!r}; choose from {', '.join(NAMES)}")
    if not path.exists():
        raise TrainingError(f"no set {name} at {path}: give its folder or its tar")
    if name == "cuhk03" and (mat := find_mat(path)):
        return read_cuhk03(mat)
    layout = _LAYOUTS[name]
    crops = []
    with opened(path) as files:
        matches = _matches(layout, files)
        if not matches:
            raise TrainingError(
                f"{path} holds no file named like {layout.expected}, as {name} has: "
                "give the folder or the tar of that set, unpacked if it came in a zip"
            )
        names = _names(layout, matches)
        _check_whole(name, path, matches.values(), names)
        for (file, match), crop_name in zip(matches.items(), names, strict=True):
            label, camera, role = layout.label(match, crop_name)
            image = _decode(files[file](), f"{path}: {file}")
            crops.append(Crop(image, f"{name}/{label}", camera, crop_name, role))
    return crops


def read_cuhk03(path: Path, boxes: str = "labeled", split: int = 0) -> list[Crop]:
    """CUHK03 as published: five pairs of cameras, 1,467 people.

    Args:
        path: the official ``cuhk-03.mat``.
        boxes: ``labeled`` by hand, or ``detected``.
        split: which of the 20 official test splits of 100 people; all others train.

    Raises:
        TrainingError: when h5py is absent, or the file not whole, or without such boxes or split.
    """
    return [
        Crop(
            p.image,
            f"cuhk03/{'test' if p.test else 'train'}/{p.pair}-{p.person:04d}",
            p.camera,
            f"{boxes}/{p.pair}_{p.person:04d}_c{p.camera}_{p.view:02d}",
            "" if p.test else "train",
        )
        for p in read_pictures(path, boxes, split)
    ]


def _matches(layout: _Layout, files: Iterable[str]) -> dict[str, _Match]:
    """Files that fit the first pattern that any fits, with their matches."""
    for pattern in layout.patterns:
        if found := {file: match for file in files if (match := pattern.search(file))}:
            return found
    return {}


def _names(layout: _Layout, matches: dict[str, _Match]) -> list[str]:
    """Names of the crops: the files' paths without the folders in which the set lies."""
    names = [match[0] for match in matches.values()]
    if not layout.any_folder or any("/" in name for name in names):
        return names
    top = os.path.commonpath([os.path.dirname("/" + file) for file in matches])
    return [os.path.relpath("/" + file, top) for file in matches]


def _check_whole(name: str, path: Path, matches: Iterable[_Match], names: list[str]) -> None:
    """Raises TrainingError when a part of the set is missing or the set is there twice."""
    layout = _LAYOUTS[name]
    parts = {match.groupdict().get("part") for match in matches}
    missing = [part for part in layout.parts if part not in parts]
    if missing and not parts.isdisjoint(layout.parts):
        raise TrainingError(
            f"{path} holds {len(names)} pictures of {name}, but none of {layout.part} "
            f"{' and '.join(missing)}; {layout.part}s {', '.join(layout.parts)} belong together: "
            "copy the set again"
        )
    twice = [crop_name for crop_name, times in Counter(names).items() if times > 1]
    if twice:
        raise TrainingError(
            f"{path} holds {len(twice)} pictures of {name} more than once, {twice[0]} for one: "
            "give the folder of one copy"
        )


_ENDS = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND"}
"""How a JPEG and a PNG begin, and what each has at its end; a decoder paints over a lost end."""


def _decode(data: bytes, file: str) -> NDArray[np.uint8]:
    """The picture that a file holds, ``uint8 (H, W, 3)`` BGR."""
    whole = data and _ENDS.get(data[:2], b"") in data
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if whole else None
    if image is None:
        raise TrainingError(f"{file} is no whole picture; copy the set again")
    return np.asarray(image, np.uint8)
