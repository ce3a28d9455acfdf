"""Addresses, the ring of frames, times of capture, pauses."""

from __future__ import annotations

import http.client
import io
import os
import random
import re
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from threading import Event
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipeline.cli_live import _view
from pipeline.errors import SourceError
from pipeline.live.address import Address, resolve
from pipeline.live.camera import Pauses, Refused
from pipeline.live.metrics import plain, table
from pipeline.live.ring import SLOTS, Ring, new_memory
from pipeline.live.server import HealthServer
from pipeline.live.states import CameraHealth, CameraState
from pipeline.live.timeline import Timeline
from pipeline.live.watching import WatchHealth
from pipeline.site import Camera, read_site

from ..pipeline.conftest import ROOT

SECRETS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=12, max_size=30)


@given(SECRETS)
def test_no_secret_is_shown(secret: str) -> None:
    os.environ["A_SECRET"] = secret
    sources = (
        "rtsp://viewer:${A_SECRET}@host:8554/path",
        "http://host/path?user=a&password=${A_SECRET}",
        f"rtsp://viewer:{quote(secret, safe='')}@host/path",
    )
    for source in sources:
        found = resolve(source, Path())
        assert quote(secret, safe="") in found.url
        said = f"can't open {found.url} with {secret} or {quote(secret, safe='')}"
        for text in (found.shown, repr(found), found.masked(said)):
            assert secret not in text
            assert quote(secret, safe="") not in text


def test_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHOLE", "rtsp://a:b%40c@cam/live")
    (tmp_path / "word").write_text("hidden word\n")
    assert resolve("${WHOLE}", tmp_path).url == "rtsp://a:b%40c@cam/live"
    assert resolve("rtsp://a:${file:word}@[::1]:5/x", tmp_path) == Address(
        "rtsp",
        "rtsp://a:hidden%20word@[::1]:5/x",
        "rtsp://***@[::1]:5/x",
        ("hidden%20word", "hidden word"),
    )
    assert resolve("0", tmp_path).url == "/dev/video0"
    assert resolve("a.mp4", tmp_path).url == str(tmp_path / "a.mp4")
    sources = ("rtsp://h/x", "0", "${WHOLE}", "a.mp4", None)
    assert [Camera(source=s).is_live for s in sources] == [True] * 3 + [False] * 2


def test_what_a_query_holds_spoils_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIN", "7")
    found = resolve("rtsp://h/x?channel=5&key=word-71&pin=${PIN}", Path())
    assert found.shown == "rtsp://h/x?***"
    assert found.masked("word-71 or 7: no picture for 5 s") == "*** or ***: no picture for 5 s"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("rtsp://a:${NOT_SET}@host/x", "no variable NOT_SET"),
        ("rtsp://a:${file:nothing}@host/x", "nothing can't be read"),
        ("ftp://a:word-71@host/x", "ftp://"),
        ("rtsp://a:word-71@host:99999999/x", "check host and port"),
        ("rtsp://", "check host and port"),
        ("rtsp://a:word-71@/x", "check host and port"),
    ],
)
def test_wrong_addresses(source: str, words: str) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        resolve(source, Path())
    assert "word-71" not in str(caught.value)


def test_the_ring_gives_whole_frames_or_none() -> None:
    memory = new_memory()
    writer, reader = Ring(memory), Ring(memory)
    rng = np.random.default_rng(2)
    images = [rng.integers(0, 255, (6, 8 + n, 3), np.uint8) for n in range(3 * SLOTS)]
    for n, image in enumerate(images):
        writer.write(n, image)
        found = reader.read(n, *image.shape[:2])
        assert found is not None
        np.testing.assert_array_equal(found, image)
        old = n - SLOTS
        assert old < 0 or reader.read(old, *images[old].shape[:2]) is None
    for ring in (writer, reader):
        ring.close()
    os.close(memory)


STREAMS = st.lists(
    st.tuples(
        st.floats(0.001, 20), st.one_of(st.none(), st.floats(-1e5, 1e5)), st.floats(-5000, 5000)
    ),
    max_size=60,
)


@given(STREAMS)
def test_times_go_forward_whatever_the_clocks_say(stream: list) -> None:
    line, arrival = Timeline(), 0.0
    before: tuple[int, float] | None = None
    for step, stamp, base in stream:
        arrival += step
        now = line.time(arrival, stamp, base)
        assert now <= arrival + base + 1.1 + 0.001 * len(stream)
        if before is not None and before[0] == line.epoch:
            assert now > before[1]
        before = line.epoch, now


