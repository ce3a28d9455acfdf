"""Arrays that get new rows now and then."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def with_room(array: NDArray[Any], rows: int) -> NDArray[Any]:
    """`array` if it has that many rows, else a copy that has, and room for half as many more;
    new rows are zero."""
    if rows <= len(array):
        return array
    grown = np.zeros((rows + rows // 2 if len(array) else rows, *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown
