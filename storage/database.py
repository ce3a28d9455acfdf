"""One open database: transactions, the version of its schema, errors in the house's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from .backend import Backend, open_backend
from .errors import GalleryReadOnly, GalleryTooNew, NotAGallery

VERSION_TABLE = "nearfar_schema"
REVISIONS = ("0001", "0002", "0003", "0004", "0005")
"""The revisions in `migrations`, oldest first; the last is what this program reads and writes."""


class Database:
    """A gallery's database with the schema of this program.

    Args of `open`: as `Gallery.open`. Every error of the database that passes through `read` or
    `write` comes out as a `StorageError`.
    """

    def __init__(self, backend: Backend, *, read_only: bool) -> None:
        self.backend = backend
        self.name = backend.name
        self.read_only = read_only

    @classmethod
    def open(
        cls, url: str | Path, *, create: bool, read_only: bool, timeout: float, durable: bool
    ) -> Database:
        """Connects and brings the schema up to date."""
        backend = open_backend(
            url, create=create, read_only=read_only, timeout=timeout, durable=durable
        )
        database = cls(backend, read_only=read_only)
        try:
            database._settle_schema(create=create)
        except BaseException:
            database.close()
            raise
        return database

    def close(self) -> None:
        """Closes all connections."""
        self.backend.engine.dispose()

    @contextmanager
    def read(self, snapshot: str | None = None) -> Iterator[Connection]:
        """A transaction that sees one state of the database throughout.

        Args:
            snapshot: the state that another transaction sees; see `Backend.export`.
        """
        with self.explained(), self.backend.engine.begin() as connection:
            if snapshot is not None:
                self.backend.enter(connection, snapshot)
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """The one writing transaction; it is committed as a whole or not at all."""
        self.require_writing()
        with self.explained(), self.backend.writer.begin() as connection:
            yield connection

    def require_writing(self) -> None:
        """Raises GalleryReadOnly where the gallery was opened for reading."""
        if self.read_only:
            raise GalleryReadOnly(f"{self.name} was opened for reading only: open it for writing")

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Errors of the database that pass through come out as a `StorageError`."""
        handled: tuple[type[Exception], ...] = (SQLAlchemyError, *self.backend.errors)
        try:
            yield
        except handled as error:
            raise self.backend.explain(error) from error

    def _settle_schema(self, *, create: bool) -> None:
        with self.read() as connection:
            version = self._version(connection)
        if version == REVISIONS[-1]:
            return
        if version is None and not create:
            raise NotAGallery(f"{self.name} is empty: process a video first, or check the path")
        if self.read_only:
            raise GalleryReadOnly(
                f"{self.name} has the older schema {version}: open it once for writing to bring it "
                "up to date"
            )
        with self.explained():
            self.backend.prepare()
        with self.write() as connection:
            if self._version(connection) != REVISIONS[-1]:
                migrate(connection)

    def _version(self, connection: Connection) -> str | None:
        """The schema's revision; None for an empty database."""
        tables = inspect(connection).get_table_names()
        if not tables:
            return None
        if VERSION_TABLE not in tables:
            raise NotAGallery(
                f"{self.name} is a database of something else (its tables: "
                f"{', '.join(tables[:3])}): give the path of a nearfar gallery"
            )
        version = str(connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}")))
        if version not in REVISIONS:
            raise GalleryTooNew(
                f"{self.name} has schema {version}, this nearfar knows up to {REVISIONS[-1]}: "
                "update nearfar"
            )
        return version


def migrate(connection: Connection, to: str = "head") -> None:
    """Applies the revisions that the database lacks, within the connection's transaction."""
    from alembic.command import upgrade
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).with_name("migrations"))
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    upgrade(config, to)
