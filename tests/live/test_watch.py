"""Watches as programs: stored and linked as it comes, stopped, killed, edited, refused."""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage import Gallery

from ..pipeline.conftest import figures
from .clips import access_units, write_units
from .conftest import FPS
from .places import PAGE, RtspServer, decoders_of, rtsp_server, tcp_place
from .watches import ENVIRONMENT, WATCHER, WatchProgram

Begin = Callable[..., WatchProgram]


@pytest.fixture(scope="session")
def people_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspServer]:
    """A server of drawn people on two cameras; not to be stopped by tests."""
    folder = tmp_path_factory.mktemp("people")
    clips = {
        name: write_units(folder / name, access_units(figures(40, people, phase), FPS))
        for name, people, phase in (("gate", 1, 0), ("hall", 2, 9))
    }
    with rtsp_server(FPS, clips) as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, people_server: RtspServer) -> Path:
    """A site file with the two cameras."""
    return write_site(tmp_path, gate=people_server.url("gate"), hall=people_server.url("hall"))


def write_site(folder: Path, rest: str = "", **cameras: str) -> Path:
    """A site file, put into place as a whole."""
    lines = "".join(f'  {name}: {{source: "{url}"}}\n' for name, url in cameras.items())
    part = folder / "part.yaml"
    part.write_text(f"cameras:\n{lines}{rest}")
    return part.replace(folder / "site.yaml")


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Begins watches; those that a test leaves are killed."""
    begun: list[WatchProgram] = []

    def call(site: Path, *options: str, **more: dict[str, str]) -> WatchProgram:
        begun.append(WatchProgram(site, *options, **more))
        return begun[-1]

    yield call
    for one in begun:
        one.end(signal.SIGKILL)


def sound(folder: Path) -> Gallery:
    """The gallery of a watch, which must be whole."""
    gallery = Gallery.open(folder / "nearfar.db", read_only=True)
    assert gallery.check() == []
    return gallery


def test_people_are_stored_and_linked_as_they_come(begin: Begin, site: Path) -> None:
    one = begin(site)
    one.until(one.is_live("gate"))
    one.until(one.is_live("hall"))
    live = time.monotonic()
    while not (site.parent / "nearfar.db").exists() or not identities(site.parent):
        assert time.monotonic() - live < 5
        time.sleep(0.1)
    one.until(lambda: one.camera("gate")["processed"] > 30)
    assert [one.get(p)[0] for p in ("/healthz", "/readyz", "/nothing")] == [200, 200, 404]
    metrics = one.get("/metrics")[1]
    assert re.search(r'^nearfar_camera_frames_total\{camera="gate"\} [1-9]\d*$', metrics, re.M)
    assert re.search(r'^nearfar_camera_state\{camera="hall",state="live"\} 1$', metrics, re.M)
    for line in metrics.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) .+|nearfar_\w+(\{.+\})? -?[0-9.e+-]+", line), line
    call = [sys.executable, str(WATCHER), "status", f"127.0.0.1:{one.port}"]
    said = subprocess.run(call, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert re.search(r"^gate +live ", said.stdout, re.M)
    camera = one.camera("gate")
    assert camera["delay"] < 1
    assert camera["processed"] > 0.8 * (camera["frames"] - 5)
    status, took = one.end()
    assert (status, took < 5) == (0, True)
    assert decoders_of(one.id) == []
    with sound(site.parent) as gallery:
        for session in gallery.sessions():
            assert session.state == "stopped"
            assert abs(session.start - time.time()) < 60
            rows = gallery.boxes(session.id)
            assert len({r.frame for r in rows}) > 30
            assert all(r.identity for r in rows if r.frame < session.position - 10)
        waited = {t.id: seconds_to_identity(site.parent, t.id) for t in gallery.tracks(looks=0)}
    assert min(waited.values()) < 2, waited
    assert not list(site.parent.glob("*.watch-*"))


def seconds_to_identity(folder: Path, track: int) -> float:
    """From the first look of a track until the first identity that it had was made."""
    connection = sqlite3.connect(folder / "nearfar.db")
    look = (
        "SELECT min(o.time) FROM observation o JOIN embedding e ON e.observation_id = o.id "
        "WHERE o.track_id = ?"
    )
    made = (
        "SELECT min(i.created) FROM identity i JOIN identity_link l ON l.identity_id = i.id "
        "WHERE l.track_id = ?"
    )
    (seen,), (known,) = (connection.execute(q, (track,)).fetchone() for q in (look, made))
    connection.close()
    return float("inf") if seen is None or known is None else known - seen


def identities(folder: Path) -> int:
    with Gallery.open(folder / "nearfar.db", read_only=True) as gallery:
        return gallery.info().identities


def test_a_second_watch_of_a_camera_is_refused(begin: Begin, site: Path) -> None:
    first = begin(site)
    first.until(first.is_live("gate"))
    call = [sys.executable, str(WATCHER), "watch", str(site), "--listen", "none"]
    said = subprocess.run(call, env=ENVIRONMENT, cwd=site.parent, capture_output=True, text=True)
    assert said.returncode == 1
    assert said.stderr.count("\n") == 1
    assert f"is being watched for nearfar.db by process {first.id}" in said.stderr


def test_watches_that_are_killed_leave_a_whole_gallery(begin: Begin, site: Path) -> None:
    chance = random.Random(4)
    held = 0
    for _ in range(3):
        one = begin(site)
        one.until(one.is_live("gate"))
        time.sleep(chance.uniform(1.0, 2.0))
        one.end(signal.SIGKILL)
        killed = time.time()
        for _ in range(40):
            if not decoders_of(1) and not decoders_of(one.id):
                break
            time.sleep(0.05)
        with sound(site.parent) as gallery:
            info = gallery.info()
            assert info.observations > held
            assert info.last is not None
            assert killed - info.last < 2
            held = info.observations
    with sound(site.parent) as gallery:
        states = [s.state for s in gallery.sessions(["gate"])]
        assert len(states) == 3
        assert states[:-1] == ["stopped"] * 2
        people = {t.identity for t in gallery.tracks(looks=0) if t.identity is not None}
        assert len(people) < info.tracks, "a later run must go on with the identities"


def test_an_edited_site_file_leaves_other_cameras_alone(
    begin: Begin, site: Path, people_server: RtspServer
) -> None:
    gate, hall = people_server.url("gate"), people_server.url("hall")
    one = begin(write_site(site.parent, gate=gate))
    one.until(one.is_live("gate"))
    write_site(site.parent, gate=gate, hall=hall)
    one.until(one.is_live("hall"))
    one.until(lambda: one.camera("hall")["processed"] > 5)
    write_site(site.parent, "  hall: {source: '" + hall + "', fps: 2}\n", gate=gate)
    one.until(lambda: one.states("hall")[-2:] == ["removed", "live"])
    frames = one.camera("hall")["frames"]
    time.sleep(2)
    assert one.camera("hall")["frames"] - frames <= 6
    write_site(site.parent, "travel: [{between: [gate, nowhere], seconds: 1}]\n", gate=gate)
    one.until(
        lambda: any("nowhere" in (e["problem"] or "") for e in one.events if e["event"] == "site")
    )
    os.utime(write_site(site.parent, gate=gate), (1, 1))
    one.send(signal.SIGHUP)
    one.until(lambda: one.states("hall")[-1] == "removed")
    one.until(lambda: [c["camera"] for c in one.status()["cameras"]] == ["gate"])
    one.until(lambda: len(decoders_of(one.id)) == 1)
    assert one.states("gate") == ["live"]
    camera = one.camera("gate")
    assert camera["reconnects"] == 0
    assert one.end()[0] == 0
    with sound(site.parent) as gallery:
        assert len(gallery.sessions(["gate"])) == 1
        assert [s.state for s in gallery.sessions(["hall"])] == ["stopped"] * 2
        times = sorted(
            {o.time for t in gallery.tracks(["gate"]) for o in gallery.observations(t.id)}
        )
        assert max(b - a for a, b in itertools.pairwise(times)) < 2


def test_wrong_addresses_each_in_a_line_and_no_password_anywhere(
    begin: Begin, tmp_path: Path, people_server: RtspServer, plain_clips: dict[str, Path]
) -> None:
    secret = "Geheim-77/x"
    asks = ("--user", "u", "--password", "another")
    with (
        tcp_place(None) as silent,
        tcp_place(PAGE) as page,
        rtsp_server(FPS, plain_clips, *asks) as guarded,
    ):
        port = people_server.port
        site = write_site(
            tmp_path,
            good=people_server.url("gate"),
            password=guarded.url("plain", "u:${WORD}"),
            path=f"rtsp://u:${{WORD}}@127.0.0.1:{port}/none",
            host="rtsp://u:${WORD}@nobody.invalid/x",
            silent=f"rtsp://u:${{WORD}}@127.0.0.1:{silent}/x",
            page=f"http://u:${{WORD}}@127.0.0.1:{page}/x",
        )
        one = begin(site, environment={"WORD": secret})
        expected = {
            "good": "live",
            "password": "wrong password",
            "path": "no stream",
            "host": "wrong host",
            "silent": "silent",
            "page": "no stream",
        }
        for camera, state in expected.items():
            one.until(lambda camera=camera, state=state: state in one.states(camera))
        assert one.get("/readyz")[0] == 200
        everything = "".join(one.get(p)[1] for p in ("/status", "/metrics"))
        assert one.end()[0] == 0
    everything += one.output
    with sound(tmp_path) as gallery:
        everything += repr(gallery.sessions())
    for part in tmp_path.rglob("*"):
        if part.is_file():
            assert secret.encode() not in part.read_bytes()
    for word in (secret, "Geheim-77%2Fx"):
        assert word not in everything
    assert "***@nobody.invalid" in everything
    lines = [e for e in one.events if e["event"] == "camera" and e["camera"] == "host"]
    assert len(lines) == 1


def test_a_password_that_was_set_right_is_tried_at_once(
    begin: Begin, tmp_path: Path, plain_clips: dict[str, Path]
) -> None:
    secret = tmp_path / "word"
    secret.write_text("wrong")
    with rtsp_server(FPS, plain_clips, "--user", "u", "--password", "right") as guarded:
        one = begin(write_site(tmp_path, gate=guarded.url("plain", "u:${file:word}")))
        one.until(lambda: one.states("gate") == ["wrong password"])
        secret.write_text("right")
        one.send(signal.SIGHUP)
        one.until(one.is_live("gate"), 20)
        assert one.end()[0] == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cameras:\n  gate: {source: 'rtsp://a:${NO}@h/x'}\n", "camera gate: ${NO}: no variable"),
        ("cameras:\n  gate: {native_scale: 2}\n", "has no camera with a source"),
        ("cameras:\n  gate: {source: 'ftp://h/x'}\n", "camera gate: sources of kind ftp"),
        ("cameras:\n  gate: {source: 'rtsp://'}\n", "camera gate: "),
        (
            "cameras:\n  gate: {source: 0}\nalerts:\n  webhook: {url: 'http://${NOT_SET}'}\n",
            "alerts.webhook: ${NOT_SET}: no variable",
        ),
        ("cameras:\n  gate: {source: a.mp4, transport: ipx}\n", "transport"),
    ],
)
def test_a_site_file_that_can_not_be_watched(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "site.yaml").write_text(text)
    call = [sys.executable, str(WATCHER), "watch", "site.yaml", "--listen", "none"]
    said = subprocess.run(call, env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode == 2
    assert words in said.stderr
    assert said.stderr.count("\n") == 1


def test_live_cameras_are_not_processed(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("cameras:\n  gate: {source: 'rtsp://a:word@h/x'}\n")
    call = [sys.executable, str(WATCHER), "process", "--site", "site.yaml"]
    said = subprocess.run(call, env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode == 2
    assert said.stderr == ("nearfar: camera gate is live: use nearfar watch, or name recordings\n")


def test_status_of_nobody(tmp_path: Path) -> None:
    other = "is no nearfar watch"
    with (
        tcp_place(PAGE) as page,
        tcp_place(b"SSH-2.0-x\r\n") as shell,
        tcp_place(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as nothing,
    ):
        for port, words in (
            (1, "no watch listens"),
            (page, other),
            (shell, other),
            (nothing, other),
        ):
            said = status_of(f"127.0.0.1:{port}")
            assert said.returncode == 1
            assert words in said.stderr
    for place in ("foo", "http://127.0.0.1:8320", "127.0.0.1:99999", "127.0.0.1:", ":8320"):
        said = status_of(place)
        assert said.returncode == 2
        assert said.stderr == f"nearfar: {place!r} is no place: write HOST:PORT\n"


def status_of(place: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, str(WATCHER), "status", place, "--json"]
    return subprocess.run(call, env=ENVIRONMENT, capture_output=True, text=True)


def test_json_lines(begin: Begin, site: Path) -> None:
    one = begin(site)
    one.until(lambda: any(e["event"] == "status" for e in one.events))
    one.end()
    lines = [line for line in one.output.splitlines() if not line.startswith("nearfar: stopping")]
    assert all("time" in json.loads(line) for line in lines)
