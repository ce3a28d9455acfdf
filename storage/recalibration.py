"""`Recalibration`: evidence weighed anew by what people decided, and the decisions themselves."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, select

from reid import Calibration, ModelInfo, ReidError

from . import audit, schema, settings
from .database import Database
from .errors import GalleryDamaged, StorageError

NAME = "calibration"
"""The setting that holds it, with the fingerprint of its model."""


@dataclass(frozen=True)
class Decision:
    """What a person said of a link that the machine had made: whether `track` shows the same person
    as the `others`, which are the identity's tracks by the machine's doing, or by a person's who
    agreed with it."""

    track: int
    identity: int
    same: bool
    others: tuple[int, ...]


class Recalibration:
    """Of one gallery.

    Args:
        actor: who is at work, for the audit log. model: of its vectors, with the calibration that
            came with the embedder; None in an empty gallery.
    """

    def __init__(self, database: Database, actor: str, model: ModelInfo | None) -> None:
        self._database, self._actor, self._model = database, actor, model

    def decisions(self) -> list[Decision]:
        """By track and identity; of links that people made themselves none, since what made them
        look there is not known."""
        link, person = schema.IdentityLink, schema.Identity
        with self._database.read() as connection:
            rows = connection.execute(
                select(link.track_id, link.identity_id, link.method, link.state, link.evidence)
                .join(person, link.identity_id == person.id)
                .where(person.ended.is_(None), link.state != "past")
                .order_by(link.track_id, link.identity_id)
            ).all()
        members: dict[int, list[int]] = defaultdict(list)
        judged = []
        for row in rows:
            proposed = row.method == "machine" or row.evidence != 0
            if proposed and row.state != "rejected":
                members[row.identity_id].append(row.track_id)
            if row.method == "person" and row.evidence != 0:
                judged.append(row)
        found = []
        for row in judged:
            others = tuple(t for t in members[row.identity_id] if t != row.track_id)
            same = row.state == "confirmed"
            if others:
                found.append(Decision(row.track_id, row.identity_id, same, others))
        return found

    def keep(self, calibration: Calibration, facts: Mapping[str, Any]) -> None:
        """Has searches and linking use a calibration from now on, of every program.

        Args:
            facts: for the audit log.

        Raises:
            StorageError: the gallery has no model, or one with other levels.
        """
        if self._model is None or len(calibration.intercept) != self._model.levels.m:
            raise StorageError(f"{self._database.name} has no model that this calibration is of")
        kept = {"fingerprint": self._model.fingerprint, "calibration": calibration.to_json()}
        with self._database.write() as connection:
            settings.write(connection, NAME, json.dumps(kept))
            audit.append(connection, self._actor, "calibrate", facts)

    def reset(self) -> bool:
        """Has everything use the model's own calibration again; whether another was in use."""
        with self._database.write() as connection:
            setting = schema.Setting
            gone = connection.execute(delete(setting).where(setting.name == NAME)).rowcount
            if gone:
                audit.append(connection, self._actor, "calibrate", {"reset": True})
        return bool(gone)


def in_use(connection: Connection, model: ModelInfo) -> Calibration:
    """The calibration by which evidence is weighed: the one that was kept for this model, else the
    model's own."""
    kept = settings.read(connection, NAME)
    if kept is None:
        return model.calibration
    try:
        stored = json.loads(kept)
        if stored["fingerprint"] != model.fingerprint:
            return model.calibration
        return Calibration.from_json(stored["calibration"])
    except (ReidError, ValueError, KeyError, TypeError) as error:
        raise GalleryDamaged(
            "the calibration that was kept is broken: run nearfar calibrate --reset"
        ) from error
