"""`Life`: what is kept, what goes and what may not."""

from __future__ import annotations

import time
from collections.abc import Callable

from . import audit, holds, removal, rules
from .crops import Crops
from .database import Database
from .errors import StorageError
from .holds import LegalHold
from .removal import Removed
from .rules import Rule

BATCH = 2000
"""Observations that one transaction of `Life.purge` removes; other writers wait for one at most."""


class Life:
    """The end of data of one gallery; every removal stands in its audit log.

    Args:
        actor: who is at work, for the audit log.
        forget: has the vectors in memory follow.
    """

    def __init__(
        self, database: Database, crops: Crops, actor: str, forget: Callable[[], None]
    ) -> None:
        self._database, self._crops = database, crops
        self._actor, self._forget = actor, forget

    def erase(self, identity: int, *, vacuum: bool = True) -> Removed:
        """Removes a person: tracks, observations, vectors, pictures, links.

        The number stays taken. The identity's rows in the history and the audit log stay too; they
        hold numbers and times alone.

        Args:
            vacuum: also have no trace of it in the files, which takes a while (see `vacuum`). To
                erase several, do it once after the last.

        Raises:
            GalleryHeld: a legal hold covers it. StorageError: no such identity.
            GalleryLocked: it is erased, but another program reads, so old pages are left.
        """
        with self._database.write() as connection:
            removed = removal.remove_identity(connection, self._crops, identity)
            facts = {"identity": identity, "tracks": removed.tracks, "crops": removed.crops}
            audit.append(
                connection, self._actor, "erase", facts | {"observations": removed.observations}
            )
        self._tidy()
        if vacuum:
            self.vacuum()
        return removed

    def purge(
        self,
        *,
        camera: str | None = None,
        before: float | None = None,
        keep_bytes: int | None = None,
        dry_run: bool = False,
    ) -> Removed:
        """Removes tracks that are too old or too many, oldest first; a track goes as a whole.

        Recordings without a date of their own are as old as their session in the gallery. Works in
        small transactions, so that others can write between them. File sizes fall with
        `vacuum`; SQLite uses the room for new rows even without.

        Args:
            camera: only this camera's tracks.
            before: those that ended before this time, UTC seconds.
            keep_bytes: the oldest, until pictures, vectors and rows take no more than this.
            dry_run: remove nothing, only count.

        Raises:
            StorageError: neither `before` nor `keep_bytes`, or no such camera.
        """
        if before is None and keep_bytes is None:
            raise StorageError("say what may go: what is older than a time, or beyond a size")
        if not dry_run:
            self._database.require_writing()
        with self._database.read() as connection:
            going, spared = removal.candidates(connection, camera, before, keep_bytes)
            if dry_run:
                pictures = removal.pictures_of(connection, [c.track for c in going])
                return Removed(len(going), sum(c.observations for c in going), pictures, spared)
        removed = Removed(0, 0, 0, spared)
        for some in removal.batches(going, BATCH):
            started = time.perf_counter()
            with self._database.write() as connection:
                held = holds.held_tracks(connection)
                free = [track for track in some if track not in held]
                removed += removal.remove_tracks(connection, self._crops, free)
            time.sleep(time.perf_counter() - started)  # the others' turn
        facts = {"camera": camera, "before": before, "keep_bytes": keep_bytes}
        counts = {"tracks": removed.tracks, "observations": removed.observations}
        with self._database.write() as connection:
            audit.append(connection, self._actor, "purge", facts | counts)
        self._tidy()
        return removed

    def rules(self) -> tuple[Rule, ...]:
        """The rules of retention: that of the whole gallery first, then by camera."""
        with self._database.read() as connection:
            return rules.every(connection)

    def keep(
        self,
        *,
        camera: str | None = None,
        seconds: float | None = None,
        keep_bytes: int | None = None,
    ) -> None:
        """Sets for how long and up to which size a camera, or all, is kept; with neither, for ever.

        Nothing goes before `expire` is called.

        Raises:
            StorageError: no such camera, or a limit below zero.
        """
        with self._database.write() as connection:
            rules.put(connection, Rule(camera, seconds, keep_bytes))
            facts = {"camera": camera, "seconds": seconds, "keep_bytes": keep_bytes}
            audit.append(connection, self._actor, "keep", facts)

    def expire(self, now: float, *, dry_run: bool = False) -> Removed:
        """Purges what the rules of retention don't let stay at `now`, UTC seconds.

        Args:
            dry_run: remove nothing, only count; a track that two rules name counts twice.
        """
        removed = Removed(0, 0, 0, 0)
        for rule in self.rules():
            before = None if rule.seconds is None else now - rule.seconds
            removed += self.purge(
                camera=rule.camera, before=before, keep_bytes=rule.bytes, dry_run=dry_run
            )
        return removed

    def vacuum(self) -> None:
        """Gives the room of removed rows back to the disk and leaves no trace of them in the files.

        SQLite writes the file anew, so it needs as much room again for a moment. On PostgreSQL the
        tables are written anew; its write-ahead log, archives and backups are the server's.

        Raises:
            GalleryLocked: another program reads or writes; run it again later.
        """
        self._database.require_writing()
        with self._database.explained():
            self._database.backend.vacuum()

    def hold(
        self, reason: str, *, identity: int | None = None, camera: str | None = None
    ) -> LegalHold:
        """Forbids to remove an identity, a camera's tracks or, with neither, anything.

        Raises:
            StorageError: no reason, no such identity or camera, or both.
        """
        with self._database.write() as connection:
            made = holds.place(connection, identity, camera, reason)
            facts = {"hold": made, "identity": identity, "camera": camera}
            audit.append(connection, self._actor, "hold", facts)
            return next(hold for hold in holds.every(connection) if hold.id == made)

    def lift(self, hold: int) -> None:
        """Ends a hold by its number.

        Raises:
            StorageError: no such hold that could be lifted.
        """
        with self._database.write() as connection:
            holds.lift(connection, hold)
            audit.append(connection, self._actor, "lift", {"hold": hold})

    def holds(self) -> list[LegalHold]:
        """All holds, lifted ones too, oldest first."""
        with self._database.read() as connection:
            return holds.every(connection)

    def _tidy(self) -> None:
        with self._database.write() as connection:
            self._crops.clear(connection)
        self._forget()
