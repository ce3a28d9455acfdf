"""Where a live camera is: its address with secrets filled in, and the same as it may be shown."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from ..errors import CallError, SourceError

Kind = Literal["rtsp", "http", "device", "file"]

HIDDEN = "***"
LEAST_SECRET = 4
"""Characters from which what a query holds may be a secret; shorter ones are channels and such, and
hiding each ``1`` would spoil every message."""
_SCHEMES: dict[str, Kind] = {"rtsp": "rtsp", "rtsps": "rtsp", "http": "http", "https": "http"}
_PLACE = re.compile(r"\$\{([^{}]*)\}")
_MARK = re.compile("\0(\\d+)\0")
_USER = re.compile(r"^[a-z][a-z0-9+.-]*://([^/]*)@", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """What FFmpeg opens.

    Args:
        kind: of source. url: with secrets, never to be shown.
        shown: without them. secrets: what must not appear anywhere, longest first.
    """

    kind: Kind
    url: str = field(repr=False)
    shown: str
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def masked(self, text: str) -> str:
        """A text with every secret hidden."""
        return masked(text.replace(self.url, self.shown), self.secrets)


def split_place(place: str) -> tuple[str, int]:
    """Host, without brackets, and port of ``HOST:PORT``.

    Raises:
        CallError: it is none.
    """
    host, _, port = place.rpartition(":")
    if not host or "/" in host or not port.isdecimal() or int(port) > 65535:
        raise CallError(f"{place!r} is no place: write HOST:PORT")
    return host.strip("[]"), int(port)


def masked(text: str, secrets: tuple[str, ...]) -> str:
    """A text with every secret hidden."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text


def resolve(source: str, folder: Path) -> Address:
    """The address that a site file's source stands for.

    Args:
        source: a URL, the number of a device, or a file relative to `folder`. ``${NAME}`` is a
            variable of the environment, ``${file:PATH}`` the first line of a file.
        folder: of the site file.

    Raises:
        SourceError: a variable or file is not there, or the scheme is not known.
    """
    filled, secrets = fill(source, folder)
    if filled.isdecimal():
        return Address("device", f"/dev/video{filled}", f"device {filled}")
    if filled.startswith("/dev/video"):
        return Address("device", filled, filled)
    scheme, found, _ = filled.partition("://")
    if not found:
        path = str(folder / filled)
        return Address("file", path, masked(path, secrets), secrets)
    kind = _SCHEMES.get(scheme.lower())
    if kind is None:
        raise SourceError(
            f"sources of kind {masked(scheme, secrets)}:// can't be watched: use "
            "rtsp, rtsps, http, https, a device's number or a file"
        )
    try:
        parts = urlsplit(filled)
        host, port = parts.hostname or "", parts.port
        if not host:
            raise ValueError
    except ValueError:
        raise SourceError(f"{scheme}://{HIDDEN} is no address: check host and port") from None
    inside = [v for v in (parts.password, unquote(parts.password or "")) if v]
    if parts.query:
        values = [part.partition("=")[2] for part in parts.query.split("&")]
        inside += [value for value in values if len(value) >= LEAST_SECRET]
    every = tuple(sorted({s for s in (*secrets, *inside) if s}, key=len, reverse=True))
    user = f"{HIDDEN}@" if "@" in parts.netloc else ""
    where = f"[{host}]" if ":" in host else host
    shown = f"{scheme}://{user}{where}{f':{port}' if port else ''}{parts.path}"
    shown += f"?{HIDDEN}" if parts.query else ""
    return Address(kind, filled, masked(shown, secrets), every)


def fill(text: str, folder: Path) -> tuple[str, tuple[str, ...]]:
    """A text with its ``${...}`` filled in, and what was filled in, raw and as it stands there.

    In the user's part of a URL and in its query, values are percent-encoded.

    Raises:
        SourceError: a variable or file is not there.
    """
    names: list[str] = []

    def mark(match: re.Match[str]) -> str:
        names.append(match[1])
        return f"\0{len(names) - 1}\0"

    marked = _PLACE.sub(mark, text)
    values = [_value(name, folder) for name in names]
    user = _USER.match(marked)
    query = marked.find("?") if "://" in marked else -1
    secrets: set[str] = set()

    def put(match: re.Match[str]) -> str:
        value = values[int(match[1])]
        inside = user is not None and user.start(1) <= match.start() < user.end(1)
        encoded = quote(value, safe="") if inside or 0 <= query < match.start() else value
        secrets.update((value, encoded))
        return encoded

    filled = _MARK.sub(put, marked)
    return filled, tuple(sorted(filter(None, secrets), key=len, reverse=True))


def _value(name: str, folder: Path) -> str:
    kind, colon, path = name.partition(":")
    if kind == "file" and colon:
        try:
            lines = (folder / path).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not text"
            raise SourceError(f"${{{name}}}: {path} can't be read ({reason})") from None
        return lines[0].strip() if lines else ""
    if name not in os.environ:
        raise SourceError(f"${{{name}}}: no variable {name} in the environment: set it first")
    return os.environ[name]
