"""All that is SQLite's own: opening a file, pragmas, what its errors mean, its sizes."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    QueuePool,
    Table,
    create_engine,
    event,
    func,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import ArgumentError

from .backend import Claim
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


class Sqlite:
    """A file; see `backend.Backend`.

    Args:
        url: a path or ``sqlite:///PATH``.
        create: make the file if it is not there.
        timeout: seconds to wait for another writer.
        durable: an acknowledged row survives a power cut too (synchronous FULL), not only a crash
            of the program.

    Raises:
        GalleryNotFound: no such file, and `create` is false; or no such folder.
        NotAGallery: a folder.
        GalleryReadOnly: writing is needed but the file or its folder forbids it.
        StorageError: the URL of something else.
    """

    errors = (sqlite3.Error,)

    def __init__(
        self, url: str | Path, *, create: bool, read_only: bool, timeout: float, durable: bool
    ) -> None:
        self.path = path_of(url)
        self.name = str(self.path)
        self._read_only, self._timeout, self._durable = read_only, timeout, durable
        _check_place(self.path, create=create, read_only=read_only)
        writable = os.access(self.path.parent, os.W_OK)
        self._mode = "rwc" if create and not read_only else "rw" if writable else "ro"
        self.engine = create_engine("sqlite://", creator=self._connect, poolclass=QueuePool)
        event.listen(self.engine, "begin", _begin)
        self.writer = self.engine.execution_options(**{WRITE: True})

    def prepare(self) -> None:
        """Readers and one writer at a time from now on (journal mode WAL; the file remembers)."""
        connection = self.engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()

    def explain(self, error: Exception) -> StorageError:
        """What an error of SQLite (wrapped or bare) means for the one who uses the gallery."""
        return explain(error, self.path, self._timeout)

    def size(self, connection: Connection) -> int:
        """Bytes of the file with its log."""
        files = (Path(f"{self.path}{suffix}") for suffix in ("", "-wal", "-shm"))
        return sum(file.stat().st_size for file in files if file.exists())

    def problems(self, connection: Connection) -> tuple[list[str], list[str]]:
        """What SQLite finds wrong with its file and indexes; rows that name a missing row."""
        checked = connection.exec_driver_sql("PRAGMA integrity_check")
        keys = connection.exec_driver_sql("PRAGMA foreign_key_check")
        return (
            [f"database: {row[0]}" for row in checked if row[0] != "ok"],
            [f"{table} row {row} names no row of {parent}" for table, row, parent, _ in keys],
        )

    def highest_id(self, connection: Connection, table: Table) -> int:
        """See `backend.Backend.highest_id`."""
        if "id" not in table.columns:
            return 0
        given = connection.execute(
            text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name}
        ).scalar()
        return int(given or connection.scalar(select(func.max(table.c.id))) or 0)

    def raise_id(self, connection: Connection, table: Table, id_: int) -> None:
        """See `backend.Backend.raise_id`; only tables that never use an id again keep count."""
        if not table.dialect_options["sqlite"]["autoincrement"]:
            return
        row = {"name": table.name, "id": id_}
        known = text("UPDATE sqlite_sequence SET seq = max(seq, :id) WHERE name = :name")
        if not connection.execute(known, row).rowcount:
            new = text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :id)")
            connection.execute(new, row)

    def make_room(self, connection: Connection, observations: Iterable[int]) -> None:
        """Nothing: a file has room."""

    def export(self, connection: Connection) -> str:
        """Raises StorageError: only a server shows one state to several programs."""
        raise StorageError(
            f"{self.name} is a file, which one program searches: copy it to a PostgreSQL server to "
            "have its parts searched by several"
        )

    def enter(self, connection: Connection, snapshot: str) -> None:
        """As `export`."""
        self.export(connection)

    def vacuum(self) -> None:
        """Writes the file anew without free pages and empties the log.

        Raises:
            GalleryLocked: another program reads or writes.
        """
        connection = self._connect()
        try:
            connection.execute("VACUUM")
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            connection.close()
        if busy:
            raise GalleryLocked(
                f"{self.path} is being read, so its log still holds old pages: "
                "run `nearfar gallery vacuum` when nobody reads"
            )

    def claim(self, camera: str) -> Claim:
        """See `backend.Backend.claim`; a lock on a file beside the database."""
        from .claims import FileClaim

        try:
            return FileClaim(self.path, camera)
        except OSError as error:
            raise GalleryReadOnly(
                f"no file can be made beside {self.path} ({error.strerror}): change the rights"
            ) from error

    def _connect(self) -> sqlite3.Connection:
        uri = self.path.absolute().as_uri()
        try:
            return self._settled(f"{uri}?mode={self._mode}")
        except sqlite3.OperationalError as error:
            bare = self._read_only and error.sqlite_errorcode in NO_LOG_INDEX
            if not bare or _log(self.path):
                raise
            return self._settled(f"{uri}?mode=ro&immutable=1")

    def _settled(self, uri: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            uri, uri=True, timeout=self._timeout, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(f"PRAGMA query_only = {int(self._read_only)}")
            connection.execute("PRAGMA schema_version").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


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
        raise StorageError(
            f"{url!r} is no gallery: give a path, sqlite:///PATH or postgresql://HOST/NAME"
        ) from error
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        shown = parsed.render_as_string(hide_password=True)
        raise StorageError(
            f"{shown} can't hold a gallery: give a path, sqlite:///PATH or postgresql://HOST/NAME"
        )
    return Path(parsed.database)


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


def _log(path: Path) -> bool:
    """Whether there are changes that are not in the bare file yet."""
    log = Path(f"{path}-wal")
    return log.exists() and log.stat().st_size > 0


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
