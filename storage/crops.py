"""Crops: JPEG files named by the hash of their bytes, in a folder beside the database."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import sqlite
from .errors import GalleryDamaged, GalleryReadOnly, StorageError


class Crops:
    """The folder of a gallery's crops: ``nearfar.db`` has ``nearfar.crops/ab/abcdef....jpg``.

    A file is written before the row that names it, so a file without a row may be left behind by
    a run that was cut off, and a row without a file may not.
    """

    def __init__(self, database: Path) -> None:
        stem = database.stem if database.suffix == ".db" else database.name
        self._folder = database.with_name(stem + ".crops")

    def path(self, sha: str) -> Path:
        """Where the crop with this hash is."""
        return self._folder / sha[:2] / f"{sha}.jpg"

    def add(self, jpeg: bytes) -> str:
        """Keeps a picture, once however often it comes, and returns its hash.

        Raises:
            GalleryFull, GalleryReadOnly, StorageError: when the file can't be written.
        """
        sha = hashlib.sha256(jpeg).hexdigest()
        path = self.path(sha)
        with self._explained():
            if path.exists() and path.stat().st_size == len(jpeg):
                return sha
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}.part")
            try:
                partial.write_bytes(jpeg)
                partial.replace(path)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        return sha

    def read(self, sha: str) -> bytes:
        """The JPEG file's bytes.

        Raises:
            GalleryDamaged: the file is gone or holds something else.
        """
        path = self.path(sha)
        try:
            jpeg = path.read_bytes()
        except OSError as error:
            raise GalleryDamaged(
                f"crop {path} can't be read ({error.strerror}): restore it from a copy"
            ) from error
        if hashlib.sha256(jpeg).hexdigest() != sha:
            raise GalleryDamaged(f"crop {path} holds another picture: restore it from a copy")
        return jpeg

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if sqlite.is_full(error):
                raise sqlite.full(self._folder) from error
            if isinstance(error, PermissionError):
                raise GalleryReadOnly(
                    f"{self._folder} can't be written: change its permissions"
                ) from error
            raise StorageError(f"crops in {self._folder}: {error.strerror}") from error
