"""What all requests share: the gallery, the networks, and the queries that were sent."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock, Semaphore

import numpy as np
from numpy.typing import NDArray

from pipeline import Detector
from pipeline.crops import cut_out
from pipeline.query import Box, is_one_person, people_in
from reid import Embedder, Embeddings
from storage import Gallery

from .errors import ConsoleError

MOST_QUERIES, MOST_BYTES = 200, 512 * 2**20
"""Pictures that are kept in memory, the last ones, and their pixels; they are written nowhere."""

AT_ONCE = 2
"""Searches at a time, the others in turn: one takes all cores, and many at once all end late."""


@dataclass(frozen=True)
class Query:
    """A picture that somebody looks for a person with.

    Args:
        image: ``uint8 (H, W, 3)`` BGR, a crop or a whole frame. people: the boxes found in a frame.
        owner: who sent it. embedding: of the one person that it shows, None until one is picked.
    """

    id: str
    image: NDArray[np.uint8]
    people: tuple[Box, ...]
    height: float
    owner: str
    embedding: Embeddings | None


class Console:
    """The state of a running console; who searches holds `turn`.

    Args:
        gallery: opened for writing; the caller closes it. embedder: of the gallery's model.
        detector: for whole frames; the one that ships if None, loaded when it is needed.
    """

    def __init__(
        self, gallery: Gallery, embedder: Embedder, detector: Detector | None = None
    ) -> None:
        self.gallery, self._embedder, self._detector = gallery, embedder, detector
        self._queries: OrderedDict[str, Query] = OrderedDict()
        self._lock = Lock()
        self._inference = Lock()
        self.turn = Semaphore(AT_ONCE)

    def ask(self, image: NDArray[np.uint8], height: float | None, owner: str) -> Query:
        """Takes in a picture; a frame with several people has no embedding until one is picked.

        Args:
            height: of the person in pixels as the camera saw it, where the picture was enlarged.

        Raises:
            ConsoleError: nobody is to be seen in it.
        """
        if is_one_person(image):
            return self._keep(image, (), height, owner, embed=True)
        with self._inference:
            if self._detector is None:
                self._detector = Detector.load()
            people = people_in(image, self._detector)
        if not people:
            raise ConsoleError("nobody was found in this picture: cut out the person and send that")
        if len(people) == 1:
            return self._keep(cut_out(image, people[0]), (), height, owner, embed=True)
        return self._keep(image, tuple(people), height, owner, embed=False)

    def pick(self, query: Query, person: int, owner: str) -> Query:
        """The query of one of the people in a frame.

        Raises:
            ConsoleError: there is no such person in it.
        """
        if not 0 <= person < len(query.people):
            raise ConsoleError(f"no person {person} in the picture: it has {len(query.people)}")
        return self._keep(cut_out(query.image, query.people[person]), (), None, owner, embed=True)

    def query(self, name: str, owner: str) -> Query:
        """A query by its name.

        Raises:
            ConsoleError: it was never sent, by somebody else, or too long ago.
        """
        with self._lock:
            found = self._queries.get(name)
            if found is None or found.owner != owner:
                raise ConsoleError(
                    "a picture that was sent is shown to its sender alone, and only for a while: "
                    "send it again, or ask for the address of a search with a stored picture",
                    404,
                )
            self._queries.move_to_end(name)
            return found

    def _keep(
        self,
        image: NDArray[np.uint8],
        people: tuple[Box, ...],
        height: float | None,
        owner: str,
        *,
        embed: bool,
    ) -> Query:
        seen = float(height if height is not None else len(image))
        embedding = None
        if embed:
            with self._inference:
                embedding = self._embedder.embed([image], [seen])
        kept = np.array(image)  # not a view, which would keep the whole frame
        made = Query(secrets.token_urlsafe(12), kept, people, seen, owner, embedding)
        with self._lock:
            self._queries[made.id] = made
            size = sum(query.image.nbytes for query in self._queries.values())
            while len(self._queries) > MOST_QUERIES or size > MOST_BYTES:
                _, gone = self._queries.popitem(last=False)
                size -= gone.image.nbytes
        return made
