"""A Ray cluster whose nodes tests kill and freeze, and who reads which clip meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from pathlib import Path
from threading import Event, Thread
from typing import Any

import av


def command(pid: int) -> bytes:
    """What a process was begun with; nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def children(pid: int) -> list[int]:
    """The processes that a process began."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True)
    return [int(line) for line in found.stdout.split()]


def repeat(clip: Path, path: Path, times: int) -> Path:
    """Writes a clip that is a shorter one over and over, without encoding it anew."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as out:
        stream = source.streams.video[0]
        copied = out.add_stream_from_template(stream)
        for turn in range(times):
            source.seek(0)
            for packet in source.demux(stream):
                if packet.dts is not None and packet.pts is not None:
                    packet.dts += turn * stream.duration
                    packet.pts += turn * stream.duration
                    packet.stream = copied
                    out.mux(packet)
    return path


class Cluster:
    """Ray's head node without workers, and nodes of one core each, with names."""

    def __init__(self, *names: str) -> None:
        from ray.cluster_utils import Cluster as Started

        self._started = Started(
            initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
        )
        self._nodes: dict[str, Any] = {}
        for name in names:
            self.add(name)

    @property
    def address(self) -> str:
        return str(self._started.address)

    def add(self, name: str) -> None:
        """Begins one more node."""
        self._nodes[name] = self._started.add_node(num_cpus=1, node_name=name)

    def post(self, name: str) -> int:
        """The process that watches on a node."""
        (found,) = [p for p in children(self._raylet(name)) if b"ray::Post" in command(p)]
        return found

    def kill(self, name: str) -> None:
        """Ends all of a node at once, as when its power goes."""
        raylet = self._raylet(name)
        for pid in (*children(raylet), raylet):
            os.kill(pid, signal.SIGKILL)
        del self._nodes[name]

    def close(self) -> None:
        """Ends it."""
        self._started.shutdown()

    def _raylet(self, name: str) -> int:
        return int(self._nodes[name].all_processes["raylet"][0].process.pid)


class Readers:
    """Looks all the time which decoders have which clips of a folder open.

    Attributes:
        most: the most decoders of each clip that there were at a moment.
    """

    def __init__(self, folder: Path) -> None:
        self.most: Counter[str] = Counter()
        self._folder, self._stop = folder, Event()
        self._thread = Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self.most |= self._now()

    def _now(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for folder in Path("/proc").glob("[0-9]*"):
            if b"pipeline.live.decoder" not in command(int(folder.name)):
                continue
            try:
                links = [os.readlink(fd) for fd in (folder / "fd").iterdir()]
            except OSError:
                continue
            found.update({Path(x).stem for x in links if x.startswith(str(self._folder))})
        return found
