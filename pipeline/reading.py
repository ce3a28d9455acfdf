"""Frames of several sources at once, each decoded ahead in a thread of its own."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Protocol, TypeVar

from .frame import Frame
from .sources import Source

AHEAD = 8
"""Frames that a source may be decoded ahead."""


class Reader:
    """Decodes one source in a thread; `next` takes each frame in order.

    Args:
        source: to read. first: index of the first frame that is wanted.
        fps: at most so many frames a second of capture time; all if None.
    """

    def __init__(self, source: Source, first: int = 0, fps: float | None = None) -> None:
        self.source = source
        self._queue: Queue[Frame | BaseException | None] = Queue(AHEAD)
        self._stop = Event()
        self._thread = Thread(target=self._fill, args=(first, fps), daemon=True)
        self._thread.start()

    def next(self) -> Frame | None:
        """The next frame, or None at the end of the source; raises what the decoder raised."""
        item = self._queue.get()
        if isinstance(item, BaseException):
            raise item
        return item

    def close(self) -> None:
        """Ends the thread; frames that were decoded ahead are dropped."""
        self._stop.set()
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.05)
            except Empty:
                continue

    def _fill(self, first: int, fps: float | None) -> None:
        try:
            for frame in thinned(self.source.frames(), fps):
                if frame.index >= first and not self._put(frame):
                    return
            self._put(None)
        except BaseException as error:
            self._put(error)

    def _put(self, item: Frame | BaseException | None) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return True
            except Full:
                continue
        return False


class Timed(Protocol):
    """Something with a time of capture in seconds."""

    @property
    def time(self) -> float: ...


T = TypeVar("T", bound=Timed)


def thinned(frames: Iterator[T], fps: float | None) -> Iterator[T]:
    """`frames` at no more than `fps` a second, evenly by their time."""
    due = float("-inf")
    for frame in frames:
        if fps is None:
            yield frame
        elif frame.time >= due - 0.25 / fps:
            due = (due if frame.time - due < 1 / fps else frame.time) + 1 / fps
            yield frame
