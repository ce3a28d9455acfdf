"""Watches that tests begin as programs of their own, and what they say."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

from ..pipeline.conftest import ROOT
from .places import free_port

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
WATCHER = Path(__file__).with_name("watcher.py")


class WatchProgram:
    """``nearfar watch SITE --json`` in a folder; its events as they come."""

    def __init__(
        self, site: Path, *options: str, environment: dict[str, str] | None = None
    ) -> None:
        self.port = free_port()
        self.folder = site.parent
        self.events: list[dict[str, Any]] = []
        self.output = ""
        self._program = subprocess.Popen(
            [sys.executable, str(WATCHER), "watch", str(site), "--json", "--device", "cpu"]
            + ["--listen", f"127.0.0.1:{self.port}", *options],
            env={**ENVIRONMENT, **(environment or {})},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def id(self) -> int:
        return self._program.pid

    def until(self, reached: Callable[[], object], seconds: float = 30.0) -> None:
        """Waits until something is so; reads events meanwhile."""
        deadline = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < deadline, self.output
            assert self._program.poll() is None, self.output
            self._take()
            time.sleep(0.05)

    def states(self, camera: str) -> list[str]:
        """The states that a camera went through, as far as events were read."""
        self._take()
        return [e["state"] for e in self.events if e.get("camera") == camera and "state" in e]

    def is_live(self, camera: str) -> Callable[[], bool]:
        return lambda: self.states(camera)[-1:] == ["live"]

    def status(self) -> dict[str, Any]:
        """What it answers over HTTP."""
        return json.loads(self.get("/status")[1])

    def camera(self, name: str) -> dict[str, Any]:
        return next(c for c in self.status()["cameras"] if c["camera"] == name)

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of an address of its health."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as got:
                return got.status, got.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def send(self, number: int) -> None:
        self._program.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Signals it to end; its exit status, and the seconds that took."""
        began = time.monotonic()
        if self._program.poll() is None:
            self.send(number)
        status = self._program.wait(30)
        took = time.monotonic() - began
        self._thread.join()
        self._take()
        assert self._program.stdout
        self._program.stdout.close()
        return status, took

    def _read(self) -> None:
        assert self._program.stdout
        for line in self._program.stdout:
            self._lines.put(line)

    def _take(self) -> None:
        while not self._lines.empty():
            line = self._lines.get() or ""
            self.output += line
            if line.startswith("{"):
                self.events.append(json.loads(line))
