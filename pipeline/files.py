"""Result files: what they may be called, whole or not there, and why one can't be written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import OutputError

LONGEST_NAME = 200
"""Bytes of a camera's name, so that it can be part of a file's."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def can_name_files(camera: str) -> bool:
    """Whether result files can be called after a camera."""
    plain = camera.isprintable() and not set(camera) & set("/\\=")
    return plain and camera.strip(". ") != "" and len(camera.encode()) <= LONGEST_NAME


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes the place of `path` once it is whole.

    Raises:
        OutputError: when it can't be written; an older file at `path` stays as it was.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise OutputError(_explained(error, path)) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a whole text file; raises as `replacing`."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def writable_folder(folder: Path) -> Path:
    """Makes a folder, or makes sure that it can be written.

    Raises:
        OutputError: when it can't.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise OutputError(_explained(error, folder)) from error
    return folder


def _explained(error: OSError, path: Path) -> str:
    if error.errno in FULL:
        return f"no room left on the disk of {path}: free some space and run again"
    return f"can't write {path} ({error.strerror}): choose another place"
