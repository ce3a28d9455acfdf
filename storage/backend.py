"""What a database must offer to hold a gallery; `sqlite` and `postgres` do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, Table

from .errors import StorageError


class Claim(Protocol):
    """What only one program has at a time."""

    def keep(self) -> None:
        """Takes it again if it was lost, as when the server was begun anew.

        Raises:
            GalleryClaimed: another program has it now. StorageError: the server can't be asked.
        """

    def close(self) -> None:
        """Lets others have it."""


class Backend(Protocol):
    """One place that a gallery is kept in.

    Args:
        name: the place as messages show it; never holds a password.
        path: the database's file; None for a server.
        engine: transactions begun on it see one state of the database throughout.
        writer: its transactions write. They wait for their turn before they read: there is one at a
            time, so ids grow in the order in which rows become visible.
        errors: what the driver raises beside SQLAlchemy's own.
    """

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> Path | None: ...

    @property
    def engine(self) -> Engine: ...

    @property
    def writer(self) -> Engine: ...

    @property
    def errors(self) -> tuple[type[Exception], ...]: ...

    def prepare(self) -> None:
        """What must be set before the first tables are made."""

    def explain(self, error: Exception) -> StorageError:
        """What an error of the database means for the one who uses the gallery."""

    def size(self, connection: Connection) -> int:
        """Bytes that the database takes."""

    def problems(self, connection: Connection) -> tuple[list[str], list[str]]:
        """What is wrong with its pages (then nothing else can be trusted), and with its keys."""

    def highest_id(self, connection: Connection, table: Table) -> int:
        """The highest id that a table ever gave out, of rows that are gone too; 0 for none."""

    def raise_id(self, connection: Connection, table: Table, id_: int) -> None:
        """Has a table give out ids above this one from now on."""

    def make_room(self, connection: Connection, observations: Iterable[int]) -> None:
        """Makes the place for vectors of these observations, before they are written."""

    def export(self, connection: Connection) -> str:
        """A name for the state that a transaction sees, for those of other programs while it lasts.

        Raises:
            StorageError: the database has no such thing.
        """

    def enter(self, connection: Connection, snapshot: str) -> None:
        """Has a transaction that has just begun see what `export` named."""

    def vacuum(self) -> None:
        """Gives the room of removed rows back; nothing of them is left in the files."""

    def claim(self, camera: str) -> Claim:
        """See `Gallery.claim`."""


def open_backend(
    url: str | Path, *, create: bool, read_only: bool, timeout: float, durable: bool
) -> Backend:
    """The backend that a path or URL names; see `Gallery.open`.

    Raises:
        StorageError: a URL of nothing that can hold a gallery, or a place that can't be used.
    """
    if isinstance(url, str) and url.startswith(("postgresql:", "postgresql+", "postgres:")):
        from .postgres import Postgres

        return Postgres(url, read_only=read_only, timeout=timeout, durable=durable)
    from .sqlite import Sqlite

    return Sqlite(url, create=create, read_only=read_only, timeout=timeout, durable=durable)
