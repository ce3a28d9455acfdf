"""Places that a camera's address may lead to: RTSP servers, and what is none."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import cv2
import numpy as np
import pytest

PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).with_name("rtsp_server.py")
NEEDS = "gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


def require_gstreamer() -> None:
    """Skips the test where the server can't run, unless that is forbidden."""
    missing = (
        not os.path.exists(PYTHON)
        or subprocess.run(
            [PYTHON, "-c", f"import gi; {NEEDS}"], stderr=subprocess.DEVNULL
        ).returncode
    )
    if missing:
        message = "no RTSP server: apt-get install gir1.2-gst-rtsp-server-1.0, see .ci/run"
        if os.environ.get("NEARFAR_NEVER_SKIP_RTSP"):
            pytest.fail(message)
        pytest.skip(message)


def decoders_of(program: int) -> list[int]:
    """Ids of the processes that decode for a program."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == program and b"pipeline.live.decoder" in command:
            found.append(int(folder.name))
    return found


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RtspServer:
    """A server that may be frozen, killed and begun anew on the same port.

    Args:
        host: where it listens. inside: what its command begins with, where it runs elsewhere.
    """

    def __init__(
        self,
        fps: int,
        clips: dict[str, Path],
        *options: str,
        host: str = "127.0.0.1",
        inside: Sequence[str] = (),
    ) -> None:
        self.host, self.port = host, free_port()
        self._call = [*inside, PYTHON, str(SERVER), str(self.port), str(fps), *options]
        self._call += ["--address", host]
        self._call += [f"{name}={path}" for name, path in clips.items()]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._call, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"

    def began(self) -> float:
        """When the next clip that somebody asked for began to play, monotonic seconds."""
        assert self._process.stdout
        return int(self._process.stdout.readline().split()[1]) / 1e6

    def url(self, name: str, user: str = "") -> str:
        return f"rtsp://{user}{'@' if user else ''}{self.host}:{self.port}/{name}"

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        assert self._process.stdout
        self._process.stdout.close()
        self._process.wait()


@contextmanager
def rtsp_server(
    fps: int, clips: dict[str, Path], *options: str, **place: Any
) -> Iterator[RtspServer]:
    """A server of clips while the context lasts."""
    require_gstreamer()
    server = RtspServer(fps, clips, *options, **place)
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def tcp_place(answer: bytes | None) -> Iterator[int]:
    """The port of something that takes connections and gives one answer, or says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            held.append(peer)
            if answer is not None:
                Thread(target=reply, args=(peer,), daemon=True).start()

    def reply(peer: socket.socket) -> None:
        try:
            peer.recv(4096)
            peer.sendall(answer or b"")
            peer.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for peer in held:
            peer.close()


PAGE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n"
    b"<html><body><h1>Camera login</h1></body></html>"
)


def mjpeg_server(
    images: Sequence[np.ndarray], fps: int, most: int | None = None
) -> AbstractContextManager[int]:
    """The port of a camera that sends JPEG pictures over HTTP; see `http_camera`."""
    pictures = [cv2.imencode(".jpg", image)[1].tobytes() for image in images]
    head = "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n"
    parts = [head.format(len(jpeg)).encode() + jpeg + b"\r\n" for jpeg in pictures]
    return http_camera("multipart/x-mixed-replace; boundary=frame", parts, fps, most)


@contextmanager
def http_camera(
    kind: str, parts: Sequence[bytes], fps: int, most: int | None = None
) -> Iterator[int]:
    """The port of a camera that sends so many parts a second over HTTP, over and over; `most` in
    one connection."""
    over = Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            with suppress(OSError):
                for part in itertools.islice(itertools.cycle(parts), most):
                    self.wfile.write(part)
                    if over.wait(1 / fps):
                        return

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()
