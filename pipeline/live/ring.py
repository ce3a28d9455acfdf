"""Frames from one process to another over shared memory: slots that the newest frame overwrites."""

from __future__ import annotations

import mmap
import os
import struct
import tempfile

import numpy as np
from numpy.typing import NDArray

SLOTS = 4
"""Frames that lie in memory; one that is read has so many frames' time before it is overwritten."""

MOST_BYTES = 4096 * 2304 * 3
"""Of one frame. Memory is taken only where frames were written."""

_HEAD = struct.Struct("<q")
_ROOM = 64 + MOST_BYTES


def new_memory() -> int:
    """A descriptor of memory for a ring, without a name; gone when the last one closes it."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("nearfar-frames")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, SLOTS * _ROOM)
    return fd


class Ring:
    """Slots for frames, numbered from 0; frame n lies in slot n modulo `SLOTS`.

    There is no lock, so that a writer that is killed holds none: a slot carries the number of its
    frame, -1 while it is written, and a reader looks at it before and after it copies.
    """

    def __init__(self, fd: int) -> None:
        self._memory = mmap.mmap(fd, SLOTS * _ROOM)

    def write(self, number: int, image: NDArray[np.uint8]) -> None:
        """Puts frame `number`, ``uint8 (H, W, 3)`` of at most `MOST_BYTES`, over the oldest."""
        at = number % SLOTS * _ROOM
        _HEAD.pack_into(self._memory, at, -1)
        place = np.frombuffer(self._memory, np.uint8, image.size, at + 64)
        place[:] = image.reshape(-1)
        _HEAD.pack_into(self._memory, at, number)

    def read(self, number: int, height: int, width: int) -> NDArray[np.uint8] | None:
        """A copy of frame `number`, ``uint8 (H, W, 3)``; None where a newer one took its place."""
        at = number % SLOTS * _ROOM
        if _HEAD.unpack_from(self._memory, at)[0] != number:
            return None
        image = np.frombuffer(self._memory, np.uint8, height * width * 3, at + 64).copy()
        if _HEAD.unpack_from(self._memory, at)[0] != number:
            return None
        return image.reshape(height, width, 3)

    def close(self) -> None:
        """Gives the memory back."""
        self._memory.close()
