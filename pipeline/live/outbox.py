"""Alerts as messages to receivers, sent again until they arrive."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any, Protocol

from storage import Alert, Gallery, StorageError

from ..outputs import iso
from .telling import Listener

TIMEOUT = 5.0
"""Seconds that a receiver may take."""
MOST_PAUSE = 60.0
"""Seconds between two tries at most; the first is one second, each next one twice the last."""
GIVE_UP = 3 * 86_400.0
"""Seconds after which an alert is no longer sent."""


class Receiver(Protocol):
    """Who is told of alerts; two that are equal are one. `name` is how people are told of it."""

    @property
    def name(self) -> str: ...

    def send(self, alert: Alert, body: bytes) -> str | None:
        """Sends one message; why it did not arrive, None if it did."""

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Messages:
    """Alerts on their way at one moment.

    Args:
        waiting: to be sent. given_up: after `GIVE_UP`. down: why a receiver did not take the last
            one it was offered, by its name.
    """

    waiting: int = 0
    given_up: int = 0
    down: Mapping[str, str] = field(default_factory=dict)


def facts(alert: Alert) -> dict[str, Any]:
    """An alert as plain values."""
    return {
        "id": alert.id,
        "wanted": alert.wanted,
        "camera": alert.camera,
        "time": iso(alert.time),
        "track": alert.track,
        "identity": alert.identity,
        "log_odds": round(alert.log_odds, 3),
        "least": round(alert.least, 3),
    }


def message(alert: Alert, picture: bytes | None) -> bytes:
    """An alert as JSON, with its JPEG file."""
    content = {"type": "alert", **facts(alert)}
    content["picture"] = None if picture is None else base64.b64encode(picture).decode()
    return json.dumps(content).encode()


class Outbox:
    """Sends the gallery's waiting alerts in a thread, until it is closed.

    An alert has arrived when each receiver has it; who has it already is remembered as long as the
    program runs, so that after a restart one may get it twice.

    Args:
        tell: told when a receiver goes down, and when it is back.
    """

    def __init__(self, gallery: Gallery, receivers: Sequence[Receiver], tell: Listener) -> None:
        self.receivers = tuple(receivers)
        self.wake = Event()
        self._gallery, self._tell = gallery, tell
        self._unsent = (0, 0)
        self._down: dict[str, str] = {}
        self._arrived: dict[int, set[Receiver]] = {}
        self._stop = Event()
        self._thread = Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    @property
    def messages(self) -> Messages:
        """How they are now."""
        names = {receiver.name for receiver in self.receivers}
        down = {name: why for name, why in self._down.copy().items() if name in names}
        return Messages(*self._unsent, down)

    def close(self) -> None:
        """Ends the thread; what is not sent stays in the gallery. One that is being sent may take
        a moment longer, and is sent again if its arrival can no longer be noted."""
        self._stop.set()
        self.wake.set()
        self._thread.join(1.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.wake.wait(1.0)
            self.wake.clear()
            receivers = self.receivers
            try:
                for alert in self._gallery.watchlist.waiting(time.time()) if receivers else ():
                    if self._stop.is_set():
                        return
                    self._send(receivers, alert)
                self._unsent = self._gallery.watchlist.unsent()
            except StorageError:
                continue

    def _send(self, receivers: Sequence[Receiver], alert: Alert) -> None:
        watchlist, now = self._gallery.watchlist, time.time()
        trouble = self._offer(receivers, alert)
        if trouble is None:
            watchlist.sent(alert.id)
            del self._arrived[alert.id]  # not before the gallery has it, which may be full
            return
        pause = min(MOST_PAUSE, 2.0**alert.attempts)
        over = now - alert.time > GIVE_UP
        watchlist.failed(alert.id, trouble, None if over else time.time() + pause)
        if over:
            self._arrived.pop(alert.id, None)

    def _offer(self, receivers: Sequence[Receiver], alert: Alert) -> str | None:
        """Sends it to those who don't have it; why one still doesn't, None if all do."""
        arrived = self._arrived.setdefault(alert.id, set())
        missing = [receiver for receiver in receivers if receiver not in arrived]
        troubles = []
        body = message(alert, self._picture(alert)) if missing else b""
        for receiver in missing:
            trouble = receiver.send(alert, body)
            self._note(receiver.name, trouble)
            if trouble is None:
                arrived.add(receiver)
            else:
                troubles.append(trouble)
        return "; ".join(troubles) or None

    def _note(self, name: str, trouble: str | None) -> None:
        """Keeps whether a receiver is down, and tells when that changes."""
        was_down = name in self._down
        if trouble is None:
            self._down.pop(name, None)
        else:
            self._down[name] = trouble
        if was_down is (trouble is None):
            state = "back" if was_down else "down"
            self._tell(
                {"event": "receiver", "receiver": name, "state": state, "reason": trouble or ""}
            )

    def _picture(self, alert: Alert) -> bytes | None:
        try:
            return None if alert.crop is None else self._gallery.crop(alert.crop)
        except StorageError:
            return None
