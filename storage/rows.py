"""All rows of a gallery, table by table: read, counted, hashed and written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select

from . import schema

CHUNK = 5000
"""Rows read and written at a time."""

Row = tuple[Any, ...]


def tables() -> list[Table]:
    """The tables whose rows are the gallery, parents before children.

    Left out: pictures, which are kept with the crops, and settings, which say how this one is kept.
    """
    kept = {schema.Picture.__tablename__, schema.Setting.__tablename__}
    return [table for table in schema.Base.metadata.sorted_tables if table.name not in kept]


@dataclass(frozen=True)
class Digest:
    """The number of a table's rows, and a SHA-256 over all of them in the order of their keys."""

    rows: int
    sha256: str


class Hasher:
    """Makes a `Digest` of rows as they pass."""

    def __init__(self) -> None:
        self._hash, self._rows = hashlib.sha256(), 0

    def through(self, chunks: Iterable[Sequence[Row]]) -> Iterator[Sequence[Row]]:
        """Hands the rows on."""
        for chunk in chunks:
            for row in chunk:
                self._hash.update(json.dumps([_plain(value) for value in row]).encode())
            self._rows += len(chunk)
            yield chunk

    @property
    def digest(self) -> Digest:
        """Of all rows that passed so far."""
        return Digest(self._rows, self._hash.hexdigest())


def read(connection: Connection, table: Table) -> Iterator[Sequence[Row]]:
    """The rows of a table in the order of their keys, in chunks."""
    query = select(*table.columns).order_by(*table.primary_key.columns)
    with connection.execute(query, execution_options={"yield_per": CHUNK}) as rows:
        for chunk in rows.partitions():
            yield [tuple(row) for row in chunk]


def write(connection: Connection, table: Table, some: Sequence[Row]) -> None:
    """Adds rows as they are, with their ids."""
    names = [column.name for column in table.columns]
    if some:
        connection.execute(insert(table), [dict(zip(names, r, strict=True)) for r in some])


def digest(connection: Connection, table: Table) -> Digest:
    """What a table holds."""
    hasher = Hasher()
    for _ in hasher.through(read(connection, table)):
        pass
    return hasher.digest


def is_empty(connection: Connection) -> bool:
    """Whether the gallery has no rows yet."""
    return not any(connection.scalar(select(func.count()).select_from(table)) for table in tables())


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, memoryview):
        return value.tobytes().hex()
    if isinstance(value, float):
        return value.hex()
    return value
