"""A network of its own for a server, whose packets may be cut: a namespace of Linux."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

HERE, THERE = "198.18.71.1", "198.18.71.2"
"""Of the range that is kept for tests of networks."""
NOBODY = "02:00:00:00:00:01"
"""A hardware address that none has."""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Network:
    """Two ends of a cable, one of them in a namespace. Nothing that happens to the cable sends a
    reset to anybody."""

    host = THERE

    def __init__(self) -> None:
        self.name = f"nearfar-{os.getpid()}"
        self._near, self._far = f"nf{os.getpid()}a", f"nf{os.getpid()}b"
        ip("netns", "add", self.name)
        try:
            ip("link", "add", self._near, "type", "veth", "peer", "name", self._far,
               "netns", self.name)  # fmt: skip
            ip("addr", "add", f"{HERE}/30", "dev", self._near)
            ip("link", "set", self._near, "up")
            self._inside("addr", "add", f"{THERE}/30", "dev", self._far)
            self._inside("link", "set", self._far, "up")
        except BaseException:
            self.close()
            raise

    @property
    def inside(self) -> list[str]:
        """What the command of a program in the namespace begins with."""
        return ["ip", "netns", "exec", self.name]

    def unplug(self) -> None:
        """Pulls the cable at the server's end."""
        self._inside("link", "set", self._far, "down")

    def plug(self) -> None:
        self._inside("link", "set", self._far, "up")

    def swallow(self) -> None:
        """Has each packet of the server go to a device that is not there."""
        self._inside("neigh", "replace", HERE, "lladdr", NOBODY, "dev", self._far,
                     "nud", "permanent")  # fmt: skip

    def deliver(self) -> None:
        self._inside("neigh", "del", HERE, "dev", self._far)

    def close(self) -> None:
        """Removes the cable, which would outlive its namespace for a while, and the namespace."""
        with suppress(subprocess.CalledProcessError):
            ip("link", "del", self._near)
        ip("netns", "del", self.name)

    def _inside(self, *words: str) -> None:
        ip("-n", self.name, *words)


@contextmanager
def network() -> Iterator[Network]:
    """A network while the context lasts; skips the test where none may be made, unless that is
    forbidden."""
    try:
        if shutil.which("ip") is None:
            raise FileNotFoundError("no program ip")
        one = Network()
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        reason = f"no network namespaces (root and iproute2 are needed): {said.strip()}"
        if os.environ.get("NEARFAR_NEVER_SKIP_NETWORK"):
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        yield one
    finally:
        one.close()
