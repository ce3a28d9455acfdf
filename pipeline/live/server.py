"""The health of a watch over HTTP: ``/healthz``, ``/readyz``, ``/status``, ``/metrics``; and its
newest frames at ``/frames``, to this machine alone unless more is asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from ..errors import PipelineError
from .address import split_place
from .frames import Pictures, is_loopback
from .metrics import plain, prometheus
from .watching import WatchHealth


class HealthServer:
    """Answers in threads of its own until it is closed.

    Args:
        place: ``HOST:PORT``; port 0 takes a free one. health: asked at each request.
        frames: of the cameras. show: whether they are served; None where others can't reach them.

    Raises:
        CallError: no such place. PipelineError: it is taken.
    """

    def __init__(
        self,
        place: str,
        health: Callable[[], WatchHealth],
        frames: Pictures | None = None,
        show: bool | None = None,
    ) -> None:
        host, port = split_place(place)
        private = is_loopback(host)

        class Handler(_Handler):
            ask = staticmethod(health)
            shown = frames if (private if show is None else show) else None
            anyone = not private

        try:
            self._server = _Server((host, port), Handler)
        except OSError as error:
            raise PipelineError(
                f"can't listen at {place} ({error.strerror}): choose another with --listen"
            ) from error
        self.port = int(self._server.server_address[1])
        self._thread = Thread(target=self._server.serve_forever, args=(0.2,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of those who went away before they had their answer."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    ask: Callable[[], WatchHealth]
    shown: Pictures | None
    anyone: bool
    timeout = 10
    server_version = "nearfar"
    sys_version = ""

    def do_GET(self) -> None:
        if self.path.startswith("/frames"):
            self._frames()
            return
        health = self.ask()
        if self.path == "/healthz":
            self._answer(health.alive, "ok" if health.alive else "the worker hangs")
        elif self.path == "/readyz":
            self._answer(health.ready, "ok" if health.ready else health.trouble or "no frames")
        elif self.path == "/status":
            self._answer(True, json.dumps(plain(health)), "application/json")
        elif self.path == "/metrics":
            self._answer(True, prometheus(health), "text/plain; version=0.0.4; charset=utf-8")
        else:
            self.send_error(404)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, well: bool, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        self._send(200 if well else 503, (text.rstrip("\n") + "\n").encode(), kind)

    def _frames(self) -> None:
        """Frames, not to pages of other sites, nor by a name that was made to point here."""
        found = None
        try:
            asked = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        except ValueError:
            asked = ""
        if self.shown is not None and (self.anyone or is_loopback(asked)):
            found = self.shown.answer(self.path)
        if found is None:
            self.send_error(404)
        else:
            self._send(200, *found)

    def _send(self, code: int, body: bytes, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
