"""PostgreSQL's partitions of the vectors: by observation, whose numbers grow with time.

Each holds the vectors of `ROWS` observations and is named by where it ends. Who writes makes them
as they are needed, in its own transaction: there is one writer at a time, and those who read are
not held up. One that `purge` has emptied is dropped as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, text

ROWS = 10_000_000
"""Observations of one partition: up to 10 GB of vectors of 512 numbers."""

TABLE = "embedding"

NAMES = f"""
SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = '{TABLE}'::regclass ORDER BY length(relname), relname
"""
"""The partitions by where they end."""


def end_of(observation: int) -> int:
    """Where the partition of an observation ends: the first number beyond it."""
    return (observation // ROWS + 1) * ROWS


def name_of(end: int) -> str:
    """The table that ends there."""
    return f"{TABLE}_until_{end}"


def make_room(connection: Connection, observations: Iterable[int]) -> None:
    """Makes the partitions of these observations that are not there.

    They are made apart and attached, which lets others go on reading; `CREATE TABLE ... PARTITION
    OF` would not.
    """
    for end in sorted({end_of(observation) for observation in observations}):
        name = name_of(end)
        if connection.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is None:
            connection.execute(text(f"CREATE TABLE {name} (LIKE {TABLE} INCLUDING ALL)"))
            attach(connection, name, end - ROWS, end)


def attach(connection: Connection, name: str, start: int, end: int) -> None:
    """Makes a table the partition of the observations from `start` up to, without, `end`."""
    connection.execute(
        text(f"ALTER TABLE {TABLE} ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({end})")
    )


def names(connection: Connection) -> list[str]:
    """The partitions there are, oldest first."""
    return list(connection.scalars(text(NAMES)))


def drop_empty(connection: Connection) -> list[str]:
    """Drops the partitions without rows but for the newest; returns their names.

    Waits for those who read, as it takes the table out of their hands for a moment.
    """
    dropped = []
    for name in names(connection)[:-1]:
        if not connection.scalar(text(f"SELECT EXISTS (SELECT 1 FROM {name})")):
            connection.execute(text(f"ALTER TABLE {TABLE} DETACH PARTITION {name}"))
            connection.execute(text(f"DROP TABLE {name}"))
            dropped.append(name)
    return dropped
