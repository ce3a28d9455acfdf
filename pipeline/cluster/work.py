"""What a worker does with a piece of a recording, or with tracks of a gallery; it keeps nothing but
the models it opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid import Embedder
from storage import Gallery
from tracker import Bundle

from ..crops import cut_out, encode
from ..detect import Detector
from ..linking import How, link_stored
from ..runs import Seen, seen_in
from ..sources import Source
from .pieces import Piece, frames_of

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Models:
    """Which models a worker opens.

    Args:
        detector, embedder: weights; those that ship if None.
        device: ``auto``, ``cpu`` or ``cuda``. threads: of the CPU, of one model.
    """

    detector: str | Path | None
    embedder: str | Path | None
    device: str
    threads: int = 1


@dataclass(frozen=True)
class Wanted:
    """A box of which an embedding is wanted: index of the frame, x, y, w, h in pixels, level."""

    frame: int
    box: Box
    level: int


@dataclass(frozen=True)
class Detected:
    """What was found in the frames of a piece, and how many of them were lost."""

    seen: list[Seen]
    lost: int


_detector = cache(Detector.load)
_embedder = cache(Embedder.load)


def detect(
    models: Models, source: Source, piece: Piece, fps: float | None, input_size: int | None
) -> Detected:
    """Decodes a piece and finds the people in its frames; `input_size` as of `Detector.detect`.

    Raises:
        PipelineError: it can't be read, or the detector fails.
    """
    eyes = _detector(models.detector, models.device, models.threads)
    source.lost = 0
    frames = frames_of(source, piece, fps)
    seen = [seen_in(f, eyes.detect([f.image], [input_size])[0]) for f in frames]
    return Detected(seen, source.lost)


def embed(
    models: Models,
    source: Source,
    piece: Piece,
    fps: float | None,
    wanted: list[Wanted],
    quality: int,
) -> list[tuple[NDArray[np.float32], bytes]]:
    """Decodes a piece again and embeds boxes of it.

    Args:
        wanted: by frame. quality: of the JPEG, 1..100.

    Returns:
        Vector ``float32 (d,)`` and JPEG file of each, in the same order.
    """
    model = _embedder(models.embedder, models.device, models.threads)
    found = []
    for boxes, image in _pictures(source, piece, fps, wanted):
        crops = [cut_out(image, w.box) for w in boxes]
        vectors = model.embed(crops, levels=[w.level for w in boxes]).vectors
        found += [(v, encode(c, quality)) for v, c in zip(vectors, crops, strict=True)]
    return found


def link(gallery: str, tracks: list[int], how: How) -> list[Bundle]:
    """Links some tracks of a gallery, by their ids, and stores nothing; `gallery` is a path or URL.

    Raises:
        StorageError: it can't be read.
    """
    with Gallery.open(gallery, read_only=True) as opened:
        return link_stored(opened, tracks, how)


def _pictures(
    source: Source, piece: Piece, fps: float | None, wanted: list[Wanted]
) -> Iterator[tuple[list[Wanted], NDArray[np.uint8]]]:
    """The boxes of each frame that has some, and its picture."""
    frames = frames_of(source, piece, fps)
    for index, boxes in groupby(wanted, key=lambda w: w.frame):
        yield list(boxes), next(f.image for f in frames if f.index == index)
