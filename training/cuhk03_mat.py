"""The official file of CUHK03, a MATLAB 7.3 file, which is HDF5.

``labeled`` and ``detected`` are 5 x 1 cells, one a pair of cameras; each holds an N x 10 cell of
pictures, the first five by the pair's first camera, empty where there is none. ``testsets`` is a
20 x 1 cell of 100 x 2 matrices: pair and person, from 1. HDF5 has every axis in reverse order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import TrainingError

FILE = "cuhk-03.mat"
_CELLS = ("labeled", "detected")
_VIEWS = 5


@dataclass(frozen=True)
class Picture:
    """One box of CUHK03.

    Args:
        image: ``uint8 (H, W, 3)`` BGR.
        pair: of cameras, 1..5. person: from 1, inside the pair. camera: 1 or 2, inside the pair.
        view: 1..10 of that person.
        test: whether the person is of the test split.
    """

    image: NDArray[np.uint8]
    pair: int
    person: int
    camera: int
    view: int
    test: bool


def find_mat(path: Path) -> Path | None:
    """The official file at or under `path`, if it is there."""
    if path.is_file():
        return path if path.suffix == ".mat" else None
    return next(path.rglob(FILE), None)


def read_pictures(path: Path, boxes: str, split: int) -> Iterator[Picture]:
    """Pictures by pair, person and view.

    Args:
        boxes: ``labeled`` or ``detected``.
        split: index of a test split.

    Raises:
        TrainingError: when h5py is absent, the file is not whole, or has no such boxes or split.
    """
    if boxes not in _CELLS:
        raise TrainingError(f"CUHK03 has no boxes {boxes!r}; choose from {', '.join(_CELLS)}")
    try:
        import h5py
    except ImportError as error:
        raise TrainingError(f"{path} needs h5py: pip install 'nearfar[train]'") from error
    try:
        with h5py.File(path, "r") as mat:
            cell = _references(mat[boxes])
            tests = _references(mat["testsets"])
            if not 0 <= split < len(tests):
                raise TrainingError(f"{path} has no test split {split}; give 0..{len(tests) - 1}")
            test = {(int(pair), int(person)) for pair, person in np.asarray(mat[tests[split]]).T}
            for pair, of_pair in enumerate(cell, start=1):
                for person, views in enumerate(np.asarray(mat[of_pair]).T, start=1):
                    for view, reference in enumerate(views, start=1):
                        image = np.asarray(mat[reference]).T
                        if image.ndim == 3:
                            bgr = np.ascontiguousarray(image[..., ::-1], np.uint8)
                            camera = 1 if view <= _VIEWS else 2
                            known = (pair, person) in test
                            yield Picture(bgr, pair, person, camera, view, known)
    except (OSError, KeyError, ValueError) as error:
        raise TrainingError(
            f"{path} is no whole {FILE} with {', '.join(_CELLS)} and testsets ({error}): "
            "copy it again"
        ) from error


def _references(cell: Any) -> list[Any]:
    """References that a MATLAB column of cells holds."""
    return list(np.asarray(cell).ravel())
