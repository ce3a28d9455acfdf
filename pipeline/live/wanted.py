"""Pictures of a person onto the watch list."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reid import Embedder, Embeddings
from storage import Gallery

from ..crops import encode
from ..query import Box, person_in, read_picture, true_height
from .alerts import DAY, least_resemblance, most_resemblance


@dataclass(frozen=True)
class Added:
    """What became of it: `pictures` of the person in all; the evidence that they can `most` give
    and that an alert `least` takes with one false alarm a day, in nats."""

    pictures: int
    most: float
    least: float

    @property
    def can_alert(self) -> bool:
        """Whether so many pictures can raise an alert at all."""
        return self.most > self.least


def add(
    name: str,
    pictures: Sequence[Path],
    gallery: str | Path,
    *,
    box: Box | None = None,
    height: float | None = None,
    embedder: Path | None = None,
    device: str = "auto",
) -> Added:
    """Adds a person, or more pictures of one, to the watch list of a gallery.

    Args:
        box, height: of the person in each picture; see `pipeline.search`.
        gallery: path or URL, made if it is not there.

    Raises:
        QueryError: a picture can't be read or shows nobody, or several. StorageError, ReidError.
    """
    crops = [person_in(read_picture(path), box, None) for path in pictures]
    heights = [true_height(crop, height) for crop in crops]
    model = Embedder.load(embedder, device)
    looks = model.embed(crops, heights)
    with Gallery.open(gallery, model=model.info, create=True) as opened:
        return add_looks(opened, name, looks, [encode(crop) for crop in crops])


def add_looks(gallery: Gallery, name: str, looks: Embeddings, pictures: Sequence[bytes]) -> Added:
    """Adds looks of a person and their JPEG files to the watch list; see `WatchList.add`."""
    gallery.watchlist.add(name, looks, pictures)
    assert gallery.model is not None  # or it could not have been added
    people = gallery.watchlist.persons()
    own = next(person.looks for person in people if person.name == name)
    tracks = gallery.watchlist.tracks_since(time.time() - DAY)
    return Added(
        len(own),
        most_resemblance(own, gallery.model.calibration),
        least_resemblance(1.0, tracks, len(people)),
    )
