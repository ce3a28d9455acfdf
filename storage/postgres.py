"""All that is PostgreSQL's own: connecting, taking turns, what its errors mean, its sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.util import find_spec
from threading import Lock
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Table,
    bindparam,
    create_engine,
    event,
    func,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from . import partitions, schema
from .backend import Claim
from .errors import (
    GalleryClaimed,
    GalleryDamaged,
    GalleryFull,
    GalleryLocked,
    GalleryNotFound,
    GalleryReadOnly,
    GalleryUnreachable,
    StorageError,
)

WRITE = "nearfar_write"
"""The execution option of a connection whose transactions write."""

TURN = "SELECT pg_advisory_xact_lock(hashtext('nearfar'), hashtext(current_schema()))"
"""Waits until no other writer is at work; the turn ends with the transaction."""


KEEPALIVE = {"tcp_keepalives_idle": 3, "tcp_keepalives_interval": 1, "tcp_keepalives_count": 3}
"""Seconds until server and client ask whether the other is there, seconds between two questions,
and how many may go unanswered: what a machine held that lost its power is free in 6 s."""

CAMERA = "(hashtext('nearfar watch'), hashtext(current_schema() || :camera))"
CLAIM = f"SELECT pg_try_advisory_lock{CAMERA}"
"""Takes a camera until the connection ends, unless somebody has it."""
UNCLAIM = f"SELECT pg_advisory_unlock{CAMERA}"


class Postgres:
    """A database on a server; see `backend.Backend`.

    Args:
        url: ``postgresql://USER@HOST/NAME``; what it leaves out comes from the usual variables
            (``PGPASSWORD``, ``PGHOST``, ...) and ``~/.pgpass``.
        timeout: seconds to wait for the server, and for another writer.
        durable: an acknowledged row survives a power cut of the server (synchronous_commit).

    Raises:
        StorageError: no driver is installed, or the URL names no database.
    """

    path = None

    def __init__(self, url: str, *, read_only: bool, timeout: float, durable: bool) -> None:
        if find_spec("psycopg") is None:
            raise StorageError(
                "a gallery on PostgreSQL needs its driver: pip install 'nearfar[postgres]'"
            )
        import psycopg

        self.errors = (psycopg.Error,)
        try:
            parsed = make_url(url).set(drivername="postgresql+psycopg")
        except ArgumentError as error:
            raise StorageError("not the URL of a database: give postgresql://HOST/NAME") from error
        self.name = parsed.set(drivername="postgresql").render_as_string(hide_password=True)
        self._timeout = timeout
        milliseconds = max(1, round(timeout * 1000))
        options = (
            f"-c lock_timeout={milliseconds} -c synchronous_commit={'on' if durable else 'off'} "
            f"-c default_transaction_read_only={'on' if read_only else 'off'} "
            + " ".join(f"-c {name}={value}" for name, value in KEEPALIVE.items())
        )
        given = parsed.query.get("options")
        if isinstance(given, str):
            options = f"{given} {options}"
        self.engine = create_engine(
            parsed,
            isolation_level="REPEATABLE READ",
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": max(1, round(timeout)),
                "options": options,
                "application_name": "nearfar",
                **{name.removeprefix("tcp_"): value for name, value in KEEPALIVE.items()},
            },
        )
        event.listen(self.engine, "begin", _begin)
        self._claims = Claims(self.engine, self.name)
        self.writer = self.engine.execution_options(
            isolation_level="READ COMMITTED", **{WRITE: True}
        )

    def prepare(self) -> None:
        """Nothing: a server is ready as it is."""

    def explain(self, error: Exception) -> StorageError:
        """What an error of the server or the driver means for the one who uses the gallery."""
        cause: Any = getattr(error, "orig", None) or error
        state = getattr(cause, "sqlstate", None) or ""
        said = " ".join(str(cause).split())
        lost = isinstance(error, DBAPIError) and error.connection_invalidated
        if state == "53100":
            return GalleryFull(f"no room left on the disk of {self.name}: free some and run again")
        if state == "55P03":
            return GalleryLocked(
                f"another program has kept {self.name} locked for more than {self._timeout:g} s: "
                "wait until it ends, or use another gallery"
            )
        if state in ("25006", "42501"):
            return GalleryReadOnly(f"{self.name} can't be written ({said}): ask for the rights")
        if state.startswith(("XX", "58")):
            return GalleryDamaged(f"{self.name} is damaged ({said}): restore it from a copy")
        if state.startswith("23"):
            return StorageError(
                f"{self.name} refused a row ({said}): it is stored already, or lacks a number"
            )
        if state == "3D000" or ("does not exist" in said and "database" in said):
            return GalleryNotFound(f"no database at {self.name}: make it with createdb")
        if "password" in said or "authentication" in said or "role" in said:
            return GalleryUnreachable(
                f"{self.name} refuses this user: check the user in the URL and PGPASSWORD"
            )
        if lost or state.startswith(("08", "57P")) or not state:
            return GalleryUnreachable(
                f"no connection to {self.name}: check that the server runs, its host and port"
            )
        return StorageError(f"{self.name}: {said}: check the server's log, then run again")

    def size(self, connection: Connection) -> int:
        """Bytes of the database with its indexes."""
        size = connection.exec_driver_sql("SELECT pg_database_size(current_database())")
        return int(size.scalar() or 0)

    def problems(self, connection: Connection) -> tuple[list[str], list[str]]:
        """Rows that name a missing row; of its pages the server takes care itself."""
        broken = []
        for table in schema.Base.metadata.sorted_tables:
            for key in (key for column in table.columns for key in column.foreign_keys):
                target = key.column.table
                parent = target.alias()
                wrong = (
                    select(key.parent)
                    .outerjoin(parent, parent.c[key.column.name] == key.parent)
                    .where(key.parent.is_not(None), parent.c[key.column.name].is_(None))
                )
                broken += [
                    f"{table.name}: {key.parent.name} {value} names no row of {target.name}"
                    for value in connection.scalars(wrong)
                ]
        return [], broken

    def highest_id(self, connection: Connection, table: Table) -> int:
        """See `backend.Backend.highest_id`."""
        if "id" not in table.columns:
            return 0
        name = connection.scalar(select(func.pg_get_serial_sequence(table.name, "id")))
        return int(
            connection.execute(
                text(
                    "SELECT last_value FROM pg_sequences WHERE format('%I.%I', schemaname, "
                    "sequencename) = :name"
                ),
                {"name": name},
            ).scalar()
            or 0
        )

    def raise_id(self, connection: Connection, table: Table, id_: int) -> None:
        """See `backend.Backend.raise_id`."""
        if "id" in table.columns and id_ > 0:
            name = func.pg_get_serial_sequence(table.name, "id")
            connection.execute(select(func.setval(name, id_)))

    def make_room(self, connection: Connection, observations: Iterable[int]) -> None:
        """See `backend.Backend.make_room`."""
        partitions.make_room(connection, observations)

    def export(self, connection: Connection) -> str:
        """See `backend.Backend.export`."""
        return str(connection.scalar(select(func.pg_export_snapshot())))

    def enter(self, connection: Connection, snapshot: str) -> None:
        """See `backend.Backend.enter`."""
        connection.execute(
            text("SET TRANSACTION SNAPSHOT :name").bindparams(
                bindparam("name", snapshot, literal_execute=True)
            )
        )

    def vacuum(self) -> None:
        """Drops what is empty and writes the rest anew without removed rows.

        One table or partition at a time, which nobody else can use meanwhile.
        """
        with self.writer.begin() as connection:
            partitions.drop_empty(connection)
        alone = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        with alone.connect() as connection:
            connection.exec_driver_sql("VACUUM (FULL, ANALYZE)")
            connection.exec_driver_sql("CHECKPOINT")

    def claim(self, camera: str) -> Claim:
        """See `backend.Backend.claim`; a lock of the server."""
        self._claims.take(camera)
        return ServerClaim(self._claims, camera, self.explain)


class Claims:
    """The cameras that are claimed, all by one connection, with which the server's locks end.

    Args:
        engine: of the database. name: of the database, as messages show it.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine, self._name = engine, name
        self._lock = Lock()
        self._wanted: set[str] = set()
        self._held: set[str] = set()
        self._connection: Connection | None = None

    def take(self, camera: str) -> None:
        """Claims one more camera.

        Raises:
            GalleryClaimed: somebody has it.
        """
        with self._lock:
            if camera in self._wanted:
                raise self._refused(camera)
            self._take(camera)
            self._wanted.add(camera)

    def keep(self) -> None:
        """Claims all of them anew where the connection broke.

        Raises:
            GalleryClaimed: somebody has taken one meanwhile.
        """
        with self._lock:
            try:
                if self._connection is not None:
                    self._connection.exec_driver_sql("SELECT 1")
            except DBAPIError:
                self._end()
            for camera in sorted(self._wanted - self._held):
                self._take(camera)

    def give(self, camera: str) -> None:
        """Gives a camera back; the connection ends with the last one."""
        with self._lock:
            self._wanted.discard(camera)
            try:
                if self._connection is not None and camera in self._held:
                    self._connection.execute(text(UNCLAIM), {"camera": camera})
                    self._held.discard(camera)
            except DBAPIError:
                self._end()
            if not self._wanted:
                self._end()

    def _take(self, camera: str) -> None:
        if self._connection is None:
            connected = self._engine.connect()
            self._connection = connected.execution_options(isolation_level="AUTOCOMMIT")
        try:
            got = self._connection.execute(text(CLAIM), {"camera": camera}).scalar()
        except BaseException:
            self._end()
            raise
        if not got:
            if not self._held:
                self._end()
            raise self._refused(camera)
        self._held.add(camera)

    def _end(self) -> None:
        """Ends the connection for good: one in the pool would keep the locks."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
        self._connection = None
        self._held.clear()

    def _refused(self, camera: str) -> GalleryClaimed:
        return GalleryClaimed(
            f"camera {camera} is being watched for {self._name} by another program: end that first"
        )


class ServerClaim:
    """One camera of `Claims`; see `backend.Claim`."""

    def __init__(
        self, claims: Claims, camera: str, explain: Callable[[Exception], StorageError]
    ) -> None:
        self._claims, self._camera, self._explain = claims, camera, explain

    def keep(self) -> None:
        """See `backend.Claim.keep`."""
        try:
            self._claims.keep()
        except SQLAlchemyError as error:
            raise self._explain(error) from error

    def close(self) -> None:
        """See `backend.Claim.close`."""
        self._claims.give(self._camera)


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get(WRITE, False):
        connection.exec_driver_sql(TURN)
