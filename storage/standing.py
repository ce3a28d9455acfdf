"""What stands of tracks: whose they are, and what was said of them; how it is put back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, select, update

from . import schema
from .errors import Overtaken

Link = tuple[str, str, float]
"""Method, state and time of a row of `schema.IdentityLink`."""


@dataclass(frozen=True)
class Standing:
    """Of some tracks: the identity of each, and the link of each with every identity it had."""

    identity: Mapping[int, int | None]
    links: Mapping[tuple[int, int], Link]


@dataclass(frozen=True)
class Said:
    """What a person said, and what stood before and after; by it `People.undo` takes it back.

    Args:
        act: as the audit log names it, with its `facts`. identity: the one that it leads to.
    """

    act: str
    facts: Mapping[str, Any]
    identity: int
    before: Standing
    after: Standing

    @property
    def moved(self) -> dict[int, tuple[int | None, int | None]]:
        """The tracks that changed hands: their identities before and after."""
        ways = {t: (was, self.after.identity[t]) for t, was in self.before.identity.items()}
        return {track: way for track, way in ways.items() if way[0] != way[1]}

    @property
    def touched(self) -> list[tuple[int, int]]:
        """The links that it changed or made."""
        before = self.before.links
        return [pair for pair, link in self.after.links.items() if before.get(pair) != link]


def standing(connection: Connection, tracks: Collection[int]) -> Standing:
    """What stands of some tracks now."""
    track, link = schema.Track, schema.IdentityLink
    identity = connection.execute(
        select(track.id, track.identity_id).where(track.id.in_(tracks))
    ).tuples()
    links = connection.execute(
        select(link.track_id, link.identity_id, link.method, link.state, link.updated).where(
            link.track_id.in_(tracks)
        )
    )
    return Standing(
        dict(identity.all()), {(row[0], row[1]): (row[2], row[3], row[4]) for row in links}
    )


def check(connection: Connection, said: Said) -> None:
    """Refuses where what was said no longer stands as it was left.

    Raises:
        Overtaken: another act, the machine or a removal came in between.
    """
    now = standing(connection, said.before.identity)
    for track, (_, left) in said.moved.items():
        if now.identity.get(track) != left:
            _refuse(track)
    for pair in said.touched:
        if now.links.get(pair) != said.after.links[pair]:
            _refuse(pair[0])


def put_back(connection: Connection, said: Said) -> None:
    """Makes the links again what they were before; those that were not there go."""
    link = schema.IdentityLink
    for pair in said.touched:
        this = (link.track_id == pair[0], link.identity_id == pair[1])
        if (stood := said.before.links.get(pair)) is None:
            connection.execute(delete(link).where(*this))
        else:
            method, state, updated = stood
            connection.execute(
                update(link).where(*this).values(method=method, state=state, updated=updated)
            )


def _refuse(track: int) -> None:
    raise Overtaken(f"this can't be undone: track {track} has changed since; look again")
