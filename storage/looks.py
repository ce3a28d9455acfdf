"""Which observations speak for a track, where not all of them are wanted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def spread(
    times: NDArray[np.float64], quality: NDArray[np.float64], most: int
) -> NDArray[np.int64]:
    """At most `most` rows of one track: the best of each of as many spans of its time.

    Args:
        times, quality: ``(N,)``, in order of time.
    """
    if len(times) <= most:
        return np.arange(len(times))
    span = np.minimum((times - times[0]) / (np.ptp(times) + 1e-9) * most, most - 1).astype(int)
    order = np.lexsort((np.arange(len(times)), -quality, span))
    first = np.flatnonzero(np.diff(span[order], prepend=-1))
    return order[first]
