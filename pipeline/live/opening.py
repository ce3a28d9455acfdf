"""Opening a camera's stream, and what its errors mean for the one who owns the camera."""

from __future__ import annotations

import errno
import os
import socket
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import av

PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}


@dataclass(frozen=True)
class Orders:
    """What to open, and how.

    Args:
        kind, url: see `address.Address`. transport: of RTSP, ``tcp`` or ``udp``.
        open_seconds, read_seconds: how long to wait. fps: frames a second that are wanted at most.
        memory: descriptor of the ring.
    """

    kind: str
    url: str
    transport: str
    open_seconds: float
    read_seconds: float
    fps: float | None
    memory: int


class Ended(Exception):
    """The stream can't be read (any further): the cause, as a state, and in words."""

    def __init__(self, cause: str, words: str) -> None:
        super().__init__(words)
        self.cause, self.words = cause, words


def reach(orders: Orders) -> None:
    """Makes sure that somebody listens at the address.

    Raises:
        Ended: the host is not known, does not answer or refuses.
    """
    parts = urlsplit(orders.url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme.lower()]
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise Ended("wrong host", f"no host is called {host}") from None
    trouble: OSError | None = None
    for family, kind, protocol, _, place in places:
        with socket.socket(family, kind, protocol) as probe:
            probe.settimeout(orders.open_seconds)
            try:
                probe.connect(place)
                return
            except OSError as error:
                trouble = error
    if isinstance(trouble, ConnectionRefusedError):
        raise Ended("unreachable", f"{host} refuses connections to port {port}")
    if isinstance(trouble, TimeoutError):
        raise Ended("unreachable", f"{host} does not answer on port {port}")
    said = trouble.strerror if trouble and trouble.strerror else "no way there"
    raise Ended("unreachable", f"{host} can't be reached on port {port} ({said})")


def open_stream(orders: Orders) -> av.container.InputContainer:
    """Opens what the orders name.

    Raises:
        Ended: it is not there, says nothing, refuses the password or is no video.
    """
    if orders.kind in ("rtsp", "http"):
        reach(orders)
    opened = time.monotonic()
    try:
        container = _open(orders)
    except (av.FFmpegError, OSError) as error:
        raise explained(error, orders, time.monotonic() - opened) from None
    if not container.streams.video:
        raise Ended("no stream", "what answers there holds no video")
    return container


def _open(orders: Orders) -> av.container.InputContainer:
    wait = (orders.open_seconds, orders.read_seconds)
    live = {"fflags": "nobuffer", "flags": "low_delay", "analyzeduration": "1000000"}
    if orders.kind == "rtsp":
        return av.open(
            orders.url,
            format="rtsp",
            options={**live, "rtsp_transport": orders.transport, "max_delay": "300000"},
            timeout=wait,
        )
    if orders.kind == "http":
        return av.open(orders.url, options=live, timeout=wait)
    return av.open(orders.url)


def explained(error: Exception, orders: Orders, waited: float, *, reading: bool = False) -> Ended:
    """What an error of FFmpeg means for the one who owns the camera."""
    number = getattr(error, "errno", None)
    if isinstance(error, av.HTTPUnauthorizedError | av.HTTPForbiddenError):
        return Ended("wrong password", "the camera refuses this user or password")
    if isinstance(error, av.HTTPNotFoundError):
        return Ended("no stream", "nothing at this path: check the end of the address")
    if reading:
        if isinstance(error, av.ExitError) or number == errno.ETIMEDOUT:
            return Ended("broken", f"no picture for {orders.read_seconds:g} s")
        return Ended("broken", f"the stream broke off ({_words(error)})")
    late = waited > orders.open_seconds - 0.5
    if late or isinstance(error, av.ExitError) or number in (errno.ETIMEDOUT, errno.EAGAIN):
        return Ended("silent", f"it takes the connection and says nothing for {waited:.0f} s")
    if orders.kind == "file" and isinstance(error, FileNotFoundError):
        return Ended("no stream", "no such file")
    if isinstance(error, av.InvalidDataError | av.HTTPClientError | av.HTTPError):
        return Ended("no stream", "what answers there is no video stream")
    return Ended("no stream", f"no video stream can be opened there ({_words(error)})")


def _words(error: Exception) -> str:
    """FFmpeg's or the system's fixed words for an error; they never hold the address."""
    number = getattr(error, "errno", None)
    return (getattr(error, "strerror", None) or (os.strerror(number) if number else "")) or type(
        error
    ).__name__
