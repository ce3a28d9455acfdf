"""`nearfar serve` and `nearfar users`, as people call them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from console.verbs import _listener
from storage import Gallery

from ..live.places import tcp_place

NEARFAR = [sys.executable, "-c", "from pipeline.cli import main; main()"]


GOOD = "long enough\n"


def nearfar(*words: object, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*NEARFAR, *map(str, words)], input=typed, capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def place(gallery: Gallery, tmp_path: Path) -> Path:
    return tmp_path / "g.db"


@contextmanager
def served(place: Path, *options: str) -> Iterator[str]:
    """The address of a console that runs meanwhile."""
    command = [*NEARFAR, "serve", "--gallery", str(place), "--port", "0", *options]
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as running:
        assert running.stdout is not None
        try:
            yield running.stdout.readline().split()[2]
        except BaseException:
            running.kill()
            raise
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) in (0, -signal.SIGTERM, 143)


def test_the_console_answers_until_it_is_told_to_stop(place: Path) -> None:
    with served(place) as address:
        assert address.startswith("http://127.0.0.1:")
        assert "Search with a picture" in httpx2.get(address, timeout=20).text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("hangs", [False, True])
def test_the_console_ends_while_somebody_looks(place: Path, number: int, hangs: bool) -> None:
    with tcp_place(None) as silent:
        command = [*NEARFAR, "serve", "--gallery", str(place), "--port", "0"]
        command += ["--watch", f"127.0.0.1:{silent}" if hangs else "none"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        env = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(command, text=True, env=env, **pipes) as running:
            assert running.stdout is not None
            assert running.stderr is not None
            try:
                address = running.stdout.readline().split()[2]
                events = f"{address}/api/v1/live/events"
                with httpx2.stream("GET", events, timeout=20) as stream:
                    if not hangs:
                        assert next(stream.iter_lines()).startswith("data: ")
                    began = time.monotonic()
                    running.send_signal(number)
                    status = running.wait(20)
                    took = time.monotonic() - began
            finally:
                running.kill()
            said = running.stderr.read()
    assert took < (12 if hangs else 4)
    assert status in (0, -signal.SIGTERM)
    assert "Traceback" not in said
    assert hangs or said == ""


def test_the_address_that_is_told_answers_at_once() -> None:
    with _listener("127.0.0.1", 0) as listener:
        socket.create_connection(listener.getsockname(), timeout=5).close()


def test_behind_a_proxy_that_speaks_https(place: Path) -> None:
    nearfar("users", "add", "ada", "--gallery", place, typed=GOOD)
    with served(place) as address:
        host = address.removeprefix("http://")
        headers = {"Origin": f"https://{host}", "X-Forwarded-Proto": "https"}
        form = {"name": "ada", "password": GOOD.strip()}
        answer = httpx2.post(f"{address}/sign-in", data=form, headers=headers, timeout=20)
    assert answer.status_code == 303
    assert "secure" in answer.headers["set-cookie"].lower()


def test_others_reach_it_only_with_accounts(place: Path) -> None:
    refused = nearfar("serve", "--gallery", place, "--host", "0.0.0.0")
    assert refused.returncode == 2
    assert "nearfar users add NAME" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_names_by_which_others_reach_it(place: Path) -> None:
    nearfar("users", "add", "ada", "--gallery", place, typed=GOOD)
    names = ("--name", "https://cams.example.org", "--name", "10.0.0.9:8102", "--name", "*.lan")
    with served(place, "--host", "0.0.0.0", *names) as address:
        assert address.startswith("http://127.0.0.1:")
        for host, code in (
            ("cams.example.org", 200),
            ("10.0.0.9:8102", 200),
            ("one.lan", 200),
            ("example.org", 400),
        ):
            answer = httpx2.get(f"{address}/sign-in", headers={"Host": host}, timeout=20)
            assert answer.status_code == code
    for wrong in ("https://", "a*b", ""):
        refused = nearfar("serve", "--gallery", place, "--name", wrong)
        assert refused.returncode == 2
        assert f"{wrong!r} is no name" in refused.stderr
    command = [*NEARFAR, "serve", "--gallery", place, "--port", "0", "--host", "0.0.0.0"]
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as running:
        assert running.stdout is not None
        said = [running.stdout.readline() for _ in range(2)]
        running.terminate()
    assert "start it with --name" in said[1]


def test_what_can_not_be_opened(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = nearfar("serve", "--gallery", place, "--port", port)
    assert refused.returncode == 1
    assert f"can't listen on 127.0.0.1, port {port}" in refused.stderr
    missing = nearfar("serve", "--gallery", place.with_name("none.db"))
    assert missing.returncode != 0
    assert "no gallery at" in missing.stderr


def test_users_come_and_go(place: Path) -> None:
    added = nearfar("users", "add", "ada", "--role", "operator", "--gallery", place, typed=GOOD)
    assert added.stdout == "ada may sign in as operator\n", added.stderr
    assert nearfar("users", "list", "--gallery", place).stdout == "ada  operator\n"
    short = nearfar("users", "add", "bob", "--gallery", place, typed="short\n")
    assert (short.returncode, "10 characters" in short.stderr) == (2, True)
    role = nearfar("users", "add", "bob", "--role", "king", "--gallery", place, typed=GOOD)
    assert "no role 'king'" in role.stderr
    assert nearfar("users", "remove", "ada", "--gallery", place).returncode == 0
    gone = nearfar("users", "remove", "ada", "--gallery", place)
    assert "no user 'ada'" in gone.stderr


@pytest.mark.parametrize("words", [("serve",), ("users",), ("users", "add")])
def test_help_shows_an_example(words: tuple[str, ...]) -> None:
    said = nearfar(*words, "--help").stdout
    assert "nearfar users" in said or "nearfar serve" in said


def test_the_console_is_light() -> None:
    check = "import sys, console.verbs; print({'torch', 'ultralytics'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60)
    assert said.stdout == "set()\n", said.stderr
