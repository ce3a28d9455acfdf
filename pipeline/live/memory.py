"""Memory of a process that is left alone for months."""

from __future__ import annotations

import ctypes
from contextlib import suppress

MMAP_THRESHOLD = -3
"""``M_MMAP_THRESHOLD`` of the C library."""
LARGE = 512 * 1024
"""Bytes from which a block of memory goes back to the system as soon as it is let go of."""


def return_large_blocks() -> None:
    """Has frames and tensors come from the system and go back to it.

    Else the C library takes them from its heap once it has seen a few, and small blocks that stay
    between them keep it growing. Where the C library is another one, nothing happens.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, LARGE)


def return_what_is_free() -> None:
    """Has all go back to the system that was let go of, wherever it lies in the heap.

    Else what a crowded minute took stays, a little more of it with each. It takes milliseconds.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
