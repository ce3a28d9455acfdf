"""Parts of a gallery: each a range of time and some cameras, which can be searched by itself."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, false, not_, select
from sqlalchemy.orm import aliased

from . import schema
from .limits import Limits


@dataclass(frozen=True)
class Part:
    """Whole tracks: those that begin in a range of time, on some cameras.

    Args:
        after, before: from here on, up to here and without it, UTC seconds; None is no end.
        cameras: their names; None for all. but: names of cameras that it is without.
    """

    after: float | None = None
    before: float | None = None
    cameras: tuple[str, ...] | None = None
    but: tuple[str, ...] = ()

    def conditions(
        self, track: Any = schema.Track, session: Any = schema.Session
    ) -> list[ColumnElement[bool]]:
        """That a track, joined with its session, is in the part."""
        camera = schema.Camera
        out = []
        if self.after is not None:
            out.append(track.first >= self.after)
        if self.before is not None:
            out.append(track.first < self.before)
        for names, inside in ((self.cameras, True), (self.but or None, False)):
            if names is not None:
                named = session.camera_id.in_(select(camera.id).where(camera.name.in_(names)))
                out.append(named if inside else not_(named))
        return out

    def goes_beyond(self) -> ColumnElement[bool]:
        """Whether a track of the part has an identity that has tracks in other parts too."""
        if self == WHOLE:
            return false()
        track, session = aliased(schema.Track), aliased(schema.Session)
        return exists().where(
            track.identity_id == schema.Track.identity_id,
            track.session_id == session.id,
            not_(and_(*self.conditions(track, session))),
        )

    def may_pass(self, limits: Limits, longest: float = inf) -> bool:
        """Whether an observation of the part may be within limits.

        Args:
            longest: seconds that no track lasts longer than.
        """
        if limits.camera is not None and (
            limits.camera in self.but
            or (self.cameras is not None and limits.camera not in self.cameras)
        ):
            return False
        late = self.after is not None and limits.before is not None and limits.before < self.after
        if self.before is None or limits.after is None:
            return not late
        return not late and limits.after < self.before + longest


WHOLE = Part()
"""All of a gallery."""
