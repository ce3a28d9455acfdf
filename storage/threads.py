"""Work on arrays that is shared among the processor's cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

MOST = 8
"""Threads beyond which memory, not the cores, sets the pace."""

WAITING = 8
"""Threads that wait for the disk side by side, since it takes several calls in one go."""


def spread(call: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
    """Results of all tasks in order; `call` must not spread work itself."""
    if len(tasks) < 2 or cores() < 2:
        return [call(task) for task in tasks]
    return list(_pool(os.getpid(), "search", cores()).map(call, tasks))


def side_by_side(call: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
    """As `spread`, of calls that wait for the disk."""
    return list(_pool(os.getpid(), "disk", WAITING).map(call, tasks))


@cache
def cores() -> int:
    """Threads to work with: the cores that this process may use."""
    try:
        free = len(os.sched_getaffinity(0))
    except AttributeError:  # not told on macOS and Windows
        free = os.cpu_count() or 1
    return min(free, MOST)


@cache
def _pool(process: int, name: str, threads: int) -> ThreadPoolExecutor:
    """One for each process: threads don't survive a fork."""
    return ThreadPoolExecutor(threads, thread_name_prefix=name)
