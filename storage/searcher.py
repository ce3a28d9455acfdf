"""Searches over the vectors in memory, which it keeps up with the database."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from threading import Lock

from reid import Embeddings, ModelInfo

from . import search
from .database import Database
from .inside import Inside
from .limits import Limits, require_known
from .mirror import Mirror
from .models import require_active
from .recalibration import in_use
from .records import SearchPage


class Searcher:
    """May be asked by several threads at once.

    Args:
        model: whose vectors are compared. number: of the model in the gallery.
        inside: have the database compare. rough_above: see `search.found`.
    """

    def __init__(
        self,
        database: Database,
        model: ModelInfo,
        number: int,
        *,
        inside: bool,
        rough_above: float,
    ) -> None:
        self._database, self._model, self._number = database, model, number
        self.mirror = Mirror(model.sizes, number)
        self._lock, self._rough_above = Lock(), rough_above
        self._inside = Inside(database, model, number) if inside else None

    def pages(
        self, queries: Sequence[Embeddings], limits: Limits, top: int, skip: int = 0
    ) -> list[SearchPage]:
        """See `Gallery.search_page`; one page for each query."""
        search.require_fit(queries, self._model)
        if self._inside and self._inside.take_in():
            with self._database.read() as connection:
                require_active(connection, self._database.name, self._number)
                calibration = in_use(connection, self._model)
                return self._inside.pages(connection, calibration, queries, limits, top, skip)
        with ExitStack() as stack:
            with self._lock:
                connection = stack.enter_context(self._database.read())
                require_active(connection, self._database.name, self._number)
                view = self.mirror.refresh(connection)
            camera = require_known(connection, limits)
            calibration = in_use(connection, self._model)
            until = view.last if limits.until is None else min(limits.until, view.last)
            found = search.found(
                view,
                calibration,
                queries,
                replace(limits, until=until),
                skip + top,
                camera=camera,
                rough_above=self._rough_above,
            )
            return search.pages(
                connection, self._number, calibration, queries, [found], until, top, skip
            )

    def warm(self) -> None:
        """See `Gallery.warm`."""
        if self._inside and self._inside.take_in():
            return
        with self._lock, self._database.read() as connection:
            self.mirror.refresh(connection)

    def forget(self) -> None:
        """Has the vectors in memory follow what was removed."""
        if not self.mirror.segments.filled():
            return
        with self._lock, self._database.read() as connection:
            self.mirror.refresh(connection)
