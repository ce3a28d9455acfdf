"""What was done of late, for those who did it: what is said of it, and how it is taken back."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from storage import Said

MOST = 500
"""Notes that are kept in memory, the last ones of all users."""


@dataclass(frozen=True)
class Note:
    """What was done, in words; `act`, where it can be undone, and the `identity` it was about."""

    said: str
    identity: int | None = None
    act: Said | None = None


class Notes:
    """Notes by names that nobody guesses; each is for its owner alone."""

    def __init__(self) -> None:
        self._notes: OrderedDict[str, tuple[str, Note]] = OrderedDict()
        self._lock = Lock()

    def keep(self, owner: str, note: Note) -> str:
        """Keeps a note; returns its name."""
        name = secrets.token_urlsafe(9)
        with self._lock:
            self._notes[name] = owner, note
            while len(self._notes) > MOST:
                self._notes.popitem(last=False)
        return name

    def find(self, name: str, owner: str) -> Note | None:
        """A note; None where it was somebody else's, is too old, or was let go."""
        with self._lock:
            kept, note = self._notes.get(name, (None, None))
        return note if kept == owner else None

    def let_go(self, name: str) -> None:
        """Forgets a note, if it is there."""
        with self._lock:
            self._notes.pop(name, None)
