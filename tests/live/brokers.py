"""A real broker of MQTT: Debian's mosquitto, which may be stopped and begun anew."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .places import free_port

PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
USER, PASSWORD = "nearfar", "b/ro:ker@71"

CONFIG = """\
listener {port} 127.0.0.1
allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/rights
persistence true
persistence_location {folder}/
log_dest none
"""


def program(name: str) -> str:
    """The path of a program of mosquitto; skips the test where it is missing, unless forbidden."""
    found = shutil.which(name, path=PATH)
    if found is None:
        message = "no MQTT broker: apt-get install mosquitto, see .ci/run"
        if os.environ.get("NEARFAR_NEVER_SKIP_MQTT"):
            pytest.fail(message)
        pytest.skip(message)
    return found


class Broker:
    """A broker that knows one user, who may use topics below ``nearfar``, and keeps what a known
    client has not fetched, over restarts."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._program: subprocess.Popen[bytes] | None = None
        folder.chmod(0o755)
        (folder / "rights").write_text(f"user {USER}\ntopic readwrite nearfar/#\n")
        call = [program("mosquitto_passwd"), "-b", "-c", str(folder / "passwords"), USER, PASSWORD]
        subprocess.run(call, check=True, capture_output=True)
        owner = f"user {folder.owner()}\n"
        self._config.write_text(owner + CONFIG.format(port=self.port, folder=folder))

    def start(self) -> None:
        call = [program("mosquitto"), "-c", str(self._config)]
        self._program = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, "the broker does not start"
                time.sleep(0.05)

    def stop(self) -> None:
        if self._program is not None:
            self._program.send_signal(signal.SIGTERM)
            self._program.wait(10)
            self._program = None


@contextmanager
def broker(folder: Path) -> Iterator[Broker]:
    """A broker that is not started; stopped at the end."""
    one = Broker(folder)
    try:
        yield one
    finally:
        one.stop()
