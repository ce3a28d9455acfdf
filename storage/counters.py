"""Numbers in the gallery that only grow, by which programs learn that something has changed."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from . import schema

IDENTITIES = "identities"
"""Counts the changes of which track is whose."""


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
    counter = schema.Counter
    return connection.scalar(select(counter.value).where(counter.name == name)) or 0
