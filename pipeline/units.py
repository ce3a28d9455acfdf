"""Ages and sizes as people write them."""

from __future__ import annotations

import re

from .errors import CallError

SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def parse_age(text: str | None) -> float | None:
    """Seconds of an age like ``30d``, ``12h`` or ``90m``.

    Raises:
        CallError: it is none.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([mhdw])", text.strip())
    if match is None:
        raise CallError(f"{text!r} is no age: write 90m, 12h, 30d or 8w")
    return float(match[1]) * SECONDS[match[2]]


def parse_size(text: str | None) -> int | None:
    """Bytes of a size like ``50GB`` or ``800MB``.

    Raises:
        CallError: it is none.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?B)", text.strip().upper())
    if match is None:
        raise CallError(f"{text!r} is no size: write 800MB, 50GB or 2TB")
    return round(float(match[1]) * BYTES[match[2]])
