"""A broker of MQTT that gets alerts."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from storage import Alert

from ..errors import CallError, SourceError
from ..site import BROKERS, Mqtt, has_host
from .address import HIDDEN, fill
from .outbox import TIMEOUT

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.reasoncodes import ReasonCode

PORTS = dict(zip(BROKERS, (1883, 8883), strict=True))


@dataclass(frozen=True)
class Broker:
    """Where alerts go, by MQTT 5 and at least once; `url` is never to be shown."""

    url: str = field(repr=False)
    topic: str
    name = "broker"

    @classmethod
    def of(cls, mqtt: Mqtt, folder: Path) -> Broker:
        """The broker of a site file in `folder`.

        Raises:
            SourceError: no address of a broker, or a variable or file for a secret is not there.
            CallError: the package for MQTT is missing.
        """
        try:
            import paho.mqtt.client  # noqa: F401
        except ImportError:
            raise CallError("alerts by MQTT need a package: pip install 'nearfar[mqtt]'") from None
        url, _ = fill(mqtt.url, folder)
        if not has_host(url, BROKERS):
            raise SourceError(f"{HIDDEN} is no broker: write mqtt://HOST or mqtts://HOST")
        return cls(url, mqtt.topic)

    def send(self, alert: Alert, body: bytes) -> str | None:
        """See `Receiver.send`."""
        from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5

        parts = urlsplit(self.url)
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        client.connect_timeout = TIMEOUT
        if parts.username:
            client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if parts.scheme == "mqtts":
            client.tls_set()
        try:
            client.connect(parts.hostname or "", parts.port or PORTS[parts.scheme])
            return _deliver(client, self.topic, body)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            return f"the broker can't be reached ({reason})"
        finally:
            client.disconnect()


def _deliver(client: Client, topic: str, body: bytes) -> str | None:
    """Publishes one message and waits for its receipt; why there is none, None if there is."""
    answers: list[ReasonCode] = []
    receipts: list[ReasonCode] = []
    client.on_connect = lambda *a: answers.append(a[3])
    client.on_publish = lambda *a: receipts.append(a[3])
    deadline, asked = time.monotonic() + TIMEOUT, False
    while time.monotonic() < deadline:
        ended = client.loop(0.1)
        for answer in (*answers, *receipts):
            if answer.is_failure:
                return f"the broker refuses ({str(answer).lower()})"
        if receipts:
            return None
        if ended:
            return "the broker ended the connection"
        if answers and not asked:
            client.publish(topic, body, qos=1)
            asked = True
    return f"the broker does not answer within {TIMEOUT:g} s"
