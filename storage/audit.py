"""Who did what, and when: rows that are only ever added, each chained to the one before by hash.

Whoever changes or removes a row of the past breaks the chain. Rows cut off its end can only be told
by one who knows an earlier end: keep the `hash` of the last row somewhere else from time to time.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from . import schema, settings
from .database import Database
from .errors import StorageError

FIRST = "0" * 64
"""What the first row is chained to."""

SEARCHES = "audit_searches"
"""The setting by which searches are noted too."""

CHUNK = 5000
"""Rows read at a time."""


@dataclass(frozen=True)
class AuditEntry:
    """One thing that was done; `time` is UTC in seconds, `details` are facts without pictures."""

    id: int
    time: float
    actor: str
    action: str
    details: Mapping[str, Any]
    hash: str


@dataclass(frozen=True)
class AuditProof:
    """Whether the chain of `rows` holds up to its `last` hash; `broken` is None when it does."""

    rows: int
    last: str
    broken: str | None


class AuditLog:
    """The log of one gallery.

    Args:
        actor: who is at work, as it will stand in new rows.
    """

    def __init__(self, database: Database, actor: str) -> None:
        self._database = database
        self._actor = actor

    def entries(self, action: str | None = None) -> list[AuditEntry]:
        """All rows, oldest first; of one kind if `action` is given."""
        with self._database.read() as connection:
            return [e for e in _entries(connection) if action in (None, e.action)]

    def verify(self, expected: str | None = None) -> AuditProof:
        """Computes the whole chain anew.

        Args:
            expected: a hash that the log had at an earlier time and must still hold.
        """
        with self._database.read() as connection:
            return verify(connection, expected)

    @property
    def notes_searches(self) -> bool:
        """Whether searches are to be noted."""
        with self._database.read() as connection:
            return settings.read(connection, SEARCHES) == "on"

    def note_searches(self, wanted: bool) -> None:
        """From now on, or no longer, searches are noted; the change itself always is."""
        with self._database.write() as connection:
            settings.write(connection, SEARCHES, "on" if wanted else "off")
            append(connection, self._actor, "note searches", {"on": wanted})

    def note(self, action: str, details: Mapping[str, Any]) -> None:
        """Adds a row about something that was done outside the gallery, a search for instance."""
        with self._database.write() as connection:
            append(connection, self._actor, action, details)


def the_user() -> str:
    """The user of the operating system, for those who say nothing else."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name
        return f"user {os.getuid()}"


def append(connection: Connection, actor: str, action: str, details: Mapping[str, Any]) -> None:
    """Adds a row to the end of the chain, in the transaction of what it tells of."""
    audit = schema.Audit
    last = connection.scalar(select(audit.hash).order_by(audit.id.desc()).limit(1)) or FIRST
    now, facts = time.time(), json.dumps(details, sort_keys=True, ensure_ascii=True)
    connection.execute(
        insert(audit).values(
            time=now,
            actor=actor,
            action=action,
            details=facts,
            hash=_hash(last, now, actor, action, facts),
        )
    )


def verify(connection: Connection, expected: str | None = None) -> AuditProof:
    """See `AuditLog.verify`."""
    last, rows, met = FIRST, 0, expected in (None, FIRST)
    for row in _rows(connection):
        if _hash(last, row.time, row.actor, row.action, row.details) != row.hash:
            return AuditProof(rows, last, f"row {row.id} or one before it was changed or removed")
        last, rows = row.hash, rows + 1
        met = met or last == expected
    return AuditProof(rows, last, None if met else f"no row has the hash {expected}")


def _entries(connection: Connection) -> Iterator[AuditEntry]:
    for row in _rows(connection):
        try:
            details = json.loads(row.details)
        except ValueError as error:
            raise StorageError(f"audit row {row.id} is broken: run gallery audit verify") from error
        yield AuditEntry(row.id, row.time, row.actor, row.action, details, row.hash)


def _rows(connection: Connection) -> Iterator[Any]:
    audit = schema.Audit
    query = select(
        audit.id, audit.time, audit.actor, audit.action, audit.details, audit.hash
    ).order_by(audit.id)
    with connection.execute(query, execution_options={"yield_per": CHUNK}) as rows:
        yield from rows


def _hash(last: str, when: float, actor: str, action: str, details: str) -> str:
    """SHA-256 over the row before and the row's own columns, as one line of JSON."""
    line = json.dumps([last, when.hex(), actor, action, details], ensure_ascii=True)
    return hashlib.sha256(line.encode()).hexdigest()
