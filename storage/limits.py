"""Which observations a search looks at."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from . import schema
from .errors import NotStored
from .holds import camera_of


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


def require_known(connection: Connection, limits: Limits) -> int | None:
    """The id of the camera that limits name.

    Raises:
        NotStored: the gallery has no such camera or identity.
    """
    if limits.identity is not None:
        track = schema.Track
        own = select(track.id).where(track.identity_id == limits.identity).limit(1)
        if connection.scalar(own) is None:
            raise NotStored(f"no identity {limits.identity} in the gallery: search lists them")
    return None if limits.camera is None else camera_of(connection, limits.camera)
