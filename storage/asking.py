"""Searches of a gallery in parts: each part is asked where it lies, the answers are merged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock

from sqlalchemy import Connection, func, select

from reid import Embeddings, ModelInfo

from . import counters, schema, search
from .database import Database
from .limits import Limits, require_known
from .mirror import Mirror
from .models import require_active
from .parts import Part
from .ranking import Found
from .recalibration import in_use
from .records import SearchPage


@dataclass(frozen=True)
class Question:
    """What each part is asked.

    Args:
        queries: embeddings, of one person each; none to have the part read what is new.
        limits: with `until`. most: persons wanted of each query.
        snapshot: the state of the database that all parts are to look at; see `Backend.export`.
    """

    queries: tuple[Embeddings, ...]
    limits: Limits
    most: int
    snapshot: str


Ask = Callable[[Sequence[Part], Question], list[list[Found]]]
"""Has some parts answer a question; what each found for each query."""


class PartSearcher:
    """A part's vectors in memory, kept up with the database; may be asked by several threads.

    Args:
        model: whose vectors are compared. number: of the model in the gallery.
    """

    def __init__(self, database: Database, model: ModelInfo, number: int, part: Part) -> None:
        self._database, self._model, self._number = database, model, number
        self._mirror, self._lock = Mirror(model.sizes, number, part), Lock()

    def answer(self, question: Question) -> list[Found]:
        """What is found for each query; reads the part first if it wasn't yet.

        Raises:
            StorageError: the gallery was moved to another model, or can't be read.
        """
        with self._database.read(question.snapshot) as connection:
            return self.found(connection, question.queries, question.limits, question.most)

    def found(
        self, connection: Connection, queries: Sequence[Embeddings], limits: Limits, most: int
    ) -> list[Found]:
        """As `answer`, in a transaction that is open."""
        require_active(connection, self._database.name, self._number)
        with self._lock:
            view = self._mirror.refresh(connection)
        camera = require_known(connection, limits)
        calibration = in_use(connection, self._model)
        return search.found(view, calibration, queries, limits, most, camera=camera)


class PartsSearcher:
    """Searches as `Searcher` does, over parts that together are the whole gallery.

    Args:
        ask: asks those who hold the parts; None has this process hold them, each from the first
            search on that it may pass.
    """

    def __init__(
        self,
        database: Database,
        model: ModelInfo,
        number: int,
        parts: Sequence[Part],
        ask: Ask | None,
    ) -> None:
        self._database, self._model, self._number = database, model, number
        self._parts, self._ask = tuple(parts), ask
        self._held: dict[Part, PartSearcher] = {}

    def pages(
        self, queries: Sequence[Embeddings], limits: Limits, top: int, skip: int = 0
    ) -> list[SearchPage]:
        """See `Gallery.search_page`; one page for each query."""
        search.require_fit(queries, self._model)
        with self._database.read() as connection:
            require_active(connection, self._database.name, self._number)
            require_known(connection, limits)
            until = self._newest(connection)
            if limits.until is not None:
                until = min(until, limits.until)
            longest = counters.longest(connection)
            asked = [part for part in self._parts if part.may_pass(limits, longest)]
            own = replace(limits, until=until)
            found = self._found(connection, asked, queries, own, skip + top)
            calibration = in_use(connection, self._model)
            return search.pages(
                connection, self._number, calibration, queries, found, until, top, skip
            )

    def warm(self) -> None:
        """See `Gallery.warm`."""
        with self._database.read() as connection:
            self._found(connection, self._parts, (), Limits(until=0), 0)

    def forget(self) -> None:
        """Has the vectors in this process follow what was removed."""
        with self._database.read() as connection:
            for one in self._held.values():
                one.found(connection, (), Limits(until=0), 0)

    def _found(
        self,
        connection: Connection,
        parts: Sequence[Part],
        queries: Sequence[Embeddings],
        limits: Limits,
        most: int,
    ) -> list[list[Found]]:
        if self._ask and parts:
            snapshot = self._database.backend.export(connection)
            return self._ask(parts, Question(tuple(queries), limits, most, snapshot))
        out = []
        for part in parts:
            held = self._held.get(part)
            if held is None:
                new = PartSearcher(self._database, self._model, self._number, part)
                held = self._held.setdefault(part, new)
            out.append(held.found(connection, queries, limits, most))
        return out

    def _newest(self, connection: Connection) -> int:
        embedding = schema.Embedding
        newest = select(func.max(embedding.observation_id))
        return connection.scalar(newest.where(embedding.model_id == self._number)) or 0