def test_frames_that_come_late_are_dated_by_their_timestamps() -> None:
    line = Timeline()
    arrivals = [i / 10 for i in range(20)] + [4.9 + i / 1000 for i in range(30)] + [5.0]
    times = [line.time(a, i / 10, 1000.0) for i, a in enumerate(arrivals)]
    np.testing.assert_allclose(times, 1000 + np.arange(51) / 10, atol=0.03)
    assert line.jumps == 0


def test_wrong_timestamps_are_counted_and_not_believed() -> None:
    line = Timeline()
    stamps = [i / 10 for i in range(10)] + [500 + i / 10 for i in range(10)] + [0.0] * 10
    times = [line.time(i / 10, s, 0.0) for i, s in enumerate(stamps)]
    np.testing.assert_allclose(times, np.arange(30) / 10, atol=0.01)
    assert line.jumps == 11


def test_a_stream_whose_clock_is_wrong_is_followed() -> None:
    for speed in (0.97, 1.03):
        line = Timeline()
        late = [i / 10 - line.time(i / 10, speed * i / 10, 0.0) for i in range(3000)]
        assert max(late) < 0.35
        assert line.jumps == 0


def test_a_clock_that_is_set() -> None:
    line = Timeline()
    for i in range(10):
        line.time(i / 10, i / 10, 1000.0)
    assert line.time(1.0, 1.0, 4600.0) == pytest.approx(4601, abs=0.01)
    assert (line.clock_jumps, line.epoch) == (1, 0)
    assert line.time(1.1, 1.1, 1000.0) == pytest.approx(1001.1, abs=0.01)
    assert (line.clock_jumps, line.epoch) == (2, 1)
    slowly = [line.time(1.2 + i / 10, None, 1000.4) for i in range(2000)]
    assert slowly[-1] == pytest.approx(1000.4 + 201.1, abs=0.01)
    assert min(np.diff(slowly)) > 0.09


@given(st.integers(0, 10_000))
def test_pauses_grow_to_a_minute(seed: int) -> None:
    pauses = Pauses(random.Random(seed))
    waited = [next(pauses) for _ in range(20)]
    total = 0.0
    for pause in waited:
        assert pause <= 60
        assert pause <= 1.0 + 0.9 * total
        total += pause
    assert min(waited[-5:]) >= 48
    pauses.reset()
    assert next(pauses) < 1


@given(st.integers(0, 10_000))
def test_pauses_after_a_wrong_password(seed: int) -> None:
    pauses = Refused(random.Random(seed))
    waited = [next(pauses) for _ in range(8)]
    assert 48 <= waited[0] <= 72
    assert sum(waited[:4]) > 700, "five tries in twelve minutes at most"
    assert max(waited) <= 900
    assert min(waited[-4:]) >= 720


def test_the_site_file_of_the_docs_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "live.md").read_text()
    (tmp_path / "site.yaml").write_text(text.split("```yaml\n")[1].split("```")[0])
    site = read_site(tmp_path / "site.yaml")
    assert [c.transport for c in site.cameras.values()] == ["tcp", "udp", "tcp", "tcp", "tcp"]
    assert site.cameras["desk"].source == "0"
    assert site.alerts.webhook is not None
    for state in CameraState:
        assert f"| {state} |" in text


def a_camera(state: CameraState, age: float | None) -> CameraHealth:
    return CameraHealth(
        "gate", "rtsp://***@h/x", state, "", 9, 7, 2, 0, 0, 0, age, (240, 320), 0.5, 0.3, 0, 0
    )


