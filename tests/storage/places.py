"""Where the tests keep galleries: files, and databases on a real PostgreSQL server.

The server is that of ``NEARFAR_POSTGRES`` (a URL whose user may create databases), else one that
the package pgserver starts for the run.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import make_url

Place = str | Path
KINDS = ("sqlite", "postgres")


@cache
def server() -> str | None:
    """The URL of a server to make databases on; None where none can be had."""
    given = os.environ.get("NEARFAR_POSTGRES")
    if given:
        return given
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import pgserver
            import psycopg  # noqa: F401
        except ImportError:
            return None
        folder = tempfile.mkdtemp(prefix="nearfar-pg-")
        url = str(pgserver.get_server(folder, cleanup_mode="delete").get_uri())
    ask(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
    return url


def require_server() -> str:
    """The URL of a server; skips the test where none can be had, unless that is forbidden."""
    url = server()
    if url is None:
        message = "no PostgreSQL: install pgserver and psycopg, or set NEARFAR_POSTGRES"
        if os.environ.get("NEARFAR_NEVER_SKIP_POSTGRES"):
            pytest.fail(message)
        pytest.skip(message)
    return url


@contextmanager
def new_place(kind: str, folder: Path) -> Iterator[Place]:
    """A place for one gallery that is empty before and gone after."""
    if kind == "sqlite":
        yield folder / "nearfar.db"
        return
    url, name = require_server(), f"nearfar_{uuid.uuid4().hex[:12]}"
    ask(url, f"CREATE DATABASE {name}")
    try:
        made = make_url(url).set(drivername="postgresql", database=name)
        yield made.render_as_string(hide_password=False)
    finally:
        ask(url, f"DROP DATABASE {name} WITH (FORCE)")


def ask(place: Place, *statements: str) -> list[tuple]:
    """Runs SQL past the gallery, with no key checked; returns the rows of the last statement."""
    rows: list[tuple] = []
    if isinstance(place, Path):
        connection = sqlite3.connect(place)
        try:
            for statement in statements:
                rows = connection.execute(statement).fetchall()
            connection.commit()
        finally:
            connection.close()
        return rows
    import psycopg

    with psycopg.connect(place, autocommit=True) as served:
        with suppress(psycopg.Error):
            served.execute("SET session_replication_role = replica")
        for statement in statements:
            cursor = served.execute(statement.replace("x'0000'", "'\\x0000'::bytea"))
            rows = cursor.fetchall() if cursor.description else []
    return rows
