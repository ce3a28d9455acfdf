"""Rules of retention: how long and up to which size a gallery keeps what it has."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, select

from . import schema, settings
from .errors import NotStored, StorageError

NAME = "retention"


@dataclass(frozen=True)
class Rule:
    """What may stay. All rules of a gallery hold, so the strictest counts.

    Args:
        camera: whose tracks; those of all cameras if None.
        seconds: for how long after a track's end. bytes: how much, the newest first.
    """

    camera: str | None
    seconds: float | None
    bytes: int | None


def every(connection: Connection) -> tuple[Rule, ...]:
    """All rules: that of the whole gallery first, then by camera."""
    stored = json.loads(settings.read(connection, NAME) or "[]")
    return tuple(Rule(**rule) for rule in stored)


def put(connection: Connection, rule: Rule) -> None:
    """Sets the rule of a camera in place of an earlier one; one without limits removes it.

    Raises:
        StorageError: no such camera, or a limit below zero.
    """
    if min(rule.seconds or 0, rule.bytes or 0) < 0:
        raise StorageError("a rule of retention has no limit below zero")
    camera = schema.Camera
    if rule.camera is not None and not connection.scalar(
        select(camera.id).where(camera.name == rule.camera)
    ):
        raise NotStored(f"no camera {rule.camera!r} in the gallery")
    rules = [other for other in every(connection) if other.camera != rule.camera]
    if rule.seconds is not None or rule.bytes is not None:
        rules.append(rule)
    rules.sort(key=lambda r: (r.camera is not None, r.camera or ""))
    settings.write(connection, NAME, json.dumps([asdict(r) for r in rules]))
