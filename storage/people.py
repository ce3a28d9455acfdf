"""`People`: what a person says about who is who; the machine's later groupings keep to it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from . import audit, counters, schema
from .database import Database
from .errors import NotStored, Overtaken, StorageError
from .identities import Judgements, judgements
from .standing import Said, Standing, check, put_back, standing


@dataclass(frozen=True)
class Change:
    """`tracks` tracks went from one identity to another, or to none; `time` is UTC in seconds.

    ``merge``: the identity they came from ended. ``split``: it lives on without them.
    """

    kind: str
    source: int
    target: int | None
    tracks: int
    time: float


class People:
    """Judgements on the identities of one gallery; each stands in its audit log.

    Each act returns what it did, which `undo` takes back.

    Args:
        actor: who judges, for the audit log.
    """

    def __init__(self, database: Database, actor: str) -> None:
        self._database, self._actor = database, actor

    def merge(self, into: int, others: Collection[int]) -> Said:
        """Says that several identities are one person; the others end, their numbers stay taken.

        Every track of them is confirmed as that person's, so a later run does not part them.

        Raises:
            StorageError: an identity that is not there or has ended, or nothing to merge.
        """
        with self._database.write() as connection:
            sources = sorted(set(others) - {into})
            if not sources:
                raise StorageError(f"nothing to merge into identity {into}: name other identities")
            for identity in (into, *sources):
                _require(connection, identity)
            parts = {source: _tracks(connection, source) for source in sources}
            every = sum(parts.values(), _tracks(connection, into))
            before = standing(connection, every)
            for source, tracks in parts.items():
                _move(connection, tracks, source, into)
            for track in every:
                _judge(connection, track, into, "confirmed")
            facts = {"into": into, "from": sources}
            return self._said(connection, "merge", facts, into, before)

    def split(self, identity: int, tracks: Collection[int]) -> Said:
        """Says that some of an identity's tracks are another person; leads to the new identity.

        A later run does not bring the two parts together.

        Raises:
            StorageError: a track that is not the identity's, or all of them.
        """
        with self._database.write() as connection:
            _require(connection, identity)
            own, moved = set(_tracks(connection, identity)), sorted(set(tracks))
            for track in moved:
                if track not in own:
                    raise StorageError(f"track {track} is not one of identity {identity}")
            if not moved or len(moved) == len(own):
                raise StorageError(
                    f"identity {identity} has {len(own)} tracks: name some of them, not all"
                )
            before = standing(connection, own)
            made = connection.scalar(
                insert(schema.Identity).values(created=time.time()).returning(schema.Identity.id)
            )
            assert made is not None
            _move(connection, moved, identity, made)
            for track in moved:
                _judge(connection, track, identity, "rejected")
                _judge(connection, track, made, "confirmed")
            for track in sorted(own - set(moved)):
                _judge(connection, track, made, "rejected")
            facts = {"identity": identity, "tracks": moved, "into": made}
            return self._said(connection, "split", facts, made, before)

    def confirm(self, track: int, shown: int | None = None) -> Said:
        """Says that a track is of the identity that it has.

        Args:
            shown: the identity that the person saw it with, if that is known.

        Raises:
            Overtaken: it is not of the identity that was shown. StorageError: no such track, or it
                has no identity.
        """
        with self._database.write() as connection:
            identity = _identity(connection, track, shown)
            before = standing(connection, [track])
            _judge(connection, track, identity, "confirmed")
            facts = {"track": track, "identity": identity}
            return self._said(connection, "confirm", facts, identity, before)

    def reject(self, track: int, shown: int | None = None) -> Said:
        """Says that a track is not of the identity that it has, and leads to the one it leaves.

        The track has no identity then, and never gets that one again.

        Args:
            shown: the identity that the person saw it with, if that is known.

        Raises:
            Overtaken: it is not of the identity that was shown. StorageError: no such track, or it
                has no identity.
        """
        with self._database.write() as connection:
            identity = _identity(connection, track, shown)
            before = standing(connection, [track])
            _move(connection, [track], identity, None)
            _judge(connection, track, identity, "rejected")
            facts = {"track": track, "identity": identity}
            return self._said(connection, "reject", facts, identity, before)

    def assign(self, track: int, identity: int) -> Said:
        """Says that a track is of an identity, whatever it had before.

        Raises:
            StorageError: no such track, or an identity that is not there or has ended.
        """
        with self._database.write() as connection:
            before = standing(connection, [track])
            if track not in before.identity:
                raise NotStored(f"no track {track} in the gallery")
            _require(connection, identity)
            held = before.identity[track]
            if held != identity:
                _move(connection, [track], held, identity)
            _judge(connection, track, identity, "confirmed")
            facts = {"track": track, "identity": identity, "before": held}
            return self._said(connection, "assign", facts, identity, before)

    def withdraw(self, track: int) -> Said:
        """Takes back what was confirmed of a track and the identity that it has.

        Raises:
            StorageError: no such track, it has no identity, or nothing was confirmed.
        """
        link = schema.IdentityLink
        with self._database.write() as connection:
            identity = _identity(connection, track)
            before = standing(connection, [track])
            changed = connection.execute(
                update(link)
                .where(
                    link.track_id == track,
                    link.identity_id == identity,
                    link.method == "person",
                    link.state == "confirmed",
                )
                .values(method="machine", state="current", updated=time.time())
            ).rowcount
            if not changed:
                raise StorageError(f"nothing was confirmed of track {track}")
            facts = {"track": track, "identity": identity}
            return self._said(connection, "withdraw", facts, identity, before)

    def undo(self, said: Said) -> None:
        """Takes an act back: what stood before stands again, as if nothing had been said.

        An identity that ended by it lives on under its number, one that was made by it ends; both
        stand in the history.

        Raises:
            Overtaken: something that the act changed has changed since.
        """
        with self._database.write() as connection:
            check(connection, said)
            ways: dict[tuple[int | None, int | None], list[int]] = defaultdict(list)
            for track, (was, left) in said.moved.items():
                ways[left, was].append(track)
            person = schema.Identity
            for (source, target), tracks in ways.items():
                connection.execute(update(person).where(person.id == target).values(ended=None))
                _move(connection, tracks, source, target)
            put_back(connection, said)
            audit.append(connection, self._actor, "undo", {"act": said.act, **said.facts})

    def _said(
        self,
        connection: Connection,
        act: str,
        facts: Mapping[str, Any],
        identity: int,
        before: Standing,
    ) -> Said:
        audit.append(connection, self._actor, act, facts)
        return Said(act, facts, identity, before, standing(connection, before.identity))

    def judgements(self) -> Judgements:
        """All that was said of tracks and of identities that have not ended."""
        with self._database.read() as connection:
            return judgements(connection)

    def history(self, identity: int | None = None) -> list[Change]:
        """Merges and splits, oldest first; those that one identity took part in, if given."""
        table = schema.IdentityHistory
        query = select(table.kind, table.from_id, table.to_id, table.tracks, table.time)
        if identity is not None:
            query = query.where((table.from_id == identity) | (table.to_id == identity))
        with self._database.read() as connection:
            return [Change(*row) for row in connection.execute(query.order_by(table.id))]


def _require(connection: Connection, identity: int) -> None:
    person = schema.Identity
    alive = connection.scalar(
        select(person.id).where(person.id == identity, person.ended.is_(None))
    )
    if alive is None:
        raise NotStored(f"no identity {identity} in the gallery, or it has ended")


def _identity(connection: Connection, track: int, shown: int | None = None) -> int:
    """The identity of a track, which must be the one that was shown."""
    row = connection.execute(
        select(schema.Track.identity_id).where(schema.Track.id == track)
    ).one_or_none()
    if row is None:
        raise NotStored(f"no track {track} in the gallery")
    if shown is not None and row[0] != shown:
        now = f"is identity {row[0]}" if row[0] is not None else "has no identity"
        raise Overtaken(f"by now track {track} {now}, it was shown as {shown}: look again")
    if row[0] is None:
        raise StorageError(f"track {track} has no identity")
    return int(row[0])


def _tracks(connection: Connection, identity: int) -> list[int]:
    track = schema.Track
    return list(
        connection.scalars(select(track.id).where(track.identity_id == identity).order_by(track.id))
    )


def _move(
    connection: Connection, tracks: Collection[int], source: int | None, target: int | None
) -> None:
    """Moves tracks from one identity to another, or from none, and writes that to the history."""
    track, person, now = schema.Track, schema.Identity, time.time()
    connection.execute(update(track).where(track.id.in_(tracks)).values(identity_id=target))
    counters.count_up(connection, counters.IDENTITIES)
    if source is None:
        return
    left = _tracks(connection, source)
    if not left:
        connection.execute(update(person).where(person.id == source).values(ended=now))
    connection.execute(
        insert(schema.IdentityHistory).values(
            kind="split" if left else "merge",
            from_id=source,
            to_id=target,
            tracks=len(tracks),
            time=now,
        )
    )
    link = schema.IdentityLink
    connection.execute(
        update(link)
        .where(
            link.track_id.in_(tracks),
            link.identity_id == source,
            link.state.in_(["current", "confirmed"]),
        )
        .values(state="past", updated=now)
    )


def _judge(connection: Connection, track: int, identity: int, state: str) -> None:
    """Keeps what a person said of a track and an identity."""
    link = schema.IdentityLink
    said = {"method": "person", "state": state, "updated": time.time()}
    changed = connection.execute(
        update(link).where(link.track_id == track, link.identity_id == identity).values(**said)
    ).rowcount
    if not changed:
        connection.execute(
            insert(link).values(track_id=track, identity_id=identity, evidence=0.0, **said)
        )
