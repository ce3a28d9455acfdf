"""A running ``nearfar watch`` and what it watches, for `soak.py`."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

from benchmarks.soak_scene import FPS, prepare
from tests.live.places import RtspServer, free_port, rtsp_server

ROOT = Path(__file__).resolve().parents[1]
MAIN = "from pipeline.cli import main; main()"
SMALL = (
    "import functools, pipeline.detect as d; load = d.Detector.load.__func__; "
    "d.Detector.load = classmethod(functools.partial(load, input_size={input})); "
)
FEW = "import pipeline.live.linker as l; l.MOST_TRACKS = {tracks}; "


class Watched:
    """A running ``nearfar watch``."""

    def __init__(self, site: Path, gallery: Path, options: argparse.Namespace) -> None:
        self.port = free_port()
        code = SMALL.format(input=options.input) if options.input else ""
        code += FEW.format(tracks=options.tracks) if options.tracks else ""
        code += MAIN
        self.log = gallery.with_suffix(".log").open("a")
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "watch", str(site), "--gallery", str(gallery), "--json"]
            + ["--listen", f"127.0.0.1:{self.port}", "--device", "cpu"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=self.log,
            stderr=self.log,
        )

    def status(self) -> dict[str, Any] | None:
        """What it answers; None while it does not."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status", timeout=5) as got:
                return dict(json.load(got))
        except OSError:
            return None

    def cameras(self) -> dict[str, dict[str, Any]]:
        found = self.status()
        return {c["camera"]: c for c in found["cameras"]} if found else {}

    def all_live(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not (c := self.cameras()) or any(x["state"] != "live" for x in c.values()):
            if time.monotonic() > deadline:
                raise SystemExit(f"cameras do not come: {c}")
            time.sleep(0.2)

    def resources(self) -> dict[str, float]:
        """Threads, descriptors and memory in MB of the program, and memory of its decoders."""
        place = Path(f"/proc/{self.process.pid}")
        children: list[int] = []
        for task in (place / "task").iterdir():
            with suppress(FileNotFoundError):  # a thread that has ended meanwhile
                children += map(int, (task / "children").read_text().split())
        return {
            "threads": len(list((place / "task").iterdir())),
            "descriptors": len(list((place / "fd").iterdir())),
            "memory": resident(self.process.pid),
            "decoders": sum(resident(child) for child in children),
        }

    def state(self) -> dict[str, float]:
        """Its resources, with the least and the most memory of fifty looks in ten seconds: it is
        more inside of an inference than between two. With the tracks that it holds."""
        looks = []
        for _ in range(50):
            time.sleep(0.2)
            looks.append(resident(self.process.pid))
        held = (self.status() or {"held": 0})["held"]
        return {**self.resources(), "memory": max(looks), "least": min(looks), "held": held}

    def end(self, number: int = signal.SIGTERM) -> float:
        """Ends it; how long that took."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait()
        self.log.close()
        return time.monotonic() - began


@contextmanager
def kept(gallery: Path, minutes: int | None) -> Iterator[None]:
    """Has what is older go each minute, by a program of its own; for ever kept if None."""
    if minutes is None:
        yield
        return
    over = Event()

    def purge() -> None:
        while not over.wait(60):
            command("gallery", "keep", str(gallery), "--for", f"{minutes}m")
            command("gallery", "purge", str(gallery))

    thread = Thread(target=purge)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def command(*words: str) -> None:
    """Runs ``nearfar`` with these words."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    call = [sys.executable, "-c", MAIN, *words]
    subprocess.run(call, env=environment, check=True, stdout=subprocess.DEVNULL)


def resident(process_id: int) -> float:
    """Memory of a process in MB."""
    with suppress(OSError):
        for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    return 0.0


def write_site(path: Path, urls: Mapping[str, str], fps: float | None) -> Path:
    rate = f", fps: {fps:g}" if fps else ""
    lines = [f"  {name}: {{source: '{url}'{rate}}}" for name, url in urls.items()]
    path.write_text("\n".join(["cameras:", *lines]) + "\n")
    return path


def fresh(folder: Path, name: str) -> Path:
    """A place for a gallery where an earlier run left nothing."""
    for old in folder.glob(f"{name}.db*"):
        old.unlink()
    shutil.rmtree(folder / f"{name}.crops", ignore_errors=True)
    return folder / f"{name}.db"


@contextmanager
def running(options: argparse.Namespace) -> Iterator[tuple[Watched, dict[str, RtspServer], Path]]:
    """A watch of the cameras, each with a server of its own, and its fresh gallery."""
    units = dict(itertools.islice(prepare(options.clips).items(), options.cameras))
    gallery = fresh(options.clips, options.what)
    with served(units) as servers:
        urls = {name: server.url(name) for name, server in servers.items()}
        site = write_site(options.clips / f"{options.what}.yaml", urls, options.fps)
        one = Watched(site, gallery, options)
        try:
            yield one, servers, gallery
        finally:
            if one.process.poll() is None:
                one.end()


@contextmanager
def served(units: Mapping[str, Path]) -> Iterator[dict[str, RtspServer]]:
    """A server a camera."""
    with ExitStack() as stack:
        yield {n: stack.enter_context(rtsp_server(FPS, {n: u})) for n, u in units.items()}
