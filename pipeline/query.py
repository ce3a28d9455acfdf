"""`search`: a picture in, the identities that it probably shows out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid import Embedder, ModelInfo
from storage import Gallery, Limits, SearchHit

from .crops import cut_out, decode, encode
from .detect import Detector
from .errors import QueryError
from .files import write_text
from .pages import FAR, data_url, picture, render

LIKELY = 0.5
"""Probability from which an identity counts as known; below it the answer is "unknown"."""

CROP_SHAPE = (1.2, 6.0)
"""Height over width that a picture of one person has; anything else is a whole frame."""

SURE = 0.5
"""The detector's score from which a person in a query picture is taken for one."""

NOTHING = "nothing was compared: the gallery holds nobody who was seen there and then"
"""Said where no observation passes the limits."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Answer:
    """What a search found.

    Args:
        hits: identities, most probable first. crop: what was looked for, ``uint8 (H, W, 3)`` BGR.
        height: of the person in pixels, as the camera saw it. level: of the query.
    """

    hits: tuple[SearchHit, ...]
    crop: NDArray[np.uint8]
    height: float
    level: int

    @property
    def known(self) -> bool:
        """Whether anybody is likely to be the person."""
        return bool(self.hits) and self.hits[0].probability >= LIKELY


def search(
    image: str | Path | NDArray[np.uint8],
    gallery: Gallery,
    embedder: Embedder,
    *,
    detector: Detector | None = None,
    box: Box | None = None,
    height: float | None = None,
    camera: str | None = None,
    after: float | None = None,
    before: float | None = None,
    top: int = 10,
) -> Answer:
    """Ranks the identities of a gallery by how probably a picture shows them.

    Args:
        image: a file, or ``uint8 (H, W, 3)`` BGR: one person's crop, or a whole frame.
        detector: finds the person in a whole frame; the one that ships if None and needed.
        box: x, y, w, h in pixels of the person in the frame.
        height: of the person in pixels as the camera saw it, where the picture was enlarged.
        camera, after, before: look only there and then (UTC in seconds).
        top: identities at most.

    Raises:
        QueryError: when the picture can't be read, the box lies outside, nobody is found,
            several people are and no `box` says who is meant, the gallery has no such camera, or
            `after` is later than `before`.
        StorageError: the gallery notes searches, and was opened for reading only.
    """
    return search_many(
        [image],
        gallery,
        embedder,
        detector=detector,
        box=box,
        height=height,
        camera=camera,
        after=after,
        before=before,
        top=top,
    )[0]


def search_many(
    images: Sequence[str | Path | NDArray[np.uint8]],
    gallery: Gallery,
    embedder: Embedder,
    *,
    detector: Detector | None = None,
    box: Box | None = None,
    height: float | None = None,
    camera: str | None = None,
    after: float | None = None,
    before: float | None = None,
    top: int = 10,
) -> list[Answer]:
    """What `search` finds for each of some pictures, each of another person, in one go.

    The gallery is read once for all. Everything else is as in `search`.
    """
    _check_camera(gallery, camera)
    if after is not None and before is not None and after > before:
        raise QueryError("nothing is seen after a time and before an earlier one: swap the two")
    crops = []
    for image in images:
        pixels = read_picture(Path(image)) if isinstance(image, str | Path) else image
        crops.append(person_in(pixels, box, detector))
    heights = [true_height(crop, height) for crop in crops]
    looks = embedder.embed(crops, heights)
    queries = [looks[i : i + 1] for i in range(len(looks))]
    limits = Limits(camera, after=after, before=before)
    found = gallery.search_many(queries, limits, top=top)
    if gallery.audit.notes_searches:
        said = {"camera": camera, "after": after, "before": before}
        for crop, hits in zip(crops, found, strict=True):
            named = [[hit.identity, hit.best.track] for hit in hits]
            facts = {"picture": picture_hash(crop), "limits": said, "identities_tracks": named}
            gallery.audit.note("search", facts)
    return [
        Answer(tuple(hits), crop, seen, int(look.levels[0]))
        for hits, crop, seen, look in zip(found, crops, heights, queries, strict=True)
    ]


def open_to_search(gallery: str, model: ModelInfo) -> Gallery:
    """Opens a gallery for reading, or for writing where searching it needs that.

    It does where searches are noted, and where the database compares: new rows are taken in.
    """
    opened = Gallery.open(gallery, model=model, read_only=True)
    if not opened.audit.notes_searches and opened.searched_in == "memory":
        return opened
    opened.close()
    return Gallery.open(gallery, model=model)


def picture_hash(crop: NDArray[np.uint8]) -> str:
    """SHA-256 of the pixels that were looked for, ``uint8 (H, W, 3)`` BGR, row by row."""
    return hashlib.sha256(np.ascontiguousarray(crop).tobytes()).hexdigest()


def read_picture(path: Path) -> NDArray[np.uint8]:
    """A picture file as ``uint8 (H, W, 3)`` BGR.

    Raises:
        QueryError: when it is missing, no picture or one of more than 2^30 pixels.
    """
    try:
        image = decode(path.read_bytes())
    except OSError as error:
        raise QueryError(f"no picture at {path}: {error.strerror}") from error
    if image is None:
        raise QueryError(f"{path} is no picture that can be read; give a JPEG or PNG")
    return image


def _check_camera(gallery: Gallery, camera: str | None) -> None:
    if camera is None or gallery.sessions([camera]):
        return
    known = ", ".join(sorted({s.camera for s in gallery.sessions()})) or "none"
    raise QueryError(f"no camera {camera!r} in the gallery: it knows {known}")


def person_in(
    image: NDArray[np.uint8], box: Box | None, detector: Detector | None
) -> NDArray[np.uint8]:
    """The crop of the one person that is meant."""
    h, w = image.shape[:2]
    if box is not None:
        crop = cut_out(image, box)
        if not crop.size:
            raise QueryError(f"box {_written(box)} lies outside the picture of {w} x {h} px")
        return crop
    if is_one_person(image):
        return image
    sure = people_in(image, detector or Detector.load())
    if not sure:
        raise QueryError(f"nobody found in the picture of {w} x {h} px; give --box x,y,w,h")
    if len(sure) > 1:
        listed = "; ".join(_written(b) for b in sure)
        raise QueryError(f"{len(sure)} people in the picture; choose one with --box: {listed}")
    return cut_out(image, sure[0])


def true_height(crop: NDArray[np.uint8], height: float | None) -> float:
    """Pixels of a person as the camera saw it: those of the crop where nothing was said.

    Raises:
        QueryError: what was said is no height.
    """
    seen = float(height if height is not None else len(crop))
    if not 0 < seen < np.inf:
        raise QueryError(f"--height must be above 0 px, got {seen:g}")
    return seen


def is_one_person(image: NDArray[np.uint8]) -> bool:
    """Whether a picture has the shape of one person's crop; any other is a whole frame."""
    return CROP_SHAPE[0] <= image.shape[0] / image.shape[1] <= CROP_SHAPE[1]


def people_in(image: NDArray[np.uint8], detector: Detector) -> list[Box]:
    """The boxes of people in a frame that the detector is sure of, from left to right."""
    found = detector.detect([image])[0]
    boxes = sorted(found.boxes[found.scores >= SURE].tolist())
    return [(x, y, w, h) for x, y, w, h in boxes]


def _written(box: Sequence[float]) -> str:
    return ",".join(str(round(v)) for v in box)


def write_page(path: Path, answer: Answer, gallery: Gallery) -> None:
    """Writes a self-contained page of an answer."""
    page = render(
        "search.html",
        known=answer.known,
        nothing=NOTHING,
        query={
            "picture": data_url(encode(answer.crop)),
            "height": round(answer.height),
            "level": answer.level,
            "far": answer.height < FAR,
        },
        hits=[
            {
                "identity": hit.identity,
                "percent": round(100 * hit.probability),
                "level": hit.level,
                "appearances": [picture(gallery, a) for a in hit.appearances],
            }
            for hit in answer.hits
        ],
    )
    write_text(path, page)
