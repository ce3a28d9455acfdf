"""Which observations a search looks at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Which observations a search looks at; None is no limit.

    Args:
        camera: a name. identity: a number. after, before: UTC seconds, both included.
        min_level: that level or sharper.
        until: the highest id of an observation, so that later rows change nothing; set by a page.
    """

    camera: str | None = None
    identity: int | None = None
    after: float | None = None
    before: float | None = None
    min_level: int | None = None
    until: int | None = None


EVERYTHING = Limits()
"""No limit."""
