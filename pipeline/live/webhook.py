"""A receiver of alerts over HTTP, to whom they are signed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from storage import Alert

from ..errors import SourceError
from ..site import WEBHOOKS, Webhook, has_host
from .address import HIDDEN, fill
from .outbox import TIMEOUT


@dataclass(frozen=True)
class Hook:
    """Where alerts go: a URL and the key that signs, both never to be shown."""

    url: str = field(repr=False)
    key: bytes | None = field(repr=False)
    name = "webhook"

    @classmethod
    def of(cls, webhook: Webhook, folder: Path) -> Hook:
        """The receiver of a site file in `folder`.

        Raises:
            SourceError: no address of a webhook, or a variable or file for a secret is not there.
        """
        url, _ = fill(webhook.url, folder)
        if not has_host(url, WEBHOOKS):
            raise SourceError(f"{HIDDEN} is no webhook: write http://HOST or https://HOST")
        if webhook.secret is None:
            return cls(url, None)
        secret, _ = fill(webhook.secret, folder)
        return cls(url, key_of(secret))

    def send(self, alert: Alert, body: bytes) -> str | None:
        """See `Receiver.send`."""
        message, sent = f"alert-{alert.id}", int(time.time())
        headers = {
            "content-type": "application/json",
            "webhook-id": message,
            "webhook-timestamp": str(sent),
        }
        if self.key is not None:
            headers["webhook-signature"] = signature(self.key, message, sent, body)
        try:
            request = urllib.request.Request(self.url, body, headers, method="POST")
            with _opener.open(request, timeout=TIMEOUT):
                return None
        except urllib.error.HTTPError as error:
            with error:
                return f"the receiver answers {error.code}"
        except TimeoutError:
            return f"the receiver does not answer within {TIMEOUT:g} s"
        except urllib.error.URLError as error:
            reason = getattr(error.reason, "strerror", None) or "no"
            return f"the receiver can't be reached ({reason})"
        except (OSError, ValueError, http.client.HTTPException) as error:
            return f"the receiver can't be reached ({type(error).__name__})"


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


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: what arrives at the other address has no body."""

    def redirect_request(self, *_: object) -> None:
        return None


_opener = urllib.request.build_opener(_Stay)
