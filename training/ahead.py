"""Work made in a thread so that nobody waits for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from queue import Queue
from threading import Event, Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class _End(Generic[T]):
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(source: Iterable[T], depth: int = 4) -> Iterator[T]:
    """`source`, made up to `depth` items ahead; its errors are raised here.

    The thread has ended when this has, at the end of `source` or where its reader leaves.
    """
    queue: Queue[T | _End[T]] = Queue(depth)
    stop = Event()

    def fill() -> None:
        try:
            for item in source:
                queue.put(item)
                if stop.is_set():
                    return
            queue.put(_End(None))
        except BaseException as error:
            queue.put(_End(error))

    thread = Thread(target=fill, daemon=True)
    thread.start()
    try:
        while not isinstance(item := queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        while not queue.empty():  # a thread that waits for a place goes on, and ends
            queue.get()
        thread.join()  # one at work in torch while the interpreter ends would abort it
