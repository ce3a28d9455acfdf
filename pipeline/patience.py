"""What a run does while its gallery can't be written: hold what it has, and wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

from storage import StorageError

MOST_UNSAVED = 5000
"""Observations of a camera that wait in memory while the gallery can't be written."""

RETRY_SECONDS = 1.0
"""Between two tries."""


class Patience:
    """Stores, and waits where the gallery is full, locked or out of reach.

    Args:
        seconds: after which trouble that lasts ends the run.
        tell: told in one line that the gallery can't be written, and that it can again.
        stop: ends the waiting.
    """

    def __init__(self, seconds: float, tell: Callable[[str], None], stop: Event | None) -> None:
        self._seconds, self._tell, self._stop = seconds, tell, stop or Event()
        self._since: float | None = None
        self._next = 0.0

    def store(self, call: Callable[[], None], unsaved: float) -> None:
        """Tries a call that stores; where it can't, what was to be stored is left for later.

        Args:
            unsaved: observations that wait. With more than `MOST_UNSAVED` it comes back only when
                they are stored.

        Raises:
            StorageError: the trouble does not pass by itself, or has lasted too long, or the run
                is to stop.
        """
        while True:
            pause = self._next - time.monotonic()
            if pause <= 0:
                try:
                    call()
                except StorageError as error:
                    self._in_trouble(error)
                else:
                    self._well()
                    return
            if unsaved <= MOST_UNSAVED:
                return
            self._stop.wait(max(0.0, min(pause, RETRY_SECONDS)))

    def _in_trouble(self, error: StorageError) -> None:
        now = time.monotonic()
        if self._since is None:
            self._since = now
            if error.passing and self._seconds > 0:
                self._tell(f"{error}; waiting, and keeping what was found")
        if not error.passing or now - self._since >= self._seconds or self._stop.is_set():
            raise error
        self._next = now + RETRY_SECONDS

    def _well(self) -> None:
        if self._since is not None:
            self._tell("the gallery can be written again: going on")
        self._since, self._next = None, 0.0
