"""What stands before every request: whose it is, where it came from, how often it comes."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Sequence
from fnmatch import fnmatchcase
from threading import Lock
from urllib.parse import SplitResult, urlsplit, urlunsplit

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import ConsoleError

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

OWN_HEADER = "x-nearfar"
"""A header that no other site can make a browser send; every request that changes something has it,
or comes from a page of this very address."""


class Headers:
    """Adds `HEADERS` to every answer; pages are kept by no cache."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("Cache-Control", "private, no-store")
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


class Hosts:
    """Answers to the names that the console is known by alone.

    Args:
        names: as `host_of` gives them; ``*`` for all, ``*.example.org`` for those within.
    """

    def __init__(self, app: ASGIApp, names: Sequence[str]) -> None:
        self.app, self._names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            host = host_of(dict(scope["headers"]).get(b"host", b"").decode("latin-1"))
            if not any(fnmatchcase(host, name) for name in self._names):
                known = ", ".join(map(bracketed, self._names))
                line = f"this console is known as {known}"
                if host:
                    host = bracketed(host)
                    line += f", not as {host}: start it with --name {host} if that leads here"
                await PlainTextResponse(f"{line}\n", 400)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def host_of(place: str) -> str:
    """The host in an address or a header, without scheme, port and brackets; empty if none."""
    try:
        return urlsplit(place if "://" in place else f"//{place}").hostname or ""
    except ValueError:
        return ""


def bracketed(host: str) -> str:
    """A host as it stands in an address."""
    return f"[{host}]" if ":" in host else host


def check_origin(request: Request) -> None:
    """Refuses what another site makes a browser send.

    Raises:
        ConsoleError: a change without `OWN_HEADER` that comes from elsewhere.
    """
    if request.method in ("GET", "HEAD", "OPTIONS") or OWN_HEADER in request.headers:
        return
    if _split(request.headers.get("origin")).netloc != request.headers.get("host"):
        raise ConsoleError("this request came from another site; send the header X-Nearfar: 1", 403)


def shown_at(request: Request) -> str:
    """The path and query of the page that a request is for: of a change, the page it came from."""
    if request.method in ("GET", "HEAD"):
        place = _split(str(request.url))
    else:
        place = _split(request.headers.get("referer"))
        if place.netloc != request.headers.get("host"):
            return "/"
    return urlunsplit(("", "", place.path or "/", place.query, ""))


def _split(address: str | None) -> SplitResult:
    try:
        return urlsplit(address or "")
    except ValueError:  # such as http://[
        return urlsplit("")


class Limit:
    """At most `most` events of a key in `seconds`."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._events: dict[str, deque[float]] = defaultdict(deque)
        self._lock = Lock()

    def check(self, key: str) -> None:
        """Raises:
        ConsoleError: too many of late.
        """
        with self._lock:
            events = self._recent(key)
            if len(events) >= self._most:
                wait = round(self._seconds - (time.monotonic() - events[0])) + 1
                raise ConsoleError(f"too often: try again in {wait} s", 429)

    def note(self, key: str) -> None:
        """Counts one."""
        with self._lock:
            self._recent(key).append(time.monotonic())
            if len(self._events) > 10_000:
                for other in [k for k in self._events if not self._recent(k)]:
                    del self._events[other]

    def _recent(self, key: str) -> deque[float]:
        events = self._events[key]
        while events and time.monotonic() - events[0] > self._seconds:
            events.popleft()
        return events
