"""All that is SQLite's own: opening a file, pragmas, what its errors mean, its sizes."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from .errors import (
    GalleryDamaged,
    GalleryFull,
    GalleryLocked,
    GalleryNotFound,
    GalleryReadOnly,
    NotAGallery,
    StorageError,
)

WRITE = "nearfar_write"
"""The execution option of a connection whose transactions write."""

NO_LOG_INDEX = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY_DIRECTORY,
    sqlite3.SQLITE_IOERR_SHMOPEN,
    sqlite3.SQLITE_IOERR_SHMSIZE,
)
"""Readers need an index of the log beside the file. Where it can't be made (no rights, no room) and
there is no log, nobody is writing, and the bare file can be read."""


def path_of(url: str | Path) -> Path:
    """The file that a plain path or ``sqlite:///path`` names.

    Raises:
        StorageError: when it is the URL of something else.
    """
    if isinstance(url, Path) or "://" not in url:
        return Path(url)
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StorageError(f"{url!r} is no gallery: give a path or sqlite:///PATH") from error
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        shown = parsed.render_as_string(hide_password=True)
        raise StorageError(f"{shown} is no SQLite file: give a path or sqlite:///PATH")
    return Path(parsed.database)


def open_engine(path: Path, *, create: bool, read_only: bool, timeout: float) -> Engine:
    """An engine on the file; it connects on first use.

    Transactions begin with BEGIN, or with BEGIN IMMEDIATE where the option `WRITE` is set, so that
    a writer waits for its turn before it reads.

    Raises:
        GalleryNotFound: no such file, and `create` is false; or no such folder.
        NotAGallery: a folder.
        GalleryReadOnly: writing is needed but the file or its folder forbids it.
    """
    _check_place(path, create=create, read_only=read_only)
    uri = path.absolute().as_uri()
    writable = os.access(path.parent, os.W_OK)
    mode = "rwc" if create and not read_only else "rw" if writable else "ro"

    def connect() -> sqlite3.Connection:
        try:
            return _connect(f"{uri}?mode={mode}", read_only=read_only, timeout=timeout)
        except sqlite3.OperationalError as error:
            if not read_only or error.sqlite_errorcode not in NO_LOG_INDEX or _log(path):
                raise
            bare = f"{uri}?mode=ro&immutable=1"
            return _connect(bare, read_only=read_only, timeout=timeout)

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _check_place(path: Path, *, create: bool, read_only: bool) -> None:
    if path.is_dir():
        raise NotAGallery(f"{path} is a folder: give the gallery's file, for instance nearfar.db")
    if not path.exists():
        if not create or read_only:
            raise GalleryNotFound(f"no gallery at {path}: process a video first, or check the path")
        if not path.parent.is_dir():
            raise GalleryNotFound(f"no folder {path.parent} for the gallery: make it first")
    if read_only:
        return
    for place in (path, path.parent):
        if place.exists() and not os.access(place, os.W_OK):
            raise GalleryReadOnly(
                f"{place} can't be written: change its permissions, or copy the gallery elsewhere"
            )


def _connect(uri: str, *, read_only: bool, timeout: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA query_only = {int(read_only)}")
        connection.execute("PRAGMA schema_version").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _log(path: Path) -> bool:
    """Whether there are changes that are not in the bare file yet."""
    log = Path(f"{path}-wal")
    return log.exists() and log.stat().st_size > 0


def keep_log(engine: Engine) -> None:
    """Readers and one writer at a time from now on (journal mode WAL; the file remembers)."""
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def explain(error: Exception, path: Path, timeout: float) -> StorageError:
    """What an error of SQLite (wrapped or bare) means for the one who uses the gallery."""
    cause: Any = getattr(error, "orig", None) or error
    extended = getattr(cause, "sqlite_errorcode", 0)
    code = extended & 0xFF
    if code == sqlite3.SQLITE_FULL or extended == sqlite3.SQLITE_IOERR_SHMSIZE:
        return full(path)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return GalleryLocked(
            f"another program has kept {path} locked for more than {timeout:g} s: "
            "wait until it ends, or use another gallery"
        )
    if code == sqlite3.SQLITE_NOTADB:
        return NotAGallery(f"{path} is not a database: give the path of a nearfar gallery")
    if code == sqlite3.SQLITE_CORRUPT:
        return GalleryDamaged(f"{path} is damaged ({cause}): restore it from a copy")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return GalleryReadOnly(f"{path} can't be written ({cause}): change its permissions")
    if code == sqlite3.SQLITE_CANTOPEN:
        return GalleryReadOnly(
            f"{path} can't be opened ({cause}): check the permissions of the file and its folder, "
            "or copy it with its -wal file to a folder that can be written"
        )
    if code == sqlite3.SQLITE_CONSTRAINT:
        return StorageError(
            f"{path} refused a row ({cause}): it is stored already, or lacks a number"
        )
    return StorageError(f"{path}: {cause}: check the disk, then run again")


def full(path: Path) -> GalleryFull:
    """No room for the gallery at `path`."""
    return GalleryFull(f"no room left on the disk of {path}: free some space and run again")


def is_full(error: OSError) -> bool:
    """Whether a file could not grow."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def broken_pages(connection: Connection) -> list[str]:
    """What SQLite finds wrong with its file and indexes."""
    rows = connection.exec_driver_sql("PRAGMA integrity_check")
    return [f"database: {row[0]}" for row in rows if row[0] != "ok"]


def broken_keys(connection: Connection) -> list[str]:
    """Rows that name a row that is not there."""
    rows = connection.exec_driver_sql("PRAGMA foreign_key_check")
    return [f"{table} row {row} names no row of {parent}" for table, row, parent, _ in rows]


def size(path: Path) -> int:
    """Bytes of the database with its log."""
    files = (Path(f"{path}{suffix}") for suffix in ("", "-wal", "-shm"))
    return sum(file.stat().st_size for file in files if file.exists())
