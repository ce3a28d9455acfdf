"""Which track is which person: new groupings carried over to ids that stay what they were."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update

from . import counters, schema
from .errors import NotStored

IN_LIST = 5000
"""The most ids in one statement."""


def save(
    connection: Connection,
    assignments: Mapping[int, Hashable | None],
    evidence: Mapping[int, float],
) -> dict[Hashable, int]:
    """Gives tracks of equal key one identity; see `Gallery.save_identities`."""
    now = time.time()
    track = schema.Track
    held: dict[int, int | None] = {}
    for some in _parts(assignments):
        query = select(track.id, track.identity_id).where(track.id.in_(some))
        held.update(connection.execute(query).tuples().all())
    unknown = sorted(set(assignments) - set(held))
    if unknown:
        raise NotStored(f"no track {unknown[0]} in the gallery: its identity can't be kept")
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for track_id in sorted(assignments):
        key = assignments[track_id]
        if key is not None:
            groups[key].append(track_id)
    judged = judgements(connection)
    ids = carry_over(groups, held, judged.confirmed)
    for key in groups:
        if key not in ids:
            made = connection.scalar(
                insert(schema.Identity).values(created=now).returning(schema.Identity.id)
            )
            assert made is not None
            ids[key] = made
    wanted = {
        t: judged.settle(t, None if key is None else ids[key], held[t])
        for t, key in assignments.items()
    }
    _end_unused(connection, set(ids.values()) - set(held.values()) - set(wanted.values()), now)
    _move(connection, {t: i for t, i in wanted.items() if held[t] != i})
    _keep_history(connection, held, wanted, now)
    _keep_links(connection, wanted, evidence, now)
    return ids


def _parts(ids: Iterable[int]) -> Iterator[list[int]]:
    """Ids in lists that one statement can take."""
    every = sorted(ids)
    for i in range(0, len(every), IN_LIST):
        yield every[i : i + IN_LIST]


@dataclass(frozen=True)
class Judgements:
    """What persons said: the identity of a track, and identities that are not a track's."""

    confirmed: Mapping[int, int]
    rejected: Set[tuple[int, int | None]]

    def settle(self, track: int, identity: int | None, held: int | None) -> int | None:
        """The identity that a track gets where the machine says `identity` and it has `held`."""
        if track in self.confirmed:
            return self.confirmed[track]
        if (track, identity) not in self.rejected:
            return identity
        return None if (track, held) in self.rejected else held


def judgements(connection: Connection) -> Judgements:
    """What persons said of identities that have not ended; the last word on a pair holds."""
    link, person = schema.IdentityLink, schema.Identity
    rows = connection.execute(
        select(link.track_id, link.identity_id, link.state)
        .join(person, link.identity_id == person.id)
        .where(link.method == "person", person.ended.is_(None))
        .order_by(link.updated, link.id)
    ).all()
    return Judgements(
        {row.track_id: row.identity_id for row in rows if row.state == "confirmed"},
        {(row.track_id, row.identity_id) for row in rows if row.state == "rejected"},
    )


def _end_unused(connection: Connection, unused: Collection[int], now: float) -> None:
    """Ends identities that were made for a group whose tracks all went elsewhere."""
    if unused:
        person = schema.Identity
        connection.execute(update(person).where(person.id.in_(sorted(unused))).values(ended=now))


def carry_over(
    groups: Mapping[Hashable, Iterable[int]],
    held: Mapping[int, int | None],
    confirmed: Mapping[int, int],
) -> dict[Hashable, int]:
    """The identity that each group takes over, where one is left for it.

    A group takes the identity that most of its tracks hold, the lowest id among equals; one that a
    person confirmed counts more than any number of others. When two
    groups want one, it goes to the group with more tracks of it, then to the one with the lowest
    track; the other takes what it holds next. No identity goes to two groups.
    """
    claims = []
    for key, tracks in groups.items():
        members = list(tracks)
        counts = Counter(held[t] for t in members)
        counts.update({confirmed[t]: len(held) for t in members if t in confirmed})
        claims += [(-n, i, min(members), key) for i, n in counts.items() if i is not None]
    ids: dict[Hashable, int] = {}
    taken: set[int] = set()
    for _, identity, _, key in sorted(claims, key=lambda claim: claim[:3]):
        if key not in ids and identity not in taken:
            ids[key] = identity
            taken.add(identity)
    return ids


def _move(connection: Connection, moves: Mapping[int, int | None]) -> None:
    if moves:
        counters.count_up(connection, counters.IDENTITIES)
        connection.execute(
            update(schema.Track.__table__)  # type: ignore[arg-type]
            .where(schema.Track.id == bindparam("track"))
            .values(identity_id=bindparam("identity")),
            [{"track": t, "identity": i} for t, i in moves.items()],
        )


def _keep_history(
    connection: Connection,
    held: Mapping[int, int | None],
    wanted: Mapping[int, int | None],
    now: float,
) -> None:
    """Writes what became of the identities that lost tracks, and ends those that lost all."""
    moves = Counter(
        (before, wanted[t])
        for t, before in held.items()
        if t in wanted and before is not None and wanted[t] != before
    )
    if not moves:
        return
    losers = {before for before, _ in moves}
    track = schema.Track
    alive: set[int | None] = set()
    for some in _parts(losers):  # their tracks were moved already
        query = select(track.identity_id).where(track.identity_id.in_(some)).distinct()
        alive |= set(connection.scalars(query))
    connection.execute(
        insert(schema.IdentityHistory),
        [
            {
                "kind": "split" if before in alive else "merge",
                "from_id": before,
                "to_id": after,
                "tracks": n,
                "time": now,
            }
            for (before, after), n in moves.items()
        ],
    )
    ended = sorted(losers - alive)
    if ended:
        connection.execute(
            update(schema.Identity).where(schema.Identity.id.in_(ended)).values(ended=now)
        )


def _keep_links(
    connection: Connection,
    wanted: Mapping[int, int | None],
    evidence: Mapping[int, float],
    now: float,
) -> None:
    link = schema.IdentityLink
    known = {
        (row.track_id, row.identity_id): row
        for some in _parts(wanted)
        for row in connection.execute(
            select(
                link.id, link.track_id, link.identity_id, link.method, link.evidence, link.state
            ).where(link.track_id.in_(some))
        )
    }
    current = {(t, i): float(evidence.get(t, 0.0)) for t, i in wanted.items() if i is not None}
    changed = [
        {"link": row.id, "evidence_": current.get(pair, row.evidence), "state_": state}
        for pair, row in known.items()
        if row.method == "machine"
        and (
            (state := "current" if pair in current else "past") != row.state
            or current.get(pair, row.evidence) != row.evidence
        )
    ]
    if changed:
        connection.execute(
            update(schema.IdentityLink.__table__)  # type: ignore[arg-type]
            .where(link.id == bindparam("link"))
            .values(evidence=bindparam("evidence_"), state=bindparam("state_"), updated=now),
            changed,
        )
    new = [
        {
            "track_id": pair[0],
            "identity_id": pair[1],
            "evidence": nats,
            "method": "machine",
            "state": "current",
            "updated": now,
        }
        for pair, nats in current.items()
        if pair not in known
    ]
    if new:
        connection.execute(insert(schema.IdentityLink), new)
