"""A station on a node of a cluster: told what to watch, asked what is new."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from reid import Embedder
from storage import Gallery
from tracker import Observation

from ..cluster.work import Models
from ..detect import Detector
from .memory import return_large_blocks
from .states import StationHealth
from .station import Station
from .telling import Teller
from .watched import Wanted

LEASE_SECONDS = 5.0
"""A post that nobody asks for so long lets go of its cameras: others may have got them."""


@dataclass(frozen=True)
class Orders:
    """What a post needs to begin.

    Args:
        models: that it opens. gallery: URL, with the password if there is one in it.
        environment: variables that the gallery's driver goes by.
    """

    models: Models
    gallery: str = field(repr=False)
    environment: dict[str, str] = field(repr=False)


@dataclass(frozen=True)
class News:
    """What a post has to say since it was last asked.

    Args:
        stored: ids of tracks, their cameras, and observations of them that were stored.
        events: as a listener is told them.
    """

    stored: list[tuple[int, str, list[Observation]]]
    events: list[dict[str, Any]]
    health: StationHealth


class Post:
    """Holds a node's station; its calls come one after the other, from one caller."""

    def open(self, orders: Orders) -> None:
        """Opens models and gallery, and begins without cameras.

        Raises:
            PipelineError, ReidError, StorageError: they can't be opened here.
        """
        return_large_blocks()
        os.environ.update(orders.environment)
        models = orders.models
        embedder = Embedder.load(models.embedder, models.device, models.threads)
        detector = Detector.load(models.detector, models.device, models.threads)
        self._gallery = Gallery.open(orders.gallery, model=embedder.info)
        self._stored: SimpleQueue[tuple[int, str, list[Observation]]] = SimpleQueue()
        self._events: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._station = Station(
            detector,
            embedder,
            self._gallery,
            lambda *stored: self._stored.put((stored[0], stored[1], list(stored[2]))),
            Teller(self._events.put),
            LEASE_SECONDS,
        )
        self._station.start({})

    def change(self, wanted: Wanted) -> None:
        """Has it watch other cameras; see `Station.change`."""
        self._station.change(wanted)

    def news(self) -> News:
        """What is new; it may keep its cameras for another lease.

        Raises:
            Exception: what ended its work.
        """
        if self._station.failure is not None:
            raise self._station.failure
        self._station.renew()
        return self._news()

    def frames(self, address: str) -> tuple[bytes, str] | None:
        """See `Frames.answer`."""
        return self._station.frames.answer(address)

    def close(self) -> News:
        """Ends all cameras; returns what is new after that."""
        self._station.close()
        self._gallery.close()
        return self._news()

    def _news(self) -> News:
        return News(_all(self._stored), _all(self._events), self._station.health())


def _all(queue: SimpleQueue[Any]) -> list[Any]:
    found = []
    while True:
        try:
            found.append(queue.get_nowait())
        except Empty:
            return found
