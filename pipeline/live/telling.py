"""Telling what happens, from any thread: each event, a lasting trouble once a minute."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

TOLD_SECONDS = 60.0
"""Between two messages of the same trouble."""

Listener = Callable[[dict[str, Any]], None]
"""Told what happens, as plain values: an ``event`` and what belongs to it."""


class Teller:
    """Tells a listener; `failure` is what it raised, None as long as it listens."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._told: dict[tuple[str, str], float] = {}
        self.failure: Exception | None = None

    def __call__(self, event: dict[str, Any]) -> None:
        """Tells an event."""
        try:
            self._listener(event)
        except Exception as error:  # in whatever thread this is: the watch ends, and says why
            self.failure = error

    def rarely(self, event: str, where: str, problem: str) -> None:
        """Tells a problem, unless there was one of the same place within the last minute."""
        now = time.monotonic()
        if now - self._told.get((event, where), float("-inf")) > TOLD_SECONDS:
            self._told[event, where] = now
            self({"event": event, "problem": problem})
