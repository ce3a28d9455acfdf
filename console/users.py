"""Accounts: passwords, sessions in signed cookies, and what each role may do."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from itsdangerous import BadSignature, URLSafeTimedSerializer

from storage import Account, Accounts

from .errors import ConsoleError

COOKIE = "nearfar"
SESSION_SECONDS = 12 * 3600
LEAST_PASSWORD = 10

RANKS = {"viewer": 0, "operator": 1, "administrator": 2}

_hasher = PasswordHasher()


@dataclass(frozen=True)
class User:
    """Who sends a request; without accounts it is the user of the operating system."""

    name: str
    role: str

    def may(self, role: str) -> bool:
        """Whether the user may do what needs `role`."""
        return RANKS[self.role] >= RANKS[role]

    def need(self, role: str) -> None:
        """Raises:
        ConsoleError: the user may not do what needs `role`.
        """
        if not self.may(role):
            raise ConsoleError(
                f"{self.name} is signed in as {self.role}, and this takes an {role}", 403
            )


def hash_password(password: str) -> str:
    """Argon2id of a password.

    Raises:
        ConsoleError: it is too short.
    """
    if len(password) < LEAST_PASSWORD:
        raise ConsoleError(f"a password has {LEAST_PASSWORD} characters or more")
    return _hasher.hash(password)


class Sessions:
    """Who is signed in, by cookies that this gallery's key signs."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._nobody = _hasher.hash("a name that is not known takes as long as one that is")
        self._signer = URLSafeTimedSerializer(accounts.session_key(), salt="console session")

    def sign_in(self, name: str, password: str) -> str | None:
        """The cookie of a session; None when name and password don't fit."""
        account = self._accounts.find(name)
        try:
            _hasher.verify(account.password_hash if account else self._nobody, password)
        except (Argon2Error, InvalidHashError):
            return None
        return self._signer.dumps([account.name, _mark(account)]) if account else None

    def user(self, cookie: str | None) -> User | None:
        """Who a cookie is of; None once it has expired, or account or password were changed."""
        if not cookie:
            return None
        try:
            name, mark = self._signer.loads(cookie, max_age=SESSION_SECONDS)
        except (BadSignature, ValueError, TypeError):
            return None
        account = self._accounts.find(name)
        if account is None or mark != _mark(account):
            return None
        return User(account.name, account.role)


def _mark(account: Account) -> str:
    """Changes with the password, so that old sessions end."""
    return hashlib.sha256(account.password_hash.encode()).hexdigest()[:16]