@pytest.mark.parametrize(
    ("health", "alive", "ready"),
    [
        (WatchHealth((a_camera(CameraState.LIVE, 0.1),), 5.0, 0.1, None, 0, None, ""), 200, 200),
        (WatchHealth((a_camera(CameraState.LIVE, 4.1),), 5.0, 0.1, None, 0, None, ""), 200, 503),
        (WatchHealth((a_camera(CameraState.SILENT, None),), 5.0, 0.1, None, 0, None, ""), 200, 503),
        (WatchHealth((a_camera(CameraState.LIVE, 0.1),), 5.0, 0.1, "full", 0, None, ""), 200, 503),
        (WatchHealth((a_camera(CameraState.LIVE, 0.1),), 5.0, 31.0, None, 0, None, ""), 503, 503),
    ],
)
def test_alive_and_ready(health: WatchHealth, alive: int, ready: int) -> None:
    server = HealthServer("127.0.0.1:0", lambda: health)
    try:
        assert [status(server.port, p) for p in ("/healthz", "/readyz")] == [alive, ready]
        with socket.create_connection(("127.0.0.1", server.port), 5) as peer:
            peer.sendall(b"HEAD /healthz HTTP/1.0\r\n\r\n")
            head = peer.makefile("rb").read()
        assert head.startswith(b"HTTP/1.0 %d " % alive)
        assert head.endswith(b"\r\n\r\n"), "no body"
    finally:
        server.close()


def status(port: int, path: str) -> int:
    """What HTTP answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_view_has_a_row_a_camera() -> None:
    cameras = (a_camera(CameraState.LIVE, 0.1), a_camera(CameraState.SILENT, None))
    out = io.StringIO()
    console = Console(file=out, width=120)
    console.print(table(plain(WatchHealth(cameras, 5.0, 0.1, None, 0, None, ""))["cameras"]))
    lines = [line.split() for line in out.getvalue().splitlines()]
    assert lines[1] == ["gate", "live", "9", "7", "2", "0.1", "s", "0.50", "s", "0"]
    assert lines[2] == ["gate", "silent", "9", "7", "2", "-", "0.50", "s", "0"]


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("width", [60, 80, 100])
def test_the_view_keeps_names_and_reasons_however_narrow(
    width: int, terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "10.0.0.5 does not answer on port 554, whoever asks and however long; next try in 60 s"
    names = [f"hall[bold] {i}" for i in range(12)]
    cameras = tuple(
        replace(a_camera(CameraState.UNREACHABLE, None), camera=n, reason=reason) for n in names
    )
    out = io.StringIO()
    console = Console(
        file=out, width=width, height=10, soft_wrap=True, force_terminal=terminal, color_system=None
    )
    health = WatchHealth(cameras, 5.0, 0.1, None, 0, None, "")
    if terminal:
        monkeypatch.setattr("pipeline.cli_live.errors", console)
        with _view(as_json=False) as view:
            view.show(health)
    else:
        console.print(table(plain(health)["cameras"]))
    said = out.getvalue()
    assert all(re.search(rf"^(\x1b\[2K)?{re.escape(n)} +unreachable ", said, re.M) for n in names)
    assert " ".join(said.split()).count(reason) >= 12
    assert "…" not in said


def test_who_asks_and_goes_away_leaves_no_trace(capfd: pytest.CaptureFixture[str]) -> None:
    asked, gone = Event(), Event()

    def health() -> WatchHealth:
        asked.set()
        gone.wait(5)
        return WatchHealth((), 0.0, 0.0, None, 0, None, "")

    server = HealthServer("127.0.0.1:0", health)
    for text in (b"GET /metrics HTTP/1.1\r\n\r\n", b"GET /met"):
        with socket.create_connection(("127.0.0.1", server.port)) as peer:
            peer.sendall(text)
            assert asked.wait(5)
            reset = struct.pack("ii", 1, 0)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        gone.set()
    time.sleep(0.3)
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/healthz", timeout=5) as got:
        assert got.read() == b"ok\n"
    server.close()
    assert capfd.readouterr().err == ""


def test_memory_that_is_free_goes_back_wherever_it_lies() -> None:
    """Small blocks that stay lie between all of those that go."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the C library is another one")
    script = (
        "from benchmarks.gallery_rows import resident\n"
        "from pipeline.live.memory import return_large_blocks, return_what_is_free\n"
        "return_large_blocks()\n"
        "pairs = [(bytes(100_000), bytes(2_000)) for _ in range(1000)]\n"
        "kept = [small for _, small in pairs]\n"
        "full = resident()\n"
        "pairs.clear()\n"
        "let_go = resident()\n"
        "return_what_is_free()\n"
        "print(full, let_go, resident())\n"
    )
    said = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    full, let_go, returned = map(int, said.stdout.split())
    assert full - let_go < 10e6
    assert let_go - returned > 50e6
