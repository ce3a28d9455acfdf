"""Alerts as signed messages over HTTP, sent again until they arrive."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

from storage import Alert, Gallery, StorageError

from ..outputs import iso
from ..site import Webhook
from .address import fill

TIMEOUT = 5.0
"""Seconds that a receiver may take."""
MOST_PAUSE = 60.0
"""Seconds between two tries at most; the first is one second, each next one twice the last."""
GIVE_UP = 3 * 86_400.0
"""Seconds after which an alert is no longer sent."""


@dataclass(frozen=True)
class Receiver:
    """Where alerts go: a URL and the key that signs, both never to be shown."""

    url: str = field(repr=False)
    key: bytes | None = field(repr=False)

    @classmethod
    def of(cls, webhook: Webhook, folder: Path) -> Receiver:
        """The receiver of a site file in `folder`.

        Raises:
            SourceError: a variable or file for a secret is not there.
        """
        url, _ = fill(webhook.url, folder)
        if webhook.secret is None:
            return cls(url, None)
        secret, _ = fill(webhook.secret, folder)
        return cls(url, key_of(secret))


def key_of(secret: str) -> bytes:
    """The key that a secret stands for: ``whsec_`` and base64, or any text as it is."""
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            pass
    return secret.encode()


def signature(key: bytes, message: str, sent: int, body: bytes) -> str:
    """The header ``webhook-signature`` of a message, as standardwebhooks.com has it."""
    signed = f"{message}.{sent}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


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


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: what arrives at the other address has no body."""

    def redirect_request(self, *_: object) -> None:
        return None


_opener = urllib.request.build_opener(_Stay)


def post(receiver: Receiver, alert: Alert, picture: bytes | None) -> str | None:
    """Sends one alert; why it did not arrive, None if it did."""
    content = {"type": "alert", **facts(alert)}
    content["picture"] = None if picture is None else base64.b64encode(picture).decode()
    body = json.dumps(content).encode()
    message, sent = f"alert-{alert.id}", int(time.time())
    headers = {
        "content-type": "application/json",
        "webhook-id": message,
        "webhook-timestamp": str(sent),
    }
    if receiver.key is not None:
        headers["webhook-signature"] = signature(receiver.key, message, sent, body)
    try:
        request = urllib.request.Request(receiver.url, body, headers, method="POST")
        with _opener.open(request, timeout=TIMEOUT):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return f"the receiver answers {error.code}"
    except TimeoutError:
        return f"the receiver does not answer within {TIMEOUT:g} s"
    except urllib.error.URLError as error:
        return f"the receiver can't be reached ({getattr(error.reason, 'strerror', None) or 'no'})"
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"the receiver can't be reached ({type(error).__name__})"


class Messenger:
    """Sends the gallery's waiting alerts in a thread, until it is closed."""

    def __init__(self, gallery: Gallery, receiver: Receiver | None) -> None:
        self.receiver = receiver
        self.wake = Event()
        self._gallery = gallery
        self._arrived: set[int] = set()
        self._stop = Event()
        self._thread = Thread(target=self._run, name="messenger", daemon=True)
        self._thread.start()

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
            receiver = self.receiver
            if receiver is None:
                continue
            try:
                for alert in self._gallery.watchlist.waiting(time.time()):
                    if self._stop.is_set():
                        return
                    self._send(receiver, alert)
            except StorageError:
                continue

    def _send(self, receiver: Receiver, alert: Alert) -> None:
        watchlist = self._gallery.watchlist
        trouble = None if alert.id in self._arrived else self._post(receiver, alert)
        if trouble is None:
            self._arrived.add(alert.id)  # till the gallery has it, which may be full
            watchlist.sent(alert.id)
            self._arrived.remove(alert.id)
            return
        now = time.time()
        pause = min(MOST_PAUSE, 2.0**alert.attempts)
        watchlist.failed(alert.id, trouble, None if now - alert.time > GIVE_UP else now + pause)

    def _post(self, receiver: Receiver, alert: Alert) -> str | None:
        try:
            picture = None if alert.crop is None else self._gallery.crop(alert.crop)
        except StorageError:
            picture = None
        return post(receiver, alert, picture)
