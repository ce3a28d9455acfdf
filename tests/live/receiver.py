"""A real receiver of webhooks, which may refuse."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Received:
    """What came in: `refuse` answers so many with 500 first."""

    port: int
    refuse: int = 0
    messages: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def contents(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.messages]


def is_signed(headers: dict[str, str], body: bytes, key: bytes) -> bool:
    """Whether a message bears the signature of who has the key, worked out anew."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


@contextmanager
def receiver(port: int = 0, refuse: int = 0) -> Iterator[Received]:
    """A receiver while the context lasts."""
    got = Received(port, refuse)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if got.refuse:
                got.refuse -= 1
                self.send_error(500)
                return
            got.messages.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    got.port = int(server.server_address[1])
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
