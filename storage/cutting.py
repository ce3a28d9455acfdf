"""How a gallery is cut into parts, which stands in the gallery for all who search it."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import inf

from sqlalchemy import Connection, func, select

from . import counters, schema, settings
from .database import Database
from .errors import StorageError
from .parts import Part

NAME = "parts"
"""The setting that holds the plan."""

ROOM = 1.5
"""How many times its share of the rows a window of time may hold before its cameras are divided."""

Counted = tuple[int, str, int]
"""A window of time (by number), a camera, and its rows."""


@dataclass(frozen=True)
class Plan:
    """Parts that together are the whole gallery, each track in one of them.

    Args:
        name: of this plan alone. rows: of each part, when it was made.
    """

    name: str
    parts: tuple[Part, ...]
    rows: tuple[int, ...]


class Parts:
    """The plan of one gallery.

    Args:
        model_id: of the model whose vectors are counted; None in an empty gallery.
    """

    def __init__(self, database: Database, model_id: int | None) -> None:
        self._database, self._model_id = database, model_id

    @property
    def plan(self) -> Plan | None:
        """The plan that stands in the gallery."""
        with self._database.read() as connection:
            text = settings.read(connection, NAME)
        if not text:
            return None
        facts = json.loads(text)
        return Plan(facts["name"], tuple(map(_part, facts["parts"])), tuple(facts["rows"]))

    def cut(self, parts: int, window: float) -> Plan:
        """Makes a plan of about so many parts with about as many rows each; reads all rows once.

        Args:
            window: time is cut at multiples of so many seconds (UTC). A window with far more than
                its share of the rows is divided by cameras.

        Raises:
            StorageError: fewer than one part, a window of no length, a gallery without vectors.
        """
        if parts < 1 or not 0 < window < inf:
            raise StorageError("a gallery is cut into one part or more, in windows above 0 s")
        with self._database.read() as connection:
            counted = self._counted(connection, window)
        if not counted:
            raise StorageError(f"{self._database.name} holds no vectors: nothing to cut into parts")
        made = divided(counted, parts, window)
        plan = Plan(uuid.uuid4().hex[:12], tuple(p for p, _ in made), tuple(n for _, n in made))
        with self._database.write() as connection:
            counters.find_longest(connection)
            settings.write(connection, NAME, json.dumps(asdict(plan)))
        return plan

    def forget(self) -> None:
        """Removes the plan."""
        with self._database.write() as connection:
            settings.write(connection, NAME, "")

    def _counted(self, connection: Connection, window: float) -> list[Counted]:
        track, session, embedding = schema.Track, schema.Session, schema.Embedding
        observation, camera = schema.Observation, schema.Camera
        number = func.floor(track.first / window)
        rows = connection.execute(
            select(number, camera.name, func.count())
            .select_from(embedding)
            .join(observation, embedding.observation_id == observation.id)
            .join(track, observation.track_id == track.id)
            .join(session, track.session_id == session.id)
            .join(camera, session.camera_id == camera.id)
            .where(embedding.model_id == self._model_id)
            .group_by(number, camera.name)
            .order_by(number, camera.name)
        )
        return [(int(window), name, count) for window, name, count in rows]


def divided(counted: Sequence[Counted], parts: int, window: float) -> list[tuple[Part, int]]:
    """About so many parts of about as many rows, in order of time, each with its rows."""
    share = sum(rows for *_, rows in counted) / parts
    windows: dict[int, dict[str, int]] = defaultdict(dict)
    for number, camera, rows in counted:
        windows[number][camera] = rows
    spans: list[tuple[float | None, dict[str, int]]] = []
    for number, own in windows.items():
        last = spans[-1][1] if spans else {}
        if spans and sum(last.values()) + sum(own.values()) / 2 <= share:
            for camera, rows in own.items():
                last[camera] = last.get(camera, 0) + rows
        else:
            spans.append((number * window if spans else None, dict(own)))
    ends = [start for start, _ in spans[1:]] + [None]
    out = []
    for (start, held), end in zip(spans, ends, strict=True):
        total = sum(held.values())
        count = round(total / share) if total > ROOM * share else 1
        groups = _groups(held, count)
        named = [camera for group in groups[1:] for camera in group]
        out.append((Part(start, end, None, tuple(sorted(named))), _sum(held, groups[0])))
        for group in groups[1:]:
            out.append((Part(start, end, tuple(sorted(group))), _sum(held, group)))
    return out


def _groups(rows: dict[str, int], count: int) -> list[list[str]]:
    """Cameras in so many groups, or fewer, of about as many rows each."""
    groups: list[list[str]] = [[] for _ in range(min(count, len(rows)))]
    for camera in sorted(rows, key=lambda c: (-rows[c], c)):
        min(groups, key=lambda group: _sum(rows, group)).append(camera)
    return groups


def _sum(rows: dict[str, int], cameras: Iterable[str]) -> int:
    return sum(rows[camera] for camera in cameras)


def _part(facts: dict[str, object]) -> Part:
    known = {k: tuple(v) if isinstance(v, list) else v for k, v in facts.items()}
    return Part(**known)  # type: ignore[arg-type]
