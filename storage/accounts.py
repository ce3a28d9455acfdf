"""`Accounts`: who may use the gallery through the console, and the key of their sessions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import Connection

from . import audit, settings
from .database import Database
from .errors import NotStored, StorageError

Role = Literal["viewer", "operator", "administrator"]
NAME, KEY = "accounts", "session_key"


@dataclass(frozen=True)
class Account:
    """Somebody with a password, of which only a hash is kept.

    Args:
        role: ``viewer`` looks, ``operator`` also judges, ``administrator`` also erases.
    """

    name: str
    role: Role
    password_hash: str


class Accounts:
    """The accounts of one gallery; changes stand in its audit log, without hashes.

    Args:
        actor: who is at work.
    """

    def __init__(self, database: Database, actor: str) -> None:
        self._database, self._actor = database, actor

    def every(self) -> list[Account]:
        """All accounts by name."""
        with self._database.read() as connection:
            return _read(connection)

    def find(self, name: str) -> Account | None:
        """The account of a name."""
        return next((a for a in self.every() if a.name == name), None)

    def put(self, account: Account) -> None:
        """Adds an account, or changes the one of its name.

        Raises:
            StorageError: a name that is empty or longer than 64 characters, or no such role.
        """
        if not (0 < len(account.name) <= 64 and account.name.isprintable()):
            raise StorageError("a user's name has 1 to 64 printable characters")
        if account.role not in get_args(Role):
            raise StorageError(f"no role {account.role!r}: {', '.join(get_args(Role))}")
        with self._database.write() as connection:
            others = [a for a in _read(connection) if a.name != account.name]
            _write(connection, [*others, account])
            facts = {"user": account.name, "role": account.role}
            audit.append(connection, self._actor, "put user", facts)

    def remove(self, name: str) -> None:
        """Removes an account.

        Raises:
            StorageError: no such account.
        """
        with self._database.write() as connection:
            every = _read(connection)
            left = [a for a in every if a.name != name]
            if len(left) == len(every):
                raise NotStored(f"no user {name!r}: {', '.join(a.name for a in every) or 'none'}")
            _write(connection, left)
            audit.append(connection, self._actor, "remove user", {"user": name})

    def session_key(self) -> str:
        """The secret that sessions are signed with, made when it is first asked for."""
        return settings.made_once(self._database, KEY)


def _read(connection: Connection) -> list[Account]:
    return [Account(**a) for a in json.loads(settings.read(connection, NAME) or "[]")]


def _write(connection: Connection, accounts: list[Account]) -> None:
    ordered = sorted(accounts, key=lambda a: a.name)
    settings.write(connection, NAME, json.dumps([a.__dict__ for a in ordered]))
