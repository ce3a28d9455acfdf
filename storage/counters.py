"""Numbers in the gallery that only grow, by which programs learn that something has changed."""

from __future__ import annotations

from math import ceil, inf

from sqlalchemy import Connection, bindparam, func, insert, select, update

from . import schema

IDENTITIES = "identities"
"""Counts the changes of which track is whose."""

LONGEST = "longest"
"""Seconds that no track lasts longer than; only galleries that were cut into parts have it."""

_VALUE = select(schema.Counter.value).where(schema.Counter.name == bindparam("name"))


def count_up(connection: Connection, name: str) -> None:
    """Tells all who hold something in memory that it has changed."""
    counter = schema.Counter
    changed = connection.execute(
        update(counter).where(counter.name == name).values(value=counter.value + 1)
    ).rowcount
    if not changed:
        connection.execute(insert(counter).values(name=name, value=1))


def count_of(connection: Connection, name: str) -> int:
    """How often `count_up` was called with this name."""
    return connection.scalar(_VALUE, {"name": name}) or 0


def longest(connection: Connection) -> float:
    """Seconds that no track lasts longer than; inf where that is not known."""
    counter = schema.Counter
    return connection.scalar(select(counter.value).where(counter.name == LONGEST)) or inf


def keep_longest(connection: Connection, seconds: float) -> None:
    """Follows a track that lasts so long, where `longest` is known."""
    counter = schema.Counter
    least = ceil(seconds) + 1
    connection.execute(
        update(counter).where(counter.name == LONGEST, counter.value < least).values(value=least)
    )


def find_longest(connection: Connection) -> None:
    """Looks through all tracks; from now on `longest` is known."""
    counter, track = schema.Counter, schema.Track
    if longest(connection) == inf:
        connection.execute(insert(counter).values(name=LONGEST, value=1))
    keep_longest(connection, connection.scalar(select(func.max(track.last - track.first))) or 0)
