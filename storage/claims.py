"""A file that only one program has locked, which it names; the lock ends with the program."""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
from pathlib import Path

from .errors import GalleryClaimed


class FileClaim:
    """A lock of the operating system on a file beside a gallery.

    Args:
        gallery: its file. camera: that is claimed.

    Raises:
        GalleryClaimed: another program has it. OSError: the file can't be written.
    """

    def __init__(self, gallery: Path, camera: str) -> None:
        name = hashlib.sha256(camera.encode()).hexdigest()[:12]
        self._path = gallery.with_name(f"{gallery.name}.watch-{name}")
        while True:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = os.read(self._fd, 200).decode(errors="replace").strip()
                os.close(self._fd)
                raise GalleryClaimed(
                    f"camera {camera} is being watched for {gallery} by "
                    f"{holder or 'another program'}: end that first"
                ) from None
            if self._is_there():
                break
            os.close(self._fd)  # another program removed the file meanwhile
        os.truncate(self._fd, 0)
        os.write(self._fd, f"process {os.getpid()} on {socket.gethostname()}\n".encode())

    def keep(self) -> None:
        """Nothing: the lock lasts as long as the program."""

    def close(self) -> None:
        """Removes the file, then unlocks it; more than once does no harm."""
        if self._fd >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1

    def _is_there(self) -> bool:
        """Whether the file that was locked is still the one of this name."""
        try:
            return os.path.samestat(os.fstat(self._fd), os.stat(self._path))
        except FileNotFoundError:
            return False
